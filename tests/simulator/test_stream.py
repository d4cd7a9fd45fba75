"""Simulated city days: the same for the same seed, plausible, and as messy as asked for."""

import json
import tracemalloc
from collections import Counter
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_credit.methodology.network import Network
from carbon_credit.simulator.city import metro, metro_csv
from carbon_credit.simulator.stream import PARTNERS, Mess, SimulatedEvent, Simulation, simulate

MONDAY = date(2026, 3, 2)
TIDY = Mess(late=0, duplicate=0, conflict=0, bad=0)


def days(
    seed: int = 1, *, citizens: int = 60, count: int = 7, mess: Mess | None = None
) -> list[SimulatedEvent]:
    return list(
        simulate(seed=seed, programme="x-gd-sz", citizens=citizens, start_day=MONDAY, days=count, mess=mess)
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 12), st.integers(1, 4))
def test_the_same_arguments_give_the_same_stream(seed: int, citizens: int, count: int) -> None:
    assert days(seed, citizens=citizens, count=count) == days(seed, citizens=citizens, count=count)


def test_seed_and_programme_make_another_city() -> None:
    assert days(1) != days(2)
    assert metro_csv(seed=1, programme="x-gd-sz") != metro_csv(seed=1, programme="x-gd-gz")


def test_quantities_are_whole_numbers_and_the_stream_is_json() -> None:
    def check(value: object) -> None:
        assert not isinstance(value, float)
        for inner in value.values() if isinstance(value, dict) else ():
            check(inner)

    for delivered in days(mess=TIDY):
        check(delivered.event)
        assert json.loads(json.dumps(delivered.event)) == delivered.event
        assert delivered.partner in PARTNERS


def test_metro_distances_are_those_of_the_city_s_own_network() -> None:
    network = Network.from_csv(metro_csv(seed=1, programme="x-gd-sz"))
    assert network.digest == metro(seed=1, programme="x-gd-sz").digest
    rides = [one.event["data"] for one in days(mess=TIDY) if one.event["type"] == "metro.ride"]
    for ride in rides:
        assert isinstance(ride, dict)
        assert ride["distance_m"] == network.shortest_m(ride["origin"], ride["destination"])


def test_a_week_is_plausible_and_large_enough_for_whole_tonnes() -> None:
    stream = days(citizens=400, mess=TIDY)
    kinds = Counter(str(one.event["type"]) for one in stream)
    assert set(kinds) == {"metro.ride", "bus.ride", "bike.ride", "walk", "electricity.period"}
    metres = [one.event["data"]["distance_m"] for one in stream if one.event["type"] == "metro.ride"]  # type: ignore[index]
    assert 8_000 < sum(metres) // len(metres) < 12_500
    # 64.1 passenger-kilometres of metro make 3 kg: so many citizens and a week make more than a tonne.
    assert sum(metres) * 468 // 10 > 1_000_000_000
    hours = Counter(
        datetime.fromisoformat(str(one.event["occurred_at"])).hour
        for one in stream
        if one.event["type"] == "metro.ride"
    )
    assert hours[8] > 4 * hours[12]
    assert hours[18] > 4 * hours[12]


def test_good_events_have_ids_of_their_own_and_end_after_they_begin() -> None:
    stream = [one for one in days() if one.kind in ("good", "late")]
    ids = [one.event["id"] for one in stream]
    assert len(set(ids)) == len(ids)
    for one in stream:
        begin = datetime.fromisoformat(str(one.event["occurred_at"]))
        end = datetime.fromisoformat(str(one.event["ended_at"]))
        assert begin < end < one.received_at


def test_mess_is_what_it_says() -> None:
    mess = Mess(late=800, duplicate=900, conflict=500, bad=700, late_days=2)
    stream = days(citizens=150, mess=mess)
    seen: dict[object, SimulatedEvent] = {}
    for one in stream:
        before = seen.get(one.event["id"])
        match one.kind:
            case "duplicate":
                assert before is not None
                assert one.event == before.event
            case "conflict":
                assert before is not None
                assert one.event != before.event
                assert one.event["revision"] == before.event["revision"]
            case "bad":
                assert before is None
                assert one.problem
            case "late":
                begin = datetime.fromisoformat(str(one.event["occurred_at"]))
                if one.event["type"] != "electricity.period":
                    assert (one.received_at.date() - begin.date()) == timedelta(days=3)
        seen.setdefault(one.event["id"], one)
    kinds = Counter(one.kind for one in stream)
    made = kinds["good"] + kinds["late"]
    for kind, share in (("late", 800), ("duplicate", 900), ("conflict", 500), ("bad", 700)):
        assert made * share * 7 < kinds[kind] * 100_000 < made * share * 13, kind
    assert len({one.problem for one in stream if one.kind == "bad"}) == 7


def test_lateness_moves_events_and_neither_makes_nor_loses_any() -> None:
    def contents(mess: Mess) -> list[str]:
        return sorted(json.dumps(one.event) for one in days(mess=mess))

    assert contents(Mess(late=2_000, duplicate=0, conflict=0, bad=0)) == contents(TIDY)


def test_everyone_who_reports_is_known_by_the_link() -> None:
    simulation = Simulation(1, "x-gd-sz", 60, MONDAY, 7, mess=TIDY)
    links = {link for person in simulation.people() for link in person.links.items()}
    for one in simulation.events():
        link = one.event["citizen"]["link"]  # type: ignore[index]
        assert (link["kind"], link["value"]) in links


@pytest.mark.parametrize("count", [3, 30])
def test_memory_does_not_grow_with_the_days(count: int) -> None:
    stream = simulate(seed=1, programme="x-gd-sz", citizens=20, start_day=MONDAY, days=count)
    metro(seed=1, programme="x-gd-sz")
    tracemalloc.start()
    assert sum(1 for _ in stream) > count * 20
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000
