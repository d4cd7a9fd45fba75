"""Straight lines between stations: against the textbook formula in floats, and what spoils the file."""

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.imports.errors import StationsUnreadable
from carbon_credit.imports.stations import Stations
from carbon_credit.methodology.network import StationsSame, StationUnknown

HEADER = "station_id,latitude,longitude,name\n"


def haversine(a: tuple[str, str], b: tuple[str, str]) -> float:
    (p, q), (r, s) = [[math.radians(float(value)) for value in point] for point in (a, b)]
    half = math.sin((r - p) / 2) ** 2 + math.cos(p) * math.cos(r) * math.sin((s - q) / 2) ** 2
    return 2 * 6_371_008.8 * math.asin(min(1.0, math.sqrt(half)))


def stations(*points: tuple[str, str]) -> Stations:
    rows = "".join(f"{number},{up},{across},x\n" for number, (up, across) in enumerate(points))
    return Stations.from_csv((HEADER + rows).encode())


def test_two_stations_of_new_york() -> None:
    here = stations(("40.76727216", "-73.99392888"), ("40.71911552", "-74.00666661"))
    assert here.line_m("0", "1", Decimal(1)) == here.line_m("1", "0", Decimal(1)) == 5461
    assert here.line_m("0", "1", Decimal("1.3")) == 7099  # floor of 1.3 times 5461.4


COORDINATES = st.tuples(
    st.decimals(-90, 90, places=6).map(lambda value: format(value, "f")),
    st.decimals(-180, 180, places=6).map(lambda value: format(value, "f")),
)


@given(COORDINATES, COORDINATES)
def test_lines_are_those_of_the_sphere(a: tuple[str, str], b: tuple[str, str]) -> None:
    metres = stations(a, b).line_m("0", "1", Decimal(1))
    assert metres == pytest.approx(haversine(a, b), abs=1.5)


def test_unknown_and_same_stations() -> None:
    here = stations(("1", "1"), ("2", "2"))
    with pytest.raises(StationUnknown):
        here.line_m("0", "7", Decimal(1))
    with pytest.raises(StationsSame):
        here.line_m("1", "1", Decimal(1))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("station_id,latitude\n1,2\n", 1),
        (HEADER, 1),
        (HEADER + "1,91,0,x\n", 2),
        (HEADER + "1,1,1,x\n1,2,2,x\n", 3),
        (HEADER + "1,1e1,1,x\n", 2),
        (HEADER + "1,nan,1,x\n", 2),
        (HEADER + "1,1,,x\n", 2),
    ],
)
def test_a_file_that_is_not_usable_names_the_line(text: str, line: int) -> None:
    with pytest.raises(StationsUnreadable) as caught:
        Stations.from_csv(text.encode())
    assert caught.value.details["line"] == line
    with pytest.raises(StationsUnreadable):
        Stations.from_csv(text.encode() + "站".encode("gb18030"))
