"""Closing: whatever the order of arrival, what counts is what a slow plain reckoning of the set says."""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.quantification.closing import close_day
from carbon_credit.quantification.errors import EarlierDayOpen
from tests.quantification.cities import assert_books, cap, city, net_by_person, partner_mg
from tests.world import World, metro

MG = {"metro.ride": 468, "bus.ride": 269}  # tenths of a milligram per metre
PEOPLE = 10
DAYS = [date(2026, 11, day) for day in (16, 17, 18)]
LIMITS: dict[str, list[dict[str, Any]]] = {
    "activity-day": [
        cap("activity-day", events=2, activity_type="metro.ride"),
        cap("activity-day", mg=500_000, activity_type="bus.ride"),
    ],
    "scene-day": [cap("scene-day", mg=400_000, events=2, scene="metro")],
    "person-day": [cap("person-day", mg=700_000, events=3)],
    "person-year": [cap("person-year", mg=1_500_000)],
    "person-year-events": [cap("person-year", events=5)],
    "programme-day": [cap("programme-day", mg=4_000_000)],
    "programme-day-events": [cap("programme-day", events=15)],
}
LIMITS["all"] = [
    one
    for name in ("activity-day", "scene-day", "person-day", "person-year", "programme-day")
    for one in LIMITS[name]
]


@dataclass(frozen=True)
class Ride:
    """One event of a test."""

    name: str
    person: int
    kind: str
    at: datetime
    distance_m: int

    @property
    def gross_mg(self) -> int:
        return self.distance_m * MG[self.kind] // 10

    def payload(self) -> dict[str, Any]:
        told = metro(
            self.name, person=self.person, at=f"{self.at.isoformat()}+08:00", distance_m=self.distance_m
        )
        return told | {"type": self.kind}


def rides(draw: random.Random, each: int) -> list[Ride]:
    """`each` rides of every person, at instants of their own."""
    found = []
    for person in range(PEOPLE):
        for number in range(each):
            at = datetime.combine(draw.choice(DAYS), datetime.min.time()) + timedelta(
                minutes=number * 97, seconds=person, milliseconds=draw.randint(0, 999)
            )
            kind = draw.choice(list(MG))
            found.append(Ride(f"R-{person}-{number}", person, kind, at, draw.randint(500, 15_000)))
    return found


def reckoned(events: Sequence[Ride], limits: Sequence[dict[str, Any]]) -> dict[str, int]:
    """What each ride counts: one after the other, first under every cap of the citizen, then the city's."""
    sums: dict[tuple[object, ...], list[int]] = defaultdict(lambda: [0, 0])
    net: dict[str, int] = {}

    def key(one: dict[str, Any], ride: Ride) -> tuple[object, ...] | None:
        day = ride.at.date()
        if one["scope"] == "activity-day":
            return ("a", ride.person, day, ride.kind) if one["activity_type"] == ride.kind else None
        if one["scope"] == "scene-day":
            return ("s", ride.person, day) if ride.kind.startswith(one["scene"]) else None
        return {
            "person-day": ("p", ride.person, day),
            "person-year": ("y", ride.person),
            "programme-day": ("c", day),
        }[one["scope"]]

    for day in DAYS:
        todays = sorted((one for one in events if one.at.date() == day), key=lambda one: one.at)
        for city_wide in (False, True):
            for ride in todays:
                under = [
                    (one, found)
                    for one in limits
                    if (one["scope"] == "programme-day") == city_wide and (found := key(one, ride))
                ]
                before = net[ride.name] if city_wide else ride.gross_mg
                left, refused = before, False
                for one, found in under:
                    count, total = sums[found]
                    if one["max_events"] is not None and count >= one["max_events"]:
                        left, refused = 0, True
                    elif one["max_mg"] is not None:
                        refused |= total + left > one["max_mg"] and one["max_mg"] == total
                        left = min(left, max(one["max_mg"] - total, 0))
                if not city_wide or before:
                    net[ride.name] = left
                    for _, found in under:
                        sums[found][0] += left > 0
                        sums[found][1] += left
        # What the city's cap takes does not use up the citizen's year.
        for ride in todays:
            for one in limits:
                if one["scope"] == "person-year":
                    mine = [other for other in events if other.person == ride.person and other.name in net]
                    sums["y", ride.person] = [
                        sum(net[other.name] > 0 for other in mine),
                        sum(net[other.name] for other in mine),
                    ]
    return net


def arrive(world: World, events: Sequence[Ride], draw: random.Random) -> None:
    """Post them in random order and portions."""
    left = list(events)
    draw.shuffle(left)
    while left:
        size = draw.randint(1, 25)
        assert {one.status for one in world.credit(*[one.payload() for one in left[:size]])} == {"credited"}
        left = left[size:]


@pytest.mark.parametrize("limits", LIMITS)
def test_every_order_ends_as_the_plain_reckoning_says(
    database: Database, tmp_path: Path, limits: str
) -> None:
    draw = random.Random(limits)
    events = rides(draw, 8)
    expected = reckoned(events, LIMITS[limits])
    by_person = [sum(expected[one.name] for one in events if one.person == p) for p in range(PEOPLE)]
    assert by_person != [sum(one.gross_mg for one in events if one.person == p) for p in range(PEOPLE)]
    with city(database, tmp_path, people=PEOPLE, caps=LIMITS[limits]) as world:
        arrive(world, events, draw)
        world.close(*DAYS)
        assert net_by_person(world) == by_person
        assert [world.grams(person) for person in range(PEOPLE)] == by_person
        points = [
            sum(
                sum(expected[one.name] for one in events if one.person == p and one.at.date() == day)
                // 100_000
                for day in DAYS
            )
            for p in range(PEOPLE)
        ]
        assert [world.points(person) for person in range(PEOPLE)] == points
        assert_books(world)


@pytest.mark.parametrize("limits", ["person-day", "person-year", "all"])
def test_withdrawals_and_corrections_on_open_days_are_as_if_never_reported(
    database: Database, tmp_path: Path, limits: str
) -> None:
    draw = random.Random(limits)
    events = rides(draw, 7)
    gone = draw.sample(events, 12)
    corrected = draw.sample([one for one in events if one not in gone], 8)
    final = [one for one in events if one not in gone and one not in corrected]
    final += [Ride(one.name, one.person, one.kind, one.at, 1_234) for one in corrected]
    expected = reckoned(final, LIMITS[limits])
    with city(database, tmp_path, people=PEOPLE, caps=LIMITS[limits]) as world:
        arrive(world, events, draw)
        for one in gone:
            world.withdraw(one.name)
        told = [
            Ride(one.name, one.person, one.kind, one.at, 1_234).payload() | {"revision": 2}
            for one in corrected
        ]
        world.credit(*told)
        world.close(*DAYS)
        assert net_by_person(world) == [
            sum(expected[one.name] for one in final if one.person == p) for p in range(PEOPLE)
        ]
        assert_books(world)


def test_days_are_closed_in_order_where_a_year_has_a_cap(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, caps=LIMITS["person-year"]) as world:
        world.credit(metro("M-1", at="2026-11-16T08:00:00+08:00"))
        with pytest.raises(EarlierDayOpen) as refused:
            world.close(DAYS[2])
        assert "2026-11-16" in refused.value.message("en")
        assert "2026-11-16" in refused.value.message("zh")
        world.close(DAYS[0], DAYS[2])  # nothing happened on the day between


def test_a_late_event_gets_what_the_year_has_left(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, caps=[cap("person-year", mg=1_000_000)]) as world:
        world.credit(metro("M-1", at="2026-11-16T08:00:00+08:00", distance_m=20_000))
        world.close(DAYS[0])
        late, more = world.credit(
            metro("L-1", at="2026-11-16T09:00:00+08:00", distance_m=1_000),
            metro("L-2", at="2026-11-16T10:00:00+08:00", distance_m=1_000),
        )
        assert (late.co2e_mg, late.cap_code) == (46_800, None)
        assert (more.co2e_mg, more.cap_code) == (17_200, "cap-year")
        world.credit(metro("M-2", at="2026-11-17T08:00:00+08:00"))
        world.close(DAYS[1])
        assert world.grams() == 1_000_000
        assert_books(world)


def test_closing_says_which_cap_took_what(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, caps=LIMITS["person-day"] + LIMITS["programme-day"]) as world:
        world.credit(metro("M-2", at="2026-11-16T09:00:00+08:00", distance_m=15_000))
        world.credit(metro("M-1", at="2026-11-16T08:00:00+08:00", distance_m=14_000))
        world.close(DAYS[0])
        with unit_of_work(world.database, read_only=True) as session:
            rows = session.execute(text("SELECT delta_mg, reason FROM reduction_adjustment")).all()
        # The later ride had come first and left nothing: the earlier one takes its whole from it.
        assert sorted((int(row.delta_mg), row.reason) for row in rows) == [
            (-655_200, "cap-person"),
            (655_200, "cap"),
        ]
        assert world.grams() == 700_000


@pytest.mark.parametrize("per", ["day", "month", "year"])
def test_points_are_granted_within_the_budget(database: Database, tmp_path: Path, per: str) -> None:
    budget = {
        "points": 10,
        "per": per,
        "effective_from": date(2015, 1, 1),
        "effective_to": None,
        "grade": "assumed",
        "source": None,
    }
    with city(database, tmp_path, people=3, points_budget=[budget]) as world:
        told = world.credit(
            *[
                metro(f"M-{p}", person=p, at=f"2026-11-16T0{p}:00:00+08:00", distance_m=10_000)
                for p in range(3)
            ]
        )
        assert [(one.points, one.points_withheld) for one in told] == [(4, 0), (4, 0), (2, 2)]
        [later] = world.credit(metro("N-1", at="2026-11-17T08:00:00+08:00", distance_m=10_000))
        assert (later.points, later.points_withheld) == ((4, 0) if per == "day" else (0, 4))
        world.withdraw("M-0")  # what is taken back is free again
        [again] = world.credit(metro("N-2", person=2, at="2026-11-16T20:00:00+08:00", distance_m=10_000))
        assert again.points == 4
        world.close(*DAYS)
        assert sum(world.points(person) for person in range(3)) == (14 if per == "day" else 10)
        assert_books(world)


def test_a_budget_of_a_scene_leaves_the_others_alone(database: Database, tmp_path: Path) -> None:
    budget = {
        "points": 3,
        "per": "month",
        "scene": "metro",
        "effective_from": date(2015, 1, 1),
        "effective_to": None,
        "grade": "assumed",
        "source": None,
    }
    with city(database, tmp_path, people=2, points_budget=[budget]) as world:
        ridden = metro("M-1", distance_m=10_000)
        bus = metro("B-1", person=1, distance_m=10_000) | {"type": "bus.ride"}
        told = world.credit(ridden, bus)
        assert [(one.points, one.points_withheld) for one in told] == [(3, 1), (2, 0)]
        assert_books(world)


def test_nobody_else_is_settled_than_who_may_differ(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, people=3, caps=LIMITS["person-year"]) as world:
        for person in range(3):
            world.credit(metro(f"M-{person}", person=person, at="2026-11-16T08:00:00+08:00"))
        world.credit(metro("M-9", person=2, at="2026-11-16T09:00:00+08:00", distance_m=100_000))
        seen: list[int] = []
        transact(
            world.database,
            lambda session: close_day(
                session,
                programme=world.programme,
                day=DAYS[0],
                now=world.now,
                closed_by="test",
                progress=seen.append,
            ),
        )
        assert seen == [1]
        assert partner_mg(world) == 0
