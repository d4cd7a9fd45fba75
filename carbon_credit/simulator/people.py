"""Invented people: what they are linked by, where they live and work, how they get there."""

from dataclasses import dataclass
from random import Random
from typing import Literal, TypeAlias

Mode: TypeAlias = Literal["metro", "bus", "bike", "walk"]


@dataclass(frozen=True, slots=True)
class Habits:
    """A city's ways, in per cent of its people: how they commute, who owns a meter, who counts steps."""

    metro: int = 55
    bus: int = 20
    bike: int = 12  # the rest walk
    meter: int = 35
    steps: int = 60
    commute: int = 94  # of a commuter's working days
    outing: int = 45  # of anyone's free days


@dataclass(frozen=True, slots=True)
class Citizen:
    """`links`: kind -> value, for enrolment. `home` and `work` are stations; `bus_m` is the way by bus."""

    number: int
    mode: Mode
    home: str
    work: str
    bus_m: int
    bike_m: int
    counts_steps: bool
    links: dict[str, str]


def citizen(*, seed: int, programme: str, number: int, stations: tuple[str, ...], habits: Habits) -> Citizen:
    """Person `number` of this city, always the same."""
    draw = Random(f"{seed}/{programme}/citizen/{number}")  # noqa: S311 reproducible, not secret
    home, work = draw.sample(stations, 2)
    mark = f"{programme}-{number:07d}"
    links = {
        "transit-card": f"SIM-CARD-{mark}",
        "phone": f"SIM-PHONE-{mark}",
        "bike-account": f"SIM-BIKE-{mark}",
    }
    if draw.randrange(100) < habits.meter:
        links["electricity-meter"] = f"SIM-METER-{mark}"
    return Citizen(
        number=number,
        mode=_mode(draw.randrange(100), habits),
        home=home,
        work=work,
        bus_m=draw.randint(2_500, 11_000),
        bike_m=draw.randint(700, 3_200),
        counts_steps=draw.randrange(100) < habits.steps,
        links=links,
    )


def _mode(per_cent: int, habits: Habits) -> Mode:
    if per_cent < habits.metro:
        return "metro"
    if per_cent < habits.metro + habits.bus:
        return "bus"
    if per_cent < habits.metro + habits.bus + habits.bike:
        return "bike"
    return "walk"
