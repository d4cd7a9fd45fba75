"""`report points`: the points outstanding at a month's end, what moved them and what is expected of them."""

import sys
from datetime import datetime
from pathlib import Path

import click
from rich.table import Table

from carbon_credit.cli.context import (
    acting,
    as_option,
    emit,
    json_option,
    open_installation,
    programme_option,
    stderr,
    stdout,
)
from carbon_credit.cli.reporting import language_option
from carbon_credit.cli.reports import Section, write_csv
from carbon_credit.documents.xlsx import Cell, Column, Sheet, write_workbook
from carbon_credit.points.outstanding import Outstanding, outstanding_of
from carbon_credit.redemption.worth import Worth

_WORDS = {
    "movements": ("Points of citizens", "用户积分"),
    "years": ("By year of expiry", "按到期年份"),
    "expected": ("Expected, and in fen", "预计使用与价值（分）"),
    "checks": ("Checked against the ledger", "与账本核对"),
    "opening": ("outstanding before", "期初余额"),
    "granted": ("granted", "发放"),
    "refunded": ("refunded", "退回"),
    "spent": ("spent", "兑换使用"),
    "expired": ("expired", "到期失效"),
    "taken_back": ("taken back", "追回"),
    "outstanding": ("outstanding", "期末余额"),
    "held": ("of these: held for vouchers", "其中：冻结中"),
    "over": ("of these: over, expire next", "其中：已到期待失效"),
    "owed_before": ("owed before", "期初欠分"),
    "fell_due": ("fell due", "新增欠分"),
    "recovered": ("recovered from grants", "由发放抵扣"),
    "written_off": ("written off", "核销"),
    "owed": ("owed by citizens", "期末欠分"),
    "year": ("year", "年份"),
    "item": ("item", "项目"),
    "points_of": ("points", "积分"),
    "fen": ("fen", "分（人民币）"),
    "expected_use": ("expected use", "预计使用"),
    "expected_breakage": ("expected breakage", "预计失效"),
    "history_spent": ("rule: spent of ended lots", "规则输入：已到期批次使用"),
    "history_expired": ("rule: expired of ended lots", "规则输入：已到期批次失效"),
    "worth": ("bought in the year to the end", "近一年兑换"),
    "least": ("open offers: the least", "在架商品：最低"),
    "most": ("open offers: the most", "在架商品：最高"),
    "rule": (
        "Breakage: of lots that ended before the month, expired ÷ (spent + expired), of what is outstanding; "
        "points in lots that are over, whole. Value: by what was bought. Empty where there is no history.",
        "预计失效 = 期末余额 ×（本月前已到期批次的失效 ÷（使用 + 失效）），已到期待失效者全额计入；"
        "价值按近一年实际兑换折算；无历史数据时留空。",
    ),
    "check": ("check", "核对项"),
    "told": ("by the transfers", "按流水"),
    "found": ("found", "核对值"),
    "difference": ("difference", "差额"),
    "debts": ("owed, moved", "欠分变动"),
    "balances": ("balances of lots", "批次余额"),
    "balances-held": ("balances on hold", "冻结余额"),
    "balances-owed": ("balances owed", "欠分余额"),
    "lots-that-differ": ("days of expiry that differ", "不符的到期日"),
}
_LOTS = ("opening", "granted", "refunded", "spent", "expired", "taken_back", "outstanding", "held", "over")
_DEBTS = ("owed_before", "fell_due", "recovered", "written_off", "owed")
_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)


@click.command("points")
@programme_option
@click.option("--month", type=click.DateTime(["%Y-%m"]), required=True, help="A month, e.g. 2026-11")
@click.option("--csv", "csv_file", type=_FILE, help="Write the lines as CSV (UTF-8)")
@click.option("--xlsx", "xlsx_file", type=_FILE, help="Write every table into a workbook")
@language_option
@as_option
@json_option
def points(
    programme: str,
    month: datetime,
    csv_file: Path | None,
    xlsx_file: Path | None,
    language: str,
    credential: str | None,
    as_json: bool,
) -> None:
    """Report the points outstanding at the end of a month: granted, spent, expired, taken back, by year of
    expiry, expected use and breakage, and their value. Ends with status 1 where the books differ."""
    here = open_installation()
    acting(here, credential, programme=programme, role="operator")

    found = here.look(
        lambda session, now: outstanding_of(session, programme=programme, month=month.date(), now=now)
    )
    tables = sections(found, language)
    if csv_file is not None:
        names = ("item", "points_of", "fen")
        write_csv(csv_file, ("", tuple(_told(name, language) for name in names), _lines(tables)))
    if xlsx_file is not None:
        sheets = [Sheet(title, [Column(one, 32) for one in names], rows) for title, names, rows in tables]
        write_workbook(xlsx_file, title=_title(found), author="carbon-credit", sheets=sheets)
    if as_json:
        emit(found.as_dict())
    else:
        _show(found, tables, language)
    if not found.holds:
        stderr.print("[red]The books differ.[/] Run `carbon-credit ledger audit`; it names the rows.")
        sys.exit(1)


def sections(found: Outstanding, language: str) -> list[Section]:
    """Every table: title, headings, rows. Empty cells where nothing is known."""

    def told(name: str) -> str:
        return _told(name, language)

    sums = found.as_dict()
    moved: list[tuple[Cell, ...]] = [(told(name), sums[name]) for name in (*_LOTS, *_DEBTS)]
    years: list[tuple[Cell, ...]] = [(one.year, one.outstanding, one.held) for one in found.years]
    history = found.history
    spent, expired = (history.spent, history.expired) if history else (None, None)
    least, most = found.offers or (None, None)
    expected: list[tuple[Cell, ...]] = [
        (told("outstanding"), found.outstanding, found.value_fen(found.outstanding)),
        (told("expected_use"), found.expected_use, found.value_fen(found.expected_use)),
        (told("expected_breakage"), found.expected_breakage, found.value_fen(found.expected_breakage)),
        (told("history_spent"), spent, None),
        (told("history_expired"), expired, None),
        (told("worth"), *_ratio(found.worth)),
        (told("least"), *_ratio(least)),
        (told("most"), *_ratio(most)),
    ]
    checks: list[tuple[Cell, ...]] = [
        (told(one.name), one.told, one.found, one.difference) for one in found.checks
    ]
    return [
        (told("movements"), (told("item"), told("points_of")), moved),
        (told("years"), (told("year"), told("points_of"), told("held")), years),
        (told("expected"), (told("item"), told("points_of"), told("fen")), expected),
        (told("checks"), tuple(map(told, ("check", "told", "found", "difference"))), checks),
    ]


def _ratio(worth: Worth | None) -> tuple[int | None, int | None]:
    return (worth.points, worth.value_fen) if worth else (None, None)


def _lines(tables: list[Section]) -> list[tuple[Cell, ...]]:
    """Movements, years and expectations, one below the other: item, points, fen."""
    moved, years, expected = (rows for _, _, rows in tables[:3])
    whole: list[tuple[Cell, ...]] = [(str(line[0]), line[1], None) for line in (*moved, *years)]
    return whole + expected


def _told(name: str, language: str) -> str:
    return _WORDS[name][1 if language == "zh" else 0]


def _title(found: Outstanding) -> str:
    return f"{found.programme} {found.first} – {found.last}"


def _show(found: Outstanding, tables: list[Section], language: str) -> None:
    stdout.print(_title(found), highlight=False)
    for title, names, rows in tables:
        if rows:
            table = Table(*names, title=title)
            for row in rows:
                table.add_row(*(f"{one:,}" if isinstance(one, int) else str(one or "") for one in row))
            stdout.print(table)
    stdout.print(_told("rule", language), highlight=False)
