"""The running sums of open business days, locked while an event is credited."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import cast
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import add_to_rows, insert_new, one_of
from carbon_credit.quantification.models import DayTally

_TALLY = cast(Table, DayTally.__table__)
_COLUMNS = tuple(column.name for column in _TALLY.columns)
_SUMS = ("events", "capped", "amount", "granted")
_NOTHING = (0, 0, 0, 0)
_OVER_DAYS = ("person-year", "net:", "share:")


class TallyKey(Struct, frozen=True, gc=False):
    """Whose day, and of what: `cap:<activity type>` or `points:<rule>`."""

    citizen_id: UUID
    business_day: date
    scope: str

    @property
    def id(self) -> UUID:
        """The digest under which the row is stored."""
        text = f"{self.citizen_id.hex}/{self.business_day.isoformat()}/{self.scope}"
        return UUID(bytes=hashlib.sha256(text.encode()).digest()[:16])


@dataclass(slots=True)
class Tally:
    """Present sums, and as they were when the row was locked."""

    events: int
    capped: int
    amount: int
    granted: int
    before: tuple[int, int, int, int]

    def add(self, *, events: int = 0, capped: int = 0, amount: int = 0, granted: int = 0) -> None:
        """Count something in."""
        self.events += events
        self.capped += capped
        self.amount += amount
        self.granted += granted


class Tallies:
    """The tallies that one unit of work needs: locked at once in id order, written back at once."""

    def __init__(self, session: Session, *, programme: str, keys: Iterable[TallyKey]) -> None:
        self._session = session
        self._ids = {key: key.id for key in set(keys)}
        by_id = {row_id: key for key, row_id in self._ids.items()}
        ids = sorted(by_id)
        rows = [
            (
                row_id,
                programme,
                by_id[row_id].citizen_id,
                by_id[row_id].business_day,
                by_id[row_id].scope,
                0,
                0,
                0,
                0,
            )
            for row_id in ids
        ]
        # A row that this transaction has inserted is locked by it, and holds zeros.
        new = insert_new(session, _TALLY, _COLUMNS, rows, "id")
        self._rows = {row_id: Tally(0, 0, 0, 0, (0, 0, 0, 0)) for row_id in new}
        known = [row_id for row_id in ids if row_id not in new]
        if known:
            locked = (
                select(_TALLY.c.id, *(_TALLY.c[name] for name in _SUMS))
                .where(one_of(session, _TALLY.c.id, known))
                .order_by(_TALLY.c.id)
                .with_for_update()
            )
            for row_id, events, capped, amount, granted in session.execute(locked):
                sums = (events, capped, amount, granted)
                self._rows[row_id] = Tally(events, capped, amount, granted, sums)

    def __getitem__(self, key: TallyKey) -> Tally:
        return self._rows[self._ids[key]]

    def id_of(self, key: TallyKey) -> UUID:
        """The id of the row, computed once."""
        return self._ids[key]

    def write(self) -> None:
        """Store what has changed."""
        changes = []
        for row_id, tally in sorted(self._rows.items()):
            sums = (tally.events, tally.capped, tally.amount, tally.granted)
            if sums != tally.before:
                changes.append((row_id, *(new - old for new, old in zip(sums, tally.before, strict=True))))
                tally.before = sums
        add_to_rows(self._session, _TALLY, "id", _SUMS, changes)


class PlannedTallies(Tallies):
    """The same sums for a calculation that writes nothing: read without a lock, never stored.

    `carried`: what earlier steps of the calculation would have added to sums that reach over days.
    """

    def __init__(
        self,
        session: Session,
        *,
        keys: Iterable[TallyKey],
        carried: dict[TallyKey, tuple[int, int, int, int]],
    ) -> None:
        self._session = session
        self._carried = carried
        self._ids = {key: key.id for key in set(keys)}
        statement = select(_TALLY.c.id, *(_TALLY.c[name] for name in _SUMS))
        found = {}
        if self._ids:
            wanted = one_of(session, _TALLY.c.id, sorted(self._ids.values()))
            found = {row[0]: tuple(row[1:]) for row in session.execute(statement.where(wanted))}
        self._rows = {}
        for key, row_id in self._ids.items():
            stored, added = found.get(row_id, _NOTHING), carried.get(key, _NOTHING)
            events, capped, amount, granted = (old + new for old, new in zip(stored, added, strict=True))
            self._rows[row_id] = Tally(events, capped, amount, granted, (events, capped, amount, granted))

    def write(self) -> None:
        """Remember what has changed in sums of more than a day, for the steps that follow."""
        for key, row_id in self._ids.items():
            tally = self._rows[row_id]
            sums = (tally.events, tally.capped, tally.amount, tally.granted)
            if sums != tally.before and key.scope.startswith(_OVER_DAYS):
                more = (
                    new - old + already
                    for new, old, already in zip(
                        sums, tally.before, self._carried.get(key, _NOTHING), strict=True
                    )
                )
                events, capped, amount, granted = more
                self._carried[key] = (events, capped, amount, granted)
                tally.before = sums
