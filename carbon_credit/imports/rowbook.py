"""One outcome for every data row of a file, in two bytes a line, and the rejects file made of them."""

import csv
import os
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from carbon_credit.imports.errors import ImportUnreconciled
from carbon_credit.imports.reasons import reason_text
from carbon_credit.imports.rows import RowOutcome, RowStatus

REJECTS_HEADER = ("line", "status", "reason", "zh", "en")


class RowBook:
    """Lines and their outcomes. A line is entered once; `rows[status]` counts."""

    def __init__(self) -> None:
        self.rows: Counter[RowStatus] = Counter()
        self._kinds: list[tuple[RowStatus, str]] = []
        self._numbers: dict[tuple[RowStatus, str], int] = {}  # a kind -> its place in _kinds, from 1
        self._lines = array("H")  # index: line; 0: no outcome (yet)

    @property
    def total(self) -> int:
        """How many rows have an outcome."""
        return self.rows.total()

    def enter(self, line: int, status: RowStatus, reason: str) -> None:
        """The outcome of one line. Raises `ImportUnreconciled` if it has one already."""
        if line >= len(self._lines):
            self._lines.frombytes(bytes(self._lines.itemsize * max(1024, line + 1 - len(self._lines))))
        if self._lines[line]:
            raise ImportUnreconciled(why=f"line {line} has two outcomes")
        kind = (status, reason)
        number = self._numbers.get(kind)
        if number is None:
            self._kinds.append(kind)
            number = self._numbers[kind] = len(self._kinds)
        self._lines[line] = number
        self.rows[status] += 1

    def outcomes(self) -> Iterator[RowOutcome]:
        """Every line that has an outcome, in the order of the file."""
        for line, number in enumerate(self._lines):
            if number:
                yield RowOutcome(line, *self._kinds[number - 1])

    def write_rejects(self, path: Path) -> None:
        """CSV of every row that was not credited: line, status, reason, and the reason in two languages.

        Replaced as a whole, so that an interrupted run leaves the file of the run before.
        """
        beside = path.with_name(path.name + ".part")
        with beside.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(REJECTS_HEADER)
            for outcome in self.outcomes():
                if outcome.status != "credited":
                    zh, en = reason_text(outcome.reason)
                    writer.writerow((outcome.line, outcome.status, outcome.reason, zh, en))
        os.replace(beside, path)
