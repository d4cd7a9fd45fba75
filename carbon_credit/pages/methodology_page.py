"""The page of one methodology version, as blocks."""

from collections.abc import Iterator
from datetime import date

from carbon_credit.methodology.cases import Case
from carbon_credit.methodology.definition import Grade, Graded, Methodology, Predicate, Source, Texts
from carbon_credit.methodology.loader import Package
from carbon_credit.methodology.prose import sections
from carbon_credit.methodology.wording import REFUSALS
from carbon_credit.pages.blocks import Block, Cell, Facts, Formula, Heading, Paragraph, Table, both, plain
from carbon_credit.pages.words import CHOICES, GRADES, KINDS, NEGATIVE, NETTING, PARTS, STATES, region

_NOT_FOUND = both("未见。", "Not found.")
_SANDBOX = both(
    "沙盒：本版含有二手或假定的内容，只可用于演练、展示或积分，不得进入出售的批次。",
    "Sandbox: something in this version is second-hand or assumed. It may be rehearsed with, shown or "
    "rewarded by points, and never enters a batch for sale.",
)
_DRAFT = both(
    "草案：缺少数值。列于“缺少什么”的内容补齐之前，公式不给出结果。",
    "Draft: values are missing. Until what is listed under “What is missing” is there, the formula gives "
    "no result.",
)
_OVERLAY = both(
    "叠加版：空缺的数值由借用值或占位值代替，只有演练项目可以载入。",
    "With overlay: missing values are stood in for by borrowed ones or placeholders. Only a rehearsal loads "
    "it.",
)


def blocks_of(
    package: Package,
    *,
    state: str,
    cases: tuple[Case, ...],
    grade: Grade,
    rehearsed: tuple[Package, tuple[Case, ...]] | None = None,
) -> list[Block]:
    """The whole page. `grade` is the weakest that a result can have; `rehearsed` the version with the
    overlay and its cases, where there is one."""
    return list(_blocks(package, state, cases, grade, rehearsed))


def has_null(methodology: Methodology) -> bool:
    """Whether a value of the methodology is still missing."""
    return any(value.value is None for parameter in methodology.parameters for value in parameter.values)


def _blocks(
    package: Package,
    state: str,
    cases: tuple[Case, ...],
    grade: Grade,
    rehearsed: tuple[Package, tuple[Case, ...]] | None,
) -> Iterator[Block]:
    method = package.methodology
    yield Heading(method.title, level=1)
    yield Facts(tuple(_facts(package, state, grade)))
    if package.overlay is not None:
        yield Paragraph(_OVERLAY, mark="sandbox")
    if has_null(method):
        yield Paragraph(_DRAFT, mark="missing")
    elif grade.is_sandbox:
        yield Paragraph(_SANDBOX, mark="sandbox")
    for note in method.notes:
        yield Paragraph(note)
    yield from _missing(method)
    yield from _calculation(package)
    yield from _eligibility(method)
    yield from _values(package)
    yield from _parts(method)
    yield Heading(both("设计说明", "The design in words"))
    for heading, text in sections(method):
        yield Heading(heading, level=3)
        yield Paragraph(text or _NOT_FOUND)
    if cases:
        yield Heading(both("手算用例", "Cases worked by hand"))
        yield from _cases(cases)
    if rehearsed is not None:
        yield from _rehearsed(*rehearsed)
    yield from _sources(method)
    yield from _changes(method)


def _facts(package: Package, state: str, grade: Grade) -> Iterator[tuple[Texts, Cell]]:
    method = package.methodology
    yield both("编号", "Identifier"), f"{method.id} {package.version}"
    if method.number is not None:
        yield both("目录编号", "Number in the list"), method.number
    yield both("发布单位", "Issued by"), method.issuer
    yield both("地区", "Region"), region(method.region)
    yield both("状态", "State"), STATES[state]
    if not has_null(method):
        yield both("最低证据等级", "Weakest grade"), GRADES[grade]
    start = method.effective_from.isoformat() if method.effective_from else None
    end = method.effective_to.isoformat() if method.effective_to else None
    yield (
        both("有效期", "In force"),
        both(
            f"{start or '未知'} 至 {end or '另行通知'}",
            f"{start or 'not known'} to {end or 'further notice'}",
        ),
    )
    yield both("活动类型", "Activity types"), ", ".join(method.activity_types)
    yield both("摘要 SHA-256", "Digest SHA-256"), package.digest


def _missing(method: Methodology) -> Iterator[Block]:
    if method.missing:
        yield Heading(both("缺少什么，到哪里取得", "What is missing, and where to get it"))
        header = (both("缺少", "Missing"), both("到哪里取得", "Where to get it"))
        yield Table(header, tuple((gap.what, gap.where) for gap in method.missing))


def _calculation(package: Package) -> Iterator[Block]:
    method = package.methodology
    yield Heading(both("计算", "Calculation"))
    for step, node in package.formula.steps:
        yield Formula(step.label, step.name, node, step.unit)
    divided = both("按天拆分", "divided by days") if method.split == "days" else both("不拆分", "not divided")
    yield Facts(
        (
            (both("结果", "Result"), method.result),
            (both("取整", "Rounding"), both("向下取整到整毫克", "down to whole milligrams")),
            (both("结果为负", "Below zero"), NEGATIVE[method.negative]),
            (both("轧差范围", "Netting"), NETTING[method.netting]),
            (both("跨期记录", "Records of a period"), divided),
        )
    )
    if method.exclusive is not None:
        seconds = method.exclusive.within_s
        apart = both(
            f"时间重叠或相隔不超过 {seconds} 秒" if seconds else "时间重叠",
            f"whose times overlap or are within {seconds} s" if seconds else "whose times overlap",
        )
        yield Paragraph(
            both(
                f"同一行程的多条记录（{apart.zh}即视为同一行程）只计证据最好的一条。",
                f"Records {apart.en} are of one trip, and only the best evidence of it counts.",
            )
        )
    yield Heading(both("输入", "Inputs"), level=3)
    header = (
        both("名称", "Name"),
        both("含义", "Meaning"),
        both("种类", "Kind"),
        both("单位与范围", "Unit, bounds"),
    )
    rows: list[tuple[Cell, ...]] = []
    for spec in method.inputs:
        bounds = f"{spec.unit} {spec.min}–{spec.max}" if spec.min is not None else spec.unit or ""
        rows.append((spec.name, spec.label, KINDS[spec.kind], ", ".join(spec.values) or bounds))
    yield Table(header, tuple(rows))


def _eligibility(method: Methodology) -> Iterator[Block]:
    if not method.eligibility:
        return
    yield Heading(both("资格条件", "Eligibility"))
    header = (
        both("条件", "Condition"),
        both("判断式", "Test"),
        both("判定时间", "Decided"),
        both("等级", "Grade"),
        both("来源", "Source"),
    )
    rows = tuple(_condition(method, predicate) for predicate in method.eligibility)
    yield Table(header, rows, _sandboxed([one.grade for one in method.eligibility]))


def _condition(method: Methodology, one: Predicate) -> tuple[Cell, ...]:
    decided = both("年末", "at year end") if one.decided == "year" else both("逐条", "for each event")
    return one.label, one.test, decided, GRADES[one.grade], _cited(method.source(one.source), one.clause)


def _values(package: Package) -> Iterator[Block]:
    method = package.methodology
    rows: list[tuple[Cell, ...]] = []
    grades: list[Grade | None] = []
    for parameter in method.parameters:
        for value in parameter.values:
            source = _cited(method.source(value.source), value.clause)
            if value.borrowed_from is not None:
                source = both(f"借用自 {value.borrowed_from}", f"borrowed from {value.borrowed_from}")
            rows.append(
                (
                    parameter.name,
                    parameter.label,
                    both("未见", "not found") if value.value is None else f"{value.value} {parameter.unit}",
                    _span(value.effective_from, value.effective_to),
                    "—" if value.grade is None else GRADES[value.grade],
                    source,
                    value.note or "",
                )
            )
            grades.append(value.grade)
    for use in method.factors:
        for edition in package.factor_sets[use.set].editions:
            if use.key in edition.values:
                unit = package.factor_sets[use.set].unit
                year = both(f"{edition.data_year} 年数据", f"data of {edition.data_year}")
                parts = (edition.document, edition.number, edition.address)
                address = ", ".join(text for text in parts if text)
                rows.append(
                    (
                        use.name,
                        use.label,
                        f"{edition.values[use.key]} {unit}",
                        year,
                        GRADES[max(edition.grade, use.use_grade, key=lambda one: one.rank)],
                        plain(address),
                        CHOICES[use.choose],
                    )
                )
                grades.append(max(edition.grade, use.use_grade, key=lambda one: one.rank))
    if rows:
        yield Heading(both("参数", "Values"))
        header = (
            both("名称", "Name"),
            both("含义", "Meaning"),
            both("数值", "Value"),
            both("适用期", "Holds"),
            both("等级", "Grade"),
            both("来源", "Source"),
            both("说明", "Note"),
        )
        yield Table(header, tuple(rows), _sandboxed(grades))


def _parts(method: Methodology) -> Iterator[Block]:
    yield Heading(both("各部分的证据等级", "Grades of the parts"))
    header = (both("部分", "Part"), both("等级", "Grade"), both("来源", "Source"), both("说明", "Note"))
    graded: list[tuple[str, Graded]] = [(name, getattr(method.grades, name)) for name in PARTS]
    rows = tuple(
        (PARTS[name], GRADES[part.grade], _cited(method.source(part.source), None), part.note or "")
        for name, part in graded
    )
    yield Table(header, rows, _sandboxed([part.grade for _, part in graded]))


def _rehearsed(package: Package, cases: tuple[Case, ...]) -> Iterator[Block]:
    if package.overlay is None:
        return
    yield Heading(both("演练用叠加值", "Stand-ins for rehearsal"))
    yield Paragraph(package.overlay.note, mark="sandbox")
    units = {parameter.name: parameter.unit for parameter in package.methodology.parameters}
    header = (
        both("名称", "Name"),
        both("代用数值", "Stand-in"),
        both("借用自", "Borrowed from"),
        both("说明", "Note"),
    )
    rows = tuple(
        (one.parameter, f"{one.value} {units[one.parameter]}", one.borrowed_from or "—", one.note)
        for one in package.overlay.values
    )
    yield Table(header, rows, frozenset(range(len(rows))))
    if cases:
        yield Heading(both("叠加后的手算用例", "Cases with the stand-ins"), level=3)
        yield from _cases(cases)


def _cases(cases: tuple[Case, ...]) -> Iterator[Block]:
    header = (
        both("用例", "Case"),
        both("日期", "Day"),
        both("输入", "Inputs"),
        both("手算", "Working"),
        both("结果", "Result"),
    )
    rows: list[tuple[Cell, ...]] = []
    for case in cases:
        inputs = ", ".join(f"{name} = {value}" for name, value in case.inputs.items())
        rows.append((case.name, case.on.isoformat(), inputs, case.working or "", _told(case)))
    yield Table(header, tuple(rows))


def _told(case: Case) -> Cell:
    if case.expect_refusal is not None:
        code = case.expect_refusal
        return both(f"不予核算：{REFUSALS[code]}", f"no result: {code.replace('-', ' ')}")
    amount = f"{case.expect_mg:,} mg"
    if case.expect_pending:
        return both(f"{amount}，年终判定", f"{amount}, decided at year end")
    return amount


def _sources(method: Methodology) -> Iterator[Block]:
    if not method.sources:
        return
    yield Heading(both("来源", "Sources"))
    header = (
        both("文件", "Document"),
        both("文号", "Number"),
        both("日期", "Dated"),
        both("地址", "Address"),
        both("所见文本", "Read as"),
    )
    rows = tuple(
        (one.document, one.number or "", _day(one.dated), one.address or "", one.read_as or "")
        for one in method.sources
    )
    yield Table(header, rows)


def _changes(method: Methodology) -> Iterator[Block]:
    if not method.changes:
        return
    yield Heading(both("变更记录", "Change log"))
    header = (both("版本", "Version"), both("日期", "Dated"), both("内容", "What changed"))
    rows = tuple((f"v{one.version}", one.dated.isoformat(), one.text) for one in method.changes)
    yield Table(header, rows)


def _cited(source: Source | None, clause: str | None) -> Cell:
    if source is None:
        return "—"
    return ", ".join(text for text in (source.document, source.number, clause) if text)


def _span(start: date | None, end: date | None) -> Cell:
    return both(
        f"{_day(start) or '不限'} 至 {_day(end) or '另行通知'}",
        f"{_day(start) or 'any day'} to {_day(end) or 'further notice'}",
    )


def _day(day: date | None) -> str:
    return "" if day is None else day.isoformat()


def _sandboxed(grades: list[Grade] | list[Grade | None]) -> frozenset[int]:
    return frozenset(place for place, grade in enumerate(grades) if grade is None or grade.is_sandbox)
