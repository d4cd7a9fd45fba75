"""The coverage page: every methodology, how far it can be used, its grade, and what is missing."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carbon_credit.methodology.definition import Grade, Texts
from carbon_credit.methodology.loader import Package
from carbon_credit.pages.blocks import Block, Cell, Heading, Link, Paragraph, Table, both
from carbon_credit.pages.methodology_page import has_null
from carbon_credit.pages.words import GRADES, STATES

USES: Mapping[str, Texts] = {
    "saleable": both("可出售", "may be sold"),
    "credit": both("可计入，待官方确认后可出售", "credits and shows; for sale once confirmed"),
    "sandbox": both("沙盒：演练、展示或积分", "sandbox: rehearsal, display or points"),
    "draft": both("草案：缺数值，不给出结果", "draft: values are missing, no result"),
}
_NUMBER = re.compile(r"M([0-9]+)([a-z]?)")


@dataclass(frozen=True, slots=True)
class Covered:
    """One version on the coverage page. `used_by`: programme codes."""

    package: Package
    state: str
    grade: Grade
    used_by: tuple[str, ...]

    @property
    def use(self) -> str:
        """What it can be used for at most: a key of USES."""
        if has_null(self.package.methodology):
            return "draft"
        if self.grade.is_sandbox:
            return "sandbox"
        return "saleable" if self.grade is Grade.OFFICIAL else "credit"


def coverage(versions: Sequence[Covered]) -> list[Block]:
    """The page. Overlay versions are told with the version that they complete."""
    overlaid = {
        (one.package.methodology.id, one.package.methodology.version)
        for one in versions
        if one.package.overlay is not None
    }
    listed = sorted((one for one in versions if one.package.overlay is None), key=_place)
    counts = Counter(one.use for one in listed)
    title = both("方法学覆盖情况", "Coverage of the methodologies")
    summary = both(
        "；".join(f"{USES[use].zh}：{counts[use]}" for use in USES if counts[use]) + "。",
        "; ".join(f"{USES[use].en}: {counts[use]}" for use in USES if counts[use]) + ".",
    )
    header = (
        both("编号", "No."),
        both("方法学", "Methodology"),
        both("版本", "Version"),
        both("状态", "State"),
        both("可用于", "Usable for"),
        both("最低等级", "Weakest grade"),
        both("缺少什么", "What is missing"),
        both("演练叠加", "Overlay"),
        both("使用的项目", "Used by"),
    )
    rows = tuple(_row(one, overlaid) for one in listed)
    sandbox = frozenset(place for place, one in enumerate(listed) if one.use in ("sandbox", "draft"))
    return [Heading(title, level=1), Paragraph(summary), Table(header, rows, sandbox)]


def _row(one: Covered, overlaid: set[tuple[str, int]]) -> tuple[Cell, ...]:
    method = one.package.methodology
    missing: Cell = "—"
    if method.missing:
        missing = Texts(
            zh="；".join(gap.what.zh.rstrip("。") for gap in method.missing),
            en="; ".join(gap.what.en.rstrip(".") for gap in method.missing),
        )
    return (
        method.number or "",
        Link(method.title, f"{method.id}/{one.package.version}"),
        one.package.version,
        STATES[one.state],
        USES[one.use],
        "—" if has_null(method) else GRADES[one.grade],
        missing,
        both("有", "yes") if (method.id, method.version) in overlaid else "",
        ", ".join(one.used_by),
    )


def _place(one: Covered) -> tuple[int, str, str, int]:
    method = one.package.methodology
    match = _NUMBER.fullmatch(method.number or "")
    number, letter = (int(match[1]), match[2]) if match else (99, "")
    return number, letter, method.id, method.version
