"""What can be wrong with an event before it is claimed."""

from carbon_credit.kernel.errors import Conflict, Invalid, NotFound


class EventInvalid(Invalid):
    code = "event-invalid"
    en = "The event is not acceptable: {why}. Nothing was recorded; correct it and send it again."
    zh = "事件不合格：{why}。未作任何记录，请更正后重新发送。"


class EventConflict(Invalid):
    code = "event-conflict"
    en = "Event {id} was sent before with other content. Raise its revision to correct it."
    zh = "事件 {id} 此前已以不同内容发送。如需更正，请提高 revision。"


class EventNotFound(NotFound):
    code = "event-not-found"
    en = "This partner has sent no event {id}. Check the id; a refused event is named in its answer."
    zh = "该数据提供方未发送过事件 {id}。请检查编号。"


class EventNotWithdrawable(Conflict):
    code = "event-not-withdrawable"
    en = "Event {id} is {outcome}; only an event that is credited or waits to be can be withdrawn."
    zh = "事件 {id} 的状态为 {outcome}；只有已入账或待入账的事件可以撤回。"
