"""Invoice, payment file, confirmation: nobody is paid twice, and each wrong row has its own answer."""

import csv
import io
import threading
from datetime import date

import pytest
from sqlalchemy import text

from carbon_credit.kernel.errors import CarbonError
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.settlement import terms
from carbon_credit.settlement.errors import (
    ConfirmationsUnreadable,
    InvoiceTaken,
    NothingToPay,
    PaymentFileNotFound,
    StatementState,
)
from carbon_credit.settlement.paying import confirmations, files
from carbon_credit.settlement.queries import StatementRecord
from tests.redemption.conftest import PROGRAMME
from tests.settlement.conftest import DECEMBER, ISSUER, Market


def sent(market: Market, *, times: int = 3) -> tuple[StatementRecord, files.FileRecord, str]:
    """A statement that was sent, its file, and the reference of its payment."""
    market.terms_from(date(2026, 1, 1))
    market.payee()
    market.sell(market.funded(), times)
    found = market.issued()
    market.agree(found.id)
    file = market.send()
    (row,) = csv.DictReader(io.StringIO(market.csv_of(file.id).decode()))
    return found, file, row["reference"]


def outcomes(found: list[confirmations.Outcome]) -> list[str]:
    return [one.outcome for one in found]


def test_from_the_statement_to_the_money(market: Market) -> None:
    market.terms_from(date(2026, 1, 1), bps=60, invoice=True)
    market.sell(market.funded(), 4)
    found = market.issued()
    assert market.agree(found.id).state == "agreed"
    with pytest.raises(NothingToPay) as waits:  # neither invoice nor payee
        market.send()
    assert waits.value.details == {"waiting": 1}
    assert market.invoice(found.id).state == "invoiced"
    with pytest.raises(NothingToPay):
        market.send()
    market.payee()
    file = market.send()
    assert (file.payments, file.total_fen) == (1, 1_988)
    assert market.read(found.id).state == "sent"
    (row,) = csv.DictReader(io.StringIO(market.csv_of(file.id).decode()))
    assert row == {
        "reference": "CC202600000101",
        "payee_name": "珠江茶饮有限公司",
        "payee_bank": "某银行广州分行",
        "payee_account": "6222020200012345678",
        "amount_yuan": "19.88",
        "amount_fen": "1988",
        "currency": "CNY",
        "purpose": "碳普惠商户结算 2026-11",
    }
    assert market.csv_of(file.id) == market.csv_of(file.id)
    assert market.payable() == 1_988
    assert outcomes(market.confirm("CC202600000101,1988,2026-12-08,paid")) == ["paid"]
    assert (market.read(found.id).state, market.payable()) == ("paid", 0)
    following = market.issued(DECEMBER)
    assert (following.opening_fen, following.paid_fen, following.closing_fen) == (1_988, 1_988, 0)
    assert following.payable_fen == 0
    market.audit()


def test_each_wrong_row_has_its_own_answer_and_moves_nothing(market: Market) -> None:
    _found, _file, reference = sent(market)
    answer = market.confirm(
        f"{reference},1499,2026-12-08,paid",
        "CC209900000101,1500,2026-12-08,paid",
        f"{reference},1500,2026-02-30,paid",
        f"{reference},15.00,2026-12-08,paid",
        f"{reference},1500,2026-12-08,perhaps",
        f"{reference},1500",
        "",
    )
    assert outcomes(answer) == ["amount-differs", "unknown-reference", *["malformed"] * 4]
    assert (answer[0].expected_fen, answer[0].row) == (1_500, 1)
    assert market.payable() == 1_500
    row = f"{reference},1500,2026-12-08,paid"
    assert outcomes(market.confirm(row, row)) == ["paid", "already-confirmed"]
    assert outcomes(market.confirm(row)) == ["already-confirmed"]
    assert outcomes(market.confirm(f"{reference},1500,2026-12-09,returned")) == ["contradicts"]
    assert market.payable() == 0
    market.audit()


def test_what_the_bank_gives_back_is_sent_again_under_another_reference(market: Market) -> None:
    found, first, reference = sent(market)
    assert outcomes(market.confirm(f"{reference},1500,2026-12-08,returned")) == ["returned"]
    assert (market.read(found.id).state, market.payable()) == ("agreed", 1_500)
    before = market.csv_of(first.id)
    market.payee("6222020200098765432")
    second = market.send()
    assert second.id != first.id
    assert market.csv_of(first.id) == before  # the former account, the same bytes
    again = reference[:-2] + "02"
    assert again.encode() in market.csv_of(second.id)
    assert b"6222020200098765432" in market.csv_of(second.id)
    answer = market.confirm(f"{reference},1500,2026-12-09,paid", f"{again},1500,2026-12-09,paid")
    assert outcomes(answer) == ["contradicts", "paid"]
    assert market.payable() == 0
    market.audit()


@pytest.mark.parametrize("body", [b"", b"a,b\r\n", b"\xff\xfe", b'reference,amount_fen,paid_on,result\r\n"x'])
def test_what_is_no_such_file_is_refused(market: Market, body: bytes) -> None:
    with pytest.raises(ConfirmationsUnreadable), unit_of_work(market.database) as session:
        confirmations.confirm_payments(session, programme=PROGRAMME, body=body, actor=ISSUER, now=market.now)


def test_an_invoice_stands_for_one_statement(market: Market) -> None:
    tea = market.funded()
    market.sell(tea)
    first = market.issued()
    with pytest.raises(StatementState):
        market.invoice(first.id)
    market.agree(first.id)
    market.invoice(first.id, "26442000000000000001")
    market.sell(tea)
    second = market.issued(DECEMBER)
    market.agree(second.id)
    with pytest.raises(InvoiceTaken):
        market.invoice(second.id, "26442000000000000001")
    assert market.invoice(second.id, "26442000000000000002").invoice_number == "26442000000000000002"


def test_without_terms_there_is_no_fee_and_an_invoice_is_needed(market: Market) -> None:
    market.payee()
    market.sell(market.funded())
    found = market.issued()
    assert found.fee_fen == 0
    market.agree(found.id)
    with pytest.raises(NothingToPay):
        market.send()


def test_where_nothing_is_payable_there_is_nothing_to_send(market: Market) -> None:
    market.payee()
    market.sell(market.offer())
    found = market.issued()
    assert market.agree(found.id).state == "nothing_due"
    with pytest.raises(NothingToPay):
        market.send()


def test_two_files_made_at_once_send_it_once(market: Market) -> None:
    market.terms_from(date(2026, 1, 1))
    market.payee()
    market.sell(market.funded())
    market.agree(market.issued().id)
    start = threading.Barrier(3)
    found: list[str] = []

    def make() -> None:
        start.wait()
        try:
            found.append(str(market.send().payments))
        except CarbonError as error:
            found.append(error.code)

    threads = [threading.Thread(target=make) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["1", "nothing-to-pay", "nothing-to-pay"]


def test_a_payee_is_sealed_and_a_file_of_another_programme_is_not_found(market: Market) -> None:
    _found, file, _reference = sent(market)
    with unit_of_work(market.database, read_only=True) as session:
        rows = repr(session.execute(text("SELECT * FROM merchant_payee")).all())
        assert "6222020200012345678" not in rows
        assert "珠江茶饮有限公司" not in rows
        assert "6222" not in repr(terms.payees_of(session, merchant_id=market.tea))
        with pytest.raises(PaymentFileNotFound):
            files.payment_csv(session, programme="x-gd-sz", file_id=file.id)


def test_a_name_that_begins_like_a_formula_stays_text(market: Market) -> None:
    market.terms_from(date(2026, 1, 1))
    who = {"programme": PROGRAMME, "merchant_id": market.tea, "now": market.now}
    told = terms.Payee("=1+1", "@bank", "62220")
    made = market.act(lambda session: terms.record_payee(session, payee=told, actor="a", **who))  # type: ignore[arg-type]
    market.act(lambda session: terms.confirm_payee(session, payee_id=made.id, actor="b", **who))  # type: ignore[arg-type]
    market.sell(market.funded())
    market.agree(market.issued().id)
    (row,) = csv.DictReader(io.StringIO(market.csv_of(market.send().id).decode()))
    assert (row["payee_name"], row["payee_bank"], row["payee_account"]) == ("'=1+1", "'@bank", "62220")
