"""The running sums of open business days, locked while an event is credited."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date
from operator import attrgetter
from typing import cast
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Table
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import add_to_rows, insert_those_new, rows_by
from carbon_credit.kernel.ids import id_of
from carbon_credit.quantification.models import DayTally

_TALLY = cast(Table, DayTally.__table__)
_COLUMNS = tuple(column.name for column in _TALLY.columns)
_SUMS = ("events", "capped", "amount", "granted")
_NOTHING = (0, 0, 0, 0)
_STORED = ("id", *_SUMS)
_by_id = attrgetter("id.int")
_OVER_DAYS = ("person-year", "net:", "share:")


class TallyKey(Struct, frozen=True, gc=False, cache_hash=True):
    """Whose day, and of what: `cap:<activity type>` or `points:<rule>`."""

    citizen_id: UUID
    business_day: date
    scope: str

    @property
    def id(self) -> UUID:
        """The digest under which the row is stored."""
        whose = self.citizen_id.int.to_bytes(16, "big").hex()
        text = f"{whose}/{self.business_day.isoformat()}/{self.scope}"
        return id_of(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))


class Tally(Struct, gc=False):
    """Present sums, and as they were when the row (`id`, of `key`) was locked."""

    id: UUID
    key: TallyKey
    events: int = 0
    capped: int = 0
    amount: int = 0
    granted: int = 0
    before: tuple[int, int, int, int] = _NOTHING

    def add(self, *, events: int = 0, capped: int = 0, amount: int = 0, granted: int = 0) -> None:
        """Count something in."""
        self.events += events
        self.capped += capped
        self.amount += amount
        self.granted += granted


class Tallies:
    """The tallies that one unit of work needs: locked at once in id order, written back at once.

    `ahead`: most of them are new and nobody else is likely to want them now. Then they are only read here;
    the work is done, and `hold` locks them, storing what is new as it has become: half the writing. Where
    somebody was quicker the work is done again, from what is locked.
    """

    def __init__(
        self, session: Session, *, programme: str, keys: Iterable[TallyKey], ahead: bool = False
    ) -> None:
        self._session = session
        self._programme = programme
        self._rows = {key: Tally(key.id, key) for key in set(keys)}
        if ahead:
            by_id = {one.id.int: one for one in self._rows.values()}
            for row in rows_by(session, _TALLY, _STORED, "id", [one.id for one in by_id.values()]):
                _fill(by_id[row[0].int], row[1:])
            self._known = {number for number, one in by_id.items() if one.before != _NOTHING}
            return
        self._known = set()
        for one, sums in self._insert_or_lock():
            _fill(one, sums)

    def __getitem__(self, key: TallyKey) -> Tally:
        return self._rows[key]

    def hold(self) -> bool:
        """Lock them, where that was put off. False where what they were when they were read is not what
        they are: then all sums stand as they are locked, and must be counted anew."""
        present = True
        locked = self._insert_or_lock()
        for one, sums in locked:
            present &= one.before == tuple(sums)
        if present:
            return True
        for one in self._rows.values():  # what was stored a moment ago is taken back with the changes
            one.events, one.capped, one.amount, one.granted = _NOTHING
        for one, sums in locked:
            _fill(one, sums)
        return False

    def _insert_or_lock(self) -> list[tuple[Tally, Sequence[int]]]:
        """Store those that are new as they are now; the others, locked, with the sums that they have."""
        ordered = sorted(self._rows.values(), key=_by_id)
        new = [one for one in ordered if one.id.int not in self._known]
        rows = [
            (
                one.id,
                self._programme,
                one.key.citizen_id,
                one.key.business_day,
                one.key.scope,
                one.events,
                one.capped,
                one.amount,
                one.granted,
            )
            for one in new
        ]
        # A row that this transaction has inserted is locked by it.
        found = insert_those_new(self._session, _TALLY, _COLUMNS, rows, "id")
        inserted = {one.id.int for one in new} if found is None else {number.int for number in found}
        for one in new:
            if one.id.int in inserted:
                one.before = (one.events, one.capped, one.amount, one.granted)
        rest = {one.id.int: one for one in ordered if one.id.int not in inserted}
        ids = [one.id for one in rest.values()]
        locked = rows_by(self._session, _TALLY, _STORED, "id", ids, order="id", lock=True)
        return [(rest[row_id.int], sums) for row_id, *sums in locked]

    def write(self) -> None:
        """Store what has changed."""
        changes = []
        changed = [
            one
            for one in self._rows.values()
            if one.before != (one.events, one.capped, one.amount, one.granted)
        ]
        for one in sorted(changed, key=_by_id):
            events, capped, amount, granted = one.before
            changes.append(
                (
                    one.id,
                    one.events - events,
                    one.capped - capped,
                    one.amount - amount,
                    one.granted - granted,
                )
            )
            one.before = (one.events, one.capped, one.amount, one.granted)
        add_to_rows(self._session, _TALLY, "id", _SUMS, changes)


def _fill(one: Tally, sums: Sequence[int]) -> None:
    one.events, one.capped, one.amount, one.granted = one.before = sums[0], sums[1], sums[2], sums[3]


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
        self._rows = {key: Tally(key.id, key) for key in set(keys)}
        by_id = {one.id: one for one in self._rows.values()}
        found = {row[0]: row[1:] for row in rows_by(session, _TALLY, _STORED, "id", by_id)}
        for key, one in self._rows.items():
            stored, added = found.get(one.id, _NOTHING), carried.get(key, _NOTHING)
            _fill(one, [old + new for old, new in zip(stored, added, strict=True)])

    def write(self) -> None:
        """Remember what has changed in sums of more than a day, for the steps that follow."""
        for key, tally in self._rows.items():
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
