"""Citizens and what leads to them: keyed digests, rotation, one citizen to a link."""

import uuid
from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from carbon_credit.identity.errors import (
    CitizenNotFound,
    LinkKindUnknown,
    LinkTaken,
    LinkValueInvalid,
    RoleCannotHold,
)
from carbon_credit.identity.operations import add_links, create_party, register_citizens
from carbon_credit.identity.queries import (
    PartyRecord,
    citizen,
    citizens_by_id,
    is_linked_by,
    resolve_links,
)
from carbon_credit.kernel.db import keys_of

CARD = ("transit-card", "6221-0001")
PHONE = ("phone", "13800000000")


def test_links_lead_to_their_citizen_in_their_programme(
    session: Session, partner: PartyRecord, other_partner: PartyRecord, now: datetime
) -> None:
    first, second = register_citizens(
        session, partner_id=partner.id, links_of=[[CARD, PHONE], [("phone", "139")]], now=now
    )
    found = resolve_links(session, programme="gd-gz", links=[CARD, PHONE, ("phone", "139"), ("phone", "1")])
    assert {link: hit.citizen_id for link, hit in found.items()} == {
        CARD: first,
        PHONE: first,
        ("phone", "139"): second,
    }
    assert found[CARD].state == "confirmed"
    assert found[CARD].active
    assert resolve_links(session, programme="gd-sz", links=[CARD]) == {}
    # The same card may have a citizen in each programme.
    register_citizens(session, partner_id=other_partner.id, links_of=[[CARD]], now=now)


def test_the_value_is_compared_without_width_and_outer_space(
    session: Session, partner: PartyRecord, now: datetime
) -> None:
    register_citizens(session, partner_id=partner.id, links_of=[[CARD]], now=now)
    wide = ("transit-card", " 6221-0001\n")
    assert wide in resolve_links(session, programme="gd-gz", links=[wide])


def test_a_link_value_is_nowhere_in_the_table(session: Session, partner: PartyRecord, now: datetime) -> None:
    register_citizens(session, partner_id=partner.id, links_of=[[PHONE]], now=now)
    assert PHONE[1] not in repr(session.execute(text("SELECT * FROM citizen_link")).all())


def test_a_taken_link_registers_nobody(session: Session, partner: PartyRecord, now: datetime) -> None:
    register_citizens(session, partner_id=partner.id, links_of=[[CARD]], now=now)
    with pytest.raises(LinkTaken) as error, session.begin_nested():
        register_citizens(session, partner_id=partner.id, links_of=[[PHONE], [CARD]], now=now)
    assert error.value.details == {"position": 2, "kind": "transit-card"}
    assert resolve_links(session, programme="gd-gz", links=[PHONE]) == {}
    with pytest.raises(LinkTaken):
        register_citizens(session, partner_id=partner.id, links_of=[[PHONE], [PHONE]], now=now)


def test_after_rotation_the_previous_key_still_finds_and_still_guards(
    session: Session, partner: PartyRecord, now: datetime
) -> None:
    (person,) = register_citizens(session, partner_id=partner.id, links_of=[[CARD]], now=now)
    old = keys_of(session)
    session.info["keys"] = replace(old, link=b"n" * 32, link_previous=old.link)
    assert resolve_links(session, programme="gd-gz", links=[CARD])[CARD].citizen_id == person
    with pytest.raises(LinkTaken):
        register_citizens(session, partner_id=partner.id, links_of=[[CARD]], now=now)
    session.info["keys"] = replace(old, link=b"n" * 32, link_previous=None)
    assert resolve_links(session, programme="gd-gz", links=[CARD]) == {}


def test_further_links_need_a_citizen_of_the_programme(
    session: Session, partner: PartyRecord, other_partner: PartyRecord, now: datetime
) -> None:
    (person,) = register_citizens(session, partner_id=partner.id, links_of=[[CARD]], now=now)
    add_links(session, partner_id=partner.id, pairs=[(person, PHONE)], now=now)
    assert resolve_links(session, programme="gd-gz", links=[PHONE])[PHONE].citizen_id == person
    for partner_id, citizen_id in ((other_partner.id, person), (partner.id, uuid.uuid4())):
        with pytest.raises(CitizenNotFound):
            add_links(session, partner_id=partner_id, pairs=[(citizen_id, ("phone", "7"))], now=now)
    assert is_linked_by(session, citizen_id=person, partner_id=partner.id)
    assert not is_linked_by(session, citizen_id=person, partner_id=other_partner.id)


@pytest.mark.parametrize(
    ("link", "error"),
    [
        (("passport", "1"), LinkKindUnknown),
        (("phone", "  "), LinkValueInvalid),
        (("phone", "1" * 201), LinkValueInvalid),
    ],
)
def test_a_link_that_is_none_is_refused_without_its_value(
    session: Session, partner: PartyRecord, now: datetime, link: tuple[str, str], error: type[Exception]
) -> None:
    with pytest.raises(error) as raised:
        register_citizens(session, partner_id=partner.id, links_of=[[link]], now=now)
    assert "1" * 201 not in str(raised.value)


def test_citizens_are_found_only_in_their_programme(
    session: Session, partner: PartyRecord, now: datetime
) -> None:
    people = register_citizens(session, partner_id=partner.id, links_of=[[], [], []], now=now)
    assert set(citizens_by_id(session, programme="gd-gz", ids=people)) == set(people)
    assert citizens_by_id(session, programme="gd-sz", ids=people) == {}
    assert citizen(session, programme="gd-gz", citizen_id=people[0]).active
    with pytest.raises(CitizenNotFound):
        citizen(session, programme="gd-sz", citizen_id=people[0])


def test_only_a_partner_registers_citizens(session: Session, now: datetime) -> None:
    merchant = create_party(session, programme="gd-gz", role="merchant", name="Tea", now=now)
    with pytest.raises(RoleCannotHold):
        register_citizens(session, partner_id=merchant.id, links_of=[[CARD]], now=now)
