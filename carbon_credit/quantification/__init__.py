"""Event x methodology -> reduction -> postings, in one unit of work; closing of days and months."""
