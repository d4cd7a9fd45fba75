"""A citizen neutralises their own footprint: an offer of that kind, and grams of their own retired for it."""
