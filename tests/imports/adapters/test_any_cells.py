"""Whatever stands in the cells: every row has one outcome, and the sums are exact."""

import csv
import io
import tempfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_credit.imports.adapters import make_adapter
from carbon_credit.imports.formats import open_rows
from carbon_credit.imports.reasons import reason_known
from carbon_credit.imports.rows import Ride
from carbon_credit.imports.stations import Stations
from carbon_credit.methodology.network import Network

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NETWORK = Network.from_csv("from_station,to_station,metres\n甲,乙,1000\n".encode())
STATIONS = Stations.from_csv(b"station_id,latitude,longitude\n1,40.70,-74.0\n2,40.71,-74.0\n")
COLUMNS = {
    "shenzhen-card": ("card_no", "deal_date", "deal_type", "station", "deal_money"),
    "generic-ride": ("ride_id", "type", "card", "started_at", "ended_at", "distance_m", "revision", "origin"),
    "household-electricity": ("meter", "from", "to", "kwh", "baseline_kwh", "persons", "revision"),
    "citibike": ("start_ts", "duration", "start_station", "end_station"),
}
LIKELY = [
    "",
    "1",
    "2",
    "0",
    "12.5",
    "-3",
    "1e5",
    "9" * 18,
    "9" * 30,
    "甲",
    "乙站",
    "?",
    "C1",
    "C2",
    "metro",
    "bus.ride",
    "地铁入站",
    "地铁出站",
    "巴士",
    "2026-11-20 08:00:00",
    "2026-11-20 08:30:00",
    "2026-11-01 01:30:00",
    "2026-03-08 02:30:00",
    "2026-11-20T08:00:00+08:00",
    "0001-01-01 00:00:00",
    "9999-12-31 23:59:59",
    "0001-01-01 00:00:00+14:00",
    "20261101",
    "2026/11/1",
    "2031-01-01 00:00",
    "２０２６",
    "\ufffd",
    "1" * 400,
]
CELLS = st.one_of(st.sampled_from(LIKELY), st.text(st.characters(codec="utf-8"), max_size=12))


@pytest.mark.parametrize("name", COLUMNS)
@settings(deadline=None)  # it writes files
@given(data=st.data())
def test_every_row_has_one_outcome(name: str, data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.tuples(*[CELLS] * len(COLUMNS[name])), max_size=12))
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([COLUMNS[name], *rows])
    with tempfile.TemporaryDirectory() as folder:
        path, riders = Path(folder) / "rows", Path(folder) / "riders.csv"
        path.write_text(text.getvalue(), encoding="utf-8")
        riders.write_text("line,citizen\n2,A\n3,B\n5,C\n", encoding="utf-8")
        adapter = make_adapter(name, network=NETWORK, stations=STATIONS, riders=riders)
        reading = open_rows(path)
        found = list(adapter.items(reading, now=NOW))
    lines = [line for item in found for line in (item.lines if isinstance(item, Ride) else (item.line,))]
    physical = [n for n, line in enumerate(text.getvalue().split("\n"), 1) if line and not line.isspace()]
    assert sorted(lines) == physical[1:]
    assert reading.rows == adapter.totals["rows"] == len(lines)
    assert all(isinstance(item, Ride) or reason_known(item.reason) for item in found)


@settings(deadline=None)
@given(st.lists(st.decimals(-(10**9), 10**9, places=6), max_size=40))
def test_sums_are_exact(amounts: list[Decimal]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows"
        path.write_text(
            "meter,from,to,kwh\n" + "".join(f"M,,,{amount:f}\n" for amount in amounts), encoding="utf-8"
        )
        adapter = make_adapter("household-electricity")
        assert len(list(adapter.items(open_rows(path), now=NOW))) == len(amounts)
    total = adapter.totals["used"]
    assert Decimal(total) == sum(amounts, Decimal())
    assert isinstance(total, int) == (sum(amounts, Decimal()) % 1 == 0)
