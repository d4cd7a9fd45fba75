"""What merchants use: vouchers."""
