"""The rejects file: every row that was not credited, with the reason in two languages."""

import csv
import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from carbon_credit.imports.reasons import reason_text
from carbon_credit.imports.rows import RowOutcome

HEADER = ("line", "status", "reason", "zh", "en")


def csv_lines(outcomes: Iterable[RowOutcome]) -> Iterator[str]:
    """The file in pieces: line, status, reason, and the reason in Chinese and English."""
    yield _written(HEADER)
    for outcome in outcomes:
        yield _written((str(outcome.line), outcome.status, outcome.reason, *reason_text(outcome.reason)))


def write_rejects(path: Path, outcomes: Iterable[RowOutcome]) -> None:
    """Write the file. It is replaced as a whole, so that nobody reads half of it."""
    beside = path.with_name(path.name + ".part")
    with beside.open("w", encoding="utf-8", newline="") as file:
        file.writelines(csv_lines(outcomes))
    os.replace(beside, path)


def _written(row: tuple[str, ...]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(row)
    return line.getvalue()
