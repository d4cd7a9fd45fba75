"""Closing a year: conditions that only the year decides, netting over it, and when it may be closed."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.identity.facts import FactStatement, state_facts
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.quantification.annual import close_year
from carbon_credit.quantification.errors import MonthsOpen, PeriodClosed, PeriodNotOver
from tests.quantification.cities import LABEL, assert_books, cap, city, net_by_person, reading, saving
from tests.quantification.test_overflow import overflow
from tests.world import World

NEW_YEAR = datetime(2027, 1, 10, 4, 0, tzinfo=UTC)
THE_YEAR = date(2026, 1, 1)
TIER_FACT = (
    f"\n  - {{name: tariff, {LABEL}, kind: fact, fact: tariff-tier, values: [first, second, third], "
    "absent: unknown}"
)
ONLY_LOW_TIERS = f"""\
eligibility:
  - {{name: low-tier, {LABEL}, test: 'tariff != "third"', decided: year, grade: assumed, source: null}}
"""
BY_TIER = saving("by-tier", inputs=TIER_FACT, more=ONLY_LOW_TIERS)


def used(world_people: int, **days: int) -> list[dict[str, Any]]:
    return [
        reading(f"E-{person}-{day}", wh, person=person, at=f"2026-{day[1:3]}-{day[3:]}T12:00:00+08:00")
        for person in range(world_people)
        for day, wh in days.items()
    ]


def state(world: World, person: int, value: str | None) -> None:
    """Record the tariff tier of a citizen's year."""
    fact = FactStatement(
        citizen_id=world.citizens[person],
        name="tariff-tier",
        value=value,
        from_day=THE_YEAR,
        to_day=date(2027, 1, 1),
        tier="measured",
        source="bill",
    )
    transact(
        world.database,
        lambda session: state_facts(
            session,
            rules=programme_rules(session, programme=world.programme),
            facts=[fact],
            recorded_by="test",
            now=world.now,
        ),
    )


def adjustments(world: World) -> list[tuple[int, str, str]]:
    statement = text("SELECT delta_mg, reason, accounting_day FROM reduction_adjustment")
    with unit_of_work(world.database, read_only=True) as session:
        return [
            (int(row.delta_mg), row.reason, str(row.accounting_day)) for row in session.execute(statement)
        ]


def test_a_condition_of_the_year_is_decided_with_the_facts_of_the_year(
    database: Database, tmp_path: Path
) -> None:
    with city(database, tmp_path, methods=[BY_TIER], people=4, now=NEW_YEAR) as world:
        state(world, 3, "third")
        told = world.credit(*used(4, d1201=4_000, d1202=9_000))
        assert [one.status for one in told] == ["credited"] * 6 + ["rejected"] * 2
        state(world, 0, "second")
        state(world, 1, "third")  # of person 2 nothing is known: it counts, and awaits the fact
        world.close_year(THE_YEAR)
        assert net_by_person(world) == [7_000, 0, 7_000, 0]
        assert [world.grams(person) for person in range(4)] == [7_000, 0, 7_000, 0]
        assert sorted(adjustments(world)) == [
            (-6_000, "ineligible", "2027-01-10"),
            (-1_000, "ineligible", "2027-01-10"),
        ]
        with unit_of_work(world.database, read_only=True) as session:
            rows = session.execute(
                text("SELECT inputs, gross_mg, reason, accounting_day FROM reduction_revision")
            ).all()
            period = session.execute(text("SELECT * FROM period WHERE kind = 'year'")).one()
        assert {row.reason for row in rows} == {"decided"}
        assert sorted((row.gross_mg, str(row.accounting_day)) for row in rows) == [
            (0, "2027-01-10"),
            (0, "2027-01-10"),
            (1_000, "2026-12-02"),
            (6_000, "2026-12-01"),
        ]
        assert all('"tariff":"second"' in row.inputs for row in rows if row.gross_mg)
        assert (period.credited_mg, period.corrected_mg, period.reductions) == (14_000, -7_000, 6)
        assert_books(world)


def test_results_are_netted_over_the_year(database: Database, tmp_path: Path) -> None:
    method = saving("yearly", netting="year")
    shares = [overflow("citizen-year", 3_000) | {"activity_types": ["electricity.period"]}]
    with city(database, tmp_path, methods=[method], people=2, now=NEW_YEAR, overflow=shares) as world:
        world.credit(*used(1, d0105=4_000, d0610=7_000, d0720=14_000))
        world.credit(
            *[one | {"id": f"Z{one['id']}"} for one in used(2, d1231=9_500) if one["id"].startswith("E-1")]
        )
        world.close_year(THE_YEAR)
        # 6,000 + 3,000 - 4,000; of the five thousand the platform has three.
        assert net_by_person(world) == [5_000, 500]
        assert [world.grams(0), world.grams(1)] == [2_000, 0]
        assert sorted(adjustments(world)) == [
            (-3_000, "netting", "2027-01-10"),
            (-1_000, "netting", "2027-01-10"),
        ]
        assert_books(world)


def test_a_year_is_closed_once_after_its_months_and_when_it_is_over(
    database: Database, tmp_path: Path
) -> None:
    with city(database, tmp_path, now=NEW_YEAR) as world:
        with pytest.raises(MonthsOpen) as refused:
            world.close_only_year(THE_YEAR)
        assert "2026-01, 2026-02" in refused.value.message("en")
        with pytest.raises(PeriodNotOver):
            world.close_only_year(date(2027, 1, 1))
        world.close_year(THE_YEAR)
        with pytest.raises(PeriodClosed):
            world.close_only_year(THE_YEAR)


def test_closing_a_year_tells_how_far_it_is(sqlite_database: Database, tmp_path: Path) -> None:
    with city(sqlite_database, tmp_path, methods=[BY_TIER], now=NEW_YEAR) as world:
        world.credit(*used(1, d1201=4_000, d1202=9_000, d1203=9_000))
        for number in range(1, 13):
            world.close_month(date(2026, number, 1))
        seen: list[int] = []
        closing = transact(
            world.database,
            lambda session: close_year(
                session,
                programme=world.programme,
                year=THE_YEAR,
                now=world.now,
                closed_by="test",
                progress=seen.append,
            ),
        )
        assert seen == [3]
        assert (closing.kind, closing.starts_on, closing.reductions) == ("year", THE_YEAR, 3)


def test_a_cap_of_the_year_starts_afresh_with_the_year(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, caps=[cap("person-year", mg=5_000)], now=NEW_YEAR) as world:
        readings = [
            reading("A", 0, at="2026-12-31T23:59:59+08:00", baseline_wh=1_000_000),
            reading("B", 0, at="2027-01-01T00:00:00+08:00", baseline_wh=1_000_000),
        ]
        world.credit(*readings)
        world.close(date(2026, 12, 31), date(2027, 1, 1))
        assert world.grams() == 10_000
        assert_books(world)
