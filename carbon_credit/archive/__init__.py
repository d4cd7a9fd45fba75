"""The archive: a month of events, reductions, adjustments and transfers in files that prove themselves."""
