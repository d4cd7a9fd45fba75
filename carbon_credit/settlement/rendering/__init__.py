"""Statements as files: xlsx and PDF for people, CSV for programs. The same bytes each time."""
