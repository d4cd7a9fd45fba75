"""Why a row earned nothing, for the people who read the rejects file. Codes are stable."""

from carbon_credit.events.reasons import REASONS

_FOUND_IN_THE_FILE: dict[str, tuple[str, str]] = {
    "row-malformed": ("列数或引号有误", "The row has the wrong number of fields, or its quoting is broken."),
    "row-repeated": ("与文件中前面的行重复", "The same swipe stands earlier in this file."),
    "row-ignored": ("按映射规则不计入的行", "A row of a kind that the mapping leaves out."),
    "card-missing": ("没有卡号或账号", "The row names no card or account."),
    "no-citizen": ("骑行者文件中没有该行程的用户", "The riders file names no citizen for this trip."),
    "id-missing": ("没有编号", "The row has no id."),
    "type-unknown": ("交易类型未知", "The kind of transaction is not known."),
    "value-unknown": ("取值不在映射的词表中", "A word of the row is not among those of the mapping."),
    "number-missing": ("缺少数值", "A number is missing."),
    "number-malformed": ("数值格式有误", "A number is not written in plain digits."),
    "time-missing": ("缺少时间", "A time is missing."),
    "time-malformed": ("时间格式有误", "A time is not written as the adapter expects it."),
    "time-in-future": ("时间晚于当前时间", "The time lies in the future."),
    "time-ambiguous": (
        "时钟回拨，该时刻出现两次",
        "The clocks were put back: this time came twice, and the row does not say which.",
    ),
    "time-nonexistent": (
        "时钟拨快，该时刻不存在",
        "The clocks were put forward: this time did not exist. Check the time zone.",
    ),
    "end-before-start": ("结束早于开始", "It ends before it begins."),
    "awaiting-end": ("等待结束记录", "It has no end yet; the next file may bring it."),
    "distance-unknown": (
        "公交仅有上车记录，方法学需要乘车距离",
        "A bus boarding has no alighting, so no distance; the methodology needs one.",
    ),
    "no-entry": ("出站没有对应的进站记录", "An exit without an entry within the pairing window."),
    "no-exit": ("进站在配对时限内没有出站记录", "An entry without an exit within the pairing window."),
    "awaiting-exit": ("等待出站记录", "The exit may still come: the pairing window is open."),
    "station-missing": ("没有站名", "A station name is missing."),
    "station-garbled": ("站名乱码", "A station name was spoilt by a lost character encoding."),
    "station-unknown": (
        "线网或站点文件中没有该站",
        "The network or stations file has no such station.",
    ),
    "stations-same": ("起点与终点为同一站", "It begins and ends at the same station."),
    "station-unreachable": ("两站之间没有轨道相连", "No track of the network joins the two stations."),
}
_OF_THE_RUN: dict[str, tuple[str, str]] = {
    "already-reported": ("此前已处理，以首次结果为准", "This ride came before; its first outcome stands."),
    "event-conflict": ("同一编号此前以其他内容报送", "The same ride was reported before with other content."),
}


def reasons_of_rows() -> dict[str, tuple[str, str]]:
    """Code -> (Chinese, English): what may be found in a file, and what a mapping may name."""
    return dict(_FOUND_IN_THE_FILE)


def reason_known(code: str) -> bool:
    """Whether a mapping may give this reason."""
    return code in _FOUND_IN_THE_FILE


def reason_text(code: str) -> tuple[str, str]:
    """(Chinese, English) for a reason code; codes of other subjects read as they are."""
    known = _FOUND_IN_THE_FILE.get(code) or _OF_THE_RUN.get(code)
    if known is None and code in REASONS:
        known = (REASONS[code].zh, REASONS[code].en)
    return known or (f"未计入：{code}", f"Not credited: {code}.")
