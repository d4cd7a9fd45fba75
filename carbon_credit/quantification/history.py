"""What the same citizen did on the days before: the history that some formulas read.

An event that is worth nothing, or only shown, still tells what was used that day: it is in the history.
A divided event is there by its parts, each with its share and its own citizen.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from uuid import UUID

import orjson
from sqlalchemy.orm import Session

from carbon_credit.events.queries import claim_keys_of, standing_between
from carbon_credit.methodology.inputs import HistoryNeed
from carbon_credit.quantification.parts import parts_in_window, parts_of


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose history of which activity is read, for which business day, and how many days back."""

    citizen_id: UUID
    activity_type: str
    day: date
    days: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What one event (or one part of it) says of a citizen's business day."""

    claim_key: UUID
    day: date
    quantities: Mapping[str, int | str]


@dataclass(slots=True)
class History:
    """Readings by citizen and activity type, and by claim: a claim that is reported anew replaces its own."""

    _readings: dict[tuple[UUID, str], dict[UUID, list[Reading]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    def add(self, citizen_id: UUID, activity_type: str, reading: Reading) -> None:
        """Count a reading in."""
        self._readings[citizen_id, activity_type][reading.claim_key].append(reading)

    def forget(self, claim_key: UUID) -> None:
        """Leave out what is known under a claim: it is about to be reported anew."""
        for claims in self._readings.values():
            claims.pop(claim_key, None)

    def inputs_of(
        self, needs: Sequence[HistoryNeed], *, citizen_id: UUID, activity_type: str, day: date
    ) -> dict[str, int]:
        """Each need's amount over the business days before `day`, by input name; 0 where nothing is."""
        claims = self._readings.get((citizen_id, activity_type), {})
        readings = [reading for those in claims.values() for reading in those]
        return {need.name: amount_of(need, readings, day) for need in needs}


def gather(session: Session, *, programme: str, wanted: Collection[Wanted]) -> History:
    """Everything that `wanted` may read: of events that stand, neither withdrawn nor superseded.

    One statement over events and one over parts of events, however many citizens and days.
    """
    history = History()
    if not wanted:
        return history
    people, kinds = {one.citizen_id for one in wanted}, {one.activity_type for one in wanted}
    first = min(one.day - timedelta(days=one.days) for one in wanted)
    last = max(one.day for one in wanted) - timedelta(days=1)
    whole = standing_between(
        session, programme=programme, citizen_ids=people, activity_types=kinds, first=first, last=last
    )
    lasting = [event.id for event in whole if event.ended_at is not None]
    divided = {part.event_id for part in parts_of(session, event_ids=lasting).values()}
    for event in whole:
        if event.id not in divided:
            reading = Reading(event.claim_key, event.business_day, event.quantities)
            history.add(event.citizen_id, event.activity_type, reading)
    parts = parts_in_window(session, citizen_ids=people, activity_types=kinds, first=first, last=last)
    claim_keys = claim_keys_of(session, event_ids={part.event_id for part in parts})
    for part in parts:
        reading = Reading(claim_keys[part.event_id], part.starts_on, orjson.loads(part.quantities))
        history.add(part.citizen_id, part.activity_type, reading)
    return history


def amount_of(need: HistoryNeed, readings: Collection[Reading], day: date) -> int:
    """What `readings` amount to over the business days before `day`."""
    first = day - timedelta(days=need.days)
    found = [
        (reading.day, value)
        for reading in readings
        if first <= reading.day < day and isinstance(value := reading.quantities.get(need.of), int)
    ]
    return sum(value for _, value in found) if need.take == "sum" else len({on for on, _ in found})
