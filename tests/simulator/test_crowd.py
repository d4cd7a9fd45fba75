"""A crowd of any size: the same for the same seed, as messy as asked, in flat memory and every layout."""

import csv
import gzip
import io
import json
import tracemalloc
from collections import Counter
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_credit.kernel.digest import sha256_hex
from carbon_credit.simulator.city import metro
from carbon_credit.simulator.crowd import RIDES, Crowd, Delivery, Template, link_value
from carbon_credit.simulator.faults import MEANT
from carbon_credit.simulator.mixing import mix
from carbon_credit.simulator.stream import Mess
from carbon_credit.simulator.writing import LAYOUTS, sayable, write_file

MONDAY = date(2026, 3, 2)
TIDY = Mess(late=0, duplicate=0, conflict=0, bad=0)
MESSY = Mess(late=800, duplicate=900, conflict=500, bad=700, late_days=2)
READING = Template("water.period", "water-meter", 1, {"volume_ml": 5_000, "baseline_ml": 6_000})


def crowd(seed: int = 1, *, citizens: int = 150, days: int = 4, mess: Mess = TIDY, **more: Any) -> Crowd:
    return Crowd(
        seed=seed, programme="x-gd-sz", citizens=citizens, start_day=MONDAY, days=days, mess=mess, **more
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 40), st.integers(1, 3))
def test_the_same_arguments_give_the_same_deliveries(seed: int, citizens: int, days: int) -> None:
    asked = crowd(seed, citizens=citizens, days=days, mess=MESSY, templates=(READING,))
    assert list(asked.deliveries()) == list(replace(asked).deliveries())


def test_the_seed_makes_other_days_and_the_same_people() -> None:
    one, other = crowd(1), crowd(2)
    assert list(one.people()) == list(other.people())
    assert [d.event for d in one.deliveries()] != [d.event for d in other.deliveries()]
    ids = [{d.event["id"] for d in days.deliveries()} for days in (one, other)]
    assert ids[0].isdisjoint(ids[1])


def test_every_roll_is_one_of_64_bits_and_none_comes_twice() -> None:
    rolls = {mix(number) for number in range(20_000)}
    assert len(rolls) == 20_000
    assert min(rolls) >= 0
    assert 2**63 < max(rolls) < 2**64


def test_days_are_plausible() -> None:
    made = [d.event for d in crowd(citizens=500, days=7).deliveries()]
    kinds = Counter(event["type"] for event in made)
    assert set(kinds) == {"metro.ride", "bus.ride", "bike.ride", "walk", "electricity.period"}
    assert kinds["metro.ride"] > kinds["bus.ride"] > kinds["bike.ride"]
    hours: Counter[int] = Counter()
    for event in made:
        begin, end = (datetime.fromisoformat(str(event[name])) for name in ("occurred_at", "ended_at"))
        assert begin < end
        assert begin.utcoffset() == end.utcoffset()
        hours[begin.hour] += event["type"] in RIDES
    assert hours[8] > 4 * hours[12]
    assert hours[18] > 4 * hours[12]
    ids = [event["id"] for event in made]
    assert len(set(ids)) == len(ids)


def test_metro_distances_are_those_of_the_network() -> None:
    network = metro(seed=1, programme="x-gd-sz")
    rides = [d.event["data"] for d in crowd().deliveries() if d.event["type"] == "metro.ride"]
    assert len(rides) > 100
    for ride in rides:
        assert isinstance(ride, dict)
        assert ride["distance_m"] == network.shortest_m(ride["origin"], ride["destination"])


def test_who_reports_is_linked_and_only_by_what_is_needed() -> None:
    asked = crowd(templates=(READING,))
    linked = {link for links in asked.people() for link in links}
    used = set()
    for one in asked.deliveries():
        link = one.event["citizen"]["link"]  # type: ignore[index]
        used.add((link["kind"], link["value"]))
    assert used <= linked
    only = crowd(types=("metro.ride",))
    assert {kind for links in only.people() for kind, _ in links} == {"transit-card", "phone"}
    assert link_value("x-gd-sz", "phone", 3) == "SIM-PHONE-x-gd-sz-0000003"


def test_what_a_programme_lacks_others_take_over() -> None:
    types = {d.event["type"] for d in crowd(types=("bike.ride",)).deliveries()}
    assert types == {"bike.ride"}
    assert list(crowd(types=()).deliveries()) == []


def test_mess_is_what_it_says() -> None:
    seen: dict[object, Delivery] = {}
    kinds: Counter[str] = Counter()
    for one in crowd(citizens=400, mess=MESSY).deliveries():
        kinds[one.kind] += 1
        before = seen.get(one.event["id"])
        if one.kind == "duplicate":
            assert before is not None
            assert (one.event, one.meant) == (before.event, "duplicate")
        elif one.kind == "conflict":
            assert before is not None
            assert one.event["data"] != before.event["data"]
            assert one.event["revision"] == before.event["revision"]
        else:
            assert before is None
        if one.kind == "late" and one.event["type"] in RIDES:
            assert (one.day - datetime.fromisoformat(str(one.event["occurred_at"])).date()).days == 2
        assert (one.fault is not None) == (one.kind == "bad")
        assert one.fault is None or one.meant == MEANT[one.fault]
        seen.setdefault(one.event["id"], one)
    made = kinds["good"] + kinds["late"]
    for kind, share in (("late", 800), ("duplicate", 900), ("conflict", 500), ("bad", 700)):
        assert made * share * 8 < kinds[kind] * 100_000 < made * share * 12, kind
    assert {one.fault for one in seen.values() if one.fault} == set(MEANT)


def test_lateness_moves_events_and_neither_makes_nor_loses_any() -> None:
    def contents(mess: Mess) -> list[str]:
        return sorted(json.dumps(d.event) for d in crowd(mess=mess, templates=(READING,)).deliveries())

    assert contents(replace(TIDY, late=2_000)) == contents(TIDY)


def test_memory_does_not_grow_with_the_crowd() -> None:
    def peak(citizens: int) -> int:
        tracemalloc.start()
        count = sum(1 for _ in crowd(citizens=citizens, days=2, mess=MESSY).deliveries())
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert count > citizens
        return most

    peak(10)  # tables that are made once
    assert peak(10_000) < peak(500) + 200_000


def unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(data)
    return zstandard.ZstdDecompressor().stream_reader(data).read() if path.suffix == ".zst" else data


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
@pytest.mark.parametrize("layout", ["events", *LAYOUTS])
def test_a_file_holds_what_was_delivered(tmp_path: Path, layout: str, suffix: str) -> None:
    types = LAYOUTS[layout].types if layout in LAYOUTS else ("metro.ride", "walk", "electricity.period")
    asked = crowd(mess=MESSY, types=types)
    deliveries = list(sayable(asked.deliveries(), layout=layout))
    path = tmp_path / f"day.file{suffix}"
    told = write_file(path, deliveries, layout=layout, control=True)
    assert told.sha256 == sha256_hex(path.read_bytes())
    control = orjson.loads((tmp_path / f"day.file{suffix}.ctl").read_bytes())
    assert control == {"rows": told.rows, "sums": told.sums, "sha256": told.sha256}
    assert {one.name for one in tmp_path.iterdir()} == {path.name, f"{path.name}.ctl", f"{path.name}.ok"}
    text = unpacked(path).decode()
    if layout == "events":
        assert [orjson.loads(line) for line in text.splitlines()] == [one.event for one in deliveries]
        assert told.rows == len(deliveries)
        return
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == LAYOUTS[layout].columns
    assert told.rows == len(rows) == len(deliveries) * (2 if layout == "swipes" else 1)
    if layout == "rides":
        assert [row["ride_id"] for row in rows] == [one.event["id"] for one in deliveries]
        whole = [int(row["distance_m"]) for row in rows if row["distance_m"].lstrip("-").isdigit()]
        assert told.sums == {"metres": sum(whole)}


def test_the_same_deliveries_are_the_same_bytes(tmp_path: Path) -> None:
    first = write_file(tmp_path / "a.gz", crowd().deliveries(), layout="events")
    again = write_file(tmp_path / "b.gz", crowd().deliveries(), layout="events")
    assert first.sha256 == again.sha256
    assert [one.name for one in sorted(tmp_path.iterdir())] == ["a.gz", "b.gz"]
