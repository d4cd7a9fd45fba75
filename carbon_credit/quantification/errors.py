"""What can be wrong with closing a period or asking for a reduction."""

from carbon_credit.kernel.errors import Conflict, NotFound


class PeriodNotOver(Conflict):
    code = "period-not-over"
    en = "{period} is not over yet where {programme} lives. Close it when it is."
    zh = "{programme} 所在时区的 {period} 尚未结束，结束后再关账。"


class PeriodClosed(Conflict):
    code = "period-closed"
    en = "{period} of {programme} is closed already. Later corrections go into the next period."
    zh = "{programme} 的 {period} 已关账。后续更正计入下一期间。"


class ReductionNotFound(NotFound):
    code = "reduction-not-found"
    en = "There is no reduction {id} for this caller. Check the id; /v1/me/reductions lists yours."
    zh = "未找到减排量记录 {id}。请检查编号；/v1/me/reductions 可列出本人的记录。"


class DaysOpen(Conflict):
    code = "days-open"
    en = "{period} cannot be closed: these of its days are open: {days}. Close the days first."
    zh = "{period} 无法关账：以下日期尚未关账：{days}。请先关闭这些日期。"
