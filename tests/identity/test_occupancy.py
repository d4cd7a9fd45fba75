"""Occupants of meters: one on each day, kept by the database itself."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from carbon_credit.identity.errors import CitizenNotFound, NoMeter, OccupancyTaken, SpanEmpty
from carbon_credit.identity.occupancy import occupancies_of, occupants_of, state_occupancy
from carbon_credit.identity.operations import add_links, create_party, register_citizens
from carbon_credit.identity.queries import PartyRecord
from carbon_credit.kernel.db import Database, keys_of
from carbon_credit.kernel.unit_of_work import unit_of_work
from tests.identity.conftest import NOW, seed_programmes

METER = ("electricity-meter", "0310-1")
MARCH, MAY, JULY = date(2026, 3, 1), date(2026, 5, 1), date(2026, 7, 1)


@pytest.fixture
def people(session: Session, partner: PartyRecord) -> list[uuid.UUID]:
    links = [[("phone", str(number))] for number in range(3)]
    return register_citizens(session, partner_id=partner.id, links_of=links, now=NOW)


def occupy(session: Session, citizen: uuid.UUID, start: date, end: date | None = None, **more: Any) -> None:
    told: dict[str, Any] = {"link": METER, "recorded_by": "operator:a", "partner_id": None, "now": NOW} | more
    state_occupancy(session, programme="gd-gz", citizen_id=citizen, from_day=start, to_day=end, **told)


def living(session: Session, meter: tuple[str, str] = METER) -> list[tuple[uuid.UUID, date, date | None]]:
    spans = occupants_of(session, programme="gd-gz", meters=[meter]).get(meter, ())
    return [(one.citizen_id, one.from_day, one.to_day) for one in spans]


def test_who_moves_in_ends_what_was_open(session: Session, people: list[uuid.UUID]) -> None:
    occupy(session, people[0], MARCH)
    occupy(session, people[1], MAY)
    assert living(session) == [(people[0], MARCH, MAY), (people[1], MAY, None)]
    occupy(session, people[1], MAY, JULY)  # moved out; the flat is empty
    assert living(session) == [(people[0], MARCH, MAY), (people[1], MAY, JULY)]
    occupy(session, people[1], MAY, JULY)
    assert len(living(session)) == 2
    assert [one.from_day for one in occupancies_of(session, citizen_id=people[1])] == [MAY]


def test_days_that_are_taken_stay_taken(session: Session, people: list[uuid.UUID]) -> None:
    occupy(session, people[0], MARCH, MAY)
    occupy(session, people[1], JULY)
    for start, end in (
        (date(2026, 4, 1), None),
        (date(2026, 2, 1), date(2026, 3, 2)),
        (MARCH, MAY),
        (MAY, None),
    ):
        with pytest.raises(OccupancyTaken):
            occupy(session, people[2], start, end)
    occupy(session, people[2], MAY, JULY)
    assert [one[0] for one in living(session)] == [people[0], people[2], people[1]]


def test_a_partner_takes_no_meter_from_another(
    session: Session, people: list[uuid.UUID], partner: PartyRecord
) -> None:
    rival = create_party(session, programme="gd-gz", role="partner", name="Rival", now=NOW)
    occupy(session, people[0], MARCH, recorded_by=partner.key, partner_id=partner.id)
    with pytest.raises(OccupancyTaken):
        occupy(session, people[1], MAY, recorded_by=rival.key, partner_id=rival.id)
    linked = ("water-meter", "1")
    add_links(session, partner_id=partner.id, pairs=[(people[0], linked)], now=NOW)
    with pytest.raises(OccupancyTaken):
        occupy(session, people[1], MAY, link=linked, recorded_by=rival.key, partner_id=rival.id)
    occupy(session, people[1], MAY, link=linked, recorded_by=partner.key, partner_id=partner.id)
    occupy(session, people[1], MAY)  # an operator may
    assert len(living(session)) == 2


def test_what_is_no_meter_or_no_span_or_nobody_is_refused(session: Session, people: list[uuid.UUID]) -> None:
    with pytest.raises(NoMeter, match="electricity-meter, gas-meter, water-meter"):
        occupy(session, people[0], MARCH, link=("phone", "1"))
    with pytest.raises(SpanEmpty):
        occupy(session, people[0], MARCH, MARCH)
    with pytest.raises(CitizenNotFound):
        occupy(session, uuid.UUID(int=1), MARCH)


def test_a_meter_is_known_after_its_key_was_rotated(session: Session, people: list[uuid.UUID]) -> None:
    occupy(session, people[0], MARCH)
    keys = keys_of(session)
    session.info["keys"] = replace(keys, link=b"n" * 32, link_previous=keys.link)
    occupy(session, people[1], MAY)
    assert living(session) == [(people[0], MARCH, MAY), (people[1], MAY, None)]
    session.info["keys"] = keys


def test_the_database_itself_refuses_an_overlap(session: Session, people: list[uuid.UUID]) -> None:
    occupy(session, people[0], MARCH, MAY)
    occupy(session, people[1], MAY)
    for statement in (
        "UPDATE meter_occupancy SET to_day = '2026-05-02' WHERE from_day = '2026-03-01'",
        "UPDATE meter_occupancy SET from_day = '2026-04-30' WHERE from_day = '2026-05-01'",
    ):
        with pytest.raises(DBAPIError, match="one citizen on a day"), session.begin_nested():
            session.execute(text(statement))
    assert len(living(session)) == 2


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(1, 28), st.none() | st.integers(1, 10)),
        min_size=1,
        max_size=8,
    )
)
def test_whatever_is_stated_nobody_shares_a_day(
    sqlite_database: Database, moves: list[tuple[int, int, int | None]]
) -> None:
    with unit_of_work(sqlite_database) as session:
        if not session.scalar(text("SELECT count(*) FROM programme")):
            seed(sqlite_database, session)
        session.execute(text("DELETE FROM meter_occupancy"))
        partner_id = uuid.UUID(str(session.scalar(text("SELECT id FROM party"))))
        links = [[("phone", str(uuid.uuid4()))] for _ in range(3)]
        people = register_citizens(session, partner_id=partner_id, links_of=links, now=NOW)
        for who, first, length in moves:
            last = date(2026, 3, first + length) if length and first + length <= 31 else None
            try:
                occupy(session, people[who], date(2026, 3, first), last)
            except OccupancyTaken:
                continue
        spans = living(session)
        for (_, _, end), (_, start, _) in pairwise(spans):
            assert end is not None
            assert end <= start


def seed(database: Database, session: Session) -> None:
    session.rollback()
    seed_programmes(database, "gd-gz")
    create_party(session, programme="gd-gz", role="partner", name="Metro app", now=NOW)


def test_of_two_at_once_one_has_the_meter(postgresql_database: Database) -> None:
    seed_programmes(postgresql_database, "gd-gz")
    with unit_of_work(postgresql_database) as session:
        partner = create_party(session, programme="gd-gz", role="partner", name="A", now=NOW)
        links = [[("phone", str(number))] for number in range(8)]
        people = register_citizens(session, partner_id=partner.id, links_of=links, now=NOW)
    barrier = threading.Barrier(8)

    def move_in(number: int) -> bool:
        barrier.wait()
        try:
            with unit_of_work(postgresql_database) as session:
                occupy(session, people[number], MARCH)
        except OccupancyTaken:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(move_in, range(8))) == 1
