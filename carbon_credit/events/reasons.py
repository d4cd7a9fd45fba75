"""Why an event was not credited: a closed list. A retryable refusal may be sent again, same id."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """A stable code, whether the same id may come again, and the sentence in both languages."""

    code: str
    retryable: bool
    en: str
    zh: str


_ALL = (
    Reason(
        "unlinked",
        True,
        "No citizen is linked to this card, phone or account. Link it first, then send the event again.",
        "该卡、手机或账户尚未关联用户。请先关联，再重新发送。",
    ),
    Reason(
        "outside-window",
        True,
        "The event is older than the programme accepts from this channel. Ask the operator for a back-fill.",
        "事件已超出项目的受理期限。请联系运营方补录。",
    ),
    Reason(
        "closed-period",
        False,
        "The period in which this happened is closed, and the programme takes nothing more for it.",
        "该行为所属的核算期已关账，本项目不再受理。",
    ),
    Reason(
        "partner-suspended",
        True,
        "This partner is suspended. Nothing is lost: send the event again when it is active.",
        "该数据提供方已被暂停。恢复后请重新发送。",
    ),
    Reason(
        "programme-closed",
        True,
        "The programme does not accept events in its present phase.",
        "该碳普惠项目当前阶段不受理事件。",
    ),
    Reason(
        "no-consent",
        False,
        "At the time of the event the citizen had given this partner no consent for this scene.",
        "事件发生时，用户未就该场景向该数据提供方授予同意。",
    ),
    Reason(
        "citizen-closed",
        False,
        "The citizen's carbon account is closed.",
        "该用户的碳账户已注销。",
    ),
    Reason(
        "no-methodology",
        False,
        "No methodology of this programme was in force for this activity when it happened.",
        "事件发生时，该项目没有适用于此行为的有效方法学。",
    ),
    Reason(
        "input-missing",
        False,
        "The methodology in force needs a value that the event does not carry.",
        "现行方法学所需的数据在事件中缺失。",
    ),
    Reason(
        "input-out-of-bounds",
        False,
        "A value lies outside the bounds of the methodology in force.",
        "数据超出现行方法学规定的范围。",
    ),
    Reason(
        "not-eligible",
        False,
        "A condition of the methodology in force does not hold for this activity or this citizen.",
        "该行为或该用户不符合现行方法学的适用条件。",
    ),
    Reason(
        "fact-missing",
        True,
        "The methodology in force asks for something about the citizen that was not stated for that day. "
        "State it, then send the event again.",
        "现行方法学需要该用户当日的某项信息，但尚未登记。请先登记，再重新发送。",
    ),
    Reason(
        "value-expired",
        True,
        "A value of the methodology in force is past its validity. It is not extended silently: the operator "
        "has to publish a newer one. Then send the event again.",
        "现行方法学中的某个数值已过有效期，系统不会自行延用。请待运营方发布新值后重新发送。",
    ),
    Reason(
        "scene-approval-ended",
        False,
        "The authority's approval of this scene had ended when the activity happened.",
        "行为发生时，主管部门对该场景的批准已到期。",
    ),
    Reason(
        "occupant-unknown",
        True,
        "Nobody is known to have lived behind this meter on that day. State its occupant, then send the "
        "event again.",
        "该计量表当日没有登记住户。请先登记住户，再重新发送。",
    ),
    Reason(
        "not-quantifiable",
        False,
        "The methodology in force cannot quantify this event.",
        "现行方法学无法量化该事件。",
    ),
)

REASONS = {reason.code: reason for reason in _ALL}
