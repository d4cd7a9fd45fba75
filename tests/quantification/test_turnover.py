"""The operator's report: what a period amounts to, and that it differs from the ledger where the books do."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.sweeps import SWEEPS
from carbon_credit.sweeps.reporting import PeriodReport, report_of
from tests.quantification.cities import cap, city
from tests.quantification.test_overflow import overflow
from tests.world import World, metro

DAY, NOW = date(2026, 10, 30), datetime(2026, 10, 30, 14, 0, tzinfo=UTC)
LATER = date(2026, 11, 21)


def report(world: World, kind: str = "day", day: date = DAY) -> PeriodReport:
    with unit_of_work(world.database, read_only=True) as session:
        return report_of(session, programme=world.programme, kind=kind, day=day)


def test_every_gram_of_a_day_a_month_and_what_came_later_is_told(database: Database, tmp_path: Path) -> None:
    caps = [cap("activity-day", events=2, activity_type="metro.ride")]
    shares = [overflow("citizen-day", 30_000)]
    with city(database, tmp_path, people=2, caps=caps, overflow=shares, now=NOW) as world:
        at = "2026-10-30T{:02d}:00:00+08:00"
        for n in range(4):
            world.credit(metro(f"M-{n}", at=at.format(20 - n), distance_m=1_000 * (n + 1)))
        world.credit(
            metro("B-1", person=1, at=at.format(8), distance_m=1_000) | {"type": "bus.ride"},
            metro("U-1", person=7, at=at.format(8)),
            metro("M-0", at=at.format(20), distance_m=1_000),
        )
        world.withdraw("B-1")
        world.now = NOW + timedelta(days=3)
        world.close(DAY)
        told = report(world)
        assert told.holds, told.as_dict()["checks"]
        metro_line, bus_line = sorted(told.turnover.lines, key=lambda one: one.scene, reverse=True)
        assert (metro_line.scene, metro_line.events, metro_line.gross_mg) == ("metro", 4, 468_000)
        # On arrival the first two counted, 1 and 2 km; the earliest of the day are of 4 and 3 km.
        assert (metro_line.counted_mg, metro_line.settled_mg, metro_line.capped_mg) == (
            140_400,
            187_200,
            140_400,
        )
        assert (bus_line.counted_mg, bus_line.corrected_mg, bus_line.total_mg) == (26_900, -26_900, 0)
        assert [(one.outcome, one.reason, one.events) for one in told.received] == [
            ("credited", None, 4),
            ("rejected", "unlinked", 1),
            ("withdrawn", None, 1),
        ]
        assert told.turnover.points == (("grams", 3),)

        world.now = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
        world.close_month(DAY)
        world.credit(metro("L-1", person=1, at=at.format(9), distance_m=1_000), backfill=True)
        world.withdraw("M-3")
        transact(world.database, lambda session: SWEEPS["ended"].batch(session, world.now, 10))
        month = report(world, "month")
        assert (month.holds, month.turnover.closed) == (True, True)
        assert sum(one.total_mg for one in month.turnover.lines) == 327_600
        later = report(world, "month", LATER)
        assert later.holds
        [line] = later.turnover.lines
        assert (line.events, line.counted_mg, line.earlier_mg) == (1, 46_800, -187_200)
        assert [(one.reason, one.earlier, one.delta_mg) for one in later.turnover.adjusted] == [
            ("withdrawn", True, -187_200)
        ]
        assert report(world, "year").turnover.first == date(2026, 1, 1)
        assert report(world, "year").holds


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        ("UPDATE transfer SET amount = amount + 1 WHERE code = 'reduction.credit'", "ledger-grams"),
        ("UPDATE day_tally SET granted = granted + 1 WHERE scope = 'points:grams'", "ledger-points"),
        ("UPDATE period SET credited_mg = credited_mg + 1", "closing-record"),
    ],
)
def test_books_that_differ_are_told(database: Database, tmp_path: Path, broken: str, check: str) -> None:
    with city(database, tmp_path, now=NOW) as world:
        world.credit(metro("M-1", at="2026-10-30T08:00:00+08:00"))
        world.now = NOW + timedelta(days=3)
        world.close(DAY)
        assert report(world).holds
        table = broken.split()[1]
        with unit_of_work(world.database) as session:
            if world.database.settings.embedded:
                session.execute(text(f"DROP TRIGGER IF EXISTS {table}_no_update"))
            else:
                session.execute(text("SET LOCAL session_replication_role = replica"))
            session.execute(text(broken))
        told = report(world)
        assert not told.holds
        assert [one.name for one in told.turnover.checks if one.difference] == [check]


def test_an_empty_day_holds(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, now=NOW) as world:
        told = report(world, day=date(2025, 2, 28))
        assert told.holds
        assert told.turnover.lines == ()
        assert not told.turnover.closed
