"""Fixed words of the pages, in both languages."""

from collections.abc import Mapping

from carbon_credit.methodology.definition import FactorRule, Grade, Texts
from carbon_credit.pages.blocks import both

GRADES: Mapping[Grade, Texts] = {
    Grade.OFFICIAL: both("官方确认", "official"),
    Grade.PUBLISHED: both("已公布", "published"),
    Grade.SECONDARY: both("二手（沙盒）", "secondary (sandbox)"),
    Grade.ASSUMED: both("假定（沙盒）", "assumed (sandbox)"),
}
REGIONS: Mapping[str, str] = {
    "全国": "China", "北京": "Beijing", "天津": "Tianjin", "河北": "Hebei", "上海": "Shanghai",
    "浙江": "Zhejiang", "绍兴": "Shaoxing", "武汉": "Wuhan", "广东": "Guangdong", "广州": "Guangzhou",
    "深圳": "Shenzhen", "中山": "Zhongshan",
}  # fmt: skip
STATES: Mapping[str, Texts] = {
    "draft": both("草案", "draft"),
    "published": both("已发布", "published"),
    "retired": both("已停用", "retired"),
}
KINDS: Mapping[str, Texts] = {
    "integer": both("事件中的数量", "quantity of the event"),
    "enum": both("选项", "word"),
    "event": both("事件本身", "the event itself"),
    "history": both("本人此前的记录", "the citizen's own records before"),
    "fact": both("已知的用户或住户情况", "known about citizen or household"),
    "evidence": both("证据种类", "kind of evidence"),
}
NEGATIVE: Mapping[str, Texts] = {
    "refuse": both("不予核算", "no result"),
    "zero": both("计为零", "counts as zero"),
    "keep": both("保留，在轧差范围内相抵", "kept, and set off within the netting"),
}
NETTING: Mapping[str, Texts] = {
    "event": both("逐条", "each event by itself"),
    "day": both("同一天", "within a day"),
    "month": both("同一月", "within a month"),
    "year": both("同一年", "within a year"),
}
PARTS: Mapping[str, Texts] = {
    "formula": both("公式", "formula"),
    "eligibility": both("资格条件", "eligibility"),
    "caps": both("上限", "caps"),
    "rounding": both("取整", "rounding"),
    "validity": both("有效期", "validity"),
}
CHOICES: Mapping[FactorRule, Texts] = {
    FactorRule.LATEST_PUBLISHED: both("取当日已公布的最新年份", "the newest year published by the day"),
    FactorRule.YEAR_OF_ACTIVITY: both("取行为当年", "the year of the activity"),
    FactorRule.YEAR_OF_ACTIVITY_OR_BEFORE: both(
        "取行为当年；未公布时取此前最近一年", "the year of the activity, or the newest one before it"
    ),
}


def region(name: str) -> Texts:
    """A region, or several with 、 between them. One without an English name here stands as it is."""
    parts = name.split("、")
    return both(name, ", ".join(REGIONS.get(part, part) for part in parts))
