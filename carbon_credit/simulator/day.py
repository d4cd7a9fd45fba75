"""What one person does on one day, as the events that partners would report of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from random import Random
from typing import TypeAlias

from carbon_credit.methodology.network import Network
from carbon_credit.simulator.people import Citizen, Habits

Event: TypeAlias = dict[str, object]
Data: TypeAlias = dict[str, int | str]
CHINA = timezone(timedelta(hours=8))
# Tenths of a metre per second, stops included.
METRO_SPEED, BUS_SPEED, BIKE_SPEED = 95, 48, 34
STEP_CM = 65
HOUSEHOLD_WH_A_DAY = (5_000, 12_000)


@dataclass(frozen=True, slots=True)
class Done:
    """One thing done, and the partner who knows of it: `transit`, `bike`, `steps` or `power`."""

    partner: str
    event: Event


def day_of(
    *, who: Citizen, on: date, first: bool, draw: Random, network: Network, habits: Habits
) -> Iterator[Done]:
    """Everything that `who` does `on` this day. `first`: also read the meter for the month before."""
    diary = _Diary(who=who, on=on, draw=draw, network=network)
    if who.mode != "walk":
        if on.weekday() < 5 and draw.randrange(100) < habits.commute:
            yield diary.ride(_about(on, 8, 20, draw), who.home, who.work)
            yield diary.ride(_about(on, 18, 20, draw), who.work, who.home)
        elif on.weekday() >= 5 and draw.randrange(100) < habits.outing:
            place = draw.choice([name for name in network.stations if name != who.home])
            yield diary.ride(_about(on, 11, 0, draw), who.home, place)
            yield diary.ride(_about(on, 17, 0, draw), place, who.home)
    if who.counts_steps:
        yield diary.steps()
    if first and "electricity-meter" in who.links:
        yield diary.meter()


class _Diary:
    """One person's day; numbers the events so that each has an id of its own."""

    def __init__(self, *, who: Citizen, on: date, draw: Random, network: Network) -> None:
        self._who, self._on, self._draw, self._network = who, on, draw, network
        self._made = 0

    def ride(self, begin: datetime, origin: str, destination: str) -> Done:
        """From one place to the other, by the means that this person uses."""
        who = self._who
        if who.mode == "metro":
            distance_m = self._network.shortest_m(origin, destination)
            end = _end(begin, distance_m, METRO_SPEED)
            data: Data = {"origin": origin, "destination": destination, "distance_m": distance_m}
            return self._did(
                "transit", "metro.ride", "transit-card", begin, end, data | {"distance_source": "gates"}
            )
        if who.mode == "bus":
            distance_m = who.bus_m + self._draw.randrange(-200, 201)
            end = _end(begin, distance_m, BUS_SPEED)
            data = {"distance_m": distance_m, "distance_source": "gates"}
            return self._did("transit", "bus.ride", "transit-card", begin, end, data)
        distance_m = who.bike_m + self._draw.randrange(-100, 101)
        end = _end(begin, distance_m, BIKE_SPEED)
        data = {"distance_m": distance_m, "distance_source": "gps"}
        return self._did("bike", "bike.ride", "bike-account", begin, end, data)

    def steps(self) -> Done:
        """What the phone counted between morning and night."""
        count = 1_500 + sum(self._draw.randrange(4_000) for _ in range(3))
        data: Data = {"count": count, "distance_m": count * STEP_CM // 100}
        return self._did("steps", "walk", "phone", _at(self._on, 6, 0), _at(self._on, 22, 30), data)

    def meter(self) -> Done:
        """The month before, beside the same month of the year before it."""
        this_month = self._on.replace(day=1)
        end = _at(this_month, 0, 0)
        begin = _at((this_month - timedelta(days=1)).replace(day=1), 0, 0)
        baseline_wh = self._draw.randint(*HOUSEHOLD_WH_A_DAY) * (end - begin).days
        energy_wh = baseline_wh * self._draw.randint(75, 108) // 100
        data: Data = {"energy_wh": energy_wh, "baseline_wh": baseline_wh}
        return self._did("power", "electricity.period", "electricity-meter", begin, end, data)

    def _did(self, partner: str, kind: str, link: str, begin: datetime, end: datetime, data: Data) -> Done:
        self._made += 1
        event: Event = {
            "id": f"SIM-{partner}-{self._on:%Y%m%d}-{self._who.number:07d}-{self._made}",
            "revision": 1,
            "type": kind,
            "occurred_at": begin.isoformat(),
            "ended_at": end.isoformat(),
            "citizen": {"link": {"kind": link, "value": self._who.links[link]}},
            "data": data,
        }
        return Done(partner, event)


def _at(day: date, hour: int, minute: int) -> datetime:
    return datetime.combine(day, time(hour, minute), CHINA)


def _about(day: date, hour: int, minute: int, draw: Random) -> datetime:
    """A moment near that hour: the sum of three draws is bell-shaped, an hour and a half to either side."""
    return _at(day, hour, minute) + timedelta(seconds=sum(draw.randrange(-1_800, 1_801) for _ in range(3)))


def _end(begin: datetime, distance_m: int, speed: int) -> datetime:
    return begin + timedelta(seconds=120 + distance_m * 10 // speed)
