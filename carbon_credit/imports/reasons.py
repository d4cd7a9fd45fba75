"""Why a row earned nothing, for the people who read the rejects file. Codes are stable."""

from carbon_credit.events.reasons import REASONS

_FOUND_IN_THE_FILE: dict[str, tuple[str, str]] = {
    "row-malformed": ("列数或引号有误", "The row has the wrong number of fields, or its quoting is broken."),
    "row-repeated": ("与文件中前面的行重复", "The same swipe stands earlier in this file."),
    "card-missing": ("没有卡号", "The row names no card."),
    "type-unknown": ("交易类型未知", "The kind of transaction is not known."),
    "time-malformed": ("时间格式有误", "The time is not written as YYYY-MM-DD hh:mm:ss."),
    "time-in-future": ("时间晚于当前时间", "The time lies in the future."),
    "distance-unknown": (
        "公交仅有上车记录，方法学需要乘车距离",
        "A bus boarding has no alighting, so no distance; the methodology needs one.",
    ),
    "no-entry": ("出站没有对应的进站记录", "An exit without an entry within the pairing window."),
    "no-exit": ("进站在配对时限内没有出站记录", "An entry without an exit within the pairing window."),
    "awaiting-exit": ("等待出站记录", "The exit may still come: the pairing window is open."),
    "station-missing": ("没有站名", "A station name is missing."),
    "station-garbled": ("站名乱码", "A station name was spoilt by a lost character encoding."),
    "station-unknown": ("线网中没有该站", "The metro network has no such station."),
    "stations-same": ("进出站为同一站", "Entry and exit are at the same station."),
    "station-unreachable": ("两站之间没有轨道相连", "No track of the network joins the two stations."),
}
_OF_THE_RUN: dict[str, tuple[str, str]] = {
    "already-reported": ("此前已处理，以首次结果为准", "This ride came before; its first outcome stands."),
    "event-conflict": ("同一编号此前以其他内容报送", "The same ride was reported before with other content."),
}


def reason_text(code: str) -> tuple[str, str]:
    """(Chinese, English) for a reason code; codes of other subjects read as they are."""
    known = _FOUND_IN_THE_FILE.get(code) or _OF_THE_RUN.get(code)
    if known is None and code in REASONS:
        known = (REASONS[code].zh, REASONS[code].en)
    return known or (f"未计入：{code}", f"Not credited: {code}.")
