"""Parts of events that were divided by days, as rows: which days each of them covers, and its share."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import cast
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, Table, select
from sqlalchemy.orm import Session

from carbon_credit.events.queries import quantities_of
from carbon_credit.kernel.bulk import append_sealed, one_of
from carbon_credit.quantification.models import ReductionEnd, ReductionPart
from carbon_credit.quantification.outcomes import OutcomePart, Present
from carbon_credit.quantification.queries import Standing

PART = cast(Table, ReductionPart.__table__)
_COLUMNS = tuple(column.name for column in PART.columns)


@dataclass(frozen=True, slots=True)
class Part:
    """The days [starts_on, ends_before) of an event that one reduction covers, and the quantities of them
    as canonical JSON."""

    reduction_id: UUID
    event_id: UUID
    citizen_id: UUID
    activity_type: str
    starts_on: date
    ends_before: date
    quantities: str


def append_parts(session: Session, parts: Sequence[Part]) -> None:
    """Record the parts of divided events."""
    rows = [tuple(getattr(part, name) for name in _COLUMNS[:-1]) for part in parts]
    append_sealed(session, PART, _COLUMNS, rows)


def quantities_of_each(session: Session, standing: Sequence[Standing]) -> dict[UUID, dict[str, int | str]]:
    """The quantities of each reduction, by its id: its part's, or the whole event's."""
    whole = quantities_of(session, event_ids={one.event_id for one in standing})
    parts = parts_of(session, event_ids=whole)
    return {
        one.reduction_id: (
            orjson.loads(parts[one.reduction_id].quantities)
            if one.reduction_id in parts
            else whole[one.event_id]
        )
        for one in standing
    }


def parts_of(session: Session, *, event_ids: Collection[UUID]) -> dict[UUID, Part]:
    """The parts of those of the events that were divided, by reduction."""
    if not event_ids:
        return {}
    return {one.reduction_id: one for one in _read(session, one_of(session, PART.c.event_id, event_ids))}


def parts_in_window(
    session: Session,
    *,
    citizen_ids: Collection[UUID],
    activity_types: Collection[str],
    first: date,
    last: date,
) -> list[Part]:
    """Parts that count (neither withdrawn nor superseded) and begin between two days, both included."""
    ended = select(ReductionEnd.reduction_id).where(ReductionEnd.reduction_id == PART.c.reduction_id)
    return _read(
        session,
        one_of(session, PART.c.citizen_id, citizen_ids),
        one_of(session, PART.c.activity_type, activity_types),
        PART.c.starts_on.between(first, last),
        ~ended.exists(),
    )


def present_parts(reductions: Sequence[Present], parts: Mapping[UUID, Part]) -> tuple[OutcomePart, ...]:
    """The credited parts of one divided event as they stand now, in order; empty where it was not."""
    return tuple(
        OutcomePart(
            one.reduction_id, part.starts_on, part.ends_before, one.net_mg, part.starts_on.year, one.ended
        )
        for one in reductions
        if (part := parts.get(one.reduction_id)) is not None
    )


def _read(session: Session, *wanted: ColumnElement[bool]) -> list[Part]:
    columns = [PART.c[name] for name in _COLUMNS[:-1]]
    return [Part(*row) for row in session.execute(select(*columns).where(*wanted))]
