"""Daily caps of one citizen and one activity type: what an event may still credit.

While the day is open, events count in the order in which they arrive. At closing the same rule is
applied to the whole day in canonical order, so that the result does not depend on arrival.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from carbon_credit.catalogue.terms import Cap

CAP_EVENTS = "cap-events"
CAP_MG = "cap-mg"


@dataclass(frozen=True, slots=True)
class Allowed:
    """Milligrams that count, and the cap that took the rest, if any."""

    mg: int
    cap_code: str | None


def allow(cap: Cap | None, *, gross_mg: int, events_before: int, mg_before: int) -> Allowed:
    """What of `gross_mg` counts, after `events_before` events that counted `mg_before` milligrams."""
    if cap is None:
        return Allowed(gross_mg, None)
    if cap.max_events is not None and events_before >= cap.max_events:
        return Allowed(0, CAP_EVENTS)
    if cap.max_mg is None or mg_before + gross_mg <= cap.max_mg:
        return Allowed(gross_mg, None)
    return Allowed(max(cap.max_mg - mg_before, 0), CAP_MG)


def allow_day(cap: Cap | None, gross_mg: Sequence[int]) -> list[Allowed]:
    """`allow` over a whole day; `gross_mg` in canonical order."""
    result: list[Allowed] = []
    counted = 0
    for place, gross in enumerate(gross_mg):
        allowed = allow(cap, gross_mg=gross, events_before=place, mg_before=counted)
        counted += allowed.mg
        result.append(allowed)
    return result
