"""Terms are dated and stay; a payee takes effect when two have looked at it."""

from datetime import date

import pytest

from carbon_credit.identity.errors import PartyNotFound, RoleCannotHold
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.settlement import terms
from carbon_credit.settlement.errors import (
    PayeeConfirmForbidden,
    PayeeNotFound,
    TermsBackdated,
    TermsTaken,
)
from carbon_credit.settlement.terms import Payee
from tests.redemption.conftest import PROGRAMME
from tests.settlement.conftest import ISSUER, OTHER, Market


def test_terms_are_dated(market: Market) -> None:
    later = market.terms_from(date(2027, 1, 1), bps=80, invoice=True)
    first = market.terms_from(date(2026, 1, 1), bps=60, per_use=10)
    with unit_of_work(market.database, read_only=True) as session:
        assert terms.terms_of(session, merchant_id=market.tea) == [first, later]
        required = [
            terms.invoice_required(session, merchant_id=market.tea, day=day)
            for day in (date(2025, 12, 31), date(2026, 12, 31), date(2027, 1, 1))
        ]
    assert required == [True, False, True]
    with pytest.raises(TermsTaken):
        market.terms_from(date(2027, 1, 1), bps=70)


def test_terms_do_not_reach_into_a_month_that_has_a_statement(market: Market) -> None:
    market.sell(market.funded())
    market.issued()
    with pytest.raises(TermsBackdated) as refused:
        market.terms_from(date(2026, 11, 30))
    assert refused.value.details["from_day"] == "2026-12-01"
    market.terms_from(date(2026, 12, 1))


def test_terms_are_of_a_merchant_of_the_programme(market: Market) -> None:
    with pytest.raises(RoleCannotHold):
        market.terms_from(date(2026, 1, 1), merchant=market.operator)
    with pytest.raises(PartyNotFound), unit_of_work(market.database) as session:
        terms.record_payee(
            session,
            programme="x-gd-sz",
            merchant_id=market.tea,
            payee=Payee("a", "b", "c"),
            actor=ISSUER,
            now=market.now,
        )


def test_a_payee_needs_two_people(market: Market) -> None:
    who = {"programme": PROGRAMME, "merchant_id": market.tea, "now": market.now}
    with unit_of_work(market.database) as session:
        told = Payee("name", "bank", "1234567890")
        made = terms.record_payee(session, payee=told, actor=ISSUER, **who)  # type: ignore[arg-type]
        assert (made.tail, made.confirmed_by) == ("7890", None)
        assert "name" not in repr(told)
        assert terms.payee_in_force(session, merchant_id=market.tea) is None
        with pytest.raises(PayeeConfirmForbidden):
            terms.confirm_payee(session, payee_id=made.id, actor=ISSUER, **who)  # type: ignore[arg-type]
        with pytest.raises(PayeeNotFound):
            terms.confirm_payee(
                session,
                payee_id=made.id,
                actor=OTHER,
                **{**who, "merchant_id": market.rival},  # type: ignore[arg-type]
            )
        first = terms.confirm_payee(session, payee_id=made.id, actor=OTHER, **who)  # type: ignore[arg-type]
        again = terms.confirm_payee(session, payee_id=made.id, actor="operator:third", **who)  # type: ignore[arg-type]
        assert first == again
        assert terms.payee_in_force(session, merchant_id=market.tea) == first
        assert terms.opened_payee(session, payee_id=made.id) == told
