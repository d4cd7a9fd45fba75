"""Statements: what is on them, what they come to, and that they stay as they were issued."""

import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from carbon_credit.kernel.ids import new_id
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger.accounts import FEN, AccountKey
from carbon_credit.redemption.till import consuming
from carbon_credit.settlement import audit as settlement_audit
from carbon_credit.settlement.errors import LaterMonthSettled, MonthNotOver
from carbon_credit.settlement.issuing.lines import fee_of
from carbon_credit.settlement.terms import TermsRecord
from tests.redemption.conftest import LATER, PROGRAMME
from tests.settlement.conftest import (
    DECEMBER,
    DECEMBER_BEGINS,
    JANUARY,
    NOVEMBER,
    Market,
)


def offline_use(market: Market, code: str, *, at: datetime) -> None:
    """A scan that the till made without a connection and hands in now."""

    def deed(session):  # type: ignore[no-untyped-def]
        found = consuming.find(session, merchant_id=market.tea, text=code)
        place = consuming.place_of(session, merchant_id=market.tea, till_id=None)
        return consuming.use(session, found, place=place, value_fen=None, at=at, now=market.now, offline=True)

    market.act(deed)


def test_a_month_with_a_fee(market: Market) -> None:
    market.terms_from(date(2026, 1, 1), bps=60, per_use=5)
    tea, own = market.funded(value_fen=500), market.offer(value_fen=300)
    desk = market.desk("Till 1")
    market.sell(tea, 3, till=desk)
    market.sell(tea, 1)
    market.sell(own, 2)
    code, _ = market.sell(tea)[0]
    market.undo(code)
    assert (market.payable(), market.till().posted) == (0, 600)
    found = market.issued()
    # 4 x 500 fen of the fund; the fee is 0.6 % of 2,000 and 5 fen for each of four.
    assert (found.uses, found.undos, found.used_fen, found.undone_fen) == (7, 1, 2_500, 500)
    assert (found.fee_fen, found.payable_fen, found.closing_fen) == (32, 1_968, 1_968)
    assert (found.opening_fen, found.paid_fen, found.own_fen, found.points) == (0, 0, 600, 600)
    assert (found.label, found.state, found.points_settled) == ("2026-000001", "issued", 600)
    assert (market.payable(), market.till().posted) == (1_968, 0)
    assert market.balance(AccountKey(PROGRAMME, FEN, "fee")).posted == 32
    told = market.content(found.id)
    by_place = {(line.offer_id, line.store_name): (line.uses, line.undos) for line in told.lines}
    assert by_place == {(tea, "Shop of Till 1"): (3, 0), (tea, None): (2, 1), (own, None): (2, 0)}
    assert [(fee.uses, fee.base_fen, fee.fee_fen) for fee in told.fees] == [(4, 2_000, 32)]
    market.audit()


def test_issued_twice_it_is_the_same(market: Market) -> None:
    market.sell(market.funded(), 2)
    first = market.issued()
    assert market.issued(now=market.now + timedelta(days=3)) == first
    market.audit()


def test_a_month_that_is_not_over(market: Market) -> None:
    market.sell(market.funded())
    with pytest.raises(MonthNotOver) as refused:
        market.issue(now=DECEMBER_BEGINS - timedelta(microseconds=1))
    assert refused.value.details == {"month": "2026-11", "programme": PROGRAMME, "from_day": "2026-12-01"}
    assert market.issued(now=DECEMBER_BEGINS).uses == 1


def test_midnight_cuts_where_the_programme_lives(market: Market) -> None:
    tea = market.funded()
    market.now = DECEMBER_BEGINS - timedelta(microseconds=1)
    market.sell(tea, 1)
    market.now = DECEMBER_BEGINS
    market.sell(tea, 2)
    assert market.issued(now=DECEMBER_BEGINS + timedelta(hours=1)).uses == 1
    assert market.issued(DECEMBER).uses == 2
    market.audit()


def test_what_is_handed_in_late_goes_on_the_next(market: Market) -> None:
    tea = market.funded()
    market.sell(tea)
    voucher = market.reserve(market.citizen({LATER: 100}), tea, now=DECEMBER_BEGINS - timedelta(hours=2))
    assert voucher.code is not None
    first = market.issued(now=DECEMBER_BEGINS + timedelta(minutes=5))
    market.later(hours=1)
    offline_use(market, voucher.code, at=DECEMBER_BEGINS - timedelta(hours=1))
    second = market.issued(DECEMBER)
    assert (first.uses, second.uses) == (1, 1)
    assert (second.opening_fen, second.closing_fen, second.payable_fen) == (500, 1_000, 500)
    market.audit()


def test_an_undoing_after_midnight_goes_on_the_next_and_is_carried(market: Market) -> None:
    tea = market.funded()
    market.now = DECEMBER_BEGINS - timedelta(minutes=1)
    code, _ = market.sell(tea)[0]
    market.later(minutes=3)
    market.undo(code)
    first = market.issued(now=DECEMBER_BEGINS + timedelta(minutes=4))
    assert (first.uses, first.undos, first.payable_fen) == (1, 0, 500)
    second = market.issued(DECEMBER)
    # Nothing of December to take it from, and what November promised is not touched.
    assert (second.uses, second.undos, second.payable_fen, second.carried_fen) == (0, 1, 0, 500)
    assert (second.opening_fen, second.closing_fen) == (500, 0)
    assert market.payable() == 500
    market.now = datetime(2027, 1, 5, tzinfo=UTC)
    market.sell(tea, 3)
    third = market.issued(JANUARY)
    assert (third.used_fen, third.payable_fen, third.carried_fen, third.closing_fen) == (1500, 1000, 0, 1500)
    assert market.payable() == 1_500
    market.audit()


def test_terms_hold_from_their_day_on_and_an_amount_is_rounded_once() -> None:
    terms = TermsRecord(new_id(), NOVEMBER, fee_bps=60, fee_per_use_fen=0, invoice_required=False)
    assert [fee_of(terms, uses=1, base_fen=fen) for fen in (83, 84, -84, 83_333)] == [0, 1, -1, 500]
    assert fee_of(replace(terms, fee_per_use_fen=3), uses=-2, base_fen=-84) == -7


def test_two_terms_in_one_month(market: Market) -> None:
    market.terms_from(date(2026, 1, 1), bps=100)
    market.terms_from(date(2026, 11, 25), bps=200)
    tea = market.funded()
    market.sell(tea, 2)
    market.now = datetime(2026, 11, 24, 16, 0, tzinfo=UTC)  # the 25th begins
    market.sell(tea, 1)
    found = market.issued()
    assert found.fee_fen == 10 + 10
    assert sorted((fee.fee_bps, fee.base_fen) for fee in market.content(found.id).fees) == [
        (100, 1_000),
        (200, 500),
    ]


def test_numbers_have_no_gaps_and_begin_anew_each_year(market: Market) -> None:
    tea = market.funded()
    market.sell(tea)
    assert market.issue(merchant=market.rival) is None  # nothing to tell takes no number
    assert market.issued().label == "2026-000001"
    market.now = datetime(2026, 12, 5, tzinfo=UTC)
    market.sell(tea)
    assert market.issued(DECEMBER).label == "2026-000002"
    market.now = datetime(2027, 1, 5, tzinfo=UTC)
    market.sell(tea)
    assert market.issued(JANUARY).label == "2027-000001"
    with pytest.raises(LaterMonthSettled):
        market.issue(DECEMBER.replace(month=10))
    market.audit()


def test_many_who_issue_at_once_issue_one(market: Market) -> None:
    market.sell(market.funded(), 2)
    market.now = DECEMBER_BEGINS + timedelta(hours=1)
    start = threading.Barrier(4)
    found = []

    def issue() -> None:
        start.wait()
        found.append(market.issued(now=market.now).id)

    threads = [threading.Thread(target=issue) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    market.audit()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE statement SET payable_fen = 1",
        "DELETE FROM statement_line",
        "UPDATE statement_item SET kind = 'undo'",
        "DELETE FROM statement_item",
    ],
)
def test_a_statement_never_changes(market: Market, change: str) -> None:
    market.sell(market.funded())
    market.issued()
    with pytest.raises(DBAPIError), unit_of_work(market.database) as session:
        session.execute(text(change))


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ("UPDATE statement SET own_fen = 7", {"statement-digest"}),
        ("UPDATE statement_line SET uses = 3", {"statement-digest", "statement-lines"}),
        ("DELETE FROM statement_item", {"statement-items"}),
        ("UPDATE statement SET number = 2", {"statement-digest", "statement-numbers"}),
    ],
)
def test_the_audit_names_what_was_changed(market: Market, change: str, rules: set[str]) -> None:
    market.sell(market.funded())
    market.issued()
    table = change.split()[1] if change.startswith("UPDATE") else change.split()[2]
    with unit_of_work(market.database) as session:
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        else:
            for verb in ("update", "delete"):
                session.execute(text(f"DROP TRIGGER {table}_no_{verb}"))
        session.execute(text(change))
    with unit_of_work(market.database, read_only=True) as session:
        found = settlement_audit.audit(session, progress=lambda _: None)
    assert {one.rule for one in found} == rules
