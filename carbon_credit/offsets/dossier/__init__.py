"""The dossier of a frozen batch: gathered from the database, rendered as a pure function, signed."""
