"""The mappings that come with the program, each over rows of its kind, and over the rows that spoil it."""

import csv
import gzip
import json
import os
import tracemalloc
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from carbon_credit.catalogue.activities import load_activities, validate
from carbon_credit.imports.adapters import make_adapter, names
from carbon_credit.imports.adapters.loading import load_mapping, mapping_problems
from carbon_credit.imports.errors import (
    AdapterNeeds,
    AdapterRehearsalOnly,
    FormatRefused,
    RidersUnreadable,
)
from carbon_credit.imports.formats import open_rows
from carbon_credit.imports.rows import Event, Item, Ride, RowOutcome
from carbon_credit.imports.stations import Stations

LIBRARY = Path(__file__).resolve().parents[3] / "methodologies"
ACTIVITIES = load_activities(LIBRARY)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
STATIONS = Stations.from_csv(b"station_id,latitude,longitude\n3365,40.70,-74.0\n3423,40.71,-74.0\n")
FOLDER = os.environ.get("REAL_DATA_DIR")


def read(
    folder: Path, adapter: str, data: str | bytes, **more: object
) -> tuple[list[Item], dict[str, object]]:
    path = folder / "rows"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    made = make_adapter(adapter, **more)  # type: ignore[arg-type]
    found = list(made.items(open_rows(path), now=NOW))
    return found, dict(made.totals)


def reasons(found: list[Item]) -> dict[int, str]:
    return {one.line: one.reason for one in found if isinstance(one, RowOutcome)}


def events(found: list[Item]) -> list[Event]:
    return [one.event for one in found if isinstance(one, Ride)]


@pytest.mark.parametrize("name", names())
def test_each_is_sound_and_its_words_are_those_of_the_activities(name: str) -> None:
    mapping, problems = mapping_problems(name, ACTIVITIES)
    assert problems == []
    assert mapping is not None
    assert mapping.name == name
    assert len(load_mapping(name).digest) == 64


GENERIC = """ride_id,mode,card,start_time,end_time,distance_m,distance_source,origin
R1,metro,C1,2026-11-20 08:00:00,2026-11-20 08:30:00,8300.9,gates,甲
R2,共享单车,C2,2026/11/20 8:05,2026/11/20 8:15,1200,,乙
R3,taxi,C3,2026-11-20 08:00:00,,1,gps,
R4,bus,,2026-11-20 08:00:00,,1,gps,
,bus,C5,2026-11-20 08:00:00,,1,gps,
R6,bus,C6,2026-11-20 08:00:00,,12 km,gps,
R7,bus,C7,2026-11-20 08:00:00,2026-11-20 07:00:00,12,gps,
R8,bus,C8,2026-11-22 08:00:00,,12,gps,
R9,bus,C9,yesterday,,12,gps,
R10,bus,C10,2026-11-20 08:00:00,,,guessed,
R11,bus,C11,2026-11-20 08:00:00,,,gps,
R12,bus,C12,2026-11-20 08:00:00+00:00,,7,gps,
R13,bus
"""


def test_generic_rides(tmp_path: Path) -> None:
    found, totals = read(tmp_path, "generic-ride", GENERIC)
    assert events(found)[0] == {
        "id": "R1",
        "revision": 1,
        "type": "metro.ride",
        "occurred_at": "2026-11-20T08:00:00+08:00",
        "ended_at": "2026-11-20T08:30:00+08:00",
        "citizen": {"link": {"kind": "transit-card", "value": "C1"}},
        "data": {"distance_m": 8300, "distance_source": "gates", "origin": "甲"},
    }
    assert events(found)[1]["data"] == {"distance_m": 1200, "distance_source": "declared"}
    assert reasons(found) == {
        4: "type-unknown",
        5: "card-missing",
        6: "id-missing",
        7: "number-malformed",
        8: "end-before-start",
        9: "time-in-future",
        10: "time-malformed",
        11: "value-unknown",
        14: "row-malformed",
    }
    without, elsewhere = events(found)[2:]
    assert without["data"] == {"distance_source": "gps"}  # whether that does is for the methodology to say
    assert elsewhere["occurred_at"] == "2026-11-20T16:00:00+08:00"
    assert totals == {"rows": 13, "metres": "9546.9"}
    for event in events(found):
        assert validate(ACTIVITIES[str(event["type"])], event["data"]) == []  # type: ignore[arg-type]


def test_one_id_with_two_contents_is_handed_on(tmp_path: Path) -> None:
    # Only who knows what came before can tell a replay from a contradiction; the adapter hides neither.
    rows = GENERIC.splitlines()
    other = rows[1].replace("8300.9", "9000")
    found, totals = read(tmp_path, "generic-ride", "\n".join([*rows[:2], rows[1], other]))
    assert [event["id"] for event in events(found)] == ["R1", "R1", "R1"]
    assert [event["data"]["distance_m"] for event in events(found)] == [8300, 8300, 9000]  # type: ignore[index]
    assert totals == {"rows": 3, "metres": "25601.8"}


@pytest.mark.parametrize("rows", [20_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_a_file_of_duplicates_takes_no_memory(rows: int, tmp_path: Path) -> None:
    path = tmp_path / "rows.gz"
    header, row = GENERIC.splitlines()[:2]
    with gzip.open(path, "wt") as out:
        out.write(header + "\n")
        out.writelines(f"{row}\n" for _ in range(rows))
    made = make_adapter("generic-ride")
    tracemalloc.start()
    try:
        count = sum(1 for item in made.items(open_rows(path), now=NOW) if isinstance(item, Ride))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == made.totals["rows"] == rows
    assert peak < 6_000_000


def test_electricity_of_households(tmp_path: Path) -> None:
    found, totals = read(
        tmp_path,
        "household-electricity",
        "户号,起日,止日,用电量,上年同期用电量,人数\n"
        "M1,2026-10-01,2026-11-01,180.25,200,3\n"
        "M2,20261001,20261101,95,,\n"
        "M3,2026-11-01,2026-12-01,95,,\n",
    )
    assert events(found)[0] == {
        "id": events(found)[0]["id"],
        "revision": 1,
        "type": "electricity.period",
        "occurred_at": "2026-10-01T00:00:00+08:00",
        "ended_at": "2026-11-01T00:00:00+08:00",
        "citizen": {"link": {"kind": "electricity-meter", "value": "M1"}},
        "data": {"energy_wh": 180_250, "baseline_wh": 200_000, "persons": 3, "reading_source": "supplier"},
    }
    assert reasons(found) == {4: "time-in-future"}
    assert totals == {"rows": 3, "used": "370.25"}
    again, _ = read(
        tmp_path,
        "household-electricity",
        "kwh\tto\tfrom\tmeter\n180.25\t2026/11/1\t2026/10/1\tM1\n",
    )
    # The period is the identity: the same one spelt differently, or with another reading, is the same event.
    assert events(again)[0]["id"] == events(found)[0]["id"]


BIKES = "start_ts,duration,start_station,end_station,subscriber,birth_year\n"
TRIP = "2017-04-18 00:00:14,285,3365,3423,1,1999\n"


def test_bike_trips_need_a_list_of_riders(tmp_path: Path) -> None:
    found, totals = read(tmp_path, "citibike", BIKES + TRIP)
    assert reasons(found) == {2: "no-citizen"}
    assert totals == {"rows": 1, "seconds": 285}
    riders = tmp_path / "riders.csv"
    riders.write_text("line,citizen\n2,ACCOUNT-7\n", encoding="utf-8")
    with pytest.raises(AdapterNeeds, match="--stations"):
        make_adapter("citibike", riders=riders)
    rows = TRIP + TRIP.replace("3423", "3365") + TRIP.replace("3365", "1") + TRIP
    riders.write_text("line,citizen\n2,A\n3,B\n4,C\n", encoding="utf-8")
    found, _ = read(tmp_path, "citibike", BIKES + rows, riders=riders, stations=STATIONS)
    (event,) = events(found)
    assert event == {
        "id": event["id"],
        "revision": 1,
        "type": "bike.ride",
        "occurred_at": "2017-04-18T00:00:14-04:00",
        "ended_at": "2017-04-18T00:04:59-04:00",
        "citizen": {"link": {"kind": "bike-account", "value": "A"}},
        "data": {"distance_m": 1111, "distance_source": "gates", "duration_s": 285},
    }
    assert reasons(found) == {3: "stations-same", 4: "station-unknown", 5: "no-citizen"}


def test_two_riders_of_like_trips_are_two_trips(tmp_path: Path) -> None:
    riders = tmp_path / "riders.csv"
    riders.write_text("line,citizen\n2,A\n3,B\n4,A\n", encoding="utf-8")
    found, _ = read(tmp_path, "citibike", BIKES + TRIP * 3, riders=riders, stations=STATIONS)
    first, second, again = events(found)
    assert first["id"] != second["id"]
    assert again == first


def test_the_birth_year_is_never_read(tmp_path: Path) -> None:
    riders = tmp_path / "riders.csv"
    riders.write_text("line,citizen\n2,A\n", encoding="utf-8")
    one, _ = read(tmp_path, "citibike", BIKES + TRIP, riders=riders, stations=STATIONS)
    columns = BIKES.strip().rpartition(",")[0]
    without = columns + "\n" + TRIP.strip().rpartition(",")[0]
    assert read(tmp_path, "citibike", without, riders=riders, stations=STATIONS)[0] == one
    assert "birth" not in load_mapping("citibike").text.replace(
        "The birth year in these files is not read", ""
    )


def test_trips_in_the_hour_that_comes_twice_begin_in_the_first(tmp_path: Path) -> None:
    riders = tmp_path / "riders.csv"
    riders.write_text("line,citizen\n2,A\n3,A\n", encoding="utf-8")
    rows = TRIP.replace("2017-04-18 00:00:14,285", "2017-11-05 01:50:00,1200")
    gap = TRIP.replace("2017-04-18 00:00:14", "2017-03-12 02:30:00")
    found, _ = read(tmp_path, "citibike", BIKES + rows + gap, riders=riders, stations=STATIONS)
    (event,) = events(found)
    assert event["occurred_at"] == "2017-11-05T01:50:00-04:00"
    assert event["ended_at"] == "2017-11-05T02:10:00-04:00"  # 20 minutes later, as a clock not put back
    assert reasons(found) == {3: "time-nonexistent"}


def test_rehearsal_only() -> None:
    adapter = make_adapter("citibike")
    adapter.check_programme("x-gd-sz")
    with pytest.raises(AdapterRehearsalOnly, match="gd-sz"):
        adapter.check_programme("gd-sz")
    make_adapter("generic-ride").check_programme("gd-sz")


@pytest.mark.parametrize(
    "text", ["trip,citizen\na,A\na,B\n", "trip,line,citizen\na,2,A\n", "citizen\nA\n", "line,citizen\nx,A\n"]
)
def test_a_list_of_riders_that_contradicts_itself_is_refused(text: str, tmp_path: Path) -> None:
    riders = tmp_path / "riders.csv"
    riders.write_text(text, encoding="utf-8")
    with pytest.raises(RidersUnreadable) as caught:
        read(tmp_path, "citibike", BIKES + TRIP, riders=riders, stations=STATIONS)
    assert "A" not in str(caught.value.details)


TRIPS: list[dict[str, object]] = [
    {
        "provider_id": "p",
        "trip_id": "t-1",
        "vehicle_type": "bicycle",
        "propulsion_types": ["human", "electric_assist"],
        "start_time": 1795219391250,
        "end_time": 1795219991250,
        "distance": 2499.9,
        "duration": 600,
    },
    {"trip_id": "t-2", "vehicle_type": "bicycle", "start_time": 1795219391250, "distance": 5},
    {"trip_id": "t-3", "vehicle_type": "scooter_standing", "start_time": 1, "end_time": 2, "distance": 5},
    {"trip_id": "t-4", "vehicle_type": "bicycle", "start_time": 1, "end_time": 2, "distance": 5},
]


@pytest.mark.parametrize("shape", ["lines", "answer"])
def test_mds_trips(shape: str, tmp_path: Path) -> None:
    riders = tmp_path / "riders.csv"
    riders.write_text("trip,citizen\nt-1,A\nt-2,A\nt-3,B\n", encoding="utf-8")
    lines = "\n".join(json.dumps(trip) for trip in TRIPS)
    answer = json.dumps({"version": "2.0.0", "trips": TRIPS})
    found, totals = read(tmp_path, "mds-trips", lines if shape == "lines" else answer, riders=riders)
    (event,) = events(found)
    assert event == {
        "id": "t-1",
        "revision": 1,
        "type": "ebike.ride",
        "occurred_at": "2026-11-21T00:03:11.250000+00:00",
        "ended_at": "2026-11-21T00:13:11.250000+00:00",
        "citizen": {"link": {"kind": "bike-account", "value": "A"}},
        "data": {"distance_m": 2499, "duration_s": 600, "distance_source": "gps"},
    }
    assert reasons(found) == {2: "awaiting-end", 3: "type-unknown", 4: "no-citizen"}
    assert next(one.status for one in found if isinstance(one, RowOutcome)) == "held"
    assert totals == {"rows": 4, "metres": "2514.9"}


def test_another_kind_of_file_is_refused_as_a_whole(tmp_path: Path) -> None:
    with pytest.raises(FormatRefused, match="csv"):
        read(tmp_path, "mds-trips", GENERIC)


@pytest.mark.skipif(FOLDER is None, reason="REAL_DATA_DIR is not set: no real trips to read")
def test_the_real_day_of_bike_trips(tmp_path: Path) -> None:
    folder = Path(FOLDER or "")
    trips = folder / "bike-trips-2017-04-18.csv.gz"
    riders = tmp_path / "riders.csv"
    with riders.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("line", "citizen"))
        writer.writerows((line, f"ACCOUNT-{line % 9_000}") for line in range(2, 53_811))
    unknown = make_adapter("citibike")
    assert Counter(type(item) for item in unknown.items(open_rows(trips), now=NOW)) == {RowOutcome: 53_809}
    assert unknown.totals == {"rows": 53_809, "seconds": 47_451_850}
    stations = Stations.from_csv((folder / "bike-stations.csv").read_bytes())
    made = make_adapter("citibike", riders=riders, stations=stations)
    found = list(made.items(open_rows(trips), now=NOW))
    assert made.totals == unknown.totals
    assert Counter(reasons(found).values()) == {"station-unknown": 2_011, "stations-same": 839}
    rides = events(found)
    assert len(rides) == 50_959
    assert sum(event["data"]["distance_m"] for event in rides) == 99_692_020  # type: ignore[index]
