"""The events of many days as partners deliver them: some twice, late, contradictory or wrong."""

from collections import deque
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Literal, TypeAlias, cast

from carbon_credit.simulator.city import metro
from carbon_credit.simulator.day import CHINA, Done, Event, day_of
from carbon_credit.simulator.people import Citizen, Habits, citizen

Kind: TypeAlias = Literal["good", "late", "duplicate", "conflict", "bad"]
PARTNERS = ("transit", "bike", "steps", "power")
REMEMBERED = 300  # events from which duplicates, conflicts and bad copies are drawn
DELIVERED = time(2, 0)  # the day after


@dataclass(frozen=True, slots=True)
class Mess:
    """How many per 10,000 events are delivered late, twice, with other content, or wrong."""

    late: int = 100
    duplicate: int = 150
    conflict: int = 20
    bad: int = 60
    late_days: int = 3


@dataclass(frozen=True, slots=True)
class SimulatedEvent:
    """`kind` is what the event was meant to be; `problem` names the fault of a bad one."""

    partner: str
    event: Event
    kind: Kind
    received_at: datetime
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Simulation:
    """What is simulated: the arguments that fix every event."""

    seed: int
    programme: str
    citizens: int
    start_day: date
    days: int
    habits: Habits = field(default_factory=Habits)
    mess: Mess = field(default_factory=Mess)

    def people(self) -> Iterator[Citizen]:
        """Everyone in the city, for enrolment."""
        for number in range(self.citizens):
            yield self._citizen(number)

    def events(self) -> Iterator[SimulatedEvent]:
        """All deliveries, day by day. Late ones follow `late_days` after their day, also past the last."""
        draw = Random(f"{self.seed}/{self.programme}/mess")  # noqa: S311 reproducible, not secret
        recent: deque[Done] = deque(maxlen=REMEMBERED)
        for offset in range(self.days + self.mess.late_days):
            day = self.start_day + timedelta(days=offset)
            received_at = datetime.combine(day + timedelta(days=1), DELIVERED, CHINA)
            for number in range(self.citizens):
                for kind, done in self._delivered(number, offset):
                    recent.append(done)
                    yield SimulatedEvent(done.partner, done.event, kind, received_at)
                    yield from self._trouble(draw, recent, received_at)

    def _delivered(self, number: int, offset: int) -> Iterator[tuple[Kind, Done]]:
        """What is delivered of one person on one day: the day's own events, and late ones of days before."""
        # The day of a late event is played again rather than kept, so that memory stays flat.
        if offset < self.days:
            yield from (("good", done) for done, late in self._played(number, offset) if not late)
        late_from = offset - self.mess.late_days
        if late_from >= 0 and self.mess.late:
            yield from (("late", done) for done, late in self._played(number, late_from) if late)

    def _played(self, number: int, offset: int) -> Iterator[tuple[Done, bool]]:
        on = self.start_day + timedelta(days=offset)
        draw = Random(f"{self.seed}/{self.programme}/{on}/{number}")  # noqa: S311 reproducible, not secret
        late = Random(f"{self.seed}/{self.programme}/{on}/{number}/late")  # noqa: S311 the same
        for done in day_of(
            who=self._citizen(number),
            on=on,
            first=offset == 0 or on.day == 1,
            draw=draw,
            network=metro(seed=self.seed, programme=self.programme),
            habits=self.habits,
        ):
            yield done, late.randrange(10_000) < self.mess.late

    def _citizen(self, number: int) -> Citizen:
        return citizen(
            seed=self.seed,
            programme=self.programme,
            number=number,
            stations=metro(seed=self.seed, programme=self.programme).stations,
            habits=self.habits,
        )

    def _trouble(self, draw: Random, recent: deque[Done], received_at: datetime) -> Iterator[SimulatedEvent]:
        chance = draw.randrange(10_000)
        mess = self.mess
        if chance >= mess.duplicate + mess.conflict + mess.bad:
            return
        done = draw.choice(recent)
        event = deepcopy(done.event)
        if chance < mess.duplicate:
            yield SimulatedEvent(done.partner, event, "duplicate", received_at)
        elif chance < mess.duplicate + mess.conflict:
            data = cast("dict[str, int]", event["data"])
            quantity = next(name for name, value in data.items() if isinstance(value, int))
            data[quantity] += 1 + draw.randrange(50)
            yield SimulatedEvent(done.partner, event, "conflict", received_at)
        else:
            event["id"] = f"{event['id']}-bad-{draw.randrange(10**9):09d}"
            problem = spoil(event, draw)
            yield SimulatedEvent(done.partner, event, "bad", received_at, problem)


def spoil(event: Event, draw: Random) -> str:
    """Make the event wrong in one way; the name of that way."""
    data = cast("dict[str, object]", event["data"])
    quantity = next(name for name, value in data.items() if isinstance(value, int))
    match draw.randrange(7):
        case 0:
            kind = cast("dict[str, dict[str, str]]", event["citizen"])["link"]["kind"]
            event["citizen"] = {"link": {"kind": kind, "value": f"SIM-NOBODY-{draw.randrange(10**9)}"}}
            return "unlinked"
        case 1:
            data[quantity] = 10**12
            return "too-much"
        case 2:
            data[quantity] = -1
            return "negative"
        case 3:
            del data[quantity]
            return "quantity-missing"
        case 4:
            data[quantity] = "12 km"
            return "text-for-number"
        case 5:
            event["type"] = "teleport.ride"
            return "type-unknown"
        case _:
            event["occurred_at"] = "2999-01-01T08:00:00+08:00"
            event["ended_at"] = "2999-01-01T09:00:00+08:00"
            return "in-future"


def simulate(
    *,
    seed: int,
    programme: str,
    citizens: int,
    start_day: date,
    days: int,
    habits: Habits | None = None,
    mess: Mess | None = None,
) -> Iterator[SimulatedEvent]:
    """The deliveries of `days` days from `start_day`, always the same for the same arguments."""
    return Simulation(seed, programme, citizens, start_day, days, habits or Habits(), mess or Mess()).events()
