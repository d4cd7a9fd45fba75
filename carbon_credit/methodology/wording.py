"""The words of an explanation, in Chinese and English."""

from carbon_credit.methodology.definition import Grade, Texts

GRADES = {
    Grade.OFFICIAL: Texts(zh="官方确认", en="official"),
    Grade.PUBLISHED: Texts(zh="已公布", en="published"),
    Grade.SECONDARY: Texts(zh="二手来源（沙盒）", en="secondary (sandbox)"),
    Grade.ASSUMED: Texts(zh="假定（沙盒）", en="assumed (sandbox)"),
}
WORDS = {
    "methodology": Texts(zh="方法学", en="Methodology"),
    "digest": Texts(zh="摘要", en="Digest"),
    "day": Texts(zh="行为日期", en="Day of the activity"),
    "period": Texts(zh="有效期", en="In force"),
    "unknown": Texts(zh="未知", en="not known"),
    "further": Texts(zh="至今", en="until further notice"),
    "declared": Texts(
        zh="演练声明：按该版本首日计算", en="Rehearsal declares the version in force earlier; taken as on"
    ),
    "inputs": Texts(zh="输入", en="Inputs"),
    "values": Texts(zh="参数", en="Values"),
    "source": Texts(zh="来源", en="source"),
    "grade": Texts(zh="证据等级", en="grade"),
    "year": Texts(zh="数据年份", en="data year"),
    "borrowed": Texts(zh="借用自", en="borrowed from"),
    "overlay": Texts(zh="演练叠加值（仅供演练，不可售）", en="Overlay of a rehearsal (never for sale)"),
    "eligibility": Texts(zh="适用条件", en="Conditions"),
    "holds": Texts(zh="符合", en="holds"),
    "fails": Texts(zh="不符合", en="does not hold"),
    "pending": Texts(zh="年终判定，暂计", en="decided at the end of the year; counts provisionally"),
    "unknown-value": Texts(zh="无法判定：缺少参数值", en="cannot be decided: a value is missing"),
    "steps": Texts(zh="计算", en="Steps"),
    "rounding": Texts(zh="取整：向下取整到整毫克", en="Rounding: down to whole milligrams"),
    "result": Texts(zh="减排量", en="Reduction"),
    "refused": Texts(zh="不予核算", en="No result"),
}
# The symbols that only this software has, and those that are English words.
UNITS = {
    "pm": Texts(zh="人·米", en="passenger-m"),
    "pkm": Texts(zh="人·公里", en="passenger-km"),
    "vm": Texts(zh="车·米", en="vehicle-m"),
    "vkm": Texts(zh="车·公里", en="vehicle-km"),
    "passenger": Texts(zh="人", en="passenger"),
    "person": Texts(zh="人", en="person"),
    "vehicle": Texts(zh="辆", en="vehicle"),
    "household": Texts(zh="户", en="household"),
    "trip": Texts(zh="次", en="trip"),
    "step": Texts(zh="步", en="step"),
    "item": Texts(zh="件", en="item"),
    "day": Texts(zh="日", en="day"),
    "year": Texts(zh="年", en="year"),
}
NETTING = {
    "day": Texts(zh="负值保留，并与同一日的其他结果相抵", en="Below zero is kept and set off within the day"),
    "month": Texts(
        zh="负值保留，并与同一月的其他结果相抵", en="Below zero is kept and set off within the month"
    ),
    "year": Texts(
        zh="负值保留，并与同一年的其他结果相抵", en="Below zero is kept and set off within the year"
    ),
}
SPLIT = Texts(
    zh="跨期的记录在版本、入住和年度的分界日按天拆分",
    en="A record of a period is divided by days where version, occupancy or year changes",
)
EXCLUSIVE = Texts(
    zh="同一行程的多条记录只计证据最好的一条（相隔不超过 {} 秒）",
    en="Of records of one trip, up to {} seconds apart, only the best evidence counts",
)
REFUSALS = {
    "input-missing": "缺少方法学所需的输入",
    "input-unknown": "方法学不读取该输入",
    "input-not-integer": "输入必须为整数",
    "input-out-of-bounds": "输入超出允许范围",
    "input-not-listed": "输入不在允许的选项内",
    "not-eligible": "不符合适用条件",
    "not-in-force": "该版本在此日期无效",
    "value-missing": "该日期没有已知的参数值",
    "value-expired": "最后一个已知的参数值已过有效期，不予沿用",
    "division-by-zero": "公式以零作除数",
    "negative-result": "结果为负，方法学不予计入",
    "result-out-of-bounds": "结果超出账户可容纳的范围",
}
