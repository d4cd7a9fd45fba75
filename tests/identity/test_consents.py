"""Consents and mandates: spans that never overlap, rows that change once."""

import uuid
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from carbon_credit.identity.consents import (
    ConsentGrant,
    MandateGrant,
    give_consents,
    give_mandates,
    withdraw_consent,
    withdraw_mandate,
)
from carbon_credit.identity.errors import (
    CitizenNotFound,
    GivenInFuture,
    NothingToWithdraw,
    SceneUnknown,
    ShareOutOfBounds,
    SpanOverlaps,
)
from carbon_credit.identity.operations import register_citizens
from carbon_credit.identity.queries import PartyRecord, consents_of, mandates_of

HOUR = timedelta(hours=1)


@pytest.fixture
def person(session: Session, partner: PartyRecord, now: datetime) -> uuid.UUID:
    return register_citizens(session, partner_id=partner.id, links_of=[[]], now=now)[0]


def grant(person: uuid.UUID, at: datetime, *, scene: str = "transit", version: str = "v1") -> ConsentGrant:
    return ConsentGrant(citizen_id=person, scene=scene, text_version=version, given_at=at)


def test_a_consent_holds_from_given_until_withdrawn(
    session: Session, partner: PartyRecord, person: uuid.UUID, now: datetime
) -> None:
    given_id = give_consents(session, partner_id=partner.id, grants=[grant(person, now)], now=now)[0]
    again = give_consents(session, partner_id=partner.id, grants=[grant(person, now + HOUR)], now=now + HOUR)
    assert again == [given_id]
    withdrawn = withdraw_consent(
        session, partner_id=partner.id, citizen_id=person, scene="transit", now=now + 2 * HOUR
    )
    assert withdrawn == given_id
    (span,) = consents_of(session, citizen_ids=[person], partner_id=partner.id)[person]
    assert [span.covers(now + step * HOUR) for step in (-1, 0, 1, 2)] == [False, True, True, False]
    with pytest.raises(NothingToWithdraw):
        withdraw_consent(session, partner_id=partner.id, citizen_id=person, scene="transit", now=now)


def test_a_new_text_ends_the_old_consent_where_it_begins(
    session: Session, partner: PartyRecord, person: uuid.UUID, now: datetime
) -> None:
    give_consents(session, partner_id=partner.id, grants=[grant(person, now)], now=now)
    later = now + HOUR
    give_consents(session, partner_id=partner.id, grants=[grant(person, later, version="v2")], now=later)
    old, new = consents_of(session, citizen_ids=[person], partner_id=partner.id)[person]
    assert (old.text_version, old.withdrawn_at) == ("v1", later)
    assert (new.text_version, new.given_at, new.withdrawn_at) == ("v2", later, None)


def test_a_withdrawal_cannot_be_undone_by_an_earlier_date(
    session: Session, partner: PartyRecord, person: uuid.UUID, now: datetime
) -> None:
    give_consents(session, partner_id=partner.id, grants=[grant(person, now)], now=now)
    later = now + 2 * HOUR
    withdraw_consent(session, partner_id=partner.id, citizen_id=person, scene="transit", now=later)
    with pytest.raises(SpanOverlaps):
        give_consents(session, partner_id=partner.id, grants=[grant(person, now + HOUR)], now=later)
    give_consents(session, partner_id=partner.id, grants=[grant(person, later)], now=later)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.tuples(st.integers(0, 6), st.sampled_from(["v1", "v2", "withdraw"])), max_size=8),
)
def test_spans_of_one_scene_never_overlap(
    session: Session,
    partner: PartyRecord,
    now: datetime,
    steps: list[tuple[int, str]],
) -> None:
    person = register_citizens(session, partner_id=partner.id, links_of=[[]], now=now)[0]
    end = now + 10 * HOUR
    for hours, what in steps:
        try:
            with session.begin_nested():
                if what == "withdraw":
                    withdraw_consent(
                        session,
                        partner_id=partner.id,
                        citizen_id=person,
                        scene="transit",
                        now=now + hours * HOUR,
                    )
                else:
                    one = grant(person, now + hours * HOUR, version=what)
                    give_consents(session, partner_id=partner.id, grants=[one], now=end)
        except (SpanOverlaps, NothingToWithdraw):
            pass
    spans = consents_of(session, citizen_ids=[person], partner_id=partner.id).get(person, [])
    for hours in range(12):
        assert sum(span.covers(now + hours * HOUR) for span in spans) <= 1


def test_wrong_grants_are_refused(
    session: Session, partner: PartyRecord, other_partner: PartyRecord, person: uuid.UUID, now: datetime
) -> None:
    for partner_id, wrong, error in (
        (partner.id, grant(person, now + HOUR), GivenInFuture),
        (partner.id, grant(person, now, scene="Öffis"), SceneUnknown),
        (partner.id, grant(person, now, scene=""), SceneUnknown),
        (partner.id, grant(uuid.uuid4(), now), CitizenNotFound),
        (other_partner.id, grant(person, now), CitizenNotFound),
    ):
        with pytest.raises(error):
            give_consents(session, partner_id=partner_id, grants=[wrong], now=now)
    assert consents_of(session, citizen_ids=[person], partner_id=partner.id) == {}


def test_a_mandate_has_a_share_and_a_span(session: Session, person: uuid.UUID, now: datetime) -> None:
    def give(share: int, at: datetime) -> uuid.UUID:
        one = MandateGrant(citizen_id=person, text_version="m1", share_percent=share, given_at=at)
        return give_mandates(session, programme="gd-gz", grants=[one], now=at)[0]

    first = give(70, now)
    assert give(70, now) == first
    assert give(80, now + HOUR) != first
    withdraw_mandate(session, programme="gd-gz", citizen_id=person, now=now + 2 * HOUR)
    old, new = mandates_of(session, citizen_ids=[person])[person]
    assert (old.share_percent, old.withdrawn_at) == (70, now + HOUR)
    assert (new.share_percent, new.withdrawn_at) == (80, now + 2 * HOUR)
    with pytest.raises(ShareOutOfBounds):
        give(101, now + 3 * HOUR)
    with pytest.raises(NothingToWithdraw):
        withdraw_mandate(session, programme="gd-gz", citizen_id=person, now=now + 3 * HOUR)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE consent SET scene = 'other'",
        "UPDATE consent SET withdrawn_at = NULL",
        "DELETE FROM consent",
        "UPDATE mandate SET share_percent = 1",
        "UPDATE mandate SET given_at = recorded_at, withdrawn_at = NULL",
        "DELETE FROM mandate",
    ],
)
def test_the_database_keeps_consents_and_mandates_as_they_were(
    session: Session, partner: PartyRecord, person: uuid.UUID, now: datetime, statement: str
) -> None:
    give_consents(session, partner_id=partner.id, grants=[grant(person, now)], now=now)
    mandate = MandateGrant(citizen_id=person, text_version="m1", share_percent=70, given_at=now)
    give_mandates(session, programme="gd-gz", grants=[mandate], now=now)
    withdraw_consent(session, partner_id=partner.id, citizen_id=person, scene="transit", now=now)
    withdraw_mandate(session, programme="gd-gz", citizen_id=person, now=now)
    with pytest.raises(DBAPIError), session.begin_nested():
        session.execute(text(statement))
