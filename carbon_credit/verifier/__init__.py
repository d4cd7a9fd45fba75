"""Offline verification of a dossier: the zip, the methodology engine, and nothing else."""
