"""What happens at a till: a voucher is used, in whole or in part, and a use is undone."""
