"""The methodology engine: data packages in, integer milligrams of CO2e and a trace out.

Pure: no database, no network, no clock. That is what makes replay, audit and recomputation by a
third party possible.
"""
