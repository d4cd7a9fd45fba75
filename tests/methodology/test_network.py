"""Shortest track distance: by hand on a small network, against another algorithm on random ones."""

import hashlib
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.methodology.network import (
    Network,
    NetworkUnreadable,
    StationsSame,
    StationUnknown,
    StationUnreachable,
    station_key,
)

SMALL = """city,line,from_station,to_station,metres
a,1,东门站,西门,1000
a,1,西门,南门,700
a,2,东门,南门,1900
a,2,南门,北门,300
a,3,海角,天涯,500
b,1,东门,北门,1
""".encode()


@pytest.fixture
def network() -> Network:
    return Network.from_csv(SMALL, city="a")


def test_takes_the_shortest_path_across_lines(network: Network) -> None:
    assert network.shortest_m("东门", "北门") == 2000  # 1000 + 700 + 300 beats 1900 + 300; no cost to change
    assert network.shortest_m("北门", "东门") == 2000
    assert network.shortest_m("西门", "南门") == 700


def test_city_selects_rows_and_without_it_all_count() -> None:
    assert Network.from_csv(SMALL, city="b").shortest_m("东门", "北门") == 1
    assert Network.from_csv(SMALL).shortest_m("西门", "北门") == 1000  # 700 + 300 or 1000 + 1


@pytest.mark.parametrize("spelling", ["东门", "东门站", " 东门 ", "东 门站", "东　门"])
def test_station_names_are_forgiving(network: Network, spelling: str) -> None:
    assert spelling in network
    assert network.station(spelling) == "东门站"
    assert network.shortest_m(spelling, "西门") == 1000


def test_full_width_and_the_bare_suffix() -> None:
    assert station_key("机场北（2号航站楼）") == station_key("机场北(2号航站楼)")
    assert station_key("Ａ1") == "A1"
    assert station_key("站") == "站"


def test_refuses_what_has_no_distance(network: Network) -> None:
    with pytest.raises(StationUnknown, match="月球"):
        network.shortest_m("东门", "月球")
    with pytest.raises(StationsSame):
        network.shortest_m("东门", "东门站")
    with pytest.raises(StationUnreachable, match="海角"):
        network.shortest_m("东门", "海角")


def test_digest_is_that_of_the_bytes(network: Network) -> None:
    assert network.digest == hashlib.sha256(SMALL).hexdigest()
    assert network.stations == ("东门站", "北门", "南门", "天涯", "海角", "西门")


def test_column_order_and_byte_order_mark_do_not_matter() -> None:
    data = "\ufeffmetres,to_station,from_station\n12,B,A\n".encode()
    assert Network.from_csv(data).shortest_m("A", "B") == 12


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "missing"),
        (b"from_station,to_station\nA,B\n", "metres"),
        (b"from_station,to_station,metres\n", "no segment"),
        (b"from_station,to_station,metres\nA,B,1.5\n", "Line 2 .*whole number"),
        (b"from_station,to_station,metres\nA,B,-1\n", "whole number"),
        (b"from_station,to_station,metres\nA,B,1\nA,B\n", "Line 3 .*whole number"),
        (b"from_station,to_station,metres\nA,A,1\n", "two different"),
        ("from_station,to_station,metres\n东门,西门,1\n".encode("gb18030"), "Line 2 .*UTF-8"),
    ],
)
def test_unusable_files_are_named_by_line(data: bytes, said: str) -> None:
    with pytest.raises(NetworkUnreadable, match=said):
        Network.from_csv(data)


def test_an_unknown_city_is_said() -> None:
    with pytest.raises(NetworkUnreadable, match="atlantis"):
        Network.from_csv(SMALL, city="atlantis")


@given(st.integers(2, 9), st.integers(0, 2**32))
def test_agrees_with_relaxation_over_all_pairs(size: int, seed: int) -> None:
    draw = random.Random(seed)
    pairs = [pair for pair in itertools.combinations(range(size), 2) if draw.randrange(3)]
    edges = {pair: draw.randrange(0, 50) for pair in pairs or [(0, 1)]}
    rows = [f"s{a},s{b},{metres}" for (a, b), metres in edges.items()]
    network = Network.from_csv("\n".join(["from_station,to_station,metres", *rows]).encode())
    far = 10**9
    table = [
        [0 if a == b else edges.get((min(a, b), max(a, b)), far) for b in range(size)] for a in range(size)
    ]
    for via, a, b in itertools.product(range(size), repeat=3):
        table[a][b] = min(table[a][b], table[a][via] + table[via][b])
    known = set(network.stations)
    for a, b in itertools.permutations(range(size), 2):
        if not {f"s{a}", f"s{b}"} <= known:
            continue
        if table[a][b] == far:
            with pytest.raises(StationUnreachable):
                network.shortest_m(f"s{a}", f"s{b}")
        else:
            assert network.shortest_m(f"s{a}", f"s{b}") == table[a][b]
