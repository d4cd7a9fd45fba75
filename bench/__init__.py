"""Benchmarks, each beside a floor in the same run: `make bench`, or `python -m bench --quick`.

Machines differ and so do their days, so the ratio to the floor is what can be compared; the floor
is the least that anybody would have to do (a formula by hand, rows into a table and nothing else).
"""
