"""Reports of changes as tables for people, in Chinese or English."""

import click
from rich.markup import escape
from rich.table import Table

from carbon_credit.cli.context import stdout
from carbon_credit.kernel.quantity import grams_text
from carbon_credit.quantification.reports import IN_BATCH, Report, Sum
from carbon_credit.sweeps.changing import Change

language_option = click.option(
    "--language", type=click.Choice(["zh", "en"]), default="en", show_default=True, help="Of the tables"
)

_WORDS = {
    "total": ("all", "合计"),
    "scene": ("scene", "场景"),
    "reductions": ("reductions", "减排量条数"),
    "old": ("now, g", "现计入，克"),
    "new": ("then, g", "变更后，克"),
    "delta": ("difference, g", "差额，克"),
    "citizens": ("citizens", "人数"),
    "spread": ("Differences of {count} citizens, g", "{count} 人的差额分布，克"),
    "min": ("min", "最小"),
    "median": ("median", "中位数"),
    "max": ("max", "最大"),
    "movers": ("Largest differences", "差额最大者"),
    "citizen": ("citizen (random id)", "用户（随机编号）"),
    "left": ("Left as they are", "保持不变"),
    "why": ("why", "原因"),
    "in-batch": ("in a batch", "已入批次"),
    "changed": ("Grades and uses that change", "等级与用途变更"),
    "from": ("now", "现为"),
    "to": ("then", "变更后"),
    "grade": ("grade", "等级"),
    "use": ("use", "用途"),
    "none": ("Nothing would change.", "无任何变化。"),
    "tried": (
        "Tried as if it governed; it does not: {why}. Nothing was written.",
        "按假定适用试算；目前并不适用：{why}。未写入任何数据。",
    ),
    "governs": (
        "It governs here. What is below is still to be posted.",
        "该版本已适用，以下为尚未记账的差额。",
    ),
    "applied": ("Posted before: {count} reductions, {mg} g.", "此前已记账：{count} 条，{mg} 克。"),
    "digest": ("Digest of this report: {digest}", "报告摘要：{digest}"),
}


def word(name: str, language: str, **named: object) -> str:
    """A label in the language."""
    english, chinese = _WORDS[name]
    return (chinese if language == "zh" else english).format(**named)


def show(change: Change, report: Report, language: str) -> None:
    """Print the report on stdout."""

    def told(name: str, **named: object) -> str:
        return word(name, language, **named)

    stdout.print(_totals(change, report, language))
    if change.hindrance is None:
        stdout.print(told("governs"))
    else:
        stdout.print(told("tried", why=change.hindrance.text(language)), highlight=False)
    if report.applied.reductions:
        mg = grams_text(report.applied.delta_mg)
        stdout.print(told("applied", count=f"{report.applied.reductions:,}", mg=mg), highlight=False)
    quantiles = report.quantiles()
    if quantiles is None:
        stdout.print(told("none"))
    else:
        names = (told(name) if name in _WORDS else name for name in quantiles)
        spread = Table(*names, title=told("spread", count=f"{len(report.citizens):,}"))
        spread.add_row(*(grams_text(mg) for mg in quantiles.values()))
        stdout.print(spread)
    for table in (_movers(report, language), _left(report, language), _changed(report, language)):
        if table.row_count:
            stdout.print(table)
    stdout.print(told("digest", digest=report.digest), highlight=False, soft_wrap=True)


def _totals(change: Change, report: Report, language: str) -> Table:
    span = change.span
    title = f"{span.programme} {span.first_day} – {span.last_day}: {change.name}"
    names = ("scene", "reductions", "old", "new", "delta")
    table = Table(*(word(name, language) for name in names), title=escape(title))
    for scene, one in sorted(report.scenes.items()):
        table.add_row(scene, *_sums(one))
    table.add_section()
    table.add_row(word("total", language), *_sums(report))
    return table


def _sums(one: Sum) -> list[str]:
    grams = (grams_text(mg) for mg in (one.old_mg, one.new_mg, one.delta_mg))
    return [f"{one.reductions:,}", *grams]


def _movers(report: Report, language: str) -> Table:
    table = Table(word("citizen", language), word("delta", language), title=word("movers", language))
    for who, mg in report.movers():
        table.add_row(str(who), grams_text(mg))
    return table


def _left(report: Report, language: str) -> Table:
    names = ("why", "reductions", "old")
    table = Table(*(word(name, language) for name in names), title=word("left", language))
    for code, count in sorted(report.left.items()):
        why = word("in-batch", language) if code == IN_BATCH else code
        table.add_row(why, f"{count:,}", grams_text(report.left_mg[code]))
    return table


def _changed(report: Report, language: str) -> Table:
    names = ("from", "to", "reductions")
    table = Table("", *(word(name, language) for name in names), title=word("changed", language))
    for kind, counts in (("grade", report.grades), ("use", report.uses)):
        for (old, new), count in sorted(counts.items()):
            table.add_row(word(kind, language), old, new, f"{count:,}")
    return table
