"""Points are nobody's to pass on: no code of the chart moves them from citizen to citizen."""

from itertools import product

import pytest

from carbon_credit.kernel.ids import random_id
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger import operations
from carbon_credit.ledger.accounts import POINTS
from carbon_credit.ledger.chart import CODES, KINDS
from carbon_credit.ledger.errors import ReversalExceeded, TransferInvalid

from .conftest import Books

CITIZENS = {name for name in KINDS if name.startswith("citizen.")}
# Where points come from and end: whose they were before is known to nobody there.
PROGRAMMES = {name for name, kind in KINDS.items() if kind.asset == POINTS and not kind.owned}


@pytest.mark.parametrize("code", CODES)
def test_no_code_goes_from_citizen_to_citizen(code: str) -> None:
    rule = CODES[code]
    assert not list(product(rule.debit & CITIZENS, rule.credit & CITIZENS))


def test_what_a_citizen_gets_comes_from_the_programme_or_back_from_where_it_went() -> None:
    """So that there is no way from one to another through a third either: a merchant, a gift, a pot."""
    into = {code: rule for code, rule in CODES.items() if rule.asset == POINTS and rule.credit & CITIZENS}
    assert into
    for code, rule in into.items():
        assert rule.back_only or rule.debit <= PROGRAMMES, code


def test_what_the_programme_has_back_it_does_not_give_out_again() -> None:
    """Out of the pots in which spent and expired points end nothing leads; the source gives what is new."""
    leaving = {kind for rule in CODES.values() if rule.asset == POINTS for kind in rule.debit}
    assert leaving & PROGRAMMES == {"programme.points", "programme.points_loss"}


def test_a_refund_goes_to_who_paid_and_no_further(books: Books) -> None:
    paid, stranger = books.redeem(7), books.lot(owner=random_id())
    books.post(books.grant(20), paid, books.redeem(10))
    for gift in ({}, {"reverses_id": paid.id}):
        with pytest.raises(TransferInvalid):
            books.post(books.transfer("points.refund", books.till(), stranger, 7, **gift))
    with pytest.raises(TransferInvalid):
        books.post(books.transfer("points.refund", books.till(), books.lot(), 7))

    def refund(points: int) -> None:
        with unit_of_work(books.database) as session:
            operations.reverse(
                session,
                transfer_ids=[paid.id],
                code="points.refund",
                now=books.now,
                effective_at=books.now,
                amounts={paid.id: points},
            )

    refund(3)
    with pytest.raises(ReversalExceeded):
        refund(5)
    assert books.available(books.lot()) == 6  # of 20, less 17, and 3 back
    assert books.available(stranger) == 0
