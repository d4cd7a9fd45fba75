"""Records of the same citizen's trips, as they stand: what a new record of one may overlap."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from carbon_credit.events.queries import times_of
from carbon_credit.kernel.bulk import one_of
from carbon_credit.kernel.clock import business_day
from carbon_credit.quantification.exclusive import OVERLAP, Record
from carbon_credit.quantification.models import Reduction
from carbon_credit.quantification.present import Standing
from carbon_credit.quantification.standing import standing_where

Whose = tuple[UUID, str]  # citizen, activity type


@dataclass(frozen=True, slots=True)
class Trip:
    """One record of a trip, and what counts of it. `is_best`: no better record of it is known."""

    record: Record
    day: date
    mg: int
    is_best: bool


class Trips:
    """By citizen and activity type."""

    def __init__(self) -> None:
        self._by_whose: dict[Whose, list[Trip]] = defaultdict(list)

    def add(self, whose: Whose, trip: Trip) -> None:
        """Count a record in."""
        self._by_whose[whose].append(trip)

    def beside(self, whose: Whose, record: Record, *, within_s: int) -> list[Trip]:
        """The known records that can be of the same trip."""
        return [one for one in self._by_whose[whose] if one.record.same_trip(record, within_s=within_s)]

    def best_of(self, whose: Whose) -> list[Record]:
        """The records that count as a trip."""
        return [one.record for one in self._by_whose[whose] if one.is_best]


def reach_of(record: Record, *, within_s: int, time_zone: str) -> list[date]:
    """The business days on which a record of the same trip may begin or end."""
    margin = timedelta(seconds=within_s)
    first = business_day(record.starts_at - margin, time_zone)
    last = business_day(record.ends_at + margin, time_zone)
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def trips_of(
    session: Session,
    *,
    programme: str,
    whose: Collection[Whose],
    days: Collection[date],
    wanted: Sequence[ColumnElement[bool]] = (),
) -> Trips:
    """The records that stand, began on one of `days` and fulfil all of `wanted`."""
    trips = Trips()
    if not whose or not days:
        return trips
    standing = standing_where(
        session,
        one_of(session, Reduction.citizen_id, {citizen for citizen, _ in whose}),
        Reduction.programme == programme,
        Reduction.business_day.in_(days),
        Reduction.activity_type.in_({kind for _, kind in whose}),
        *wanted,
    )
    times = times_of(session, event_ids=[one.event_id for one in standing])
    for one in standing:
        if one.use != "display":
            trips.add((one.citizen_id, one.activity_type), _trip(one, times[one.event_id]))
    return trips


def records_of(session: Session, standing: Iterable[Standing]) -> dict[UUID, Record]:
    """When each reduction's event says that the trip was, by reduction."""
    those = list(standing)
    times = times_of(session, event_ids=[one.event_id for one in those])
    return {one.reduction_id: Record(*times[one.event_id]) for one in those}


def _trip(one: Standing, times: tuple[datetime, datetime]) -> Trip:
    return Trip(Record(*times), one.business_day, one.net_mg, one.cap_code != OVERLAP)
