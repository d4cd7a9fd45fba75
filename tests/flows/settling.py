"""A merchant's two months, from a voucher used to the money: for every story that needs a statement."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from carbon_credit.kernel.ids import new_id
from carbon_credit.kernel.unit_of_work import transact
from carbon_credit.ledger import operations as ledger
from carbon_credit.ledger.accounts import FEN, AccountKey
from carbon_credit.ledger.entries import Transfer
from carbon_credit.settlement import disputes, terms
from carbon_credit.settlement.issuing.issue import issue_statement
from carbon_credit.settlement.paying.files import make_payment_file
from tests.flows.conftest import Held, hold_a_voucher
from tests.world import World

NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)
ISSUER, OTHER = "operator:issuer", "operator:other"
_AFTER = {
    NOVEMBER: datetime(2026, 12, 2, tzinfo=UTC),
    DECEMBER: datetime(2027, 1, 2, tzinfo=UTC),
}


def hold_a_funded_voucher(world: World, *, points: int, **more: Any) -> Held:
    """A voucher that the programme's fund pays for, at a merchant with terms and a payee. `more`: of the shop
    and its offer."""
    fund = AccountKey(world.programme, FEN, "programme.fund")
    given = Transfer(new_id(), "fund.add", AccountKey(world.programme, FEN, "bank"), fund, 100_000, world.now)
    transact(world.database, lambda session: ledger.post(session, transfers=[given], now=world.now))
    held = hold_a_voucher(world, points=points, funding="fund", **more)
    who: dict[str, Any] = {"programme": world.programme, "merchant_id": held.merchant, "now": world.now}
    paid = {"fee_bps": 100, "fee_per_use_fen": 0, "invoice_required": False}
    payee = terms.Payee("珠江茶饮有限公司", "某银行广州分行", "6222020200012345678")

    def deed(session: Any) -> None:
        terms.record_terms(session, effective_from=date(2026, 1, 1), actor=ISSUER, **paid, **who)
        made = terms.record_payee(session, payee=payee, actor=ISSUER, **who)
        terms.confirm_payee(session, payee_id=made.id, actor=OTHER, **who)

    transact(world.database, deed)
    return held


def settle_two_months(world: World, held: Held) -> None:
    """November's statement disputed, answered (so it is agreed) and sent; December's with the answer."""
    first = _issue(world, held, NOVEMBER)
    now = _AFTER[NOVEMBER]
    mine: dict[str, Any] = {"programme": world.programme, "now": now}

    def dispute_and_answer(session: Any) -> None:
        asked = disputes.open_dispute(
            session,
            merchant_id=held.merchant,
            statement_id=first,
            offer_id=held.offer,
            reason="少计一笔",
            actor=f"merchant:{held.merchant}",
            **mine,
        )
        disputes.answer_dispute(
            session, dispute_id=asked.id, answer="已核实", adjusted_fen=30, actor=OTHER, **mine
        )

    transact(world.database, dispute_and_answer)
    transact(world.database, lambda session: make_payment_file(session, actor=ISSUER, **mine))
    _issue(world, held, DECEMBER)


def _issue(world: World, held: Held, month: date) -> Any:
    who: dict[str, Any] = {"programme": world.programme, "merchant_id": held.merchant, "actor": ISSUER}
    issue: Callable[[Any], Any] = lambda session: issue_statement(  # noqa: E731
        session, month=month, now=_AFTER[month], **who
    )
    return transact(world.database, issue)
