"""`report`: what a day, month or year amounts to, for operators; status 1 where the books differ."""

import csv
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
    stderr,
    stdout,
)
from carbon_credit.cli.reporting import language_option
from carbon_credit.documents.xlsx import Cell, Column, Sheet, write_workbook
from carbon_credit.kernel.quantity import grams_text
from carbon_credit.sweeps.reporting import PeriodReport, report_of

Section = tuple[str, tuple[str, ...], list[tuple[Cell, ...]]]

# English and Chinese headings of the tables; `mg`: a sum of milligrams, shown in grams.
_WORDS = {
    "lines": ("Reductions", "减排量"),
    "adjustments": ("Adjustments", "调整"),
    "received": ("Events received", "收到的事件"),
    "delivered": ("Rows delivered in files", "文件交付行数"),
    "points": ("Points granted", "发放积分"),
    "checks": ("Checked against the ledger", "与账本核对"),
    "scene": ("scene", "场景"),
    "partner": ("partner", "数据提供方"),
    "methodology": ("methodology", "方法学"),
    "use": ("use", "用途"),
    "events": ("events", "事件数"),
    "gross_mg": ("result, g", "核算结果，克"),
    "capped_mg": ("not counted, g", "未计入，克"),
    "counted_mg": ("counted on arrival, g", "到达时计入，克"),
    "settled_mg": ("settled at closing, g", "关账调整，克"),
    "corrected_mg": ("corrected, g", "更正，克"),
    "earlier_mg": ("of earlier periods, g", "以前期间调整，克"),
    "total_mg": ("total, g", "合计，克"),
    "reason": ("reason", "原因"),
    "earlier": ("period", "所属期间"),
    "own": ("this one", "本期"),
    "before": ("earlier", "以前"),
    "count": ("count", "条数"),
    "delta_mg": ("milligrams", "毫克"),
    "outcome": ("outcome", "结果"),
    "rule": ("rule", "规则"),
    "points_of": ("points", "积分"),
    "check": ("check", "核对项"),
    "told": ("by the records", "业务记录"),
    "found": ("found", "核对值"),
    "difference": ("difference", "差额"),
    "rows": ("rows", "行数"),
    "credited_rows": ("credited", "已计入"),
    "held": ("held", "暂存"),
    "rejected": ("rejected", "拒收"),
    "duplicate": ("duplicate", "重复"),
    "dropped": ("dropped", "丢弃"),
    "revised": ("revised", "修订"),
    "ledger-grams": ("grams in the ledger, mg", "账本减排量，毫克"),
    "ledger-points": ("points in the ledger", "账本积分"),
    "closing-record": ("record of the closing, mg", "关账记录，毫克"),
}
_GRAMS = ("gross_mg", "capped_mg", "counted_mg", "settled_mg", "corrected_mg", "earlier_mg", "total_mg")
_ROWS = ("rows", "credited_rows", "held", "rejected", "duplicate", "dropped", "revised")
_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)


@click.group(invoke_without_command=True)
@click.option("--programme", help="Code of the programme, e.g. gd-gz")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="One accounting day, e.g. 2026-11-20")
@click.option("--month", type=click.DateTime(["%Y-%m"]), help="A month, e.g. 2026-11")
@click.option("--year", type=click.DateTime(["%Y"]), help="A year, e.g. 2026")
@click.option("--csv", "csv_file", type=_FILE, help="Write the lines as CSV (UTF-8, milligrams)")
@click.option("--xlsx", "xlsx_file", type=_FILE, help="Write every table into a workbook (milligrams)")
@language_option
@as_option
@json_option
@click.pass_context
def report(
    context: click.Context,
    programme: str | None,
    day: datetime | None,
    month: datetime | None,
    year: datetime | None,
    csv_file: Path | None,
    xlsx_file: Path | None,
    language: str,
    credential: str | None,
    as_json: bool,
) -> None:
    """Report a day, month or year: events by outcome, grams by scene, partner and methodology, points,
    adjustments, and the same sums in the ledger. Ends with status 1 where a difference is not zero.
    What stands under it are reports of their own."""
    if context.invoked_subcommand is not None:
        return
    if programme is None:
        raise click.MissingParameter(param_hint="--programme", param_type="option")
    given = {"day": day, "month": month, "year": year}
    asked = [(kind, at.date()) for kind, at in given.items() if at is not None]
    if len(asked) != 1:
        raise click.UsageError("Give one of --day, --month and --year.")
    here = open_installation()
    acting(here, credential, programme=programme, role="operator")
    [(kind, start)] = asked
    found = here.look(lambda session, now: report_of(session, programme=programme, kind=kind, day=start))
    tables = sections(found, language)
    if csv_file is not None:
        write_csv(csv_file, tables[0])
    if xlsx_file is not None:
        sheets = [Sheet(title, [Column(one) for one in names], rows) for title, names, rows in tables]
        write_workbook(xlsx_file, title=_title(found), author="carbon-credit", sheets=sheets)
    if as_json:
        emit(found.as_dict())
    else:
        _show(found, tables)
    if not found.holds:
        stderr.print("[red]The books differ.[/] Run `carbon-credit ledger audit`; it names the rows.")
        sys.exit(1)


def sections(found: PeriodReport, language: str) -> list[Section]:
    """Every table: title, headings, rows. Grams are milligrams here."""

    def told(name: str) -> str:
        return _WORDS[name][1 if language == "zh" else 0] if name in _WORDS else name

    def headed(name: str, columns: Sequence[str], rows: Sequence[tuple[Cell, ...]]) -> Section:
        return told(name), tuple(told(one) for one in columns), list(rows)

    of = found.turnover
    lines = [
        (
            one.scene,
            found.name(one.partner_id),
            one.methodology_id,
            one.use,
            one.events,
            *(getattr(one, name) for name in _GRAMS),
        )
        for one in of.lines
    ]
    adjusted = [
        (one.reason, told("before" if one.earlier else "own"), one.adjustments, one.delta_mg)
        for one in of.adjusted
    ]
    received = [(found.name(one.partner_id), one.outcome, one.reason, one.events) for one in found.received]
    delivered = [
        (found.name(partner_id), *(getattr(counts, name) for name in _ROWS))
        for partner_id, counts in sorted(found.delivered.items())
    ]
    checks = [(told(one.name), one.told, one.found, one.difference) for one in of.checks]
    return [
        headed("lines", ("scene", "partner", "methodology", "use", "events", *_GRAMS), lines),
        headed("adjustments", ("reason", "earlier", "count", "delta_mg"), adjusted),
        headed("received", ("partner", "outcome", "reason", "events"), received),
        headed("delivered", ("partner", *_ROWS), delivered),
        headed("points", ("rule", "points_of"), of.points),
        headed("checks", ("check", "told", "found", "difference"), checks),
    ]


def _title(found: PeriodReport) -> str:
    of = found.turnover
    days = of.first.isoformat() if of.kind == "day" else f"{of.first} – {of.last}"
    return f"{of.programme} {days}"


def _show(found: PeriodReport, tables: Sequence[Section]) -> None:
    stdout.print(_title(found), highlight=False)
    for number, (title, names, rows) in enumerate(tables):
        if not rows:
            continue
        # Sums that are nothing everywhere take room and say nothing; the files have them all.
        shown = [place for place in range(len(names)) if place < 5 or any(row[place] for row in rows)]
        cells = [[_cell(row[place], grams=number == 0 and place > 4) for place in shown] for row in rows]
        headings = [names[place] for place in shown]
        table = Table(*headings, title=title)
        for line in cells:
            table.add_row(*line)
        needed = stdout.measure(table, options=stdout.options.update(width=1_000)).maximum
        fits = needed <= stdout.width
        stdout.print(table if fits else _upright(title, headings, cells))


def _upright(title: str, headings: Sequence[str], cells: Sequence[Sequence[str]]) -> Table:
    """For a narrow window: a heading and its value a line, one row of the table after the other."""
    table = Table(title=title, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for line in cells:
        for heading, value in zip(headings, line, strict=True):
            table.add_row(heading, value)
        table.add_section()
    return table


def _cell(value: Cell, *, grams: bool) -> str:
    if isinstance(value, int):
        return grams_text(value) if grams else f"{value:,}"
    return "" if value is None else str(value)


def write_csv(target: Path, section: Section) -> None:
    """With a mark at the beginning, so that spreadsheets read the Chinese."""
    _, names, rows = section
    with target.open("w", encoding="utf-8-sig", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([name.replace(", g", ", mg").replace("，克", "，毫克") for name in names])
        writer.writerows([_plain(one) for one in row] for row in rows)


def _plain(value: Cell) -> Cell:
    # A partner's name that begins like a formula stays text.
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@" else value
