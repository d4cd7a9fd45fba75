"""What partners send that is wrong, and what becomes of it."""

from collections.abc import Mapping

# Each fault and the status that an event with it must get. `unlinked` is a refusal; the others are no events.
MEANT = {
    "unlinked": "rejected",
    "too-much": "invalid",
    "negative": "invalid",
    "text-for-number": "invalid",
    "type-unknown": "invalid",
    "in-future": "invalid",
}
_FAULTS = tuple(MEANT)


def faulty(event: Mapping[str, object], *, number: int, roll: int) -> tuple[dict[str, object], str]:
    """A copy of the event under another id with one thing wrong, and the name of the fault."""
    fault = _FAULTS[roll % len(_FAULTS)]
    spoilt = dict(event) | {"id": f"{event['id']}-bad{number}"}
    data, who = event["data"], event["citizen"]
    assert isinstance(data, Mapping) and isinstance(who, Mapping)  # noqa: S101, PT018  of our own making
    quantity = next(name for name, value in data.items() if isinstance(value, int))
    match fault:
        case "unlinked":
            nobody = {"kind": who["link"]["kind"], "value": f"SIM-NOBODY-{number:09d}"}
            spoilt["citizen"] = {"link": nobody}
        case "too-much":
            spoilt["data"] = {**data, quantity: 10**12}
        case "negative":
            spoilt["data"] = {**data, quantity: -1}
        case "text-for-number":
            spoilt["data"] = {**data, quantity: "12 km"}
        case "type-unknown":
            spoilt["type"] = "teleport.ride"
        case _:
            spoilt |= {"occurred_at": "2150-01-01T08:00:00+08:00", "ended_at": "2150-01-01T09:00:00+08:00"}
    return spoilt, fault
