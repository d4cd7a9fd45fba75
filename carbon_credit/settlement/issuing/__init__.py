"""Making a statement: what belongs on it, what it comes to, what moves in the ledger."""
