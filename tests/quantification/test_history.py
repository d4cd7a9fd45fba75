"""What the formula reads about the days before: the worked month of Shenzhen, in any order."""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from carbon_credit.identity.operations import add_links
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.methodology.cases import Cases
from carbon_credit.methodology.document import convert, read_document
from carbon_credit.methodology.inputs import HistoryNeed
from carbon_credit.quantification.history import Wanted, gather
from tests.quantification.household import LIBRARY, METER, Homes, binding, reading, write_library

CASES = LIBRARY / "sz-household-electricity" / "v1" / "cases.yaml"
NEEDS = [HistoryNeed("sum", "energy_wh", 7, "sum"), HistoryNeed("days", "energy_wh", 7, "days")]


@pytest.fixture
def homes(database: Database, tmp_path: Path) -> Iterator[Homes]:
    """The version with its overlay governs; the meter is the first citizen's."""
    bound = [binding("sz-household-electricity", 1, start="2022-06-21", overlay=True)]
    world = Homes(database, write_library(tmp_path / "methodologies", bindings=bound))
    pair = (world.citizens[0], METER)
    transact(
        world.database,
        lambda session: add_links(session, partner_id=world.partner, pairs=[pair], now=world.now),
    )
    yield world
    world.database.dispose()


def worked_month() -> dict[date, tuple[int, int]]:
    """The days of the hand-worked July of 2022: watt-hours used, and the milligrams that it comes to."""
    cases = convert(read_document(CASES.read_bytes(), CASES.name), Cases).cases
    return {
        case.on: (int(case.inputs["energy_wh"]), case.expect_mg)
        for case in cases
        if case.name == case.on.isoformat() and case.expect_mg is not None
    }


def day(on: date, energy_wh: int, *, revision: int = 1) -> dict[str, Any]:
    tomorrow = on + timedelta(days=1)
    event_id = f"E-{on}"
    return reading(event_id, on.isoformat(), tomorrow.isoformat(), energy_wh, persons=3, revision=revision)


@pytest.mark.parametrize("seed", range(4))
def test_a_month_sent_at_once_in_any_order_is_what_was_worked_by_hand(homes: Homes, seed: int) -> None:
    month = worked_month()
    sent = [day(on, used) for on, (used, _) in month.items()]
    if seed:
        random.Random(seed).shuffle(sent)
    told = {one.id: one.gross_mg for one in homes.credit(*sent, backfill=True)}
    assert told == {f"E-{on}": saved for on, (_, saved) in month.items()}
    assert sum(told.values()) == homes.grams() == 3_131_694


def test_days_that_came_before_in_other_calls_count_alike(homes: Homes) -> None:
    month = worked_month()
    for on, (used, saved) in month.items():
        (told,) = homes.credit(day(on, used), backfill=True)
        assert told.gross_mg == saved, on
    # All of it once more, as after a lost answer: known, and nothing counts twice.
    again = homes.credit(*(day(on, used) for on, (used, _) in month.items()), backfill=True)
    assert {one.status for one in again} == {"duplicate"}
    assert homes.grams() == 3_131_694


def history(world: Homes, on: date) -> dict[str, int]:
    with unit_of_work(world.database, read_only=True) as session:
        wanted = {Wanted(world.citizens[0], "electricity.period", on, 7)}
        found = gather(session, programme=world.programme, wanted=wanted)
    return found.inputs_of(NEEDS, citizen_id=world.citizens[0], activity_type="electricity.period", day=on)


def test_the_window_is_the_days_before_and_no_other(homes: Homes) -> None:
    first = date(2026, 3, 1)
    for place in range(9):
        homes.credit(day(first + timedelta(days=place), 1_000 + place))
    assert history(homes, date(2026, 3, 9)) == {"sum": sum(range(1_001, 1_008)), "days": 7}
    assert history(homes, date(2026, 3, 2)) == {"sum": 1_000, "days": 1}
    assert history(homes, first) == {"sum": 0, "days": 0}
    assert history(homes, date(2026, 3, 17)) == {"sum": 0, "days": 0}


def test_what_was_withdrawn_or_replaced_is_no_history(homes: Homes) -> None:
    homes.credit(day(date(2026, 3, 1), 1_000), day(date(2026, 3, 2), 2_000))
    homes.withdraw("E-2026-03-01")
    homes.credit(day(date(2026, 3, 2), 5_000, revision=2))
    assert history(homes, date(2026, 3, 3)) == {"sum": 5_000, "days": 1}


def test_one_statement_however_many_citizens_and_days(homes: Homes) -> None:
    start = date(2026, 3, 1)
    homes.credit(*(day(start + timedelta(days=place), 1_000) for place in range(9)))
    counts = []
    for days in (1, 300):
        wanted = {
            Wanted(citizen, "electricity.period", start + timedelta(days=place), 7)
            for citizen in homes.citizens
            for place in range(days)
        }
        seen: list[str] = []
        with unit_of_work(homes.database, read_only=True) as session:
            session.connection()

            def note(*args: Any, seen: list[str] = seen) -> None:
                seen.append(args[2])

            event.listen(homes.database.engine, "before_cursor_execute", note)
            gather(session, programme=homes.programme, wanted=wanted)
            event.remove(homes.database.engine, "before_cursor_execute", note)
        counts.append(len(seen))
    assert counts[0] <= counts[1] <= 3


def test_the_worked_month_adds_up() -> None:
    assert len(worked_month()) == 30  # the 16th has no reading
    assert sum(saved for _, saved in worked_month().values()) == 3_131_694
