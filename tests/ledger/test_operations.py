"""Posting, idempotency, the chart, reversals: on both databases."""

import uuid
from datetime import date, datetime

import pytest
from msgspec.structs import replace
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from carbon_credit.kernel.ids import new_id, random_id
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger import operations, queries
from carbon_credit.ledger.accounts import CO2E, FEN, POINTS, AccountKey, Balance, account_id, unit_asset
from carbon_credit.ledger.chart import CODES, KINDS
from carbon_credit.ledger.entries import Transfer
from carbon_credit.ledger.errors import (
    AmountTooLarge,
    DebtOverpaid,
    InsufficientBalance,
    OutsideChart,
    ReversalExceeded,
    TransferConflict,
    TransferInvalid,
    TransferUnknown,
)

from .conftest import Books


def test_a_posting_moves_the_amount_and_nothing_else(books: Books) -> None:
    books.post(books.credit(388_440))
    assert books.balance(books.reductions()) == Balance(credits_posted=388_440)
    assert books.balance(books.co2e_source) == Balance(debits_posted=388_440)
    assert books.balance(books.lot()) == Balance()


def test_derived_rows_are_never_updated(books: Books) -> None:
    books.post(*(books.credit(7, random_id()) for _ in range(3)))
    with unit_of_work(books.database, read_only=True) as session:
        statement = "SELECT debits_posted FROM account WHERE kind = 'programme.source' AND programme = :p"
        assert session.execute(text(statement), {"p": books.programme}).one() == (0,)
    assert books.balance(books.co2e_source).posted == -21


def test_many_at_once_is_the_same_as_one_by_one(books: Books) -> None:
    owners = [random_id() for _ in range(30)]
    books.post(*(books.credit(i + 1, owners[i % 30]) for i in range(300)))
    for i, owner in enumerate(owners):
        expected = sum(n + 1 for n in range(300) if n % 30 == i)
        assert books.balance(books.reductions(owner)).posted == expected


def test_the_same_transfer_again_is_a_no_op(books: Books) -> None:
    transfer = books.credit(100)
    books.post(transfer, transfer)
    books.later(hours=1)
    books.post(transfer, books.credit(5))
    assert books.balance(books.reductions()).posted == 105


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 101},
        {"code": "points.bonus"},
        {"reference": uuid.UUID(int=1)},
        {"effective_at": datetime.fromisoformat("2026-11-21T04:00:01+00:00")},
    ],
)
def test_the_same_id_with_another_content_is_a_conflict(books: Books, change: dict[str, object]) -> None:
    transfer = books.grant(100)
    books.post(transfer)
    with pytest.raises(TransferConflict):
        books.post(replace(transfer, **change))  # type: ignore[arg-type]
    with pytest.raises(TransferConflict):
        books.post(books.grant(1), transfer, replace(transfer, amount=99))
    assert books.available(books.lot()) == 100


def test_the_same_id_with_other_accounts_is_a_conflict(books: Books) -> None:
    transfer = books.credit(100)
    books.post(transfer)
    with pytest.raises(TransferConflict):
        books.post(replace(transfer, credit=books.reductions(random_id())))


def test_what_is_not_there_cannot_be_taken(books: Books) -> None:
    books.post(books.grant(99))
    with pytest.raises(InsufficientBalance) as refusal:
        books.post(books.redeem(100))
    assert refusal.value.details == {"kind": "citizen.points", "asset": "points"}
    assert books.available(books.lot()) == 99
    assert books.balance(books.till()) == Balance()


def test_a_refusal_leaves_the_transaction_usable(books: Books) -> None:
    with unit_of_work(books.database) as session:
        with pytest.raises(InsufficientBalance):
            operations.post(session, transfers=[books.redeem(1)], now=books.now)
        operations.post(session, transfers=[books.grant(5)], now=books.now)
    assert books.available(books.lot()) == 5


def test_one_call_is_one_act(books: Books) -> None:
    # The spending comes first in the list, and what it spends comes in the same call.
    books.post(books.redeem(40), books.grant(100))
    assert books.available(books.lot()) == 60
    with pytest.raises(InsufficientBalance):
        books.post(books.grant(10), books.redeem(71))
    assert books.available(books.lot()) == 60


def test_a_debt_is_not_overpaid(books: Books) -> None:
    due = AccountKey(books.programme, POINTS, "citizen.points_due", books.citizen)
    books.post(books.transfer("points.due", due, books.points_source, 30))
    books.post(books.transfer("points.recover", books.points_source, due, 30))
    with pytest.raises(DebtOverpaid):
        books.post(books.transfer("points.recover", books.points_source, due, 1))
    loss = AccountKey(books.programme, POINTS, "programme.points_loss")
    with pytest.raises(DebtOverpaid):
        books.post(books.transfer("points.writeoff", loss, due, 1))


def test_a_balance_that_fits_no_column_is_refused(books: Books) -> None:
    books.post(books.credit(2**63 - 1))
    with pytest.raises(AmountTooLarge):
        books.post(books.credit(1))


@pytest.mark.parametrize("amount", [0, -1, 1.0, True, 2**63, "5"])
def test_amounts_are_whole_and_above_zero(books: Books, amount: object) -> None:
    with pytest.raises(TransferInvalid):
        books.post(books.credit(amount))  # type: ignore[arg-type]


def test_ids_and_times_are_checked(books: Books) -> None:
    for wrong in (
        books.credit(1, id=uuid.uuid4()),
        books.credit(1, effective_at=datetime(2026, 1, 1)),  # noqa: DTZ001
        books.credit(1, expires_at=books.now),
    ):
        with pytest.raises(TransferInvalid):
            books.post(wrong)


def _outside(books: Books) -> list[Transfer]:
    other = AccountKey("gd-gz", CO2E, "citizen.reductions", books.citizen)
    return [
        books.transfer("reduction.invent", books.co2e_source, books.reductions(), 1),
        books.transfer("reduction.credit", books.reductions(), books.co2e_source, 1),
        books.transfer("points.grant", books.points_source, books.reductions(), 1),
        books.transfer("reduction.credit", books.co2e_source, other, 1),
        books.transfer("reduction.credit", books.co2e_source, books.reductions()._replace(owner=None), 1),
        books.transfer(
            "reduction.credit", books.co2e_source._replace(owner=random_id()), books.reductions(), 1
        ),
        books.transfer("reduction.credit", books.co2e_source, books.reductions()._replace(asset=POINTS), 1),
        books.transfer("points.grant", books.points_source, books.lot()._replace(lot=""), 1),
        books.transfer("points.grant", books.points_source, books.lot()._replace(lot="soon"), 1),
        books.transfer("points.grant", books.points_source, books.lot()._replace(lot="20271231"), 1),
        books.transfer(
            "reduction.credit", books.co2e_source, books.reductions()._replace(lot="2027-12-31"), 1
        ),
        books.transfer(
            "reduction.credit", *(k._replace(programme="A|b") for k in (books.co2e_source, other)), 1
        ),
        books.transfer(
            "stock.add",
            AccountKey(books.programme, "unit:", "offer.supply", books.merchant),
            AccountKey(books.programme, "unit:", "offer.stock", books.merchant),
            1,
        ),
        books.transfer(
            "stock.add",
            AccountKey(books.programme, unit_asset(books.merchant), "offer.supply", books.merchant),
            AccountKey(books.programme, unit_asset(books.citizen), "offer.stock", books.merchant),
            1,
        ),
    ]


def test_nothing_outside_the_chart_is_posted(books: Books) -> None:
    for transfer in _outside(books):
        with pytest.raises(OutsideChart):
            books.post(transfer)
        with pytest.raises(OutsideChart):
            books.hold(transfer)
    with pytest.raises(OutsideChart):
        books.hold(books.grant(1))  # a code that cannot be held
    assert books.balance(books.reductions()) == Balance()


def test_every_code_of_the_chart_can_be_posted(books: Books) -> None:
    """Each code, from each of its debit kinds to each of its credit kinds, by what it needs first."""
    for rule in CODES.values():
        assert rule.debit <= KINDS.keys()
        assert rule.credit <= KINDS.keys()
        for kind in rule.debit | rule.credit:
            assert KINDS[kind].asset == rule.asset
        # At least one end holds a balance: concurrent posts of one transfer meet at its lock.
        assert all(
            "derived" not in (KINDS[debit].side, KINDS[credit].side)
            or KINDS[debit].side != KINDS[credit].side
            for debit in rule.debit
            for credit in rule.credit
        )
    used = {kind for rule in CODES.values() for kind in rule.debit | rule.credit}
    assert used == KINDS.keys()
    assert not any("retired" in rule.debit for rule in CODES.values())


def test_money_of_a_sale_goes_where_the_chart_says(books: Books) -> None:
    sale, buyer = random_id(), AccountKey(books.programme, FEN, "sale.receivable", random_id())
    proceeds = AccountKey(books.programme, FEN, "sale.proceeds", sale)
    fund, bank = AccountKey(books.programme, FEN, "programme.fund"), AccountKey(books.programme, FEN, "bank")
    books.post(books.transfer("sale.book", buyer, proceeds, 2998))
    books.post(books.transfer("sale.receive", bank, buyer, 2998))
    books.post(books.transfer("sale.distribute", proceeds, fund, 2000))
    assert books.balance(buyer).posted == 0
    assert books.available(proceeds) == 998
    assert books.balance(bank).posted == -2998
    with pytest.raises(InsufficientBalance):
        books.post(books.transfer("sale.distribute", proceeds, fund, 999))


def _reverse(
    books: Books, *ids: uuid.UUID, code: str = "reduction.revoke", **more: object
) -> list[uuid.UUID]:
    with unit_of_work(books.database) as session:
        return operations.reverse(
            session,
            transfer_ids=ids,
            code=code,
            now=books.now,
            effective_at=books.now,
            **more,  # type: ignore[arg-type]
        )


def test_a_reversal_goes_back_and_names_the_old_one(books: Books) -> None:
    transfer = books.credit(100, reference=new_id())
    books.post(transfer, books.credit(1))
    [reversal] = _reverse(books, transfer.id)
    assert books.available(books.reductions()) == 1
    with unit_of_work(books.database, read_only=True) as session:
        entry = queries.entries_of(session, ids=[reversal])[reversal]
    assert (entry.amount, entry.reverses_id, entry.reference) == (100, transfer.id, transfer.reference)
    books.post(books.credit(100))
    with pytest.raises(ReversalExceeded):
        _reverse(books, transfer.id)
    with pytest.raises(OutsideChart):
        _reverse(books, reversal, code="points.grant")


def test_a_transfer_is_not_reversed_beyond_its_amount(books: Books) -> None:
    transfer = books.credit(100)
    books.post(transfer, books.credit(1_000))
    _reverse(books, transfer.id, amounts={transfer.id: 60})
    with pytest.raises(ReversalExceeded):
        _reverse(books, transfer.id, amounts={transfer.id: 41})
    _reverse(books, transfer.id, amounts={transfer.id: 40})
    assert books.available(books.reductions()) == 1_000
    # The same rule where a caller names the old transfer himself.
    back = books.transfer(
        "reduction.revoke", books.reductions(), books.co2e_source, 1, reverses_id=transfer.id
    )
    with pytest.raises(ReversalExceeded):
        books.post(back)


def test_a_reversal_that_is_refused_leaves_no_trace(books: Books) -> None:
    transfer = books.credit(100)
    books.post(transfer)
    books.post(books.transfer("batch.freeze", books.reductions(), books.frozen(random_id()), 100))
    with unit_of_work(books.database) as session, pytest.raises(InsufficientBalance):
        operations.reverse(
            session,
            transfer_ids=[transfer.id],
            code="reduction.revoke",
            now=books.now,
            effective_at=books.now,
        )
    books.post(books.credit(100))
    _reverse(books, transfer.id)
    assert books.available(books.reductions()) == 0


def test_a_reversal_names_an_existing_transfer_between_the_same_accounts(books: Books) -> None:
    books.post(transfer := books.credit(100), books.credit(100, other := random_id()))
    with pytest.raises(TransferUnknown):
        _reverse(books, new_id())
    wrong = books.transfer(
        "reduction.revoke", books.reductions(other), books.co2e_source, 1, reverses_id=transfer.id
    )
    with pytest.raises(TransferInvalid):
        books.post(wrong)


def test_the_database_refuses_a_negative_balance_by_itself(books: Books) -> None:
    books.post(books.grant(10))
    for change in (
        "debits_posted = 11",
        "debits_pending = 11",
        "credits_posted = -1",
        "side = 'derived'",
        "side = 'other'",
    ):
        with pytest.raises(IntegrityError), unit_of_work(books.database) as session:
            session.execute(text(f"UPDATE account SET {change} WHERE kind = 'citizen.points'"))
    with pytest.raises(IntegrityError), unit_of_work(books.database) as session:
        session.execute(text("UPDATE account SET credits_posted = 1 WHERE side = 'derived'"))


def test_append_only_tables_cannot_be_truncated(postgresql_books: Books) -> None:
    for table in ("transfer", "pending_resolution", "account_opening", "seal_block"):
        with (
            pytest.raises(Exception, match="append-only"),
            unit_of_work(postgresql_books.database) as session,
        ):
            session.execute(text(f"TRUNCATE {table}"))


def test_ids_of_accounts_are_what_they_were() -> None:
    key = AccountKey("gd-sz", POINTS, "citizen.points", uuid.UUID(int=7), date(2027, 12, 31).isoformat())
    assert account_id(key) == uuid.UUID("507d0e7a-f61d-6a5f-b2f4-fda65e5cad89")
