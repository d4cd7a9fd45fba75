"""Whose use a meter counts, day by day: tenants move in and out, the meter stays."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.identity import links
from carbon_credit.identity.errors import NoMeter, OccupancyTaken, SpanEmpty
from carbon_credit.identity.links import LINK_KINDS, Link, digests
from carbon_credit.identity.models import CitizenLink, MeterOccupancy
from carbon_credit.identity.queries import lock_citizens
from carbon_credit.kernel.bulk import lock_alone, one_of
from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.ids import new_id

METER_KINDS = tuple(kind for kind in LINK_KINDS if kind.endswith("-meter"))


@dataclass(frozen=True, slots=True)
class Occupancy:
    """A citizen has the meter in [from_day, to_day); None: until further notice."""

    id: uuid.UUID
    kind: str
    citizen_id: uuid.UUID
    from_day: date
    to_day: date | None
    recorded_by: str
    recorded_at: datetime

    def covers(self, day: date) -> bool:
        """True where the meter counts for the citizen on `day`."""
        return self.from_day <= day and (self.to_day is None or day < self.to_day)


def state_occupancy(
    session: Session,
    *,
    programme: str,
    link: Link,
    citizen_id: uuid.UUID,
    from_day: date,
    to_day: date | None,
    recorded_by: str,
    partner_id: uuid.UUID | None,
    now: datetime,
) -> Occupancy:
    """From `from_day` the meter counts for the citizen. An open span of before ends on that day; the
    same citizen with the same first day again changes the last.

    `partner_id`: the partner that states it, who may end only what it stated itself; None for an
    operator, who may end any. Raises LinkKindUnknown, LinkValueInvalid, NoMeter, SpanEmpty,
    CitizenNotFound, OccupancyTaken.
    """
    links.check(link)
    kind = link[0]
    if kind not in METER_KINDS:
        raise NoMeter(kind=kind, kinds=", ".join(METER_KINDS))
    if to_day is not None and to_day <= from_day:
        raise SpanEmpty(from_day=from_day.isoformat(), to_day=to_day.isoformat())
    lock_citizens(session, programme=programme, ids=[citizen_id])
    known = digests(keys_of(session), programme=programme, link=link)
    lock_alone(session, *(f"meter {digest}" for digest in known))
    if partner_id is not None:
        _require_free(session, programme, kind, known, partner_id)
    same, before = None, None
    for row in _rows(session, programme, kind, known):
        mine = partner_id is None or row.recorded_by == recorded_by
        if mine and (row.citizen_id, row.from_day) == (citizen_id, from_day):
            same = row
        elif (to_day is None or row.from_day < to_day) and (row.to_day is None or from_day < row.to_day):
            if row.to_day is not None or row.from_day >= from_day or not mine:
                raise OccupancyTaken
            before = row
    if before is not None:
        before.to_day = from_day
        session.flush()
    if same is not None:
        same.to_day = to_day
        session.flush()
        return _record(same)
    record = Occupancy(new_id(), kind, citizen_id, from_day, to_day, recorded_by, now)
    session.add(
        MeterOccupancy(
            id=record.id,
            programme=programme,
            kind=kind,
            value_digest=known[0],
            citizen_id=citizen_id,
            from_day=from_day,
            to_day=to_day,
            recorded_by=recorded_by,
            recorded_at=now,
        )
    )
    session.flush()
    return record


def occupants_of(
    session: Session, *, programme: str, meters: Collection[Link]
) -> dict[Link, tuple[Occupancy, ...]]:
    """Who has had each of the meters, by first day. Links that are no meter, and meters of which nothing
    is known, are left out."""
    wanted = {
        link: digests(keys_of(session), programme=programme, link=link)
        for link in meters
        if link[0] in METER_KINDS
    }
    if not wanted:
        return {}
    every = [digest for known in wanted.values() for digest in known]
    rows = session.scalars(
        select(MeterOccupancy)
        .where(one_of(session, MeterOccupancy.value_digest, every), MeterOccupancy.programme == programme)
        .order_by(MeterOccupancy.from_day)
    )
    found: dict[uuid.UUID, list[Occupancy]] = {}
    for row in rows:
        found.setdefault(row.value_digest, []).append(_record(row))
    spans = {
        link: [one for digest in known for one in found.get(digest, ())] for link, known in wanted.items()
    }
    return {
        link: tuple(sorted(those, key=lambda one: one.from_day)) for link, those in spans.items() if those
    }


def occupancies_of(session: Session, *, citizen_id: uuid.UUID) -> list[Occupancy]:
    """The meters that a citizen has or had, by first day. Which meter it is nobody can read back."""
    wanted = select(MeterOccupancy).where(MeterOccupancy.citizen_id == citizen_id)
    return [_record(row) for row in session.scalars(wanted.order_by(MeterOccupancy.from_day))]


def _require_free(
    session: Session, programme: str, kind: str, known: list[uuid.UUID], partner_id: uuid.UUID
) -> None:
    # A meter that another partner has linked is not this one's to give.
    linked = select(CitizenLink.id).where(
        one_of(session, CitizenLink.value_digest, known),
        CitizenLink.programme == programme,
        CitizenLink.kind == kind,
        CitizenLink.unlinked_at.is_(None),
        CitizenLink.linked_by != partner_id,
    )
    if session.scalars(linked.limit(1)).first() is not None:
        raise OccupancyTaken


def _rows(
    session: Session, programme: str, kind: str, known: Collection[uuid.UUID]
) -> Collection[MeterOccupancy]:
    wanted = (
        one_of(session, MeterOccupancy.value_digest, known),
        MeterOccupancy.programme == programme,
        MeterOccupancy.kind == kind,
    )
    return session.scalars(select(MeterOccupancy).where(*wanted).order_by(MeterOccupancy.from_day)).all()


def _record(row: MeterOccupancy) -> Occupancy:
    return Occupancy(
        row.id, row.kind, row.citizen_id, row.from_day, row.to_day, row.recorded_by, row.recorded_at
    )
