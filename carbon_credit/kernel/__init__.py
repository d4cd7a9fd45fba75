"""Words without carbon in them: settings, database, unit of work, clock, ids, digests, errors."""
