"""Writing a mapping: what is wrong is told by line and key; what is right reads a city's file."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from carbon_credit.catalogue.activities import load_activities
from carbon_credit.imports.adapters import load_mapping, make_adapter
from carbon_credit.imports.adapters.loading import mapping_problems
from carbon_credit.imports.errors import AdapterNeeds, AdapterUnknown, FileEncoding, FileUnreadable
from carbon_credit.imports.formats import open_rows
from carbon_credit.imports.reasons import reasons_of_rows
from carbon_credit.imports.rows import Item, Ride, RowOutcome
from carbon_credit.methodology.errors import DataError, KeyMissing, KeyUnknown, NameUndefined, ValueWrong
from carbon_credit.methodology.network import Network

PROJECT = Path(__file__).resolve().parents[3]
ACTIVITIES = load_activities(PROJECT / "methodologies")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
WHOLE = """name: bus-daily
title: {zh: 公交, en: Bus}
columns:
  serial: no
  card: {names: [card, 卡号]}
  at: time
  km: km
  state: {names: [state], required: false}
time: {zone: Asia/Shanghai}
ignore:
  - {column: state, values: [refunded], reason: row-ignored}
type: bus.ride
id: {column: serial}
occurred_at: at
citizen: {kind: transit-card, column: card}
data:
  distance_m: {column: km, unit: km, rounding: down}
  distance_source: meter
"""


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., str]:
    def write(*changes: tuple[str, str]) -> str:
        text = WHOLE
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        path = tmp_path / "bus.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def read(mapping: str, folder: Path, data: bytes, network: Network | None = None) -> list[Item]:
    path = folder / "rows"
    path.write_bytes(data)
    return list(make_adapter(mapping, network=network).items(open_rows(path), now=NOW))


ROWS = "no,card,time,km,state\nA1,C1,2026-11-20 08:03:00,4.2559,\nA2,C2,2026-11-20 08:03:00,1,refunded\n"


def test_a_sound_mapping(written: Callable[..., str], tmp_path: Path) -> None:
    assert mapping_problems(written(), ACTIVITIES)[1] == []
    ride, refused = read(written(), tmp_path, ROWS.encode())
    assert isinstance(ride, Ride)
    assert ride.event["data"] == {"distance_m": 4255, "distance_source": "meter"}
    assert refused == RowOutcome(3, "rejected", "row-ignored")
    assert make_adapter(written()).digest == load_mapping(written()).digest
    before = load_mapping(written()).digest
    assert make_adapter(written(("meter", "gps"))).digest != before


@pytest.mark.parametrize(
    ("before", "after", "error", "line", "said"),
    [
        ("occurred_at: at", "occured_at: at", KeyUnknown, 14, "did you mean occurred_at"),
        ("type: bus.ride\n", "", KeyMissing, 1, "type"),
        ("zone: Asia/Shanghai", "zone: Asia/Shenzen", ValueWrong, 9, "write one like Asia/Shanghai"),
        ("zone: Asia/Shanghai", 'zone: UTC, formats: ["%H:%M"]', ValueWrong, 9, "a form with %Y"),
        ("zone: Asia/Shanghai", 'zone: UTC, formats: ["%q"]', ValueWrong, 9, "%q is not known"),
        ("zone: Asia/Shanghai", 'zone: UTC, formats: ["%Y%m%d %Y"]', ValueWrong, 9, "named twice"),
        ("zone: Asia/Shanghai", "zone: UTC, ambiguous: both", ValueWrong, 9, "write one of"),
        ("column: state, ", "column: stat, ", NameUndefined, 11, "Known names: serial, card, at, km, state"),
        ("reason: row-ignored", "reason: bad-luck", ValueWrong, 11, "not on the list"),
        ("values: [refunded], ", "", ValueWrong, 11, "exactly one of"),
        ("unit: km", "unit: kWh", ValueWrong, 17, "write one of m, cm, km"),
        ("rounding: down", "rounding: floor", ValueWrong, 16, "half-up"),
        ("{column: serial}", "{}", ValueWrong, 13, "either column or digest"),
        ("{column: serial}", "{digest: [serial, nope]}", NameUndefined, 13, "nope"),
        (
            "{column: serial}",
            "{digest: [serial], rider: true}",
            ValueWrong,
            13,
            "only with digest, and where",
        ),
        ("kind: transit-card, column: card", "kind: transit-card", ValueWrong, 15, "riders: true"),
        ("distance_source: meter", "distance_source: {}", ValueWrong, 18, "say column"),
        ("distance_source: meter", "count: many", ValueWrong, 18, "a whole number"),
        ("{column: km, unit: km, rounding: down}", "²", ValueWrong, 17, "a whole number"),
        ("  km: km\n", "  km: time\n", ValueWrong, 7, "feeds at already"),
        ("columns:\n", "file: {encoding: utf-99}\ncolumns:\n", ValueWrong, 3, "encoding"),
        ("columns:\n", "file: {encoding: rot13}\ncolumns:\n", ValueWrong, 3, "encoding"),
        ("columns:\n", "file: {encoding: undefined}\ncolumns:\n", ValueWrong, 3, "encoding"),
        ("columns:\n", 'file: {delimiter: ":"}\ncolumns:\n', ValueWrong, 3, "tab"),
        ("columns:\n", "control: [fare]\ncolumns:\n", NameUndefined, 3, "fare"),
        ("data:\n", "ended_at: {after: month, column: at}\ndata:\n", ValueWrong, 16, "exactly one of"),
        ("data:\n", "ended_at: {duration: {column: km, unit: km}}\ndata:\n", ValueWrong, 16, "ms, s, min"),
        ("data:\n", "distance: {rule: network}\ndata:\n", ValueWrong, 16, "say origin"),
        (
            "data:\n",
            'distance: {rule: great-circle, origin: card, destination: card, detour: "1.3"}\ndata:\n',
            ValueWrong,
            16,
            "source: declared",
        ),
        (
            "data:\n",
            "pairing: {by: [serial], kind: state, enter: [a], leave: [b], place: km, window_s: 60}\ndata:\n",
            ValueWrong,
            16,
            "leave out id",
        ),
    ],
)
def test_what_is_wrong_is_told_by_line_and_key(
    before: str, after: str, error: type[DataError], line: int, said: str, written: Callable[..., str]
) -> None:
    with pytest.raises(error) as caught:
        load_mapping(written((before, after)))
    assert caught.value.details["line"] == line
    assert "bus.yaml" in str(caught.value)
    assert said in str(caught.value)
    assert caught.value.message("zh") != caught.value.message("en")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("type: bus.ride", "type: bus.ryde", "bus.ryde is not defined"),
        ("type: bus.ride", "type: {column: state, words: {a: bus.ride, b: tram.ride}}", "tram.ride"),
        ("distance_source: meter", "distance_sauce: meter", "distance_sauce is not defined"),
        ("distance_source: meter", "distance_source: guess", "write one of gates, gps, meter, declared"),
        ("type: bus.ride", "type: electricity.period", "needs the field energy_wh"),
    ],
)
def test_events_are_held_against_the_activities(
    before: str, after: str, said: str, written: Callable[..., str]
) -> None:
    _, problems = mapping_problems(written((before, after)), ACTIVITIES)
    assert any(said in problem.message("en") for problem in problems)


def test_a_mapping_is_found_by_name_or_by_path(tmp_path: Path) -> None:
    with pytest.raises(AdapterUnknown, match="shenzhen-card"):
        load_mapping("shenzen-card")
    with pytest.raises(FileUnreadable, match=r"none\.yaml"):
        load_mapping(str(tmp_path / "none.yaml"))
    with pytest.raises(AdapterNeeds, match="--network"):
        make_adapter("shenzhen-card")


def test_an_encoding_is_read_as_said_and_no_other(written: Callable[..., str], tmp_path: Path) -> None:
    data = ROWS.replace("card", "卡号").encode("gb18030")
    with pytest.raises(FileEncoding, match="iconv"):
        read(written(), tmp_path, data)
    mapping = written(("columns:\n", "file: {encoding: gb18030}\ncolumns:\n"))
    assert isinstance(read(mapping, tmp_path, data)[0], Ride)
    with pytest.raises(FileEncoding, match="GB18030"):
        read(mapping, tmp_path, b"no,card,time,km\n\xff\xff,1,2,3\n")


def test_ends_of_events(written: Callable[..., str], tmp_path: Path) -> None:
    def ended(rule: str, km: str = "4", at: str = "2026-01-31 08:00:00") -> object:
        change = ("data:\n", f"ended_at: {rule}\ndata:\n")
        (item,) = read(written(change), tmp_path, f"no,card,time,km\nA,C,{at},{km}\n".encode())
        return item.event["ended_at"] if isinstance(item, Ride) else item.reason

    assert ended("{duration: {column: km, unit: min}}", "2.5") == "2026-01-31T08:02:30+08:00"
    assert ended("{duration: {column: km, unit: day}}", "9" * 18) == "number-malformed"
    assert ended("{after: month}") == "2026-02-01T00:00:00+08:00"
    assert ended("{after: month}", at="2026-02-28 23:59:59") == "2026-03-01T00:00:00+08:00"
    assert ended("{after: month}", at="2025-12-05 23:59:59") == "2026-01-01T00:00:00+08:00"
    assert ended("{after: day}") == "2026-02-01T00:00:00+08:00"
    assert ended("{column: at, whole_day: true}") == "2026-02-01T00:00:00+08:00"


def test_a_distance_over_the_network_without_pairing(written: Callable[..., str], tmp_path: Path) -> None:
    network = Network.from_csv("from_station,to_station,metres\n甲,乙,1000\n".encode())
    mapping = written(
        (
            "  distance_m: {column: km, unit: km, rounding: down}\n  distance_source: meter\n",
            "  line: 1号线\n",
        ),
        ("data:\n", "distance: {rule: network, origin: km, destination: state}\ndata:\n"),
        ("ignore:\n  - {column: state, values: [refunded], reason: row-ignored}\n", ""),
    )
    rows = "no,card,time,km,state\nA,C,2026-11-20 08:03:00,甲站,乙\nB,C,2026-11-20 08:03:00,甲,丙\n"
    ride, refused = read(mapping, tmp_path, rows.encode(), network)
    assert isinstance(ride, Ride)
    assert ride.event["data"] == {
        "origin": "甲",
        "destination": "乙",
        "distance_m": 1000,
        "distance_source": "gates",
        "line": "1号线",
    }
    assert refused == RowOutcome(3, "rejected", "station-unknown")


def test_digests_are_freed_of_spelling(written: Callable[..., str], tmp_path: Path) -> None:
    mapping = written(("{column: serial}", "{digest: [card, at, km]}"))
    rows = ("Ｃ１,2026-11-20 08:03:00,1.50", "C1,2026-11-20T00:03:00Z,01.5", "C1,2026-11-20 08:03:00,1.51")
    data = "no,card,time,km\n" + "".join(f"x,{row}\n" for row in rows)
    ids = [item.event["id"] for item in read(mapping, tmp_path, data.encode()) if isinstance(item, Ride)]
    assert ids[0] == ids[1] != ids[2]


def test_every_reason_stands_in_the_guide() -> None:
    guide = (PROJECT / "docs" / "adapters.md").read_text(encoding="utf-8")
    assert [reason for reason in reasons_of_rows() if f"`{reason}`" not in guide] == []
