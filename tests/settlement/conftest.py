"""A mall whose tea house is paid from the programme's fund, and short words for its months."""

import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import pytest
from sqlalchemy.orm import Session

from carbon_credit.identity.operations import create_party
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.ids import new_id
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.ledger import operations as ledger
from carbon_credit.ledger.accounts import FEN, AccountKey
from carbon_credit.ledger.entries import Transfer
from carbon_credit.redemption.till.uses import Consumption
from carbon_credit.settlement import audit as settlement_audit
from carbon_credit.settlement import disputes, operations, queries, terms
from carbon_credit.settlement.issuing.issue import issue_statement
from carbon_credit.settlement.issuing.posting import payable_key
from carbon_credit.settlement.paying import confirmations, files
from carbon_credit.settlement.queries import StatementRecord
from carbon_credit.settlement.terms import Payee
from tests.redemption.conftest import LATER, PROGRAMME, Mall

T = TypeVar("T")
NOVEMBER, DECEMBER, JANUARY = date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 1)
DECEMBER_BEGINS = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)  # midnight in Guangzhou
JANUARY_BEGINS = datetime(2026, 12, 31, 16, 0, tzinfo=UTC)
ISSUER, OTHER = "operator:issuer", "operator:other"
FUND = AccountKey(PROGRAMME, FEN, "programme.fund")


class Market(Mall):
    """A mall that is settled."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.tea = self.merchant
        with unit_of_work(database) as session:
            create_party(session, programme=PROGRAMME, role="operator", name="Office 2", now=self.now)
        self._money("fund.add", AccountKey(PROGRAMME, FEN, "bank"), FUND, 10_000_000)

    def act(self, deed: Callable[[Session], T]) -> T:
        return transact(self.database, deed)

    def _money(self, code: str, debit: AccountKey, credit: AccountKey, fen: int) -> None:
        moved = Transfer(new_id(), code, debit, credit, fen, self.now)
        self.act(lambda session: ledger.post(session, transfers=[moved], now=self.now))

    def funded(self, *, pieces: int = 20, value_fen: int = 500, **more: Any) -> uuid.UUID:
        """An offer that the fund pays for, with the money for all its pieces set aside."""
        closes_at = self.now + timedelta(days=200)
        return self.offer(pieces=pieces, value_fen=value_fen, closes_at=closes_at, funding="fund", **more)

    def sell(
        self, offer_id: uuid.UUID, times: int = 1, *, till: uuid.UUID | None = None, **more: Any
    ) -> list[tuple[str, Consumption]]:
        """So many vouchers used now: code and use."""
        price = self.look(offer_id).points_price
        done = []
        for _ in range(times):
            voucher = self.reserve(self.citizen({LATER: price}), offer_id)
            assert voucher.code is not None
            done.append((voucher.code, self.consume(voucher.code, till=till, **more)))
        return done

    def terms_from(
        self, day: date, *, bps: int = 0, per_use: int = 0, invoice: bool = False, merchant: Any = None
    ) -> terms.TermsRecord:
        return self.act(
            lambda session: terms.record_terms(
                session,
                programme=PROGRAMME,
                merchant_id=merchant or self.tea,
                effective_from=day,
                fee_bps=bps,
                fee_per_use_fen=per_use,
                invoice_required=invoice,
                actor=ISSUER,
                now=self.now,
            )
        )

    def payee(self, account: str = "6222020200012345678") -> uuid.UUID:
        """A payee of the tea house that two have looked at."""
        who = {"programme": PROGRAMME, "merchant_id": self.tea}
        told = Payee("珠江茶饮有限公司", "某银行广州分行", account)
        made = self.act(
            lambda session: terms.record_payee(session, payee=told, actor=ISSUER, now=self.now, **who)  # type: ignore[arg-type]
        )
        self.act(
            lambda session: terms.confirm_payee(
                session,
                payee_id=made.id,
                actor=OTHER,
                now=self.now,
                **who,  # type: ignore[arg-type]
            )
        )
        return made.id

    def issue(
        self, month: date = NOVEMBER, *, now: datetime | None = None, merchant: uuid.UUID | None = None
    ) -> StatementRecord | None:
        """The statement of a month, issued as soon as the month is over."""
        after = (month + timedelta(days=32)).replace(day=1)
        self.now = now or max(self.now, datetime(after.year, after.month, 1, tzinfo=UTC))
        found = self.act(
            lambda session: issue_statement(
                session,
                programme=PROGRAMME,
                merchant_id=merchant or self.tea,
                month=month,
                actor=ISSUER,
                now=self.now,
            )
        )
        return None if found is None else self.read(found)

    def issued(self, month: date = NOVEMBER, **more: Any) -> StatementRecord:
        found = self.issue(month, **more)
        assert found is not None
        return found

    def read(self, statement_id: uuid.UUID) -> StatementRecord:
        with unit_of_work(self.database, read_only=True) as session:
            return queries.statement(session, programme=PROGRAMME, statement_id=statement_id)

    def content(self, statement_id: uuid.UUID) -> queries.Content:
        with unit_of_work(self.database, read_only=True) as session:
            return queries.content(session, statement_id=statement_id)

    def agree(self, statement_id: uuid.UUID) -> StatementRecord:
        return self.act(
            lambda session: operations.agree(
                session,
                programme=PROGRAMME,
                statement_id=statement_id,
                actor=f"merchant:{self.tea}",
                now=self.now,
            )
        )

    def invoice(self, statement_id: uuid.UUID, number: str = "26442000000012345678") -> StatementRecord:
        return self.act(
            lambda session: operations.state_invoice(
                session,
                programme=PROGRAMME,
                statement_id=statement_id,
                invoice_number=number,
                actor=f"merchant:{self.tea}",
                now=self.now,
            )
        )

    def dispute(self, statement_id: uuid.UUID, offer_id: uuid.UUID) -> disputes.DisputeRecord:
        return self.act(
            lambda session: disputes.open_dispute(
                session,
                programme=PROGRAMME,
                merchant_id=self.tea,
                statement_id=statement_id,
                offer_id=offer_id,
                reason="少计一笔",
                actor=f"merchant:{self.tea}",
                now=self.now,
            )
        )

    def answer(self, dispute_id: uuid.UUID, fen: int, *, actor: str = OTHER) -> disputes.DisputeRecord:
        return self.act(
            lambda session: disputes.answer_dispute(
                session,
                programme=PROGRAMME,
                dispute_id=dispute_id,
                answer="已核实",
                adjusted_fen=fen,
                actor=actor,
                now=self.now,
            )
        )

    def send(self) -> files.FileRecord:
        return self.act(
            lambda session: files.make_payment_file(session, programme=PROGRAMME, actor=ISSUER, now=self.now)
        )

    def csv_of(self, file_id: uuid.UUID) -> bytes:
        with unit_of_work(self.database, read_only=True) as session:
            return files.payment_csv(session, programme=PROGRAMME, file_id=file_id)

    def confirm(self, *rows: str) -> list[confirmations.Outcome]:
        body = "\r\n".join([",".join(confirmations.COLUMNS), *rows]).encode()
        return self.act(
            lambda session: confirmations.confirm_payments(
                session, programme=PROGRAMME, body=body, actor=ISSUER, now=self.now
            )
        )

    def payable(self) -> int:
        return self.balance(payable_key(PROGRAMME, self.tea)).posted

    def audit(self) -> None:
        """Raises unless the ledger, the redemptions and the statements hold."""
        super().audit()
        with unit_of_work(self.database, read_only=True) as session:
            assert settlement_audit.audit(session, progress=lambda _: None) == []


@pytest.fixture
def market(database: Database) -> Market:
    """The same market on both databases."""
    return Market(database)
