"""What can go wrong with boards and reports."""

from carbon_credit.kernel.errors import Invalid, NotFound


class NicknameInvalid(Invalid):
    code = "nickname-invalid"
    en = "This nickname cannot be shown: {why}. Choose 1 to 16 visible characters; it need not be your name."
    zh = "该昵称无法展示：{why}。请使用 1 至 16 个可见字符，无需使用真实姓名。"


class NotOnBoard(NotFound):
    code = "not-on-board"
    en = "You are on no board. Join one first, or name the district to look at."
    zh = "您尚未加入排行榜。请先加入，或指定要查看的区县。"


class BoardNotFound(NotFound):
    code = "board-not-found"
    en = "There is no board of {month} in this programme: no day of that month is closed yet."
    zh = "本项目没有 {month} 的排行榜：该月尚无已关账的日期。"


class YearNotFound(NotFound):
    code = "report-year-not-found"
    en = "There is no report of {year}: that year has not begun. Ask for this year or an earlier one."
    zh = "没有 {year} 年的报告：该年尚未开始。请查询今年或以前的年份。"
