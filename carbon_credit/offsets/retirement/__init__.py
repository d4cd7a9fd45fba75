"""What citizens retire of their own grams: the act, reads, and the proof of it."""
