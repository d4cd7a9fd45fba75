"""What merchants are owed: their terms, the statement of each month, disputes, invoices and payment."""
