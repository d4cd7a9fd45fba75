"""Commands for people: `carbon-credit ...`. Progress on stderr, results on stdout."""
