"""Run an import: read a file, hand its rides on in batches, account for every row.

Nothing is remembered between runs. A run that was interrupted is simply run again: rides that were
credited come back as duplicates, because their id is the digest of what their rows say.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeAlias

from carbon_credit.imports.adapters import Adapter
from carbon_credit.imports.errors import EnrolOutsideRehearsal, ImportUnreconciled
from carbon_credit.imports.formats import open_rows
from carbon_credit.imports.rowbook import RowBook
from carbon_credit.imports.rows import Event, Item, Ride, RowOutcome, RowStatus

BATCH_SIZE = 1_000
REHEARSAL_PREFIX = "x-"


class EventOutcome(Protocol):
    """What became of one event: `credited`, `held`, `rejected`, `duplicate` or `stale`, and why."""

    @property
    def status(self) -> str: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def co2e_mg(self) -> int: ...


CreditBatch: TypeAlias = Callable[[Sequence[Event]], Sequence[EventOutcome]]
"""Credits events in one unit of work of its own; one outcome per event, in their order."""

EnrolCards: TypeAlias = Callable[[Sequence[str]], None]
"""Sees to it that each of these cards is linked to a citizen with test consent and mandate."""

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with ("reading", bytes done, bytes in all), then ("crediting", rows done, rows in all)."""


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """`rows = credited_rows + held + rejected + duplicate`; `credited` counts rides."""

    rows: int
    credited_rows: int
    credited: int
    held: int
    rejected: int
    duplicate: int
    co2e_mg: int

    def as_dict(self) -> dict[str, int]:
        """JSON-able."""
        return asdict(self)


def run_import(
    *,
    path: Path,
    adapter: Adapter,
    programme: str,
    credit: CreditBatch,
    now: datetime,
    enrol: EnrolCards | None = None,
    rejects: Path | None = None,
    progress: Progress | None = None,
    batch_size: int = BATCH_SIZE,
) -> ImportSummary:
    """Import one file. With `enrol`, cards are enrolled before their rides are credited.

    Raises `EnrolOutsideRehearsal`, the errors of a file that cannot be read (nothing is credited then),
    and `ImportUnreconciled`. What `credit` raises goes through; the batches before it stay credited.
    """
    if enrol is not None and not programme.startswith(REHEARSAL_PREFIX):
        raise EnrolOutsideRehearsal(programme=programme)
    adapter.check_programme(programme)
    report = progress or _silent
    book = RowBook()
    file = open_rows(path, progress=lambda done, total: report("reading", done, total))
    credited = co2e_mg = 0
    rides = _rides(adapter.items(file, now=now), book)
    while batch := list(islice(rides, batch_size)):
        if enrol is not None:
            enrol(sorted({ride.card for ride in batch}))
        outcomes = credit([ride.event for ride in batch])
        if len(outcomes) != len(batch):
            raise ImportUnreconciled(why=f"{len(batch)} rides were handed on, {len(outcomes)} came back")
        for ride, outcome in zip(batch, outcomes, strict=True):
            status, reason = _row_outcome(outcome)
            if status == "credited":
                credited += 1
                co2e_mg += outcome.co2e_mg
            for line in ride.lines:
                book.enter(line, status, reason)
        report("crediting", book.total, file.rows)
    if book.total != file.rows:
        raise ImportUnreconciled(why=f"{file.rows} rows were read, {book.total} have an outcome")
    if rejects is not None:
        book.write_rejects(rejects)
    return ImportSummary(
        rows=file.rows,
        credited_rows=book.rows["credited"],
        credited=credited,
        held=book.rows["held"],
        rejected=book.rows["rejected"],
        duplicate=book.rows["duplicate"],
        co2e_mg=co2e_mg,
    )


def _rides(items: Iterable[Item], book: RowBook) -> Iterator[Ride]:
    """The rides among the items; the other rows go into the book as they pass."""
    for item in items:
        if isinstance(item, RowOutcome):
            book.enter(item.line, item.status, item.reason)
        else:
            yield item


def _row_outcome(outcome: EventOutcome) -> tuple[RowStatus, str]:
    match outcome.status:
        case "credited":
            return "credited", ""
        case "duplicate":
            return "duplicate", "already-reported"
        case "held":
            return "held", outcome.reason or "held"
        case _:
            return "rejected", outcome.reason or outcome.status


def _silent(_stage: str, _done: int, _total: int) -> None:
    return
