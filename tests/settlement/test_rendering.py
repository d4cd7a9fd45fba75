"""Statements as files: what they say, the same bytes each time, and that other programs can open them."""

import csv
import io
import shutil
import subprocess
import uuid
from datetime import date
from pathlib import Path

import openpyxl
import pytest
from pypdf import PdfReader

from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.settlement.errors import StatementNotFound
from carbon_credit.settlement.queries import StatementRecord
from carbon_credit.settlement.rendering.content import yuan
from carbon_credit.settlement.rendering.files import CSV_COLUMNS, write_statement
from tests.conftest import missing
from tests.redemption.conftest import PROGRAMME
from tests.settlement.conftest import DECEMBER, Market


def file_of(market: Market, statement_id: uuid.UUID, form: str, merchant: uuid.UUID | None = None) -> bytes:
    target = io.BytesIO()
    with unit_of_work(market.database, read_only=True) as session:
        write_statement(
            session,
            form=form,
            target=target,
            programme=PROGRAMME,
            statement_id=statement_id,
            merchant_id=merchant,
        )
    return target.getvalue()


@pytest.fixture
def told(market: Market) -> StatementRecord:
    """A statement with all that there can be on one: a fee, an undoing, an answer, two stores."""
    market.terms_from(date(2026, 1, 1), bps=60, per_use=5)
    tea, own = market.funded(), market.offer(value_fen=300, title_zh="=自费券")
    market.sell(tea, 2, till=market.desk("一号台"))
    market.sell(own)
    first = market.issued()
    market.answer(market.dispute(first.id, tea).id, 500)
    market.sell(tea, 3)
    code, _ = market.sell(tea)[0]
    market.undo(code)
    return market.issued(DECEMBER)


@pytest.mark.parametrize("form", ["csv", "xlsx", "pdf"])
def test_the_same_bytes_each_time_whatever_becomes_of_it(
    market: Market, told: StatementRecord, form: str
) -> None:
    before = file_of(market, told.id, form)
    market.agree(told.id)
    market.invoice(told.id)
    assert file_of(market, told.id, form) == before
    with pytest.raises(StatementNotFound):
        file_of(market, told.id, form, merchant=market.rival)


def test_the_csv_has_every_consumption(market: Market, told: StatementRecord) -> None:
    body = file_of(market, told.id, "csv")
    assert body.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [row["kind"] for row in rows] == ["use"] * 4 + ["undo"]
    used = sum(int(row["value_fen"]) for row in rows if row["kind"] == "use")
    undone = sum(int(row["value_fen"]) for row in rows if row["kind"] == "undo")
    assert (used, undone) == (told.used_fen, told.undone_fen)
    assert {row["consumption_id"] for row in rows if row["kind"] == "undo"} < {
        row["consumption_id"] for row in rows if row["kind"] == "use"
    }


def test_the_workbook_adds_up(market: Market, told: StatementRecord) -> None:
    book = openpyxl.load_workbook(io.BytesIO(file_of(market, told.id, "xlsx")), read_only=True)
    assert book.sheetnames == ["对账单 Statement", "按商品按门店 Lines", "明细 Consumptions"]
    overview = {row[0]: row[2] for row in book["对账单 Statement"].iter_rows(values_only=True)}
    sums = [fen for label, fen in overview.items() if isinstance(fen, int) and "balance" in str(label)]
    assert sums == [told.opening_fen, told.closing_fen]
    details = list(book["明细 Consumptions"].iter_rows(values_only=True))[1:]
    assert sum(int(row[7]) for row in details) == told.used_fen - told.undone_fen
    lines = list(book["按商品按门店 Lines"].iter_rows(values_only=True))[1:]
    assert sum(int(row[7]) for row in lines) == told.used_fen - told.undone_fen


def test_the_pdf_says_it_in_chinese(market: Market, told: StatementRecord) -> None:
    reader = PdfReader(io.BytesIO(file_of(market, told.id, "pdf")))
    text = "".join(page.extract_text() for page in reader.pages)
    for words in ("碳普惠商户对账单", "期末余额", told.label, yuan(told.closing_fen), "服务费", "异议"):
        assert words in text
    assert "演练" in text  # the watermark of a rehearsal


def test_a_statement_with_nothing_on_it_but_a_balance(market: Market) -> None:
    market.sell(market.funded())
    market.issued()
    empty = market.issued(DECEMBER)
    assert (empty.uses, empty.opening_fen, empty.closing_fen) == (0, 500, 500)
    for form in ("csv", "xlsx", "pdf"):
        assert file_of(market, empty.id, form)


def test_money_is_written_with_two_decimals() -> None:
    assert [yuan(fen) for fen in (0, 5, -5, 123_456, -100)] == ["0.00", "0.05", "-0.05", "1,234.56", "-1.00"]


def test_libreoffice_opens_the_workbook(market: Market, told: StatementRecord, tmp_path: Path) -> None:
    if shutil.which("soffice") is None:
        missing("LibreOffice is not installed (no `soffice`)")
    path = tmp_path / "statement.xlsx"
    path.write_bytes(file_of(market, told.id, "xlsx"))
    every_sheet = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"
    home = f"-env:UserInstallation=file://{tmp_path}/profile"
    command = [
        "soffice",
        home,
        "--headless",
        "--convert-to",
        every_sheet,
        "--outdir",
        str(tmp_path),
        str(path),
    ]
    subprocess.run(command, check=True, timeout=180, capture_output=True)
    written = {one.stem.partition("-")[2]: one.read_text("utf-8") for one in tmp_path.glob("*.csv")}
    assert len(written) == 3
    assert told.label in written["对账单 Statement"]
    assert yuan(told.closing_fen) in written["对账单 Statement"]
    assert written["明细 Consumptions"].count("核销 use") == told.uses
    assert "#NAME" not in "".join(written.values())  # a title that begins like a formula stays text
