"""Whatever a mapping says: it is refused by line and key, or every row that it reads has an outcome."""

import copy
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_credit.catalogue.activities import load_activities
from carbon_credit.imports.adapters import load_mapping, make_adapter, names
from carbon_credit.imports.adapters.loading import problems_of, read_mapping
from carbon_credit.imports.formats import open_rows
from carbon_credit.imports.rows import Ride
from carbon_credit.imports.stations import Stations
from carbon_credit.kernel.errors import Invalid
from carbon_credit.methodology.network import Network

PROJECT = Path(__file__).resolve().parents[3]
ACTIVITIES = load_activities(PROJECT / "methodologies")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NETWORK = Network.from_csv(b"from_station,to_station,metres\n1,2,500\n")
STATIONS = Stations.from_csv(b"station_id,latitude,longitude\n1,1,1\n2,2,2\n")
SHIPPED = [yaml.safe_load(load_mapping(name).text) for name in names()]
_WORDS = """x 0 1 -1 ² 1e9 null [ (?P< {0} %s ../x Asia iso epoch-ms utf-16 idna punycode undefined hex csv
    json tab | day month network great-circle declared m km kWh riders bus.ride metro.ride count"""
WORDS = st.sampled_from(["", "a\0b", "9" * 40, "%Y%Y%m%d", "%d%m%Y", "%Y-%m-%d%Z", *_WORDS.split()])
ANYTHING = WORDS | st.sampled_from([None, True, False, 0, -5, 0.5, 2**70, [], {}, ["a"], {"a": "b"}])
CELLS = st.sampled_from(
    ["", "1", "2", "x", "²", "1.5", "9" * 30, "1700000000", "2026-11-20 08:00:00", "20261120"]
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something could be changed."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in inside:
        yield (*path, step)
        yield from places(inner, (*path, step))


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A mapping that comes with the program, with up to three changes."""
    mapping = copy.deepcopy(draw(st.sampled_from(SHIPPED)))
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from(list(places(mapping))))
        around = mapping
        for step in path:
            around = around[step]
        deed = draw(st.sampled_from(["change", "change", "drop", "add"]))
        if isinstance(around, dict) and deed == "drop":
            del around[last]
        elif isinstance(around, dict) and deed == "add":
            around[draw(WORDS)] = copy.deepcopy(draw(ANYTHING))
        else:
            around[last] = copy.deepcopy(draw(ANYTHING))
    return str(yaml.safe_dump(mapping, allow_unicode=True)).encode("utf-8", "replace")


@settings(deadline=None, max_examples=150)
@given(spoilt(), st.lists(st.lists(CELLS, min_size=12, max_size=12), max_size=4))
def test_it_is_refused_or_it_reads(data: bytes, rows: list[list[str]]) -> None:
    _, found = problems_of(data, "mapping", ACTIVITIES)
    for one in found:
        assert one.details["key"]
        assert isinstance(one.details["line"], int)
        assert one.message("en") != one.message("zh")
    if found:
        return
    with tempfile.TemporaryDirectory() as folder:
        riders, file = Path(folder) / "riders", Path(folder) / "rows"
        riders.write_text("line,citizen\n2,A\n3,B\n", encoding="utf-8")
        made = make_adapter(read_mapping(data, "mapping"), network=NETWORK, stations=STATIONS, riders=riders)
        columns = [name for column in made._columns for name in column.names[:1]]
        lines = [columns, *([*row, *row][: len(columns)] for row in rows)]
        file.write_text("".join(",".join(line) + "\n" for line in lines), encoding="utf-8")
        try:
            items = list(made.items(open_rows(file), now=NOW))
        except Invalid:
            return  # the file as a whole does not fit
        told = [line for one in items for line in (one.lines if isinstance(one, Ride) else (one.line,))]
        assert len(told) == len(set(told)) == made.totals["rows"]
