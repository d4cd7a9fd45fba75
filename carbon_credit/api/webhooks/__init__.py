"""What merchants and partners use to be told: endpoints and messages; and what an operator sees of them."""
