"""A crowd of any size, event by event: integers in, no object per person, memory that does not grow.

`stream` plays a small city in detail; this plays a metropolis. A person is a number: where they live and
how they travel follows from it by arithmetic, so ten million rides need no more memory than ten. Within a
day the morning's rides come before the evening's and people in no particular order, as in an operator's file.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import count
from math import gcd
from typing import Literal, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from carbon_credit.simulator.city import metro
from carbon_credit.simulator.faults import MEANT, faulty
from carbon_credit.simulator.mixing import key_of, mix
from carbon_credit.simulator.people import Habits
from carbon_credit.simulator.stream import REMEMBERED, Kind, Mess

Event: TypeAlias = dict[str, object]
Way: TypeAlias = Literal["out", "back"]
RIDES = ("metro.ride", "bus.ride", "bike.ride", "ebike.ride")
STEPS, METER = "walk", "electricity.period"
KNOWN = (*RIDES, STEPS, METER)
_RIDE_LINK = {"metro.ride": "transit-card", "bus.ride": "transit-card"}
_RIDE_LINK |= {"bike.ride": "bike-account", "ebike.ride": "bike-account"}
# How a value of each kind of link begins; what has no word of its own is called by its kind.
_MARK = {"transit-card": "CARD", "phone": "PHONE", "bike-account": "BIKE", "electricity-meter": "METER"}
_SPEED = {"metro.ride": 95, "bus.ride": 48, "bike.ride": 34, "ebike.ride": 55}  # tenths of a metre per second
# When people leave, in seconds of the day: (which way, is it a working day).
_LEAVE_S = {("out", True): 30_000, ("back", True): 66_000, ("out", False): 39_600, ("back", False): 61_200}
_STEP_CM = 65
_HOUSEHOLD_WH_A_DAY = 5_000, 7_000  # at least, and so much more at most


class Delivery(NamedTuple):
    """One event as a partner delivers it. `kind`: what it was meant to be; `meant`: the status that it gets,
    where it is delivered after those before it. `fault`: of a bad one, what is wrong with it."""

    event: Event
    kind: Kind
    meant: str
    day: date
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """What every tenth does besides travelling: `times` a month, with always the same data."""

    type: str
    link: str
    times: int
    data: Mapping[str, int | str]


@dataclass(frozen=True, slots=True)
class Crowd:
    """What is simulated. `types`: of `KNOWN`, what the programme credits; `templates`: what else it does."""

    seed: int
    programme: str
    citizens: int
    start_day: date
    days: int
    types: tuple[str, ...] = KNOWN
    templates: tuple[Template, ...] = ()
    time_zone: str = "Asia/Shanghai"
    habits: Habits = field(default_factory=Habits)
    mess: Mess = field(default_factory=Mess)

    def deliveries(self) -> Iterator[Delivery]:
        """Day by day, late ones `late_days` after their day, also past the last."""
        play = _Play(self)
        recent: deque[Event] = deque(maxlen=REMEMBERED)
        bad = count()
        mess, late_days = self.mess, self.mess.late_days if self.mess.late else 0
        until_conflict = mess.duplicate + mess.conflict
        for offset in range(self.days + late_days):
            day = self.start_day + timedelta(days=offset)
            for kind, roll, event in play.delivered_on(offset):
                recent.append(event)
                yield Delivery(event, kind, "credited", day)
                chance = (roll >> 20) % 10_000
                if chance >= until_conflict + mess.bad:
                    continue
                roll = mix(roll)
                event = recent[roll % len(recent)]
                if chance < mess.duplicate:
                    yield Delivery(event, "duplicate", "duplicate", day)
                elif chance < until_conflict:
                    yield Delivery(_changed(event, roll >> 10), "conflict", "invalid", day)
                else:
                    spoilt, fault = faulty(event, number=next(bad), roll=roll >> 10)
                    yield Delivery(spoilt, "bad", MEANT[fault], day, fault)

    def people(self) -> Iterator[list[tuple[str, str]]]:
        """The links that each citizen needs, in order of their numbers; the same whatever the seed."""
        play = _Play(self)
        for number in range(self.citizens):
            kinds = play.link_kinds(number)
            yield [(kind, link_value(self.programme, kind, number)) for kind in kinds]


def link_value(programme: str, kind: str, number: int) -> str:
    """The card, phone or account of that citizen."""
    return f"SIM-{_MARK.get(kind, kind.upper())}-{programme}-{number:07d}"


class _Play:
    """One playing of a crowd: tables made once, then arithmetic."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        network = metro(seed=crowd.seed, programme=crowd.programme)
        self._stations = network.stations
        self._metres = [
            [0 if here == there else network.shortest_m(here, there) for there in network.stations]
            for here in network.stations
        ]
        self._people_key = key_of(crowd.programme, "people")
        self._mode_of = _modes(crowd.types, crowd.habits)
        size = max(crowd.citizens, 1)
        self._step = next(n for n in count(size * 618 // 1000 + 1) if gcd(n, size) == 1)
        self._mark = f"SIM{crowd.seed}"
        self._zone = ZoneInfo(crowd.time_zone)

    def delivered_on(self, offset: int) -> Iterator[tuple[Kind, int, Event]]:
        """(kind, a roll of its own, event) of what arrives for that day: its own, and late ones before it."""
        crowd = self._crowd
        if offset < crowd.days:
            for roll, event in self._lived(offset, late=False):
                yield "good", roll, event
        before = offset - crowd.mess.late_days
        if crowd.mess.late and before >= 0:
            for roll, event in self._lived(before, late=True):
                yield "late", roll, event

    def link_kinds(self, number: int) -> list[str]:
        """Of what the citizen has to be linked by."""
        crowd, who = self._crowd, mix(self._people_key + number)
        kinds = [one.link for place, one in enumerate(crowd.templates) if _does(who, place)]
        mode = self._mode_of[who % 100]
        if mode is not None:
            kinds.append(_RIDE_LINK[mode])
        if self._walks(who):
            kinds.append("phone")
        if self._has_meter(who):
            kinds.append("electricity-meter")
        return sorted(set(kinds)) or ["phone"]

    def _lived(self, offset: int, *, late: bool) -> Iterator[tuple[int, Event]]:
        """What happened that day and is delivered late, or in time."""
        crowd = self._crowd
        day = crowd.start_day + timedelta(days=offset)
        if any(mode is not None for mode in self._mode_of):
            yield from self._rides(day, "out", late=late)
        for place, template in enumerate(crowd.templates):
            yield from self._others(day, template, place, late=late, first=offset == 0)
        if METER in crowd.types and (offset == 0 or day.day == 1):
            yield from self._readings(day, late=late)
        if any(mode is not None for mode in self._mode_of):
            yield from self._rides(day, "back", late=late)
        if STEPS in crowd.types:
            yield from self._walked(day, late=late)

    def _numbers(self, day: date, slot: str) -> Iterator[tuple[int, int, int]]:
        """(number, who they are, their roll for the day and slot), everybody once, scattered."""
        crowd, step, people_key = self._crowd, self._step, self._people_key
        size = crowd.citizens
        key = key_of(crowd.seed, crowd.programme, day.toordinal(), slot)
        number = key % max(size, 1)
        for _ in range(size):
            number += step
            if number >= size:
                number %= size
            yield number, mix(people_key + number), mix(key + number)

    def _rides(self, day: date, slot: Way, *, late: bool) -> Iterator[tuple[int, Event]]:
        crowd, habits = self._crowd, self._crowd.habits
        working = day.weekday() < 5
        share = habits.commute if working else habits.outing
        about_s = _LEAVE_S[slot, working]
        day_key = key_of(crowd.seed, crowd.programme, day.toordinal(), "ways")
        clock, late_share = _clock(), crowd.mess.late
        date_text, zone_text = day.isoformat(), self._offset(day)
        id_start = f"{self._mark}-{day:%Y%m%d}-{slot[0]}"
        for number, who, roll in self._numbers(day, slot):
            mode = self._mode_of[who % 100]
            if mode is None or mix(day_key + number) % 100 >= share or (roll % 10_000 < late_share) != late:
                continue
            data, metres = self._way(mode, slot, working, who, roll)
            begin_s = about_s + (roll >> 34) % 3_601 + (roll >> 40) % 3_601 + (roll >> 46) % 3_601 - 5_400
            end_s = min(begin_s + 120 + metres * 10 // _SPEED[mode], 86_399)
            kind = _RIDE_LINK[mode]
            yield (
                roll,
                {
                    "id": f"{id_start}-{number:07d}",
                    "revision": 1,
                    "type": mode,
                    "occurred_at": f"{date_text}T{clock[begin_s]}{zone_text}",
                    "ended_at": f"{date_text}T{clock[end_s]}{zone_text}",
                    "citizen": {"link": {"kind": kind, "value": link_value(crowd.programme, kind, number)}},
                    "data": data,
                },
            )

    def _way(
        self, mode: str, slot: Way, working: bool, who: int, roll: int
    ) -> tuple[dict[str, int | str], int]:
        if mode == "metro.ride":
            size = len(self._stations)
            home = (who >> 8) % size
            place = (home + 1 + ((who >> 20) if working else (who >> 24)) % (size - 1)) % size
            here, there = (home, place) if slot == "out" else (place, home)
            metres = self._metres[here][there]
            names = self._stations
            return {
                "origin": names[here],
                "destination": names[there],
                "distance_m": metres,
                "distance_source": "gates",
            }, metres
        if mode == "bus.ride":
            metres = 2_500 + (who >> 32) % 8_500 + (roll >> 52) % 401 - 200
            return {"distance_m": metres, "distance_source": "gates"}, metres
        metres = 700 + (who >> 44) % 2_500 + (roll >> 52) % 201 - 100
        return {"distance_m": metres, "distance_source": "gps"}, metres

    def _walked(self, day: date, *, late: bool) -> Iterator[tuple[int, Event]]:
        zone, late_share = self._offset(day), self._crowd.mess.late
        for number, who, roll in self._numbers(day, "steps"):
            if not self._walks(who) or (roll % 10_000 < late_share) != late:
                continue
            steps = 1_500 + (roll >> 34) % 4_000 + (roll >> 40) % 4_000 + (roll >> 46) % 4_000
            data: dict[str, int | str] = {"count": steps, "distance_m": steps * _STEP_CM // 100}
            span = f"{day}T06:00:00{zone}", f"{day}T22:30:00{zone}"
            yield roll, self._event("s", day, STEPS, "phone", number, span, data)

    def _readings(self, day: date, *, late: bool) -> Iterator[tuple[int, Event]]:
        """The month before, beside the same month a year before: never more, so it is credited."""
        span, days = self._month_before(day)
        least, more = _HOUSEHOLD_WH_A_DAY
        for number, who, roll in self._numbers(day, "meter"):
            if not self._has_meter(who) or (roll % 10_000 < self._crowd.mess.late) != late:
                continue
            baseline_wh = (least + (roll >> 34) % more) * days
            data: dict[str, int | str] = {
                "energy_wh": baseline_wh * (75 + (roll >> 50) % 25) // 100,
                "baseline_wh": baseline_wh,
            }
            yield roll, self._event("m", day, METER, "electricity-meter", number, span, data)

    def _others(
        self, day: date, template: Template, place: int, *, late: bool, first: bool
    ) -> Iterator[tuple[int, Event]]:
        zone = self._offset(day)
        span, per_mille = (f"{day}T12:00:00{zone}", f"{day}T12:05:00{zone}"), template.times * 1_000 // 30
        if template.type.endswith(".period"):
            if template.times >= 28:
                before = day - timedelta(days=1)
                span = self._midnight(before), self._midnight(day)
            elif first or day.day == 1:
                (span, _), per_mille = self._month_before(day), 1_000
            else:
                return
        for number, who, roll in self._numbers(day, f"other-{place}"):
            if (
                not _does(who, place)
                or (roll >> 34) % 1_000 >= per_mille
                or (roll % 10_000 < self._crowd.mess.late) != late
            ):
                continue
            yield (
                roll,
                self._event(f"x{place}", day, template.type, template.link, number, span, template.data),
            )

    def _event(
        self,
        slot: str,
        day: date,
        kind: str,
        link: str,
        number: int,
        span: tuple[str, str],
        data: Mapping[str, int | str],
    ) -> Event:
        return {
            "id": f"{self._mark}-{day:%Y%m%d}-{slot}-{number:07d}",
            "revision": 1,
            "type": kind,
            "occurred_at": span[0],
            "ended_at": span[1],
            "citizen": {"link": {"kind": link, "value": link_value(self._crowd.programme, link, number)}},
            "data": data,
        }

    def _walks(self, who: int) -> bool:
        return STEPS in self._crowd.types and (who >> 56) % 100 < self._crowd.habits.steps

    def _has_meter(self, who: int) -> bool:
        return METER in self._crowd.types and (who >> 50) % 100 < self._crowd.habits.meter

    def _month_before(self, day: date) -> tuple[tuple[str, str], int]:
        end = day.replace(day=1)
        begin = (end - timedelta(days=1)).replace(day=1)
        return (self._midnight(begin), self._midnight(end)), (end - begin).days

    def _midnight(self, day: date) -> str:
        return datetime.combine(day, time(), self._zone).isoformat()

    def _offset(self, day: date) -> str:
        return datetime.combine(day, time(12), self._zone).isoformat()[19:]


def _does(who: int, place: int) -> bool:
    """Whether somebody does what this template says: every tenth, and not the same ones for each."""
    return mix(who + place) % 10 == 0


def _modes(types: tuple[str, ...], habits: Habits) -> list[str | None]:
    """How each hundredth of the people travels; None walks. What the programme lacks, others take over."""
    wanted = {"metro.ride": habits.metro, "bus.ride": habits.bus, "bike.ride": habits.bike, "ebike.ride": 0}
    here = [mode for mode in RIDES if mode in types]
    if not here:
        return [None] * 100
    shares = {mode: wanted[mode] for mode in here}
    spare = sum(wanted.values()) - sum(shares.values())
    shares[here[0]] += spare
    table: list[str | None] = [mode for mode in here for _ in range(shares[mode])]
    return table + [None] * (100 - len(table))


def _changed(event: Event, roll: int) -> Event:
    """The same id and revision with another quantity."""
    data = event["data"]
    assert isinstance(data, Mapping)  # noqa: S101  of our own making
    name = next(name for name, value in data.items() if isinstance(value, int))
    return event | {"data": {**data, name: data[name] + 1 + roll % 50}}


@lru_cache(maxsize=1)
def _clock() -> list[str]:
    """HH:MM:SS of each second of a day: looking it up costs a twentieth of formatting it."""
    return [
        f"{hour:02d}:{minute:02d}:{second:02d}"
        for hour in range(24)
        for minute in range(60)
        for second in range(60)
    ]
