"""A year's report as pages: the same facts as the card, with every month, scene, source and grade."""

import io

from carbon_credit.documents.chart import Column
from carbon_credit.documents.pdf import Block, Chart, Facts, Heading, Table, Text, write_pdf
from carbon_credit.reach.wording import fen_text, grade_word, mass_text, word
from carbon_credit.reach.yearly import Likeness, YearReport

AUTHOR = "carbon-credit"
WATERMARK = "演练 REHEARSAL"


def report_pdf(report: YearReport, language: str) -> bytes:
    """The report as a PDF in "zh" or "en"; a rehearsal bears a watermark on every page."""
    title = f"{report.name.text(language)} · {word('title', language, year=report.year)}"
    target = io.BytesIO()
    write_pdf(
        target,
        title=title,
        author=AUTHOR,
        blocks=_blocks(report, language),
        footer=title,
        watermark=WATERMARK if report.rehearsal else "",
    )
    return target.getvalue()


def _blocks(report: YearReport, language: str) -> list[Block]:
    def told(name: str) -> str:
        return word(name, language)

    blocks: list[Block] = [
        Heading(word("title", language, year=report.year), level=0),
        Text(report.name.text(language)),
        Text(told("year-closed" if report.closed else "year-open")),
    ]
    if report.rehearsal:
        blocks.append(Text(told("rehearsal-note")))
    if report.sandbox:
        blocks.append(Text(told("sandbox-note")))
    blocks += [Heading(told("whose")), _whose(report, language)]
    if report.provisional_mg:
        blocks.append(Text(told("provisional-note"), quiet=True))
    blocks += [Heading(told("by-month")), _chart(report, language), _months(report, language)]
    blocks.append(Heading(told("by-scene")))
    blocks.append(_scenes(report, language) if report.scenes else Text(told("nothing")))
    blocks += [Heading(told("points")), _points(report, language)]
    if report.medals:
        names = "、" if language == "zh" else ", "
        blocks += [Heading(told("medals")), Text(names.join(one.text(language) for one in report.medals))]
    if report.likenesses:
        blocks += [Heading(told("like")), _likenesses(report.likenesses, language)]
        blocks.append(Text(told("like-note"), quiet=True))
    blocks.append(Text(told("scope-note"), quiet=True))
    return blocks


def _whose(report: YearReport, language: str) -> Facts:
    whose = report.whose
    rows = [
        (word("own", language), f"{mass_text(whose.kept_mg, language)} CO2e"),
        (word("passed-on", language), f"{mass_text(whose.passed_on_mg, language)} CO2e"),
        (word("retired", language), f"{mass_text(whose.retired_mg, language)} CO2e"),
    ]
    if whose.partner_mg:
        rows.append((word("partner", language), f"{mass_text(whose.partner_mg, language)} CO2e"))
    rows.append((word("counted", language), f"{mass_text(whose.counted_mg, language)} CO2e"))
    if report.provisional_mg:
        rows.append((word("provisional", language), f"{mass_text(report.provisional_mg, language)} CO2e"))
    return Facts(rows)


def _chart(report: YearReport, language: str) -> Chart:
    return Chart(
        tuple(
            Column(
                str(one.month),
                one.co2e_mg,
                one.provisional_mg,
                mass_text(one.co2e_mg, language) if one.co2e_mg else "",
            )
            for one in report.months
        )
    )


def _months(report: YearReport, language: str) -> Table:
    names = ("month", "events", "amount", "provisional")
    rows = [
        (
            f"{report.year}-{one.month:02d}",
            f"{one.events:,}",
            mass_text(one.co2e_mg, language),
            mass_text(one.provisional_mg, language) if one.provisional_mg else "",
        )
        for one in report.months
        if one.events or one.co2e_mg
    ]
    headings = [word(name, language) for name in names]
    return Table(headings, rows, (2, 2, 3, 3), right=frozenset({1, 2, 3}))


def _scenes(report: YearReport, language: str) -> Table:
    rows = [
        (
            one.label.text(language),
            f"{one.events:,}",
            mass_text(one.co2e_mg, language),
            grade_word(one.grade, language),
        )
        for one in report.scenes
    ]
    headings = [word(name, language) for name in ("scene", "events", "amount", "grade")]
    return Table(headings, rows, (4, 2, 3, 3), right=frozenset({1, 2}))


def _points(report: YearReport, language: str) -> Facts:
    points = report.points
    rows = [
        (word("points-earned", language), f"{points.earned:,}"),
        (word("points-spent", language), f"{points.spent:,}"),
        (word("points-donated", language), f"{points.donated:,}"),
        (word("points-expired", language), f"{points.expired:,}"),
        (word("vouchers", language), f"{report.vouchers:,}"),
        (word("voucher-value", language), fen_text(report.value_fen)),
    ]
    return Facts(rows)


def _likenesses(likenesses: tuple[Likeness, ...], language: str) -> Table:
    rows = []
    for one in likenesses:
        number = f" {one.source.number}" if one.source.number else ""
        rows.append(
            (
                one.told(language),
                f"{one.source.document}{number}",
                str(one.equivalent.data_year),
                grade_word(one.equivalent.grade, language),
            )
        )
    headings = ["", *(word(name, language) for name in ("source", "data-year", "grade"))]
    return Table(headings, rows, (4, 5, 2, 3))
