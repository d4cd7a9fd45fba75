"""Paying statements: the payment file, and what the bank answers."""
