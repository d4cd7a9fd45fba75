"""Making offers: what is refused, who may touch them, and what citizens see."""

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from carbon_credit.identity.errors import PartyNotFound
from carbon_credit.identity.operations import set_party_status
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.redemption import offers, queries
from carbon_credit.redemption.errors import (
    ApprovalForbidden,
    MerchantInactive,
    OfferInvalid,
    OfferNotFound,
    OfferState,
)
from carbon_credit.redemption.offering import stock
from carbon_credit.redemption.terms import offer as terms

from .conftest import HOUR, NOW, PROGRAMME, Mall


def open_ids(mall: Mall) -> list[uuid.UUID]:
    with unit_of_work(mall.database, read_only=True) as session:
        return [found.id for found in queries.open_offers(session, programme=PROGRAMME, now=mall.now)]


def test_citizens_see_an_offer_from_approval_and_opening_to_closing(mall: Mall) -> None:
    made = mall.offer(approve=False, opens_at=NOW + timedelta(hours=1), closes_at=NOW + timedelta(hours=2))
    mall.later(hours=1)
    assert open_ids(mall) == []
    with unit_of_work(mall.database) as session:
        offers.approve_offer(
            session, programme=PROGRAMME, operator_id=mall.operator, offer_id=made, now=mall.now
        )
    assert open_ids(mall) == [made]
    assert mall.told() == [("offer.approved", made)]
    mall.now = NOW + timedelta(minutes=59)
    assert open_ids(mall) == []
    mall.now = NOW + timedelta(hours=2)
    assert open_ids(mall) == []


def test_a_closed_offer_is_gone_and_stays_closed(mall: Mall) -> None:
    made = mall.offer()
    with unit_of_work(mall.database) as session:
        offers.close_offer(
            session, programme=PROGRAMME, offer_id=made, merchant_id=mall.merchant, now=mall.now
        )
    assert open_ids(mall) == []
    for deed in (
        lambda session: offers.close_offer(session, programme=PROGRAMME, offer_id=made, now=mall.now),
        lambda session: stock.add_stock(session, programme=PROGRAMME, offer_id=made, pieces=1, now=mall.now),
        lambda session: offers.approve_offer(
            session, programme=PROGRAMME, operator_id=mall.operator, offer_id=made, now=mall.now
        ),
    ):
        with pytest.raises(OfferState, match="closed"), unit_of_work(mall.database) as session:
            deed(session)


def test_another_merchants_or_programmes_offer_does_not_exist(mall: Mall) -> None:
    made = mall.offer()
    for deed in (
        lambda session: offers.close_offer(
            session, programme=PROGRAMME, offer_id=made, merchant_id=mall.rival, now=mall.now
        ),
        lambda session: stock.add_stock(
            session, programme=PROGRAMME, offer_id=made, pieces=1, now=NOW, merchant_id=mall.rival
        ),
        lambda session: offers.close_offer(session, programme="gd-sz", offer_id=made, now=mall.now),
        lambda session: queries.offer(session, programme="gd-sz", offer_id=made),
    ):
        with pytest.raises(OfferNotFound), unit_of_work(mall.database) as session:
            deed(session)
    with unit_of_work(mall.database, read_only=True) as session:
        assert queries.merchant_offers(session, merchant_id=mall.rival) == []
        assert [found.id for found in queries.merchant_offers(session, merchant_id=mall.merchant)] == [made]


def test_only_an_operator_approves(mall: Mall) -> None:
    made = mall.offer(approve=False)
    with pytest.raises(ApprovalForbidden), unit_of_work(mall.database) as session:
        offers.approve_offer(
            session, programme=PROGRAMME, operator_id=mall.merchant, offer_id=made, now=mall.now
        )
    assert mall.told() == []
    with unit_of_work(mall.database, read_only=True) as session:
        assert [found.id for found in queries.offers(session, programme=PROGRAMME, state="draft")] == [made]


def test_only_an_active_merchant_proposes(mall: Mall) -> None:
    with unit_of_work(mall.database) as session:
        set_party_status(session, party_id=mall.rival, active=False)
    for proposer, error in ((mall.rival, MerchantInactive), (mall.operator, MerchantInactive)):
        with pytest.raises(error), unit_of_work(mall.database) as session:
            offers.propose_offer(
                session, programme=PROGRAMME, merchant_id=proposer, terms=mall.terms(), now=NOW
            )
    with pytest.raises(PartyNotFound), unit_of_work(mall.database) as session:
        offers.propose_offer(
            session, programme="gd-sz", merchant_id=mall.merchant, terms=mall.terms(), now=NOW
        )


@pytest.mark.parametrize(
    "wrong",
    [
        {"title_zh": "  "},
        {"title_en": "x" * 161},
        {"points_price": 0},
        {"points_price": 2**63},
        {"value_fen": -1},
        {"per_citizen_limit": 0},
        {"voucher_ttl_s": 59},
        {"voucher_ttl_s": 367 * 24 * HOUR},
        {"closes_at": NOW},
        {"opens_at": NOW + timedelta(days=31)},
        {"kind": "lottery"},
    ],
    ids=str,
)
def test_terms_that_cannot_be_kept_are_refused(mall: Mall, wrong: dict[str, object]) -> None:
    with pytest.raises(OfferInvalid), unit_of_work(mall.database) as session:
        offers.propose_offer(
            session, programme=PROGRAMME, merchant_id=mall.merchant, terms=mall.terms(**wrong), now=NOW
        )


def test_pieces_are_added_up(mall: Mall) -> None:
    made = mall.offer(pieces=3)
    with unit_of_work(mall.database) as session:
        stock.add_stock(session, programme=PROGRAMME, offer_id=made, pieces=4, now=NOW)
    assert mall.stock(made) == (7, 0, 0)
    for pieces in (0, -1, terms.MAX_PIECES + 1):
        with pytest.raises(OfferInvalid), unit_of_work(mall.database) as session:
            stock.add_stock(session, programme=PROGRAMME, offer_id=made, pieces=pieces, now=NOW)
    mall.audit()


def test_the_database_refuses_an_approval_by_nobody(mall: Mall) -> None:
    mall.offer(approve=False)
    with pytest.raises(IntegrityError), unit_of_work(mall.database) as session:
        session.execute(text("UPDATE offer SET state = 'approved'"))


def test_offers_come_in_pages(mall: Mall) -> None:
    made = [mall.offer(pieces=0) for _ in range(3)]
    with unit_of_work(mall.database, read_only=True) as session:
        first = queries.open_offers(session, programme=PROGRAMME, now=mall.now, limit=2)
        rest = queries.open_offers(session, programme=PROGRAMME, now=mall.now, after=first[-1].id, limit=2)
    assert [found.id for found in first + rest] == made
