"""Database migrations, numbered, one subject each."""
