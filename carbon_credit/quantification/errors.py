"""What can be wrong with closing a period or asking for a reduction."""

from carbon_credit.kernel.errors import Conflict, Invalid, NotFound, TooLarge


class PeriodNotOver(Conflict):
    code = "period-not-over"
    en = "{period} is not over yet where {programme} lives. Close it when it is."
    zh = "{programme} 所在时区的 {period} 尚未结束，结束后再关账。"


class EventsWaiting(Conflict):
    code = "events-waiting"
    en = (
        "{period} cannot be closed: {count} event(s) of it wait to be credited, the last from {due} on. "
        "Close it after that; `carbon-credit sweep waiting` credits what is due."
    )
    zh = (
        "{period} 无法关账：尚有 {count} 条事件待入账，最晚可入账时间为 {due}。届时再关账；"
        "`carbon-credit sweep waiting` 可立即处理到期事件。"
    )


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


class EarlierDayOpen(Conflict):
    code = "earlier-day-open"
    en = (
        "{day} of {programme} cannot be closed before {earlier}, on which there is activity: what counts on "
        "a day follows from the days before it (a cap of the year, a history, netting over a month). "
        "Close {earlier} first."
    )
    zh = (
        "{programme} 的 {day} 不能先于 {earlier} 关账，该日有活动数据：当日计入量取决于此前各日"
        "（年度上限、历史用量或按月净额）。请先关闭 {earlier}。"
    )


class MonthsOpen(Conflict):
    code = "months-open"
    en = "{period} cannot be closed: these of its months are open: {months}. Close the months first."
    zh = "{period} 无法关账：以下月份尚未关账：{months}。请先关闭这些月份。"


class PeriodUnclear(Invalid):
    code = "period-unclear"
    en = (
        "{period!r} is no period of at most ten years. Write a day 2026-10-05, a month 2026-10, a quarter "
        "2026-Q4, a year 2026, or days 2026-10-01..2026-10-15."
    )
    zh = (
        "{period!r} 不是有效期间（最长十年）。可写作：日 2026-10-05、月 2026-10、季度 2026-Q4、年 2026，"
        "或起止日 2026-10-01..2026-10-15。"
    )


class VersionNotGoverning(Conflict):
    code = "version-not-governing"
    en = (
        "{name} governs nothing of {programme} in {period}, so nothing can be posted by it: {why}. Publish "
        "it (two operators) with `supersedes`, or bind it in the programme; until then leave out --apply."
    )
    zh = (
        "{name} 在 {period} 不适用于 {programme} 的任何行为，无法据此记账：{why_zh}。"
        "请先由两名运营人员发布（并注明 supersedes）或在项目中绑定；此前可不加 --apply 试算。"
    )


class ReportDiffers(Conflict):
    code = "report-differs"
    en = (
        "What would be posted for {what} is not what report {given} says: something has changed since, by a "
        "withdrawal, a closing, a batch or the catalogue. Posted so far: {posted_mg} mg. Run it again "
        "without --apply, read the report, and apply with its digest."
    )
    zh = (
        "{what} 待记账的内容与报告 {given} 不一致：试算之后数据已有变化（撤回、关账、入批或目录变更）。"
        "此前已记账 {posted_mg} mg。请去掉 --apply 重新试算，核对后用新的摘要执行。"
    )


class DryRunTooLarge(TooLarge):
    code = "dry-run-too-large"
    en = (
        "{found} reductions would have to be computed again; an answer over HTTP is for at most {limit}. "
        "Ask for a shorter period, or run `carbon-credit methodology dry-run`."
    )
    zh = (
        "需重新计算 {found} 条减排量，HTTP 同步应答最多 {limit} 条。"
        "请缩短期间，或使用命令 carbon-credit methodology dry-run。"
    )
