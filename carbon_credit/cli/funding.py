"""`report funding`: who paid for the points that were spent in a month, offer by offer."""

import sys
from collections.abc import Sequence
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
from carbon_credit.reach.funding import FundingReport, funding_of

_WORDS = {
    "lines": ("By offer", "按商品"),
    "sources": ("Who paid", "资金来源"),
    "checks": ("Checked", "核对"),
    "offer": ("offer", "商品"),
    "kind": ("kind", "类别"),
    "merchant": ("merchant", "商户"),
    "funding": ("paid by", "出资方"),
    "budget": ("budget", "预算"),
    "points": ("points spent", "使用积分"),
    "donated": ("points donated", "捐赠积分"),
    "vouchers": ("vouchers used", "核销张数"),
    "value_fen": ("worth, fen", "价值（分）"),
    "sales_fen": ("of it from sales, fen", "其中减排量销售收入（分）"),
    "others_fen": ("of it otherwise added, fen", "其中其他注资（分）"),
    "sales_points": ("points from sales", "销售收入承担积分"),
    "others_points": ("points otherwise", "其他注资承担积分"),
    "settled_fen": ("settled in the month, fen", "本月结算（分）"),
    "owed_fen": ("owed back by the merchant, fen", "商户应退（分）"),
    "by-borne": ("the fund, for double scans without a connection", "项目基金（脱机重复核销）"),
    "source": ("source", "来源"),
    "fen": ("fen", "分"),
    "check": ("check", "核对项"),
    "told": ("by offer", "按商品合计"),
    "found": ("found", "核对值"),
    "difference": ("difference", "差额"),
    "by-merchant": ("merchants", "商户自筹"),
    "by-subsidy": ("subsidy budgets", "财政补贴预算"),
    "by-fund-sales": ("the fund, from sales", "项目基金（减排量销售收入）"),
    "by-fund-others": ("the fund, otherwise added", "项目基金（其他注资）"),
    "by-fund-uncovered": ("the fund, not covered", "项目基金（未覆盖）"),
    "ledger-points-spent": ("points spent, ledger", "账本使用积分"),
    "ledger-points-donated": ("points donated, ledger", "账本捐赠积分"),
    "ledger-settled-fen": ("settled, ledger, fen", "账本结算（分）"),
    "fund-points": ("points of the fund by origin", "基金积分按来源"),
    "fund-uncovered-fen": ("used beyond the fund, fen", "超出基金（分）"),
}
_NUMBERS = (
    "points", "donated", "vouchers", "value_fen", "sales_fen", "others_fen", "sales_points", "others_points",
    "settled_fen", "owed_fen",
)  # fmt: skip
_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)


@click.command()
@programme_option
@click.option("--month", required=True, type=click.DateTime(["%Y-%m"]), help="A month, e.g. 2026-11")
@click.option("--csv", "csv_file", type=_FILE, help="Write the offers as CSV (UTF-8)")
@click.option("--xlsx", "xlsx_file", type=_FILE, help="Write every table into a workbook")
@language_option
@as_option
@json_option
def funding(
    programme: str,
    month: datetime,
    csv_file: Path | None,
    xlsx_file: Path | None,
    language: str,
    credential: str | None,
    as_json: bool,
) -> None:
    """Report who paid for the points spent in a month: merchants, subsidy budgets, the programme's fund (and
    of it, what sales brought in). Ends with status 1 where a difference is not zero."""
    here = open_installation()
    acting(here, credential, programme=programme, role="operator")
    found = here.look(lambda session, now: funding_of(session, programme=programme, month=month.date()))
    tables = sections(found, language)
    if csv_file is not None:
        write_csv(csv_file, tables[0])
    if xlsx_file is not None:
        sheets = [Sheet(title, [Column(one) for one in names], rows) for title, names, rows in tables]
        write_workbook(xlsx_file, title=_title(found), author="carbon-credit", sheets=sheets)
    if as_json:
        emit(found.as_dict())
    else:
        stdout.print(_title(found), highlight=False)
        for title, names, rows in tables:
            table = Table(*names, title=title)
            for row in rows:
                table.add_row(*(f"{one:,}" if isinstance(one, int) else str(one or "") for one in row))
            stdout.print(table)
    if not found.holds:
        stderr.print("[red]The sums differ.[/] Run `carbon-credit ledger audit`; it names the rows.")
        sys.exit(1)


def sections(found: FundingReport, language: str) -> list[Section]:
    """Every table: title, headings, rows."""

    def told(name: str) -> str:
        return _WORDS[name][1 if language == "zh" else 0]

    def headed(name: str, columns: tuple[str, ...], rows: Sequence[tuple[Cell, ...]]) -> Section:
        return told(name), tuple(told(one) for one in columns), list(rows)

    shown = found.as_dict()
    title = "title_zh" if language == "zh" else "title_en"
    lines = [
        (
            one[title],
            one["kind"],
            one["merchant"],
            told(f"by-{one['funding']}") if one["funding"] != "fund" else one["funding"],
            one["budget"],
            *(one[name] for name in _NUMBERS),
        )
        for one in shown["lines"]
    ]
    sources = [(told(f"by-{one['source']}"), one["points"], one["fen"]) for one in shown["sources"]]
    sources += [(told("by-borne"), 0, found.borne_fen)] if found.borne_fen else []
    checks = [(told(one.name), one.told, one.found, one.difference) for one in found.checks]
    return [
        headed("lines", ("offer", "kind", "merchant", "funding", "budget", *_NUMBERS), lines),
        headed("sources", ("source", "points", "fen"), sources),
        headed("checks", ("check", "told", "found", "difference"), checks),
    ]


def _title(found: FundingReport) -> str:
    return f"{found.programme} {found.month:%Y-%m}"
