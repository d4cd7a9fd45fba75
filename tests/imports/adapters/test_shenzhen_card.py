"""The Shenzhen adapter: the outcome of every kind of row, and what must not change the rides."""

import csv
import gzip
import io
import random
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.imports.adapters import make_adapter
from carbon_credit.imports.errors import AdapterUnknown
from carbon_credit.imports.formats.delimited import DelimitedFile
from carbon_credit.imports.rows import Event, Item, Ride, RowOutcome
from carbon_credit.methodology.network import Network

NETWORK = Network.from_csv(
    "from_station,to_station,metres\n甲,乙站,1000\n乙,丙,2500\n丁,戊,900\n甲,己,0\n".encode()
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
HEADER = "card_no,deal_date,deal_type,deal_money,station"
IN, OUT, BUS = "地铁入站", "地铁出站", "巴士"


def swipe(card: str, minute: int, kind: str, station: str) -> str:
    return f"{card},2018-09-01 {8 + minute // 60:02d}:{minute % 60:02d}:00,{kind},200,{station}"


def items(data: bytes) -> list[Item]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "swipes"
        path.write_bytes(data)
        return list(make_adapter("shenzhen-card", network=NETWORK).items(DelimitedFile(path), now=NOW))


def read(*rows: str) -> list[Item]:
    return items("\n".join([HEADER, *rows]).encode())


def outcomes(found: list[Item]) -> dict[int, tuple[str, str]]:
    return {item.line: (item.status, item.reason) for item in found if isinstance(item, RowOutcome)}


def events(found: list[Item]) -> list[Event]:
    return [item.event for item in found if isinstance(item, Ride)]


def test_a_ride_as_the_contract_writes_it() -> None:
    (ride,) = read(swipe("C1", 3, IN, "甲站"), swipe("C1", 36, OUT, "丙"))
    assert isinstance(ride, Ride)
    assert ride.lines == (2, 3)
    assert ride.card == "C1"
    assert ride.event == {
        "id": ride.event["id"],
        "revision": 1,
        "type": "metro.ride",
        "occurred_at": "2018-09-01T08:03:00+08:00",
        "ended_at": "2018-09-01T08:36:00+08:00",
        "citizen": {"link": {"kind": "transit-card", "value": "C1"}},
        "data": {"origin": "甲", "destination": "丙", "distance_m": 3500, "distance_source": "gates"},
    }
    assert "C1" not in repr(ride)


def test_the_id_is_known_so_that_no_later_version_credits_a_file_again() -> None:
    (event,) = events(read(swipe("C1", 3, IN, "甲站"), swipe("C1", 36, OUT, "丙")))
    assert event["id"] == "8d00be1684eedc1e3e8b77d679afe6fd"


@pytest.mark.parametrize(
    ("origin", "destination", "reason"),
    [
        ("", "丙", "station-missing"),
        ("甲", "-", "station-missing"),
        ("甲", "?I岭", "station-garbled"),
        ("甲", "丙\ufffd", "station-garbled"),
        ("甲", "月球", "station-unknown"),
        ("甲", "甲站", "stations-same"),
        ("甲", "戊", "station-unreachable"),
    ],
)
def test_both_rows_of_a_ride_share_the_reason(origin: str, destination: str, reason: str) -> None:
    found = read(swipe("C1", 0, IN, origin), swipe("C1", 9, OUT, destination))
    assert outcomes(found) == {2: ("rejected", reason), 3: ("rejected", reason)}


def test_rows_that_are_no_part_of_a_ride() -> None:
    found = read(
        swipe("C1", 200, BUS, "M506"),  # 2: also the latest moment of the file, 11:20
        swipe("C2", 5, OUT, "甲"),  # 3
        swipe("C3", 5, IN, "甲"),  # 4: waits until 12:05
        swipe("C3", 5, IN, "甲站"),  # 5: the same swipe, written differently
        swipe("", 5, IN, "甲"),  # 6
        swipe("C4", 5, "电车", "甲"),  # 7
        "C5,2018-09-01,地铁入站,200,甲",  # 8
        "C5,2018-09-01 08:00:00",  # 9
        "C5,2118-09-01 08:00:00,地铁入站,200,甲",  # 10
        swipe("C1", 200, BUS, "M506"),  # 11
    )
    assert outcomes(found) == {
        2: ("rejected", "distance-unknown"),
        3: ("rejected", "no-entry"),
        4: ("held", "awaiting-exit"),
        5: ("duplicate", "row-repeated"),
        6: ("rejected", "card-missing"),
        7: ("rejected", "type-unknown"),
        8: ("rejected", "time-malformed"),
        9: ("rejected", "row-malformed"),
        10: ("rejected", "time-in-future"),
        11: ("duplicate", "row-repeated"),
    }


def test_an_entry_is_given_up_when_the_file_goes_on_past_its_window() -> None:
    found = read(swipe("C1", 0, IN, "甲"), swipe("C2", 241, BUS, "M506"))
    assert outcomes(found)[2] == ("rejected", "no-exit")


def test_the_rest_of_a_ride_may_come_with_a_later_file() -> None:
    entry, exit_ = swipe("C1", 0, IN, "甲"), swipe("C1", 9, OUT, "乙")
    assert outcomes(read(entry)) == {2: ("held", "awaiting-exit")}
    assert len(events(read(entry, exit_))) == 1


def test_a_segment_without_a_length_is_left_to_the_bounds_of_the_activity() -> None:
    (event,) = events(read(swipe("C1", 0, IN, "甲"), swipe("C1", 9, OUT, "己")))
    assert event["data"] == {"origin": "甲", "destination": "己", "distance_m": 0, "distance_source": "gates"}


def test_an_unknown_adapter_is_said() -> None:
    with pytest.raises(AdapterUnknown, match="shenzhen-card"):
        make_adapter("no-such", network=NETWORK)


CELLS = st.tuples(
    st.sampled_from(["C1", "C2", "C3", ""]),
    st.integers(0, 400),
    st.sampled_from([IN, IN, OUT, OUT, BUS, "?"]),
    st.sampled_from(["甲", "甲站", "乙", "丙", "丁", "", "?I岭", "月球"]),
)


@given(st.lists(CELLS, max_size=40), st.integers(0, 2**32))
def test_every_row_once_and_the_rides_depend_on_content_alone(
    cells: list[tuple[str, int, str, str]], seed: int
) -> None:
    draw = random.Random(seed)
    rows = [swipe(*cell).split(",") for cell in cells]
    plain = items(_csv(HEADER.split(","), rows, quoting=csv.QUOTE_MINIMAL))
    lines = [line for item in plain for line in (item.lines if isinstance(item, Ride) else (item.line,))]
    assert sorted(lines) == list(range(2, 2 + len(rows)))

    columns = list(range(5))
    draw.shuffle(columns)
    draw.shuffle(rows)
    header = [HEADER.split(",")[column] for column in columns]
    mixed = _csv(header, [[row[column] for column in columns] for row in rows], quoting=csv.QUOTE_ALL)
    again = items(gzip.compress(mixed))
    assert events(again) == events(plain)
    assert sorted(outcomes(again).values()) == sorted(outcomes(plain).values())


def _csv(header: list[str], rows: list[list[str]], *, quoting: int) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, quoting=quoting)  # type: ignore[arg-type]
    writer.writerows([header, *rows])
    return text.getvalue().encode()
