"""The three forms of a statement. Rows are streamed: memory does not grow with the consumptions."""

import csv
import io
from collections.abc import Callable, Iterator
from typing import IO, Any
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.documents.pdf import Block, Facts, Heading, Table, Text, write_pdf
from carbon_credit.documents.xlsx import Cell, Column, Sheet, write_workbook
from carbon_credit.settlement.rendering.content import (
    FUNDING,
    KINDS,
    Told,
    facts,
    outcome,
    store_of,
    sums,
    title,
    told_of,
    utc,
    yuan,
)

AUTHOR = "carbon-credit"
WATERMARK = "演练 REHEARSAL"
CSV_COLUMNS = (
    *("kind", "consumption_id", "offer_id", "offer", "store_id", "store", "till_id", "till"),
    *("funding", "points", "value_fen", "consumed_at", "undone_at"),
)
_LINES = (
    *("商品\noffer", "门店\nstore", "承担方\npaid by", "核销\nuses", "核销金额\nCNY", "撤销\nundone"),
    *("撤销金额\nCNY", "净额\nnet CNY"),
)
_MOST_LINES = 1_000  # in the PDF; the other forms have them all

Write = Callable[[Told, IO[bytes]], None]


def write_statement(
    session: Session,
    *,
    form: str,
    target: IO[bytes],
    programme: str,
    statement_id: UUID,
    merchant_id: UUID | None = None,
) -> Told:
    """Write the statement to `target` as `csv`, `xlsx` or `pdf`; what it tells. Raises StatementNotFound."""
    told = told_of(session, programme=programme, statement_id=statement_id, merchant_id=merchant_id)
    FORMS[form](told, target)
    return told


def write_csv(told: Told, target: IO[bytes]) -> None:
    """Every consumption, undoing and loss, one row each, in UTF-8 with a byte-order mark for spreadsheets.

    Columns: CSV_COLUMNS; `value_fen` and `points` of an undoing are what it takes back; times in UTC. A loss,
    which the programme bears, has the id of its scan instead of a consumption's.
    """
    target.write(b"\xef\xbb\xbf")
    text = io.TextIOWrapper(target, encoding="utf-8", newline="", write_through=False)
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(CSV_COLUMNS)
    for item in told.items():
        writer.writerow(
            (
                *(item.kind, item.consumption_id, item.offer_id, _safe(item.title_zh)),
                *(item.store_id or "", _safe(_named(told, item.store_id))),
                *(item.till_id or "", _safe(_named(told, item.till_id))),
                *(item.funding, item.points, item.value_fen, utc(item.consumed_at)),
                "" if item.kind == "use" else utc(item.undone_at),
            )
        )
    for loss in told.losses:
        writer.writerow(
            (
                *("loss", loss.scan_id, loss.offer_id, _safe(loss.title_zh), "", "", loss.till_id),
                *(_safe(_named(told, loss.till_id)), "fund", 0, loss.value_fen, utc(loss.scanned_at), ""),
            )
        )
    text.flush()
    text.detach()


def write_xlsx(told: Told, target: IO[bytes]) -> None:
    """A sheet with the sums, one with the lines, and one with every consumption. Raises TooManyRows."""
    note = WATERMARK if told.rehearsal else ""
    overview = [Column("项目 item", 44), Column("内容 value", 70), Column("分 fen", 16)]
    lines = [Column(heading, 20) for heading in ("商品 offer", "门店 store", "承担方 paid by")]
    lines += [Column(heading, 14) for heading in ("核销笔数 uses", "核销金额(分) fen", "撤销笔数 undone")]
    lines += [Column(heading, 14) for heading in ("撤销金额(分) fen", "净额(分) fen", "积分 points")]
    details = [Column("类型 kind", 14), Column("核销编号 consumption", 38), Column("商品 offer", 24)]
    details += [Column("门店 store", 18), Column("收银台 till", 14), Column("承担方 paid by", 22)]
    details += [Column("积分 points", 12), Column("金额(分) fen", 12), Column("时间 time", 20)]
    sheets = [
        Sheet("对账单 Statement", overview, _overview(told), note=note),
        Sheet("按商品按门店 Lines", lines, _lines(told), note=note),
        Sheet("明细 Consumptions", details, _details(told), note=note),
    ]
    write_workbook(target, title=title(told), author=AUTHOR, sheets=sheets)


def write_statement_pdf(told: Told, target: IO[bytes]) -> None:
    """A4 pages: the sums, the lines, the fees and adjustments. The consumptions are in the other forms."""
    record = told.record
    label, fen = outcome(told)
    blocks: list[Block] = [
        Heading("碳普惠商户对账单", level=0),
        Text("Statement of a merchant under a carbon inclusion programme"),
        Facts(facts(told)),
        Heading("一、余额 Balance"),
        Table(
            ("项目 item", "金额 CNY"),
            [*((name, yuan(one)) for name, one in sums(told)), (label, yuan(fen))],
            (7, 3),
            right=frozenset({1}),
        ),
        Heading("二、按商品按门店 By offer and store"),
        *_line_blocks(told),
        Heading("三、服务费 Fees"),
        *_fee_blocks(told),
        Heading("四、异议调整 Adjustments"),
        *_adjustment_blocks(told),
        *_loss_blocks(told),
        Text(
            "本对账单出具后不再更改，更正计入下一期。逐笔明细见同编号的 xlsx 与 csv 文件。"
            "This statement never changes; corrections go on the next one. The xlsx and csv files of the "
            "same number have every consumption.",
            quiet=True,
        ),
    ]
    write_pdf(
        target,
        title=title(told),
        author=AUTHOR,
        blocks=blocks,
        footer=f"{record.programme} · {record.label} · {record.digest[:16]}",
        watermark=WATERMARK if told.rehearsal else "",
    )


FORMS: dict[str, Write] = {"csv": write_csv, "xlsx": write_xlsx, "pdf": write_statement_pdf}
MEDIA_TYPES = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
}


def _overview(told: Told) -> Iterator[tuple[Cell, ...]]:
    yield from ((label, value, None) for label, value in facts(told))
    yield from ((label, f"¥ {yuan(fen)}", fen) for label, fen in sums(told))
    label, fen = outcome(told)
    yield (label, f"¥ {yuan(fen)}", fen)
    for fee in told.content.fees:
        yield (f"服务费 fee: {_fee_rule(fee)}", f"¥ {yuan(fee.fee_fen)}", fee.fee_fen)


def _lines(told: Told) -> Iterator[tuple[Cell, ...]]:
    for line in told.content.lines:
        net = line.used_fen - line.undone_fen
        yield (
            *(line.title_zh, line.store_name or "—", FUNDING[line.funding], line.uses, line.used_fen),
            *(line.undos, line.undone_fen, net, line.points),
        )


def _details(told: Told) -> Iterator[tuple[Cell, ...]]:
    for item in told.items():
        sign, at = (1, item.consumed_at) if item.kind == "use" else (-1, item.undone_at)
        yield (
            *(KINDS[item.kind], str(item.consumption_id), item.title_zh, store_of(told, item.store_id)),
            *(_named(told, item.till_id) or "—", FUNDING[item.funding]),
            *(sign * item.points, sign * item.value_fen, told.local(at)),
        )
    for loss in told.losses:
        yield (
            *(KINDS["loss"], str(loss.scan_id), loss.title_zh, "—", _named(told, loss.till_id) or "—"),
            *(FUNDING["fund"], 0, loss.value_fen, told.local(loss.scanned_at)),
        )


def _line_blocks(told: Told) -> list[Block]:
    lines = told.content.lines
    if not lines:
        return [Text("无 None")]
    rows = [
        (
            *(f"{line.title_zh} {line.title_en}", line.store_name or "—", FUNDING[line.funding]),
            *(f"{line.uses:,}", yuan(line.used_fen), f"{line.undos:,}", yuan(line.undone_fen)),
            yuan(line.used_fen - line.undone_fen),
        )
        for line in lines[:_MOST_LINES]
    ]
    more = len(lines) - len(rows)
    note = f"另有 {more:,} 行见 xlsx 文件。{more:,} more lines are in the xlsx file."
    widths = (6, 4, 4, 3, 4, 3, 4, 4)
    table = Table(_LINES, rows, widths, right=frozenset({3, 4, 5, 6, 7}))
    return [table, *([Text(note, quiet=True)] if more else [])]


def _fee_blocks(told: Told) -> list[Block]:
    if not told.content.fees:
        return [Text("无 None")]
    headings = ("条款 terms", "笔数 uses", "计费金额 base CNY", "服务费 fee CNY")
    rows = [
        (_fee_rule(fee), f"{fee.uses:,}", yuan(fee.base_fen), yuan(fee.fee_fen)) for fee in told.content.fees
    ]
    return [Table(headings, rows, (8, 3, 4, 4), right=frozenset({1, 2, 3}))]


def _fee_rule(fee: Any) -> str:
    share = f"{fee.fee_bps // 100}.{fee.fee_bps % 100:02d} %"
    return f"{share} + ¥ {yuan(fee.fee_per_use_fen)} / 笔 use"


def _adjustment_blocks(told: Told) -> list[Block]:
    if not told.content.adjustments:
        return [Text("无 None")]
    titles = {line.offer_id: line.title_zh for line in told.content.lines}
    rows = [
        (str(one.dispute_id), titles.get(one.offer_id, str(one.offer_id)), yuan(one.adjusted_fen))
        for one in told.content.adjustments
    ]
    return [Table(("异议 dispute", "商品 offer", "金额 CNY"), rows, (8, 6, 4), right=frozenset({2}))]


def _loss_blocks(told: Told) -> list[Block]:
    """Scans that were lost and that the programme bears; no heading where there is none, as nearly always."""
    if not told.losses:
        return []
    headings = ("收银台 till", "商品 offer", "时间 time", "金额 CNY")
    rows = [
        (_named(told, one.till_id) or "—", one.title_zh, told.local(one.scanned_at), yuan(one.value_fen))
        for one in told.losses[:_MOST_LINES]
    ]
    heading = Heading("五、脱机重复核销（项目承担） Double scans borne by the programme")
    return [heading, Table(headings, rows, (5, 6, 5, 4), right=frozenset({3}))]


def _named(told: Told, number: UUID | None) -> str:
    return "" if number is None else told.names.get(number, "")


def _safe(text: str) -> str:
    # A spreadsheet takes what begins like this for a formula; titles and names are written by merchants.
    return f"'{text}" if text[:1] in tuple("=+-@\t\r") else text
