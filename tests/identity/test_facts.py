"""Facts about citizens: what was stated last holds on its days, and only what somebody asks for is kept."""

import uuid
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.identity.errors import CitizenNotFound, FactUnknown, FactValueWrong, SpanEmpty
from carbon_credit.identity.facts import FactStatement, facts_of, facts_on, facts_read, state_facts
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from tests.quantification.household import Homes, two_versions

JANUARY, JULY = date(2026, 1, 1), date(2026, 7, 1)


@pytest.fixture
def homes(database: Database, tmp_path: Path) -> Iterator[Homes]:
    world = Homes(database, two_versions(tmp_path / "methodologies"))
    yield world
    world.database.dispose()


@pytest.fixture
def session(homes: Homes) -> Iterator[Session]:
    with unit_of_work(homes.database) as opened:
        yield opened


@pytest.fixture
def rules(session: Session, homes: Homes) -> ProgrammeRules:
    return programme_rules(session, programme=homes.programme)


def said(
    citizen: uuid.UUID, value: str | None, start: date, end: date | None = None, name: str = "pv-owner"
) -> FactStatement:
    return FactStatement(citizen, name, value, start, end, "measured", "grid company's list")


def on(session: Session, citizen: uuid.UUID, day: date) -> str | None:
    records = facts_of(session, citizen_ids=[citizen], names=["pv-owner"]).get(citizen, [])
    found = facts_on(records, day).get("pv-owner")
    return found.value if found else None


def test_the_last_statement_holds_on_its_days_alone(
    session: Session, homes: Homes, rules: ProgrammeRules
) -> None:
    citizen = homes.citizens[0]
    for statement in (
        said(citizen, "no", JANUARY),
        said(citizen, "yes", JULY),
        said(citizen, "no", date(2026, 8, 1), date(2026, 9, 1)),
    ):
        state_facts(session, rules=rules, facts=[statement], recorded_by="operator:x", now=homes.now)
    days = [
        date(2025, 12, 31), JANUARY, date(2026, 6, 30), JULY, date(2026, 8, 1), date(2026, 8, 31),
        date(2026, 9, 1),
    ]  # fmt: skip
    assert [on(session, citizen, day) for day in days] == [None, "no", "no", "yes", "no", "no", "yes"]
    taken_back = said(citizen, None, JULY)
    state_facts(session, rules=rules, facts=[taken_back], recorded_by="operator:x", now=homes.now)
    assert [on(session, citizen, day) for day in days[2:]] == ["no", None, None, None, None]
    assert on(session, homes.citizens[1], JULY) is None
    assert len(facts_of(session, citizen_ids=homes.citizens)[citizen]) == 4


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_two_in_one_call_the_later_holds(
    session: Session, homes: Homes, rules: ProgrammeRules, order: tuple[int, int]
) -> None:
    citizen = homes.citizens[0]
    both = [said(citizen, "no", JANUARY), said(citizen, "yes", JANUARY)]
    facts = [both[place] for place in order]
    state_facts(session, rules=rules, facts=facts, recorded_by="operator:x", now=homes.now)
    assert on(session, citizen, JANUARY) == facts[1].value


def test_what_nobody_asks_for_is_not_kept(session: Session, homes: Homes, rules: ProgrammeRules) -> None:
    assert list(facts_read(rules)) == ["pv-owner", "tariff-tier"]
    citizen = homes.citizens[0]
    wrong = [
        (said(citizen, "yes", JANUARY, name="income"), FactUnknown, "pv-owner, tariff-tier"),
        (said(citizen, "perhaps", JANUARY), FactValueWrong, "yes, no"),
        (said(citizen, "yes", JULY, JULY), SpanEmpty, "2026-07-01"),
        (said(uuid.UUID(int=1), "yes", JANUARY), CitizenNotFound, "citizen"),
    ]
    for statement, error, told in wrong:
        facts = [said(citizen, "no", JANUARY), statement]
        with pytest.raises(error, match=told):
            state_facts(session, rules=rules, facts=facts, recorded_by="operator:x", now=homes.now)
    assert facts_of(session, citizen_ids=homes.citizens) == {}


def test_who_said_it_and_when_is_kept_and_all_of_it_can_be_deleted(
    session: Session, homes: Homes, rules: ProgrammeRules
) -> None:
    citizen, later = homes.citizens[0], homes.now + timedelta(hours=1)
    state_facts(session, rules=rules, facts=[said(citizen, "no", JANUARY)], recorded_by="a", now=homes.now)
    state_facts(session, rules=rules, facts=[said(citizen, "yes", JANUARY)], recorded_by="b", now=later)
    told = [(one.recorded_by, one.recorded_at) for one in facts_of(session, citizen_ids=[citizen])[citizen]]
    assert told == [("a", homes.now), ("b", later)]
    assert isinstance(told[0][1], datetime)
    session.execute(text("DELETE FROM citizen_fact"))
    assert facts_of(session, citizen_ids=[citizen]) == {}
