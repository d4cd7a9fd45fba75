"""Offers, holds, voucher codes, consumption by the merchant, cancellation and expiry."""
