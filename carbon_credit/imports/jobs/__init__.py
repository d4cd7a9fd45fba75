"""A file as a job in the database: received, staged in chunks, credited chunk by chunk, reconciled."""
