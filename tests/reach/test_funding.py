"""Who paid for the points that were spent: by offer and source, to the fen, and as the ledger has it."""

import uuid
from datetime import date, timedelta

import pytest

from carbon_credit.cli.funding import sections
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.ids import new_id
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger import operations as ledger
from carbon_credit.ledger.accounts import FEN, POINTS, AccountKey
from carbon_credit.ledger.entries import Transfer
from carbon_credit.ledger.points import lot_key
from carbon_credit.reach.funding import FundingReport, funding_of
from carbon_credit.reach.origin import Origin
from carbon_credit.redemption.errors import VoucherExpired
from carbon_credit.redemption.offering import budgets, stock
from carbon_credit.settlement.issuing.leftovers import return_leftovers
from tests.redemption.conftest import LATER, PROGRAMME, Mall
from tests.settlement.conftest import DECEMBER, DECEMBER_BEGINS, JANUARY, Market

FUND = AccountKey(PROGRAMME, FEN, "programme.fund")
BANK = AccountKey(PROGRAMME, FEN, "bank")


@pytest.fixture
def mall(database: Database) -> Mall:
    return Mall(database)


def post(mall: Mall, code: str, debit: AccountKey, credit: AccountKey, amount: int, **more: object) -> None:
    one = Transfer(new_id(), code, debit, credit, amount, mall.now, **more)  # type: ignore[arg-type]
    with unit_of_work(mall.database) as session:
        ledger.post(session, transfers=[one], now=mall.now)


def pay_in(mall: Mall, fen: int) -> None:
    post(mall, "fund.add", BANK, FUND, fen)


def sell(mall: Mall, fen: int) -> None:
    """A sale whose proceeds all go to the fund."""
    owner = uuid.uuid4()
    proceeds = AccountKey(PROGRAMME, FEN, "sale.proceeds", owner)
    post(mall, "sale.book", AccountKey(PROGRAMME, FEN, "sale.receivable", owner), proceeds, fen)
    post(mall, "sale.distribute", proceeds, FUND, fen)


def spend(mall: Mall, offer: uuid.UUID, times: int = 1) -> str:
    for _ in range(times):
        held = mall.reserve(mall.citizen({LATER: 1_000}), offer)
        mall.consume(held.code)
    assert held.code
    return held.code


def settle(mall: Mall, offer: uuid.UUID, fen: int) -> None:
    """As the month's settlement does."""
    budget = AccountKey(PROGRAMME, FEN, "offer.budget", offer)
    post(mall, "merchant.accrue", budget, AccountKey(PROGRAMME, FEN, "merchant.payable", mall.merchant), fen)


def look(mall: Mall, month: date = date(2026, 11, 1)) -> FundingReport:
    with unit_of_work(mall.database, read_only=True) as session:
        found = funding_of(session, programme=PROGRAMME, month=month)
    assert found.holds, found.checks
    return found


def test_the_fund_uses_first_what_came_in_first_and_points_follow(mall: Mall) -> None:
    pay_in(mall, 1_200)
    sell(mall, 2_000)
    tea = mall.offer(pieces=5, funding="fund")
    own = mall.offer(pieces=10, title_en="Their own", points_price=7, value_fen=300)
    spend(mall, tea, 3)
    spend(mall, own, 2)
    held = mall.reserve(mall.citizen({LATER: 1_000}), tea)  # held is not spent
    found = look(mall)
    first, second = found.lines
    assert (first.offer.offer_id, first.points, first.vouchers, first.value_fen) == (tea, 300, 3, 1_500)
    assert first.fen == Origin(sales=300, others=1_200)
    assert first.covered == Origin(sales=60, others=240)
    assert first.merchant == "Tea house"
    assert (second.offer.funding, second.points, second.value_fen) == ("merchant", 14, 600)
    assert found.sources() == {
        "merchant": (14, 600),
        "subsidy": (0, 0),
        "fund-sales": (60, 300),
        "fund-others": (240, 1_200),
        "fund-uncovered": (0, 0),
    }
    # The next month goes on where this one ended, and changes nothing of it.
    mall.later(days=10)
    with pytest.raises(VoucherExpired):
        mall.consume(held.code)
    pay_in(mall, 5_000)
    spend(mall, tea)
    assert look(mall, date(2026, 12, 24)).lines[0].fen == Origin(sales=500)
    assert look(mall) == found


def test_a_use_that_is_undone_was_paid_by_nobody(mall: Mall) -> None:
    pay_in(mall, 1_000)
    tea = mall.offer(pieces=2, funding="fund")
    code = spend(mall, tea)
    mall.later(minutes=2)
    mall.undo(code)
    assert look(mall).as_dict()["points_spent"] == 0
    mall.consume(code)
    assert look(mall).sources()["fund-others"] == (100, 500)


def test_settling_moves_what_the_ledger_says(mall: Mall) -> None:
    pay_in(mall, 1_000)
    tea = mall.offer(pieces=2, funding="fund")
    spend(mall, tea, 2)
    mall.later(days=15)
    settle(mall, tea, 950)
    november, december = look(mall), look(mall, date(2026, 12, 1))
    assert [line.settled_fen for line in november.lines] == [0]
    [line] = december.lines
    assert (line.points, line.value_fen, line.settled_fen) == (0, 0, 950)


def lines(market: Market, month: date) -> dict[uuid.UUID, tuple[int, int]]:
    """Of each offer in the month: settled, and owed back at its end."""
    return {line.offer.offer_id: (line.settled_fen, line.owed_fen) for line in look(market, month).lines}


def test_what_a_merchant_owes_back_is_told_when_it_is_owed(database: Database) -> None:
    market = Market(database)
    tea, cake = market.funded(), market.funded(value_fen=800)
    market.now = DECEMBER_BEGINS - timedelta(minutes=1)
    code, _ = market.sell(tea)[0]
    market.later(minutes=3)
    market.undo(code)
    market.issued(now=DECEMBER_BEGINS + timedelta(minutes=4))
    market.issued(DECEMBER)  # on 1 January: nothing to take it from
    market.sell(cake)
    third = market.issued(JANUARY)
    assert (third.used_fen, third.payable_fen) == (800, 300)
    assert lines(market, date(2026, 11, 1)) == {tea: (0, 0)}
    assert lines(market, DECEMBER) == {tea: (500, 0)}
    assert lines(market, JANUARY) == {tea: (-500, 500), cake: (0, 0)}
    assert lines(market, date(2027, 2, 1)) == {cake: (800, 0)}  # what comes back is no news of the tea


def test_what_an_answer_gives_is_settled_for_its_offer(database: Database) -> None:
    market = Market(database)
    tea = market.funded()
    market.sell(tea, 2)
    first = market.issued()
    market.answer(market.dispute(first.id, tea).id, 250)
    market.issued(DECEMBER)
    assert lines(market, DECEMBER) == {tea: (1_000, 0)}
    assert lines(market, JANUARY) == {tea: (250, 0)}


def test_a_subsidy_pays_for_a_coupon(database: Database) -> None:
    """From the budget of the fiscal year to the merchant, by name; what is left of it goes back there."""
    market = Market(database)
    terms = budgets.BudgetTerms("Tea for all", 2026, "Measures, 5", "[2026] 1")
    who = {"programme": PROGRAMME, "now": market.now}
    number = market.act(
        lambda session: budgets.create_budget(session, terms=terms, created_by="operator:one", **who)  # type: ignore[arg-type]
    )
    market.act(lambda session: budgets.add_to_budget(session, budget_id=number, fen=2_000, **who))  # type: ignore[arg-type]

    def free() -> int:
        with unit_of_work(database, read_only=True) as session:
            return budgets.budget(session, programme=PROGRAMME, budget_id=number).free_fen

    fund = market.balance(FUND)
    tea = market.offer(pieces=3, funding="subsidy", budget_id=number)
    assert free() == 500
    market.sell(tea)
    market.now = DECEMBER_BEGINS - timedelta(minutes=1)
    code, _ = market.sell(tea)[0]
    market.later(minutes=3)
    market.undo(code)
    found = look(market)
    (line,) = found.lines
    assert (line.offer.funding, line.offer.budget) == ("subsidy", "Tea for all 2026")
    # The points of both; those of the use that is undone in December come back then.
    assert (found.sources()["subsidy"], line.settled_fen) == ((200, 500), 0)
    assert market.issued(now=DECEMBER_BEGINS + timedelta(minutes=4)).payable_fen == 1_000
    market.later(days=30)  # the offer's time is over, and its last voucher's
    assert market.sweep() == 1
    market.later(hours=2)
    assert market.act(lambda session: stock.wind_up(session, now=market.now, limit=10)) == 1
    assert free() == 1_000
    assert market.issued(DECEMBER).carried_fen == 500
    own = market.funded(opens_at=market.now)
    market.sell(own)
    assert market.issued(JANUARY).payable_fen == 0
    market.act(lambda session: return_leftovers(session, merchant_id=market.tea, now=market.now))
    assert free() == 1_500  # all but the one that was used
    assert market.balance(FUND).available == fund.available - 20 * 500
    assert lines(market, DECEMBER) == {tea: (1_000, 0)}
    assert lines(market, JANUARY) == {tea: (-500, 500), own: (0, 0)}
    assert lines(market, date(2027, 2, 1)) == {own: (500, 0)}
    market.audit()


def test_points_given_away_stand_beside_points_spent(mall: Mall) -> None:
    """However a donation is held, the ledger's code tells it."""
    tea = mall.offer(pieces=2)
    whom = mall.citizen({LATER: 1_000})
    held = mall.reserve(whom, tea)
    mall.consume(held.code)
    donation = AccountKey(PROGRAMME, POINTS, "donation.points", tea)
    post(mall, "points.donate", lot_key(PROGRAMME, whom, LATER), donation, 40, reference=held.id)
    shown = look(mall).as_dict()
    assert (shown["points_spent"], shown["points_donated"]) == (100, 40)


def test_points_that_belong_to_no_redemption_are_a_difference(mall: Mall) -> None:
    tea = mall.offer(pieces=2)
    spend(mall, tea)
    whom = mall.citizen({LATER: 1_000})
    merchant = AccountKey(PROGRAMME, POINTS, "merchant.points", mall.merchant)
    post(mall, "points.redeem", lot_key(PROGRAMME, whom, LATER), merchant, 5, reference=new_id())
    with unit_of_work(mall.database, read_only=True) as session:
        found = funding_of(session, programme=PROGRAMME, month=date(2026, 11, 1))
    assert not found.holds
    assert {one.name: one.difference for one in found.checks}["ledger-points-spent"] == -5


def test_the_month_ends_where_the_programme_lives(mall: Mall) -> None:
    tea = mall.offer(pieces=5)
    mall.now = mall.now.replace(day=30, hour=15, minute=59)  # a minute to midnight in Guangzhou
    spend(mall, tea)
    mall.later(minutes=1)
    spend(mall, tea, 2)
    assert look(mall).as_dict()["points_spent"] == 100
    assert look(mall, date(2026, 12, 1)).as_dict()["points_spent"] == 200
    assert look(mall, date(2027, 1, 1)).lines == ()


def test_the_tables_are_whole_in_both_languages(mall: Mall) -> None:
    pay_in(mall, 1_000)
    spend(mall, mall.offer(pieces=2, funding="fund", closes_at=mall.now + timedelta(days=1)))
    found = look(mall)
    for language, title in (("zh", "五元茶券"), ("en", "Tea, 5 yuan off")):
        tables = sections(found, language)
        assert all(len(row) == len(names) for _, names, rows in tables for row in rows)
        assert tables[0][2][0][0] == title
        assert sum(int(row[1] or 0) for row in tables[1][2]) == 100
