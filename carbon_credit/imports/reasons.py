"""Why a row earned nothing, for the people who read the rejects file. Codes are stable."""

REASONS: dict[str, tuple[str, str]] = {
    # found in the file
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
    # given by the one who credits
    "already-credited": ("此前已处理", "This ride was handed in before; its first outcome stands."),
    "unlinked": ("该卡未绑定碳账户", "The card is not linked to a carbon account."),
    "no-consent": ("用户未授权该场景", "The citizen had not consented to this scene."),
    "outside-window": ("超出报送时限", "Reported outside the time allowed by the programme."),
    "event-conflict": ("同一编号的内容不一致", "The same ride was reported before with other content."),
    "not-in-force": ("当日没有生效的方法学", "No methodology was in force on that day."),
}


def reason_text(code: str) -> tuple[str, str]:
    """(Chinese, English) for a reason code; codes of other subjects read as they are."""
    return REASONS.get(code, (f"未计入：{code}", f"Not credited: {code}."))
