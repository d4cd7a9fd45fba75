"""Offline quantification of a stream: rows a second, and the memory of a short and of a long one."""

import os
import re
import subprocess
import sys
from time import perf_counter

from bench.engine import ROOT
from bench.measure import Figure, Plan, single

SECTION = "Offline quantification"
SHORT_ROWS, LONG_ROWS, QUICK_ROWS = 100_000, 1_000_000, 5_000

_WRITER = """
import sys
for i in range({rows}):
    sys.stdout.write('{{"id":"M-%d","type":"metro.ride","occurred_at":"2023-07-31T08:03:11+08:00",'
        '"citizen":{{"link":{{"kind":"transit-card","value":"c%d"}}}},'
        '"data":{{"distance_m":%d,"distance_source":"gates"}}}}\\n' % (i, i % 1000, 100 + i * 7919 % 40000))
"""
_READER = """
import resource, sys
from carbon_credit.cli.quantifying import quantify
quantify.main(["--programme", "gd-sz", "-"], standalone_mode=False)
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def measure(plan: Plan) -> list[Figure]:
    """Two lengths of the same stream, ten times apart, each in a process of its own."""
    full = plan.rounds > 1
    lengths = (SHORT_ROWS, LONG_ROWS) if full else (QUICK_ROWS // 10, QUICK_ROWS)
    figures = []
    for name, rows in zip(("a tenth", "whole"), lengths, strict=True):
        rate, peak_mib = run(rows)
        figures.append(single(SECTION, f"stream, {name}", "rows/s", rate))
        figures.append(single(SECTION, f"most memory, {name}", "MiB", peak_mib))
    return figures


def run(rows: int) -> tuple[float, float]:
    """(rows a second with reading and writing and starting up, MiB) for a stream of `rows` rides."""
    begin = perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER.format(rows=rows)], stdout=subprocess.PIPE
    ) as writer:
        ran = subprocess.run(
            [sys.executable, "-c", _READER], stdin=writer.stdout, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, check=True, cwd=ROOT.parent, env=os.environ,
        )  # fmt: skip
    seconds = perf_counter() - begin
    match = re.search(r"peak ([0-9]+)", ran.stderr)
    assert match is not None
    return rows / seconds, int(match[1]) / 1024
