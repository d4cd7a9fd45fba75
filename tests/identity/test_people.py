"""Whom the events of a batch are about: the same answer for a few links and for many."""

from datetime import datetime

import pytest
from sqlalchemy.orm import Session

from carbon_credit.identity import people
from carbon_credit.identity.consents import ConsentGrant, MandateGrant, give_consents, give_mandates
from carbon_credit.identity.operations import register_citizens
from carbon_credit.identity.people import people_behind
from carbon_credit.identity.queries import PartyRecord

CARD, PHONE, BIKE, NOBODY = ("transit-card", "1"), ("phone", "2"), ("bike-account", "3"), ("phone", "4")


@pytest.mark.parametrize("many", [1, 1000])
def test_links_lead_to_citizens_with_the_consents_and_mandates_that_are_asked_for(
    session: Session, partner: PartyRecord, now: datetime, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr(people, "_MANY", many)
    links_of = [[CARD, PHONE], [BIKE], []]
    first, second, third = register_citizens(session, partner_id=partner.id, links_of=links_of, now=now)
    wanted = [(first, "transit"), (first, "bike"), (second, "transit"), (third, "bike")]
    given = [ConsentGrant(who, scene, "v1", now) for who, scene in wanted]
    ids = dict(zip(wanted, give_consents(session, partner_id=partner.id, grants=given, now=now), strict=True))
    [mandate] = give_mandates(
        session, programme=partner.programme, grants=[MandateGrant(first, "v1", 50, now)], now=now
    )

    found = people_behind(
        session,
        programme=partner.programme,
        partner_id=partner.id,
        scenes={"transit", "bike"},
        links={CARD: {"transit"}, PHONE: {"bike", ""}, BIKE: {"bike"}, NOBODY: {"bike"}},
        ids=[third],
    )

    assert {link: one.citizen_id for link, one in found.links.items()} == {
        CARD: first,
        PHONE: first,
        BIKE: second,
    }
    spans = {who: {span.id for span in those} for who, those in found.consents.items()}
    assert spans[first] == {ids[first, "transit"], ids[first, "bike"]}
    assert spans[second] <= {ids[second, "transit"]}  # what is not asked for may come along
    assert spans[third] == {ids[third, "bike"]}
    assert [span.id for span in found.mandates[first]] == [mandate]
    assert not found.mandates.get(second)
    assert not found.mandates.get(third)
    assert found.partner_active
    assert list(found.citizens) == [third]
