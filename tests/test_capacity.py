"""The capacity document is what the calculator makes of what was measured, and the calculator adds up."""

import json
from dataclasses import replace

import pytest

from bench import capacity
from bench.capacity import DOCUMENT, MEASURED, Unit, need_of, render, shelves_of, unit_of
from bench.databases import server_version
from bench.storage import run
from tests.conftest import missing

UNIT = Unit(
    event=2_000,
    undivided=500,
    log=4_000,
    archive=300,
    everywhere=50,
    in_month=200,
    citizen=3_000,
    account=400,
)


def test_the_document_is_computed_and_not_written_by_hand() -> None:
    text = render(json.loads(MEASURED.read_text(encoding="utf-8")))
    assert "{{" not in text
    assert DOCUMENT.read_text(encoding="utf-8") == text, "run: python -m bench.capacity"


def test_what_was_measured_is_enough_to_speak_of() -> None:
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))
    assert sum(one["events"] for one in measured["runs"]) >= 200_000
    assert [one["a_day"] for one in measured["runs"]] == [1, 3]
    unit = unit_of(measured)
    assert unit.event > unit.undivided > unit.everywhere > 0
    for one in measured["runs"]:
        assert {"event", "event_claim", "reduction", "transfer", "day_tally"} <= one["bytes"].keys()
        assert sum(one["indexes"].values()) < sum(one["bytes"].values())


def test_a_year_by_hand() -> None:
    need = need_of(UNIT, citizens=1_000, events=365_000, hot_months=6)
    assert need.people == 3_000_000
    assert need.year == 730_000_000
    # 3 MB of citizens, half a year of 1,500 bytes, a year of 500 bytes, and 30 % room.
    assert need.hot == (3_000_000 + 182_500 * 1_500 + 365_000 * 500) * 13 // 10
    assert need.cold == 182_500 * 1_500
    assert need.log_a_day == 1_000 * 4_000
    assert need.memory == 1_000 * 400 + 30_417 * 200
    assert need.memory_claims == 365_000 * 50
    assert need.backup_s == 4  # 733 MB at 200 MB/s, rounded up
    assert (need.nodes, need.workers, need.api_cores) == (1, 1, 1)


@pytest.mark.parametrize("times", [2, 10])
def test_more_needs_more(times: int) -> None:
    one = need_of(UNIT, citizens=10_000_000, events=5_000_000_000)
    more = need_of(UNIT, citizens=10_000_000 * times, events=5_000_000_000 * times)
    for name in ("people", "year", "hot", "archive", "memory_claims"):
        assert getattr(more, name) == times * getattr(one, name), name
    for name in ("nodes", "workers", "api_cores"):
        assert getattr(one, name) <= getattr(more, name) <= getattr(one, name) * times, name
    assert need_of(replace(UNIT, event=4_000), citizens=1, events=10**9).year == 4 * 10**12


def test_fewer_months_on_fast_disk_are_the_same_bytes_elsewhere() -> None:
    needs = [need_of(UNIT, citizens=10, events=12_000_000, hot_months=months) for months in (1, 3, 12, 15)]
    assert [need.hot for need in needs] == sorted(need.hot for need in needs)
    for need in needs:
        assert need.hot * 100 // capacity.SLACK + need.cold == pytest.approx(need.people + need.year, abs=1)


def test_shelves_by_hand() -> None:
    found = shelves_of(UNIT, citizens=1_000, events=1_200_000, years=3, fast_months=6)
    # Half a year of 1,500 bytes stays; two and a half go; three years of 500 bytes never do.
    assert found.fast == (3_000_000 + 600_000 * 1_500 + 3 * 1_200_000 * 500) * 13 // 10
    assert found.slow == 3_000_000 * 1_500
    assert found.nodes == 1


@pytest.mark.parametrize("years", [1, 3, 10])
@pytest.mark.parametrize("months", [1, 12, 200])
def test_shelving_loses_no_byte_and_the_first_year_is_the_table_of_sizes(years: int, months: int) -> None:
    found = shelves_of(UNIT, citizens=10, events=12_000_000, years=years, fast_months=months)
    need = need_of(UNIT, citizens=10, events=12_000_000, hot_months=months)
    everything = need.people + years * need.year
    assert found.fast * 100 // capacity.SLACK + found.slow == pytest.approx(everything, abs=1)
    if years == 1:
        assert (found.fast, found.slow, found.nodes) == (need.hot, need.cold, need.nodes)


def test_the_measurement_runs() -> None:
    if server_version() is None:
        missing("no PostgreSQL server at TEST_POSTGRESQL_URL")
    found = run(40)
    assert [one.events for one in found.runs] == [400, 480]
    assert found.archive_bytes > 0
    for one in found.runs:
        assert one.rows["event"] == one.rows["event_claim"] == one.rows["reduction"] == one.events
        assert one.wal_bytes > 0
