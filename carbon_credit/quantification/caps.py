"""Caps: what an event may still credit, of its activity's day, its scene's, its citizen's and the city's.

While a day is open, events count in the order in which they arrive. At closing the same rules are
applied to the whole day in canonical order, so that the result does not depend on arrival. Caps stand
inside each other (activity, scene, person's day, person's year, programme's day): what an inner one
takes does not use up an outer one. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from carbon_credit.catalogue.terms import Cap

CAP_EVENTS = "cap-events"
CAP_MG = "cap-mg"
CAP_SCENE = "cap-scene"
CAP_PERSON = "cap-person"
CAP_YEAR = "cap-year"
CAP_PROGRAMME = "cap-programme"

# From the inside out; what a cap of each scope says where it takes something.
SCOPES = ("activity-day", "scene-day", "person-day", "person-year", "programme-day")
_CODES = {
    "scene-day": CAP_SCENE,
    "person-day": CAP_PERSON,
    "person-year": CAP_YEAR,
    "programme-day": CAP_PROGRAMME,
}


class Allowed(Struct, frozen=True, gc=False):
    """Milligrams that count, and the code of what took the rest, if anything did."""

    mg: int
    cap_code: str | None

    @property
    def counted(self) -> bool:
        """False for an event of which nothing is left: it uses up no cap."""
        return is_counted(self.mg, self.cap_code)


class Sums(Protocol):
    """What has counted in a span so far: events, and milligrams."""

    events: int
    granted: int


@dataclass(slots=True)
class Used:
    """Sums that only this calculation keeps."""

    events: int = 0
    granted: int = 0


def is_counted(mg: int, cap_code: str | None) -> bool:
    """Whether an event counts as one: also where its result is nothing, unless that was taken."""
    return mg > 0 or cap_code is None


def allow(cap: Cap | None, *, gross_mg: int, events_before: int, mg_before: int) -> Allowed:
    """What of `gross_mg` counts, after `events_before` events that counted `mg_before` milligrams."""
    if cap is None:
        return Allowed(gross_mg, None)
    if cap.max_events is not None and events_before >= cap.max_events:
        return Allowed(0, _CODES.get(cap.scope, CAP_EVENTS))
    if cap.max_mg is None or mg_before + gross_mg <= cap.max_mg:
        return Allowed(gross_mg, None)
    return Allowed(max(cap.max_mg - mg_before, 0), _CODES.get(cap.scope, CAP_MG))


def allow_through(limits: Sequence[tuple[Cap | None, Sums]], gross_mg: int) -> Allowed:
    """What the caps, given from the inside out with what has counted under each, leave of `gross_mg`.

    Counts nothing in: `gross_mg` is at least zero, and what is left counts under all of them alike.
    """
    mg, code = gross_mg, None
    for cap, used in limits:
        if cap is None:
            continue
        allowed = allow(cap, gross_mg=mg, events_before=used.events, mg_before=used.granted)
        if allowed.cap_code is not None:
            mg, code = allowed.mg, allowed.cap_code
            if mg == 0:
                break
    return Allowed(mg, code)


def allow_day(cap: Cap | None, gross_mg: Sequence[int]) -> list[Allowed]:
    """One cap over a whole span; `gross_mg` in canonical order."""
    used, result = Used(), []
    for gross in gross_mg:
        allowed = allow_through([(cap, used)], gross)
        count_in(used, allowed.mg, allowed.cap_code)
        result.append(allowed)
    return result


def count_in(used: Used, mg: int, cap_code: str | None) -> None:
    """Add an event to the sums of a span: what counts of it, and what took the rest."""
    used.events += is_counted(mg, cap_code)
    used.granted += mg
