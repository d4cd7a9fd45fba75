"""Points of citizens as a whole: what is outstanding at a month's end, and who is reminded of what ends."""
