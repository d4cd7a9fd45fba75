"""Who acts: citizens with their links, consents and mandates; parties with their credentials."""
