"""An offer of kind `neutralise`: what it takes, who may have it, what the certificate says and to whom."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.errors import CarbonError
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.ledger.points import PointsGrant, grants
from carbon_credit.neutrality.audit import audit
from carbon_credit.offsets.errors import GramsUnavailable, RetirementNotFound
from carbon_credit.quantification.recording import append_ends
from carbon_credit.redemption.errors import LimitReached, OfferClosed, OfferNotFound, VoucherInvalid
from carbon_credit.redemption.giving.donations import donate
from carbon_credit.redemption.offering.errors import (
    MonthLimitReached,
    NotEligible,
    OfferNotYetOpen,
    OfferOutOfHours,
    OtherWay,
)
from carbon_credit.redemption.operations import reserve
from carbon_credit.redemption.queries import vouchers
from carbon_credit.redemption.terms.hours import Opening
from carbon_credit.redemption.terms.rules import Events
from tests.neutrality.conftest import KG, Square
from tests.redemption.test_races import kinds, race
from tests.world import NOW


def test_own_grams_are_retired_for_good_with_a_number(square: Square) -> None:
    offer = square.offer()
    done = square.neutralise(offer, KG)
    assert (done.co2e_mg, done.withdrawn_mg, done.grade, done.sandbox) == (KG, 0, "published", False)
    assert (done.purpose.zh, done.purpose.en) == ("我的 2026 年出行足迹", "My trips of 2026")
    assert (done.retired_at, done.programme) == (NOW, "x-gd-sz")
    citizen = square.world.citizens[0]
    assert square.yard.balance("citizen.reductions", citizen) == 2 * KG
    assert square.world.points() == 0
    rest = square.neutralise(offer)
    assert rest.co2e_mg == 2 * KG
    with pytest.raises(GramsUnavailable):
        square.neutralise(offer)
    assert square.certificates() == [rest, done]
    assert square.certificates(limit=1) == [rest]
    assert square.certificates(after=rest.id) == [done]
    assert square.certificates(1) == []
    with unit_of_work(square.database, read_only=True) as session:
        own = vouchers(session, programme=square.programme, citizen_id=citizen, now=NOW)
    assert [(one.kind, one.state, one.points, one.code) for one in own] == [
        ("neutralise", "consumed", 0, None)
    ] * 2
    square.audit()


def test_anybody_can_look_a_number_up_and_learns_nothing_of_who(square: Square) -> None:
    done = square.neutralise(square.offer(), KG)
    assert done.number.startswith("X-")
    plain = done.number.removeprefix("X-")
    for typed in (done.number, done.number.lower(), plain, f" {plain.replace('-', '')} "):
        assert square.by_number(typed) == done
    assert str(square.world.citizens[0]) not in str(done)
    with pytest.raises(VoucherInvalid):
        square.by_number("X-0000-0000-00001")
    with pytest.raises(RetirementNotFound):
        square.by_number("0000-0000-00000")
    # The number of a donation is none of a certificate.
    cause, citizen = square.offer(kind="donation", points_price=1), square.world.citizens[0]
    lot = (NOW + timedelta(days=300)).date()
    of = {"programme": square.programme, "now": NOW}
    with unit_of_work(square.database) as session:
        grants(session, items=[PointsGrant(citizen, 10, lot, None, NOW)], **of)
        given = donate(session, citizen_id=citizen, offer_id=cause, points=5, **of)
    with pytest.raises(RetirementNotFound):
        square.by_number(given.number)
    square.audit()


def test_a_rehearsals_certificate_is_marked_in_its_words(square: Square) -> None:
    done = square.neutralise(square.offer(), 1_500)
    assert done.rehearsal
    assert done.statement("zh").startswith("演练")
    assert "1.5 克" in done.statement("zh")
    assert "我的 2026 年出行足迹" in done.statement("zh")
    assert done.statement("en").startswith("A rehearsal")
    assert "1.5 g of CO2e" in done.statement("en")
    assert "withdrawn" not in done.statement("en")


def test_a_real_certificate_has_no_mark(sqlite_database: Database) -> None:
    square = Square(sqlite_database, programme="gd-sz")
    with pytest.raises(GramsUnavailable) as refused:
        square.neutralise(square.offer(), 5 * KG)
    assert refused.value.details == {"available_mg": 3 * KG}
    done = square.neutralise(square.offer())
    assert (done.rehearsal, done.grade, done.number.count("-")) == (False, "official", 2)
    for language, word in (("zh", "演练"), ("en", "ehearsal"), ("zh", "沙盒"), ("en", "andbox")):
        assert word not in done.statement(language)
    assert square.by_number(done.number) == done


def test_what_was_withdrawn_afterwards_is_told_on_the_certificate(square: Square) -> None:
    done = square.neutralise(square.offer(), KG)
    with unit_of_work(square.database, read_only=True) as session:
        found = session.execute(
            text("SELECT reduction_id FROM batch_item WHERE retirement_id IS NOT NULL")
        ).scalar_one()
    reduction = found if isinstance(found, uuid.UUID) else uuid.UUID(found)
    transact(
        square.database,
        lambda session: append_ends(session, ended=[reduction], reason="withdrawn", now=NOW),
    )
    told = square.by_number(done.number)
    assert (told.co2e_mg, told.withdrawn_mg) == (KG, KG)
    assert "1000 克所依据的行为后来被撤回" in told.statement("zh")
    assert "1000 g rest on acts that were withdrawn" in told.statement("en")
    with pytest.raises(GramsUnavailable):  # the rest of that ride is no longer anything
        square.neutralise(square.offer())
    square.audit()


@pytest.mark.parametrize(
    ("terms", "at", "refusal"),
    [
        ({"approve": False}, timedelta(), OfferNotFound),
        ({"opens_at": NOW + timedelta(hours=1)}, timedelta(), OfferNotYetOpen),
        ({}, timedelta(days=30), OfferClosed),
        ({"hours": (Opening(1, "01:00", "02:00"),)}, timedelta(), OfferOutOfHours),
        ({"eligibility": (Events("metro", 100, 366),)}, timedelta(), NotEligible),
    ],
    ids=["draft", "not yet", "closed", "hours", "condition"],
)
def test_windows_and_conditions_of_the_offer_hold(
    square: Square, terms: dict[str, Any], at: timedelta, refusal: type[CarbonError]
) -> None:
    offer = square.offer(**terms)
    with pytest.raises(refusal):
        square.neutralise(offer, KG, now=NOW + at)
    assert square.certificates() == []
    square.audit()


def test_limits_count_what_was_done_and_not_what_was_refused(square: Square) -> None:
    offer = square.offer(per_citizen_limit=3, per_month_limit=2)
    with pytest.raises(GramsUnavailable):
        square.neutralise(offer, 100 * KG)
    square.neutralise(offer, 1)
    square.neutralise(offer, 1)
    with pytest.raises(MonthLimitReached):
        square.neutralise(offer, 1)
    square.neutralise(offer, 1, person=1)
    later = NOW + timedelta(days=10)  # the first of December
    square.neutralise(offer, 1, now=later)
    with pytest.raises(LimitReached):
        square.neutralise(offer, 1, now=later)
    square.audit()


def test_what_is_of_another_kind_is_asked_for_elsewhere(square: Square) -> None:
    citizen = {"programme": square.programme, "citizen_id": square.world.citizens[0], "now": NOW}
    offer, cause = square.offer(), square.offer(kind="donation", points_price=1)
    with unit_of_work(square.database) as session:
        with pytest.raises(OtherWay) as other:
            reserve(session, offer_id=offer, **citizen)
        assert other.value.details == {"kind": "neutralise", "address": "/v1/me/retirements"}
        with pytest.raises(OtherWay):
            donate(session, offer_id=offer, **citizen)
    with pytest.raises(OtherWay) as other:
        square.neutralise(cause)
    assert other.value.details["address"] == "/v1/me/donations"


def test_a_limit_holds_against_one_who_clicks_often(square: Square) -> None:
    offer = square.offer(per_citizen_limit=2)
    results = race(*[lambda: square.neutralise(offer, KG)] * 6)
    assert kinds(results)[LimitReached] == 4, results
    assert sum(one.co2e_mg for one in square.certificates()) == 2 * KG
    square.audit()


def test_by_two_offers_at_once_each_gram_is_retired_once(square: Square) -> None:
    first, second = square.offer(), square.offer()
    results = race(*[lambda offer=offer: square.neutralise(offer) for offer in (first, second)])  # type: ignore[misc]
    assert kinds(results)[GramsUnavailable] == 1, results
    assert sum(one.co2e_mg for one in square.certificates()) == 3 * KG
    assert len({one.number for one in square.certificates()}) == 1
    square.audit()


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("UPDATE redemption SET state = 'cancelled'", "neutralised-retired"),
        ("UPDATE redemption SET resolved_at = '2026-11-22 00:00:00'", "neutralised-retired"),
        ("DELETE FROM redemption", "retired-neutralised"),
    ],
)
def test_the_audit_names_an_offer_without_grams_and_grams_without_an_offer(
    sqlite_database: Database, sql: str, rule: str
) -> None:
    square = Square(sqlite_database)
    square.neutralise(square.offer())
    with unit_of_work(square.database) as session:
        session.execute(text(sql))
    with unit_of_work(square.database, read_only=True) as session:
        assert [one.rule for one in audit(session)] == [rule]
