"""Reads: statements that page without gap or repetition, balances at a point in time, lots, totals."""

import uuid
from datetime import date, timedelta

from carbon_credit.kernel.ids import new_id, random_id
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger import queries
from carbon_credit.ledger.accounts import CO2E, POINTS, AccountKey, Balance
from carbon_credit.ledger.queries import Line
from carbon_credit.ledger.references import posted_by_reference

from .conftest import Books


def pages(books: Books, keys: list[AccountKey], limit: int) -> list[list[Line]]:
    found, after = [], None
    with unit_of_work(books.database, read_only=True) as session:
        while True:
            page = queries.statement(session, keys=keys, after=after, limit=limit)
            found.append(page.lines)
            after = page.next_after
            if after is None:
                return found


def test_a_statement_pages_without_gap_or_repetition(books: Books) -> None:
    posted = [books.credit(i + 1) for i in range(10)]
    books.post(*posted, *(books.credit(1, random_id()) for _ in range(5)))
    taken = [
        books.transfer("batch.freeze", books.reductions(), books.frozen(random_id()), i + 1) for i in range(3)
    ]
    books.post(*taken)
    expected = sorted((transfer.id for transfer in posted + taken), reverse=True)
    for limit in (1, 4, 13, 100):
        found = pages(books, [books.reductions()], limit)
        assert [line.entry.id for page in found for line in page] == expected
        assert all(len(page) == limit for page in found[:-1])
        assert found[-1]


def test_what_is_posted_meanwhile_does_not_shift_the_pages(books: Books) -> None:
    books.post(*(books.credit(i + 1) for i in range(6)))
    with unit_of_work(books.database, read_only=True) as session:
        first = queries.statement(session, keys=[books.reductions()], limit=3)
    books.post(books.credit(99, effective_at=books.now - timedelta(days=300)))  # a late one
    with unit_of_work(books.database, read_only=True) as session:
        second = queries.statement(session, keys=[books.reductions()], limit=3, after=first.next_after)
    assert [line.change for line in first.lines + second.lines] == [6, 5, 4, 3, 2, 1]


def test_a_statement_over_all_lots_of_a_citizen(books: Books) -> None:
    lots = [date(2027, 6, 30), date(2027, 12, 31)]
    books.post(books.grant(10, lots[0]), books.grant(20, lots[1]))
    books.hold(hold := books.redeem(5))
    books.settle(hold.id, amounts={hold.id: 3})
    with unit_of_work(books.database, read_only=True) as session:
        lines = queries.statement(session, keys=[books.lot(day) for day in lots]).lines
        till = queries.statement(session, keys=[books.till()]).lines
    assert [(line.entry.phase, line.change, line.held) for line in lines] == [
        ("released", 0, -2),
        ("settled", -3, -3),
        ("pending", 0, 5),
        ("posted", 20, 0),
        ("posted", 10, 0),
    ]
    assert [(line.change, line.held) for line in till] == [(0, 0), (3, 0), (0, 0)]


def test_a_transfer_between_two_accounts_of_a_statement_is_one_line(books: Books) -> None:
    books.post(books.grant(10))
    books.post(books.redeem(4))
    with unit_of_work(books.database, read_only=True) as session:
        lines = queries.statement(session, keys=[books.lot(), books.till()]).lines
    assert [line.change for line in lines] == [0, 10]


def test_a_page_has_a_maximum_and_an_empty_statement_one_page(books: Books) -> None:
    with unit_of_work(books.database, read_only=True) as session:
        page = queries.statement(session, keys=[books.reductions()], limit=10**9)
    assert (page.lines, page.next_after) == ([], None)
    books.post(*(books.credit(1) for _ in range(queries.MAX_STATEMENT + 1)))
    with unit_of_work(books.database, read_only=True) as session:
        page = queries.statement(session, keys=[books.reductions()], limit=10**9)
    assert len(page.lines) == queries.MAX_STATEMENT


def test_a_balance_at_a_point_in_time(books: Books) -> None:
    """Two clocks: when it counts, and when it was known."""
    start = books.now
    books.post(books.credit(100))
    books.later(days=1)
    books.post(books.credit(10, effective_at=start - timedelta(days=5)))  # a late one, back-dated
    books.later(days=1)
    books.post(books.transfer("reduction.revoke", books.reductions(), books.co2e_source, 1))
    at = {
        (None, None): 109,
        (start - timedelta(days=6), None): 0,
        (start - timedelta(days=5), None): 10,
        (start - timedelta(seconds=1), None): 10,
        (start, None): 110,
        (None, start): 100,
        (start - timedelta(days=1), start): 0,
        (start, start + timedelta(days=1)): 110,
        (books.now, books.now): 109,
    }
    with unit_of_work(books.database, read_only=True) as session:
        for (effective, recorded), expected in at.items():
            balance = queries.balance_at(
                session, key=books.reductions(), effective_at=effective, recorded_at=recorded
            )
            assert balance.posted == expected
        source = queries.balance_at(session, key=books.co2e_source, effective_at=start)
    assert source == Balance(debits_posted=110)


def test_a_hold_counts_from_when_it_was_made_until_it_ended(books: Books) -> None:
    books.post(books.grant(10))
    made = books.later(hours=1)
    books.hold(hold := books.redeem(4))
    books.later(hours=1)
    books.settle(hold.id)
    with unit_of_work(books.database, read_only=True) as session:
        during = queries.balance_at(session, key=books.lot(), recorded_at=made)
        after = queries.balance_at(session, key=books.lot(), recorded_at=books.now)
    assert during == Balance(credits_posted=10, debits_pending=4)
    assert after == Balance(credits_posted=10, debits_posted=4)


def test_lots_come_soonest_expiry_first_and_without_the_empty(books: Books) -> None:
    days = [date(2028, 1, 31), date(2027, 2, 28), date(2027, 12, 31), date(2027, 1, 31)]
    books.post(*(books.grant(10 + i, day) for i, day in enumerate(days)))
    books.hold(books.redeem(12))  # all of the lot of December
    with unit_of_work(books.database, read_only=True) as session:
        found = queries.lots(session, programme=books.programme, citizen_id=books.citizen)
        assert queries.lots(session, programme="x-gd-gz", citizen_id=books.citizen) == []
    assert [(lot.expiry, lot.available) for lot in found] == [(days[3], 13), (days[1], 11), (days[0], 10)]


def test_totals_by_kind_add_up_to_zero(books: Books) -> None:
    books.post(*(books.credit(i + 1, random_id()) for i in range(10)), books.credit(45), books.grant(5))
    books.post(books.transfer("retire.citizen", books.reductions(), _retired(books), 20))
    with unit_of_work(books.database, read_only=True) as session:
        found = queries.totals(session, programme=books.programme, asset=CO2E)
        assert queries.totals(session, programme=books.programme, asset=POINTS).keys() == {
            "programme.points",
            "citizen.points",
        }
    assert {kind: balance.posted for kind, balance in found.items()} == {
        "programme.source": -100,
        "citizen.reductions": 80,
        "retired": 20,
    }


def _retired(books: Books) -> AccountKey:
    return AccountKey(books.programme, CO2E, "retired", books.citizen)


def test_transfers_are_found_by_what_they_are_for(books: Books) -> None:
    reference: uuid.UUID = new_id()
    books.post(
        first := books.credit(1, reference=reference),
        books.credit(2),
        second := books.credit(3, reference=reference),
    )
    with unit_of_work(books.database, read_only=True) as session:
        found = queries.entries_by_reference(session, references=[reference])
        posted = posted_by_reference(
            session, references=[reference, new_id()], gains=["reduction.credit"], losses=["reduction.revoke"]
        )
    assert [entry.id for entry in found] == [first.id, second.id]
    assert posted == {reference: 4}
