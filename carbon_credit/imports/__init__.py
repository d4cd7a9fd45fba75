"""Operator files to events: read the rows, pair them to rides, hand the rides to whoever credits them."""
