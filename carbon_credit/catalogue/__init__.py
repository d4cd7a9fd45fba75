"""Programmes, activity types, methodology versions and their publication state, networks."""
