"""The figures for people (a table) and for programs (JSON)."""

import json
import platform
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from os import cpu_count
from pathlib import Path

from bench.measure import Figure, Plan

_WIDTHS = (46, 12, 24, 14)


def machine(postgresql: str | None) -> dict[str, str]:
    """What the figures were taken on, in general terms."""
    return {
        "cores": str(cpu_count()),
        "processor": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "postgresql": postgresql or "none",
    }


def heading(facts: Mapping[str, str], plan: Plan) -> str:
    """The machine, how it was measured, and how to read a line."""
    said = ", ".join(f"{name} {value}" for name, value in facts.items())
    return (
        f"Machine: {said}\n"
        f"Medians of {plan.rounds} rounds of {plan.seconds} s each, lowest and highest in brackets; "
        "the ratio is to the floor, round by round."
    )


def table(figures: Iterable[Figure]) -> str:
    """A section of the report, one line a figure."""
    lines = []
    for one in figures:
        spread = "" if one.low == one.high else f"[{_number(one.low)} - {_number(one.high)}]"
        cells = (one.name, _number(one.median), spread, one.unit)
        name, value, spread, unit = cells
        line = f"  {name:<{_WIDTHS[0]}}{value:>{_WIDTHS[1]}}  {spread:<{_WIDTHS[2]}}{unit:<{_WIDTHS[3]}}"
        if one.ratio is not None:
            line += f"  {_number(one.ratio)} x {one.beside}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def write_json(path: Path, facts: Mapping[str, str], plan: Plan, figures: Sequence[Figure]) -> None:
    """Machine, plan and figures as one JSON object."""
    content = {"machine": facts, "plan": asdict(plan), "figures": [asdict(one) for one in figures]}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3f}"
