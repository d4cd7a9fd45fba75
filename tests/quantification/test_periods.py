"""Periods divided at a change of version, year or occupant; all parts are one event."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.identity.facts import FactStatement, state_facts
from carbon_credit.identity.occupancy import state_occupancy
from carbon_credit.identity.operations import add_links
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.quantification.audit import audit
from tests.quantification.household import METER, Homes, reading, two_versions

LONG_AGO = date(2024, 1, 1)


@pytest.fixture
def homes(database: Database, tmp_path: Path) -> Iterator[Homes]:
    """Both citizens own no photovoltaic system; the meter is the first one's."""
    world = Homes(database, two_versions(tmp_path / "methodologies"))
    for citizen in world.citizens:
        state(world, citizen, "pv-owner", "no", LONG_AGO)
    pair = (world.citizens[0], METER)
    transact(
        world.database,
        lambda session: add_links(session, partner_id=world.partner, pairs=[pair], now=world.now),
    )
    yield world
    world.database.dispose()


def state(
    world: Homes,
    citizen: Any,
    name: str,
    value: str | None,
    start: date,
    end: date | None = None,
    *,
    tier: str = "measured",
) -> None:
    fact = FactStatement(citizen, name, value, start, end, tier, "a list")
    transact(
        world.database,
        lambda session: state_facts(
            session,
            rules=programme_rules(session, programme=world.programme),
            facts=[fact],
            recorded_by="operator:test",
            now=world.now,
        ),
    )


def occupy(world: Homes, citizen: Any, start: date, end: date | None = None) -> None:
    transact(
        world.database,
        lambda session: state_occupancy(
            session,
            programme=world.programme,
            link=METER,
            citizen_id=citizen,
            from_day=start,
            to_day=end,
            recorded_by="operator:test",
            partner_id=None,
            now=world.now,
        ),
    )


def count(world: Homes, table: str) -> int:
    with unit_of_work(world.database, read_only=True) as session:
        return int(session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


def test_a_month_across_two_versions_is_two_parts_of_one_event(homes: Homes) -> None:
    # 16 June to 16 July: 15 days of version 1 and 15 of version 2, 300 kWh used of 400.
    month = reading("E-1", "2026-06-16", "2026-07-16", 300_000, baseline_wh=400_000)
    (told,) = homes.credit(month)
    first, second = 50_000 * 500, 50_000 * 400
    assert (told.status, told.gross_mg, told.co2e_mg) == ("credited", first + second, first + second)
    assert [(part.starts_on, part.ends_before, part.co2e_mg) for part in told.parts] == [
        (date(2026, 6, 16), date(2026, 7, 1), first),
        (date(2026, 7, 1), date(2026, 7, 16), second),
    ]
    rows = homes.rows("methodology_version, business_day, gross_mg, inputs")
    assert [row.methodology_version for row in rows] == ["v1", "v2"]
    assert '"energy_wh":150000' in rows[0].inputs
    assert (count(homes, "event"), count(homes, "event_claim"), count(homes, "reduction_part")) == (1, 1, 2)
    assert homes.grams() == first + second


@pytest.mark.parametrize(
    ("start", "end", "versions"),
    [
        ("2026-06-30T23:59:59.999+08:00", "2026-07-01T00:00:00+08:00", ["v1"]),
        ("2026-07-01T00:00:00+08:00", "2026-07-01T23:59:59.999+08:00", ["v2"]),
        ("2026-06-30T23:59:59.999+08:00", "2026-07-01T00:00:00.001+08:00", ["v1", "v2"]),
        ("2026-06-30T15:59:59.999Z", "2026-06-30T16:00:00Z", ["v1"]),
        ("2026-06-30T16:00:00Z", "2026-07-01T16:00:00Z", ["v2"]),
    ],
)
def test_midnight_in_shanghai_decides(homes: Homes, start: str, end: str, versions: list[str]) -> None:
    (told,) = homes.credit(reading("E-1", start, end, 1_001, baseline_wh=3_002))
    assert [row.methodology_version for row in homes.rows("methodology_version, business_day")] == versions
    assert len(told.parts) == (len(versions) if len(versions) > 1 else 0)


def test_each_year_has_its_vintage_and_its_month(homes: Homes) -> None:
    winter = reading("E-1", "2025-12-20", "2026-01-13", 240_001, baseline_wh=480_000)
    (told,) = homes.credit(winter)
    assert [part.vintage for part in told.parts] == [2025, 2026]
    rows = homes.rows("vintage, accounting_day, inputs")
    assert [row.vintage for row in rows] == [2025, 2026]
    used = [part["energy_wh"] for part in parts_of(homes)]
    assert (sum(used), max(used) - min(used)) == (240_001, 1)  # twelve days each
    homes.close_month(date(2025, 12, 1))
    with unit_of_work(homes.database, read_only=True) as session:
        final = session.scalar(
            text("SELECT reductions FROM period WHERE kind = 'month' AND starts_on = '2025-12-01'")
        )
    assert final == 1


def parts_of(world: Homes) -> list[dict[str, Any]]:
    with unit_of_work(world.database, read_only=True) as session:
        rows = session.execute(text("SELECT quantities FROM reduction_part ORDER BY starts_on"))
        return [orjson.loads(row.quantities) for row in rows]


def test_each_occupant_is_credited_for_the_own_days(homes: Homes) -> None:
    tenant, next_tenant = homes.citizens
    occupy(homes, tenant, LONG_AGO)
    occupy(homes, next_tenant, date(2026, 3, 11))
    (told,) = homes.credit(reading("E-1", "2026-03-01", "2026-04-01", 0, baseline_wh=31_000))
    assert [part.co2e_mg for part in told.parts] == [10_000 * 500, 21_000 * 500]
    assert homes.grams(0) == 10_000 * 500
    assert homes.grams(1) == 21_000 * 500


def test_days_without_an_occupant_or_a_consent_are_told_and_not_credited(homes: Homes) -> None:
    stranger = homes.linked(("phone", "13900000000"))
    occupy(homes, homes.citizens[0], date(2026, 3, 6), date(2026, 3, 11))
    occupy(homes, stranger, date(2026, 3, 21))
    (told,) = homes.credit(reading("E-1", "2026-03-01", "2026-04-01", 0, baseline_wh=31_000))
    assert [(part.starts_on.day, part.reason, part.co2e_mg) for part in told.parts] == [
        (1, "occupant-unknown", 0),
        (6, None, 5_000 * 500),
        (11, "occupant-unknown", 0),
        (21, "no-consent", 0),
    ]
    assert (told.status, told.co2e_mg) == ("credited", 5_000 * 500)
    assert count(homes, "reduction") == 1
    (again,) = homes.credit(reading("E-1", "2026-03-01", "2026-04-01", 0, baseline_wh=31_000))
    assert (again.status, again.co2e_mg) == ("duplicate", 5_000 * 500)
    assert [(part.starts_on.day, part.ends_before.day) for part in again.parts] == [(6, 11)]


def test_where_nobody_is_known_the_event_may_come_again(homes: Homes) -> None:
    occupy(homes, homes.citizens[0], date(2026, 4, 1))
    month = reading("E-1", "2026-03-01", "2026-04-01", 0, baseline_wh=31_000)
    (told,) = homes.credit(month)
    assert (told.status, told.reason) == ("rejected", "occupant-unknown")
    occupy(homes, homes.citizens[1], date(2026, 3, 1), date(2026, 4, 1))
    (told,) = homes.credit(month)
    assert (told.status, told.co2e_mg, told.parts) == ("credited", 31_000 * 500, ())


def test_a_revision_and_a_withdrawal_take_all_parts(homes: Homes) -> None:
    month = reading("E-1", "2026-06-16", "2026-07-16", 300_000, baseline_wh=400_000)
    homes.credit(month)
    (told,) = homes.credit(
        reading("E-1", "2026-06-16", "2026-07-16", 340_000, baseline_wh=400_000, revision=2)
    )
    assert told.co2e_mg == homes.grams() == 30_000 * 500 + 30_000 * 400
    assert len(told.parts) == 2
    homes.withdraw("E-1")
    assert (homes.grams(), homes.points()) == (0, 0)
    assert count(homes, "reduction_end") == 4
    with unit_of_work(homes.database, read_only=True) as session:
        assert list(audit(session, progress=lambda _: None)) == []


def test_a_period_of_many_years_is_a_mistake(homes: Homes) -> None:
    (told,) = homes.credit(reading("E-1", "2020-01-01", "2026-07-16", 1, baseline_wh=2), backfill=True)
    assert (told.status, "1100 days" in (told.detail_en or "")) == ("invalid", True)


def test_a_period_inside_one_day_is_one_part(homes: Homes) -> None:
    (told,) = homes.credit(reading("E-1", "2026-07-01", None, 1_000, baseline_wh=2_000))
    assert (told.parts, told.co2e_mg) == ((), 400_000)


def test_who_gets_a_photovoltaic_system_in_mid_year_is_credited_until_then(homes: Homes) -> None:
    state(homes, homes.citizens[0], "pv-owner", "yes", date(2026, 3, 11))
    (told,) = homes.credit(reading("E-1", "2026-03-01", "2026-04-01", 0, baseline_wh=31_000))
    assert [(part.starts_on.day, part.reason, part.co2e_mg) for part in told.parts] == [
        (1, None, 10_000 * 500),
        (11, "not-eligible", 0),
    ]
    before, after = homes.credit(
        reading("E-2", "2026-03-10", "2026-03-11", 0, baseline_wh=1_000),
        reading("E-3", "2026-03-11", "2026-03-12", 0, baseline_wh=1_000),
    )
    assert (before.status, after.status, after.reason, after.condition) == (
        "credited",
        "rejected",
        "not-eligible",
        "no-pv",
    )
    assert "no photovoltaic system of one's own" in (after.detail_en or "")
    (again,) = homes.credit(reading("E-3", "2026-03-11", "2026-03-12", 0, baseline_wh=1_000))
    assert (again.status, again.condition) == ("duplicate", "no-pv")


def test_what_was_stated_last_holds_and_what_was_credited_stays(homes: Homes) -> None:
    (told,) = homes.credit(reading("E-1", "2026-03-01", "2026-03-02", 0, baseline_wh=1_000))
    state(homes, homes.citizens[0], "pv-owner", "yes", LONG_AGO)
    (refused,) = homes.credit(reading("E-2", "2026-03-02", "2026-03-03", 0, baseline_wh=1_000))
    state(homes, homes.citizens[0], "pv-owner", None, LONG_AGO)
    (unknown,) = homes.credit(reading("E-3", "2026-03-03", "2026-03-04", 0, baseline_wh=1_000))
    assert (told.status, refused.reason, unknown.reason) == ("credited", "not-eligible", "fact-missing")
    assert homes.grams() == 500_000
    state(homes, homes.citizens[0], "pv-owner", "no", LONG_AGO)
    (credited,) = homes.credit(reading("E-3", "2026-03-03", "2026-03-04", 0, baseline_wh=1_000))
    assert credited.status == "credited"


def test_a_fact_is_in_the_inputs_and_weakens_them_by_how_it_is_known(homes: Homes) -> None:
    homes.credit(reading("E-1", "2026-03-01", "2026-03-02", 0, baseline_wh=1_000))
    state(homes, homes.citizens[0], "pv-owner", "no", date(2026, 3, 2), tier="declared")
    (told,) = homes.credit(reading("E-2", "2026-03-02", "2026-03-03", 0, baseline_wh=1_000))
    rows = homes.rows("tier, grade, inputs, business_day")
    assert [row.tier for row in rows] == ["measured", "declared"]
    assert [row.grade for row in rows] == ["published", "secondary"]
    assert '"pv":"no"' in rows[0].inputs
    assert '"tariff":"unknown"' in rows[0].inputs  # decided when the year is over
    assert told.sandbox


def test_by_its_evidence_a_reading_may_not_do(homes: Homes) -> None:
    said = reading("E-1", "2026-03-01", "2026-03-02", 0, baseline_wh=1_000)
    said["data"]["reading_source"] = "declared"
    (told,) = homes.credit(said)
    assert (told.reason, told.condition) == ("not-eligible", "by-record")


def test_a_fact_stated_while_events_come_in_is_read_before_or_after_and_never_between(homes: Homes) -> None:
    citizen = homes.citizens[0]

    def deed(number: int) -> Any:
        if number % 2:
            # Both at once: no system and the first tariff tier, or a system and the third one.
            words = ("yes", "third") if number % 4 == 1 else ("no", "first")
            facts = [
                FactStatement(citizen, name, word, LONG_AGO, None, "measured", "a list")
                for name, word in zip(("pv-owner", "tariff-tier"), words, strict=True)
            ]
            return transact(
                homes.database,
                lambda session: state_facts(
                    session,
                    rules=programme_rules(session, programme=homes.programme),
                    facts=facts,
                    recorded_by="operator:test",
                    now=homes.now,
                ),
            )
        start = date(2026, 3, 1) + timedelta(days=number)
        end = start + timedelta(days=1)
        return homes.credit(reading(f"E-{number}", str(start), str(end), 0, baseline_wh=1_000))[0]

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(deed, range(24)))
    told = [done[number] for number in range(0, 24, 2)]
    assert {one.status for one in told} <= {"credited", "rejected"}
    assert {one.condition for one in told if one.status == "rejected"} <= {"no-pv"}
    inputs = [orjson.loads(row.inputs) for row in homes.rows("inputs, business_day")]
    assert len(inputs) == sum(one.status == "credited" for one in told)
    assert {(one["pv"], one["tariff"]) for one in inputs} <= {("no", "unknown"), ("no", "first")}
    assert homes.grams() == 500_000 * len(inputs)
