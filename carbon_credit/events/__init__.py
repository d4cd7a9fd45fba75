"""What happened, as reported by partners: claimed once, kept append-only, corrected by revision."""
