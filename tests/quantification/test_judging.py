"""Who is credited and who is refused: consent, mandate, partner, programme, use."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.cli.enrolment import enrol_people
from carbon_credit.identity.consents import withdraw_consent
from carbon_credit.identity.operations import set_party_status
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from tests.world import LONG_AGO, World, metro, statuses


def walk(event_id: str, steps: int, at: str = "2026-11-20T20:00:00+08:00") -> dict[str, Any]:
    return {**metro(event_id, at=at), "type": "walk", "data": {"count": steps}}


def test_consent_is_judged_at_the_time_of_the_event(database: Database) -> None:
    world = World(database)
    noon = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
    transact(
        database,
        lambda session: withdraw_consent(
            session, partner_id=world.partner, citizen_id=world.citizens[0], scene="metro", now=noon
        ),
    )
    before, at_noon, after = world.credit(
        metro("M-1", at="2026-11-20T11:59:59.999+08:00"),
        metro("M-2", at="2026-11-20T12:00:00+08:00"),
        metro("M-3", at="2026-11-20T18:00:00+08:00"),
    )
    assert (before.status, at_noon.reason, after.reason) == ("credited", "no-consent", "no-consent")


def test_a_refusal_for_want_of_consent_is_remembered_and_keeps_nothing_of_the_person(
    database: Database,
) -> None:
    world = World(database)
    other = world.party("partner", "bikes")
    [refused] = world.credit(metro("M-1"), partner=other)
    [again] = world.credit(metro("M-1"), partner=other)
    assert (refused.reason, again.status, again.first, again.reason) == (
        "no-consent",
        "duplicate",
        "rejected",
        "no-consent",
    )
    with unit_of_work(database, read_only=True) as session:
        rows = session.execute(text("SELECT * FROM event_claim")).all()
        assert session.scalar(text("SELECT count(*) FROM event")) == 0
    assert len(rows) == 1
    assert "CARD-0" not in repr(rows)
    assert "M-1" not in repr(rows)


def test_a_suspended_partner_may_send_again_later(database: Database) -> None:
    world = World(database)
    transact(database, lambda session: set_party_status(session, party_id=world.partner, active=False))
    assert [outcome.reason for outcome in world.credit(metro("M-1"))] == ["partner-suspended"]
    transact(database, lambda session: set_party_status(session, party_id=world.partner, active=True))
    assert statuses(world.credit(metro("M-1"))) == ["credited"]


def test_each_reduction_names_its_consent_and_mandate(database: Database) -> None:
    world = World(database)
    world.credit(metro("M-1"))
    with unit_of_work(database, read_only=True) as session:
        row = session.execute(text("SELECT consent_id, mandate_id, grade, tier FROM reduction")).one()
    assert row.consent_id is not None
    assert row.mandate_id is not None
    assert (row.grade, row.tier) == ("published", "derived")


def test_a_test_citizen_makes_everything_assumed(database: Database) -> None:
    world = World(database)

    def enrol(session: Any) -> None:
        scenes = [s.code for s in programme_rules(session, programme=world.programme).profile.scenes]
        enrol_people(
            session,
            programme=world.programme,
            partners=[world.partner],
            links_of=[[("transit-card", "CARD-77")]],
            scenes=scenes,
            tier="assumed",
            without_mandate=0,
            given_at=LONG_AGO,
            now=world.now,
        )

    transact(database, enrol)
    [outcome] = world.credit(metro("M-1", person=77))
    assert (outcome.grade, outcome.sandbox) == ("assumed", True)


def test_what_is_only_shown_is_posted_nowhere(database: Database) -> None:
    world = World(database, programme="gd-gz")
    [shown] = world.credit({**metro("M-1"), "data": {"distance_m": 8300, "distance_source": "gates"}})
    assert (shown.status, shown.use) == ("credited", "display")
    assert (shown.gross_mg, shown.co2e_mg) == (515_500, 0)
    assert shown.sandbox
    assert (world.grams(), world.points()) == (0, 0)


def test_three_thousand_steps_a_day_are_one_point_in_guangzhou(database: Database) -> None:
    world = World(database, programme="gd-gz")
    outcomes = world.credit(walk("W-1", 2_000), walk("W-2", 2_500), walk("W-3", 1_499))
    assert [outcome.points for outcome in outcomes] == [0, 1, 0]
    assert world.points() == 1
    [last] = world.credit(walk("W-4", 1))
    assert (last.points, world.points()) == (1, 2)
    [next_day] = world.credit(walk("W-5", 2_999, at="2026-11-21T00:00:00+08:00"))
    assert (next_day.points, world.points(), world.grams()) == (0, 2, 0)
