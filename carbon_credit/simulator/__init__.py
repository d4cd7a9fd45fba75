"""City days that never happened: seeded people, their rides and readings, and the mess that partners make."""
