"""The calendar of closing: what is due is closed, in order, once, and what was begun is gone on with."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.quantification import stages
from carbon_credit.quantification.closing import close_portion
from carbon_credit.sweeps import SWEEPS
from tests.quantification.cities import assert_books, cap, city
from tests.world import World, metro

CALENDAR = {"day_after": 3, "month_after": 10, "year_after": 40}
NOW = datetime(2026, 11, 5, 4, 0, tzinfo=UTC)


def sweep(world: World) -> list[tuple[str, str]]:
    """Run the sweep until nothing is left; what is closed now."""
    while transact(world.database, lambda session: SWEEPS["closing"].batch(session, world.now, 1)):
        pass
    with unit_of_work(world.database, read_only=True) as session:
        rows = session.execute(text("SELECT kind, starts_on FROM period ORDER BY starts_on, kind")).all()
    return [(row.kind, str(row.starts_on)) for row in rows]


def test_days_months_and_years_are_closed_when_they_are_due(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, now=NOW, closing=CALENDAR) as world:
        assert sweep(world) == []  # nothing has happened
        world.credit(
            metro("M-1", at="2026-11-01T08:00:00+08:00"), metro("M-2", at="2026-11-04T08:00:00+08:00")
        )
        assert sweep(world) == [("day", "2026-11-01"), ("day", "2026-11-02")]
        world.now = datetime(2026, 12, 9, 4, 0, tzinfo=UTC)
        found = sweep(world)
        assert ("month", "2026-11-01") not in found
        assert found[-1] == ("day", "2026-12-06")
        world.now += timedelta(days=1)
        assert ("month", "2026-11-01") in sweep(world)
        with unit_of_work(world.database, read_only=True) as session:
            closers = session.scalars(text("SELECT DISTINCT closed_by FROM period")).all()
        assert closers == ["calendar"]
        assert_books(world)


def test_without_a_calendar_an_operator_closes_and_the_sweep_goes_on(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "CITIZENS_AT_ONCE", 2)
    caps = [cap("person-day", mg=100_000)]
    with city(database, tmp_path, people=5, caps=caps, now=NOW) as world:
        for person in range(5):
            world.credit(metro(f"M-{person}", person=person, at="2026-11-01T08:00:00+08:00"))
        assert sweep(world) == []
        day = date(2026, 11, 1)
        begun = transact(
            world.database,
            lambda session: close_portion(
                session, programme=world.programme, day=day, now=world.now, closed_by="somebody"
            ),
        )
        assert begun == (2, None)
        assert sweep(world) == [("day", "2026-11-01")]
        with unit_of_work(world.database, read_only=True) as session:
            assert session.scalar(text("SELECT closed_by FROM period")) == "somebody"
        assert_books(world)


def test_a_year_is_closed_by_the_calendar_after_its_months(sqlite_database: Database, tmp_path: Path) -> None:
    with city(sqlite_database, tmp_path, now=datetime(2026, 2, 20, tzinfo=UTC), closing=CALENDAR) as world:
        world.credit(metro("M-1", at="2025-12-30T08:00:00+08:00"))
        found = sweep(world)
        assert ("month", "2025-12-01") in found
        assert ("year", "2025-01-01") not in found  # its other months nobody has closed
        for month in range(1, 12):
            world.close_month(date(2025, month, 1))
        assert ("year", "2025-01-01") in sweep(world)
