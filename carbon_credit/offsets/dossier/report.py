"""The files for people: summary.xlsx and report.pdf (核算报告). What they say is computed elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from carbon_credit.documents import qr
from carbon_credit.documents.pdf import Block, Facts, Heading, Picture, Table, Text, write_pdf
from carbon_credit.documents.xlsx import Column, Sheet, write_workbook
from carbon_credit.methodology.definition import Methodology, Texts
from carbon_credit.methodology.prose import sections
from carbon_credit.offsets.dossier.declarations import REHEARSAL, STATEMENTS
from carbon_credit.offsets.queries import BatchRecord, ProjectRecord
from carbon_credit.offsets.selection import REASONS, kilograms_text
from carbon_credit.verifier.summary import HEADINGS, SummaryRow, totals_of

AUTHOR = "carbon-credit"
WATERMARK = "演练 REHEARSAL"
_NOT_KNOWN = "（未载明 not stated）"
_RESULTS_NOTE = (
    "计入量为扣除上限和更正之后的减排量；被拆分到多个批次的减排量，最后一列只计其属于本批次的部分。"
    "Credited is after caps and corrections. Of a reduction that was cut between batches, only the part in "
    "this batch counts in the last column."
)
_MOST_ROWS = 1_500  # more days and activities than this are shown by month; summary.csv has them all


@dataclass(frozen=True, slots=True)
class Reported:
    """What a report is about. `serials`: first and last, once issued."""

    project: ProjectRecord
    batch: BatchRecord
    methodology: Methodology
    rows: Sequence[SummaryRow]
    serials: tuple[str, str] | None
    key_id: str


def write_summary(path: Path, reported: Reported) -> None:
    """summary.xlsx: the facts, and the results by day and activity. Raises TooManyRows."""
    note = WATERMARK if reported.batch.rehearsal else ""
    facts = Sheet(
        "概况 Overview", (Column("项目 item", 36), Column("内容 value", 70)), _facts(reported), note=note
    )
    columns = [Column(heading, 26) for heading in HEADINGS]
    rows = (
        (row.business_date, row.activity_type, row.reductions, row.gross_mg, row.credited_mg, row.batch_mg)
        for row in reported.rows
    )
    write_workbook(
        path,
        title=_title(reported),
        author=AUTHOR,
        sheets=[facts, Sheet("按日按活动 By day", columns, rows, note=note)],
    )


def write_report(path: Path, reported: Reported) -> None:
    """report.pdf: project, boundary, methodology, monitoring, results, exclusions, declarations."""
    batch = reported.batch
    blocks: list[Block] = [
        Heading("碳普惠减排量核算报告", level=0),
        Text("Accounting report of reductions under a carbon inclusion programme"),
        *_project(reported),
        *_method(reported.methodology),
        *_results(reported),
        *_exclusions(batch),
        *_declarations(batch),
    ]
    write_pdf(
        path,
        title=_title(reported),
        author=AUTHOR,
        blocks=blocks,
        footer=f"{batch.programme} · {reported.project.code} · {batch.id} · {(batch.merkle_root or '')[:16]}",
        watermark=WATERMARK if batch.rehearsal else "",
    )


def _title(reported: Reported) -> str:
    return f"{reported.project.name_zh} {reported.project.name_en}"


def _facts(reported: Reported) -> list[tuple[str, str]]:
    project, batch = reported.project, reported.batch
    first, final = reported.serials or ("", "")
    return [
        ("碳普惠计划 programme", batch.programme + ("（演练 rehearsal）" if batch.rehearsal else "")),
        ("项目 project", f"{project.name_zh} {project.name_en} ({project.code})"),
        ("业主 owner", project.owner),
        ("申请方 applicant", project.applicant),
        ("方法学 methodology", f"{reported.methodology.title.zh} {reported.methodology.title.en}"),
        ("方法学版本 version", f"{batch.methodology_id} {batch.methodology_version}"),
        ("方法学摘要 version digest", batch.version_digest),
        ("方法学备案号 filing number", project.filing_number or _NOT_KNOWN),
        ("计入期 crediting period", _span(project.crediting_from, project.crediting_to)),
        ("监测期 monitoring period", _span(batch.starts_on, batch.ends_before)),
        ("年份 vintage", str(batch.vintage)),
        ("批次 batch", str(batch.id)),
        (
            "冻结时间 frozen at (UTC)",
            batch.frozen_at.isoformat(timespec="seconds") if batch.frozen_at else "",
        ),
        ("减排记录数 reductions", f"{batch.leaf_count or 0:,}"),
        ("减排量(吨) tonnes CO2e", f"{batch.tonnes or 0:,}"),
        ("序列号 serials", f"{first} .. {final}" if first else "（尚未签发 not issued yet）"),
        ("核证机构 verifier", batch.verifier or "—"),
        ("核证声明 statement", batch.statement or "—"),
        ("默克尔根 Merkle root", batch.merkle_root or ""),
        ("签名公钥标识 key id", reported.key_id),
    ]


def _span(first: date, end: date) -> str:
    """Half-open inside, with both ends in it for people."""
    return f"{first} – {end - timedelta(days=1)}"


def _project(reported: Reported) -> list[Block]:
    project = reported.project
    return [
        Facts(_facts(reported)),
        Picture(qr.png(f"batch={reported.batch.id} root={reported.batch.merkle_root}"), side_mm=26),
        Text(
            "扫码得批次号与默克尔根，可与文件核对。 The code holds batch and Merkle root, to compare.",
            quiet=True,
        ),
        Heading("一、项目边界 Project boundary"),
        Text(project.boundary_zh),
        Text(project.boundary_en),
        Text("纳入的活动类型 Activity types: " + ", ".join(project.activity_types), quiet=True),
    ]


def _method(methodology: Methodology) -> list[Block]:
    blocks: list[Block] = [
        Heading("二、方法学 Methodology"),
        Facts(
            [
                ("名称 title", f"{methodology.title.zh} {methodology.title.en}"),
                ("发布单位 issuer", f"{methodology.issuer.zh} {methodology.issuer.en}"),
            ]
        ),
        Table(
            ("步骤 step", "公式 expression", "单位 unit"),
            [(f"{step.label.zh} {step.name}", step.expression, step.unit) for step in methodology.steps],
            (4, 8, 3),
        ),
        *_parameters(methodology),
    ]
    monitored = False
    for heading, texts in sections(methodology):
        if heading.zh.startswith("监测") and not monitored:
            blocks.append(Heading("三、监测 Monitoring"))
            monitored = True
        blocks += _prose(f"{heading.zh} {heading.en}", texts)
    return blocks


def _parameters(methodology: Methodology) -> list[Block]:
    """Every value that the formula may read, with its source and grade; factor sets by name."""
    rows = [
        (
            f"{parameter.label.zh} {parameter.name}",
            f"{value.value or '—'} {parameter.unit}",
            f"{value.effective_from or '…'} – {value.effective_to or '…'}",
            value.grade or "—",
            _source(methodology, value.source),
        )
        for parameter in methodology.parameters
        for value in parameter.values
    ]
    rows += [
        (
            f"{use.label.zh} {use.name}",
            f"{use.set}: {use.key}",
            use.choose.value,
            use.use_grade.value,
            _source(methodology, use.use_source),
        )
        for use in methodology.factors
    ]
    if not rows:
        return []
    headings = ("参数 parameter", "数值 value", "有效期 period", "等级 grade", "来源 source")
    return [Table(headings, rows, (5, 5, 4, 3, 6))]


def _source(methodology: Methodology, name: str | None) -> str:
    source = methodology.source(name)
    return _NOT_KNOWN if source is None else source.document


def _prose(heading: str, texts: Texts | None) -> list[Block]:
    body = _NOT_KNOWN if texts is None else f"{texts.zh}\n{texts.en}"
    return [Heading(heading, level=2), Text(body)]


def _results(reported: Reported) -> list[Block]:
    rows = list(reported.rows)
    heading = "按日和活动类型 By day and activity type"
    shown = [(row.business_date.isoformat(), row) for row in rows]
    if len(rows) > _MOST_ROWS:
        heading = "按月和活动类型 By month and activity type"
        shown = _by_month(rows)
    count, totals = totals_of(rows)
    cells = [_cells(day, row) for day, row in shown]
    summed = (count, totals.gross_mg, totals.credited_mg, totals.batch_mg)
    cells.append(("合计 total", "", f"{summed[0]:,}", *(kilograms_text(mg) for mg in summed[1:])))
    headings = (
        "日期 date",
        "活动类型 activity",
        "条数 n",
        "核算 gross kg",
        "计入 credited kg",
        "本批次 batch kg",
    )
    return [
        Heading("四、核算结果 Results"),
        Text(_RESULTS_NOTE, quiet=True),
        Heading(heading, level=2),
        Table(headings, cells, (4, 5, 3, 5, 5, 5), right=frozenset({2, 3, 4, 5})),
    ]


def _cells(label: str, row: SummaryRow) -> tuple[str, ...]:
    amounts = (row.gross_mg, row.credited_mg, row.batch_mg)
    return (label, row.activity_type, f"{row.reductions:,}", *(kilograms_text(mg) for mg in amounts))


def _by_month(rows: Sequence[SummaryRow]) -> list[tuple[str, SummaryRow]]:
    sums: dict[tuple[str, str], SummaryRow] = {}
    for row in rows:
        key = (row.business_date.isoformat()[:7], row.activity_type)
        before = sums.get(key)
        sums[key] = row if before is None else _plus(before, row)
    return [(month, sums[month, activity]) for month, activity in sorted(sums)]


def _plus(left: SummaryRow, right: SummaryRow) -> SummaryRow:
    return SummaryRow(
        left.business_date,
        left.activity_type,
        left.reductions + right.reductions,
        left.gross_mg + right.gross_mg,
        left.credited_mg + right.credited_mg,
        left.batch_mg + right.batch_mg,
    )


def _exclusions(batch: BatchRecord) -> list[Block]:
    blocks: list[Block] = [Heading("五、未纳入的减排量 Reductions left out")]
    if not batch.exclusions:
        return [*blocks, Text("无 None")]
    rows = [
        (
            f"{REASONS[one.reason][0]} {REASONS[one.reason][1]}",
            "—" if one.count is None else f"{one.count:,}",
            kilograms_text(one.mg),
        )
        for one in batch.exclusions
    ]
    return [*blocks, Table(("原因 reason", "条数 n", "kg"), rows, (10, 3, 4), right=frozenset({1, 2}))]


def _declarations(batch: BatchRecord) -> list[Block]:
    statements = STATEMENTS + ((REHEARSAL,) if batch.rehearsal else ())
    blocks: list[Block] = [Heading("六、声明 Declarations")]
    for number, (_code, zh, en) in enumerate(statements, start=1):
        blocks += [Text(f"{number}. {zh}"), Text(en, quiet=True)]
    return blocks
