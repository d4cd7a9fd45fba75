"""The words of a year's report, in Chinese and English."""

from carbon_credit.kernel.quantity import MG_PER_KG, MG_PER_TONNE
from carbon_credit.methodology.definition import Grade

MG_PER_G = 1_000

WORDS: dict[str, tuple[str, str]] = {
    "title": ("{year} 年度碳减排报告", "My {year} in carbon"),
    "mine": ("属于我的减排量", "Reductions that are mine"),
    "own": ("本人持有", "mine"),
    "passed-on": ("已委托项目申请（不计入本人）", "passed on by mandate (not mine)"),
    "retired": ("已为本人足迹注销", "retired for my own footprint"),
    "retired-of-it": ("其中已为本人足迹注销", "of mine retired for my own footprint"),
    "partner": ("按规则归数据提供方", "the data provider's, by rule"),
    "counted": ("全年核算合计", "counted in the year"),
    "provisional": ("其中暂计", "of it provisional"),
    "provisional-note": (
        "暂计：所属月份尚未关账，数值可能调整。",
        "Provisional: its month is not closed yet, and it may change.",
    ),
    "year-open": ("本年度尚未关账", "this year is not closed yet"),
    "year-closed": ("本年度已关账", "this year is closed"),
    "by-month": ("每月核算减排量", "Counted by month"),
    "by-scene": ("各场景核算减排量", "Counted by scene"),
    "passed-on-too": ("（含已委托部分）", " (passed on too)"),
    "confirmed-bar": ("已确认", "confirmed"),
    "provisional-bar": ("暂计", "provisional"),
    "events": ("绿色行为", "green acts"),
    "times": ("{count} 次", "{count}×"),
    "points-earned": ("获得积分", "points earned"),
    "points-spent": ("使用积分", "points spent"),
    "points-donated": ("捐赠积分", "points donated"),
    "points-expired": ("过期积分", "points expired"),
    "vouchers": ("使用卡券", "vouchers used"),
    "voucher-value": ("卡券价值", "worth"),
    "medals": ("获得勋章", "medals earned"),
    "whose": ("减排量归属", "Whose the reductions are"),
    "points": ("积分与卡券", "Points and vouchers"),
    "like": ("换算参考（仅就属于本人的部分）", "As much as (of what is mine)"),
    "like-note": (
        "换算系数来自所列来源，仅供参考；标有“沙盒”的来源未经核实。",
        "The figures are those of the sources named; those marked sandbox were not verified.",
    ),
    "source": ("来源", "source"),
    "data-year": ("数据年份", "data year"),
    "grade": ("证据等级", "grade"),
    "month": ("月份", "month"),
    "scene": ("场景", "scene"),
    "amount": ("减排量", "reductions"),
    "others": ("其他", "others"),
    "rehearsal": ("演练", "REHEARSAL"),
    "rehearsal-note": (
        "演练数据，不是正式减排量，不得用于任何声明。",
        "A rehearsal: no official reductions, and not to be claimed anywhere.",
    ),
    "sandbox": ("含沙盒参数", "with sandbox values"),
    "sandbox-note": (
        "含沙盒参数：部分结果所用数值尚未由官方文本确认。",
        "With sandbox values: some results rest on figures that no official text confirms yet.",
    ),
    "scope-note": (
        "减排量由本人的绿色行为按方法学逐条核算，可在账户中查询每一条的依据。已委托项目申请或出售的减排量不再属于本人。",
        "Each act was quantified by a methodology and can be explained in the account. What was passed on "
        "to be applied for or sold is no longer one's own.",
    ),
    "nothing": ("这一年还没有记录。", "Nothing was recorded in this year."),
}
GRADES: dict[Grade, tuple[str, str]] = {
    Grade.OFFICIAL: ("官方确认", "official"),
    Grade.PUBLISHED: ("已公布", "published"),
    Grade.SECONDARY: ("二手来源（沙盒）", "secondary (sandbox)"),
    Grade.ASSUMED: ("假定（沙盒）", "assumed (sandbox)"),
}


def word(name: str, language: str, **named: object) -> str:
    """A text in the language, "zh" or "en"."""
    return WORDS[name][0 if language == "zh" else 1].format(**named)


def grade_word(grade: Grade, language: str) -> str:
    """A grade in the language."""
    return GRADES[grade][0 if language == "zh" else 1]


def mass(mg: int, language: str) -> tuple[str, str]:
    """Milligrams as a number and its unit for people, cut off, never rounded up."""
    sign, mg = ("-" if mg < 0 else ""), abs(mg)
    if mg < MG_PER_KG:
        return f"{sign}{mg // MG_PER_G:,}", "克" if language == "zh" else "g"
    if mg < MG_PER_TONNE:
        kilograms, rest = divmod(mg, MG_PER_KG)
        return f"{sign}{kilograms:,}.{rest * 100 // MG_PER_KG:02d}", "千克" if language == "zh" else "kg"
    tonnes, rest = divmod(mg, MG_PER_TONNE)
    return f"{sign}{tonnes:,}.{rest * 1000 // MG_PER_TONNE:03d}", "吨" if language == "zh" else "t"


def mass_text(mg: int, language: str) -> str:
    """Milligrams as one text."""
    return " ".join(mass(mg, language))


def tenths_text(tenths: int) -> str:
    """Tenths of a unit, without a fraction that is nothing."""
    whole, rest = divmod(tenths, 10)
    return f"{whole:,}.{rest}" if rest and whole < 1_000 else f"{whole:,}"


def fen_text(fen: int) -> str:
    """Fen as yuan."""
    return f"¥{fen // 100:,}.{fen % 100:02d}"
