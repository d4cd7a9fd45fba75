"""What caps, corrections and versions are called, for people: (English, Chinese)."""

from carbon_credit.methodology.definition import Texts

_TOOK = {
    "cap-events": ("The programme counts only so many of these a day; this one came after.",
                   "该项目每日计入次数有上限，本次已超出。"),
    "cap-mg": ("The programme counts only so much of this a day; the rest is not credited.",
               "该项目每日计入减排量有上限，超出部分不计入。"),
    "cap-scene": ("The programme counts only so much of this scene a day; the rest is not credited.",
                  "该项目对该场景每日计入量有上限，超出部分不计入。"),
    "cap-person": ("The programme counts only so much of one person a day; the rest is not credited.",
                   "该项目对每人每日计入量有上限，超出部分不计入。"),
    "cap-year": ("The programme counts only so much of one person a year; the rest is not credited.",
                 "该项目对每人每年计入量有上限，超出部分不计入。"),
    "cap-programme": ("The programme counts only so much of all people a day; the rest is not credited.",
                      "该项目每日计入总量有上限，超出部分不计入。"),
    "netting": ("Results below zero were set off against this one.",
                "负的结果已与本次抵减。"),
    "overlap": ("A better record of the same trip counts instead.",
                "同一行程已由更可靠的记录计入。"),
}  # fmt: skip
_ENDED = {
    "withdrawn": ("The event was withdrawn by who reported it.", "事件已由数据提供方撤回。"),
    "superseded": ("A corrected report of the event has replaced this one.", "事件已被更正后的报告取代。"),
}
_CHANGED = {
    "cap": ("a cap, at the closing of the period", "关账时按上限调整"),
    "settled": ("what was done on the days before was completed", "历史数据补齐后重新计算"),
    "decided": ("decided with the facts of the whole year", "按全年数据核定资格条件"),
    "ineligible": ("not eligible by the facts of the whole year", "按全年数据不符合资格条件"),
    "requantified": ("computed again by the version that governs the day now", "按现行适用版本重新核算"),
    "withdrawn": ("the event was withdrawn", "事件已撤回"),
    "superseded": ("a corrected report replaced it", "已被更正后的报告取代"),
    "claw-back": ("taken back", "追回"),
}


def taken_by(code: str | None) -> Texts | None:
    """What a cap, netting or a better record took, as a sentence."""
    return _texts(_TOOK[code]) if code in _TOOK else None


def ended_by(reason: str | None) -> Texts | None:
    """How a reduction ended, as a sentence."""
    return _texts(_ENDED[reason]) if reason in _ENDED else None


def changed_by(reason: str) -> Texts:
    """Why a reduction was corrected or computed again."""
    return _texts(_CHANGED.get(reason) or _TOOK[reason])


def _texts(pair: tuple[str, str]) -> Texts:
    return Texts(en=pair[0], zh=pair[1])
