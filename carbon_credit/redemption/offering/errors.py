"""Why somebody cannot have an offer now, each reason in its own words."""

from collections.abc import Mapping, Sequence

from carbon_credit.kernel.errors import Conflict, Invalid, NotFound
from carbon_credit.redemption.errors import LimitReached, OfferClosed


class OfferNotYetOpen(OfferClosed):
    code = "offer-not-yet-open"
    en = "This offer opens at {opens_at}. No points were taken; come back then."
    zh = "该兑换商品将于 {opens_at} 开放。未扣除积分，请届时再来。"


class OfferOutOfHours(OfferClosed):
    code = "offer-out-of-hours"
    en = "This offer can be had at certain hours only, next from {opens_at}. No points were taken."
    zh = "该兑换商品仅在规定时段开放，下次开放时间为 {opens_at}。未扣除积分。"


class DayLimitReached(LimitReached):
    code = "day-limit-reached"
    en = (
        "This offer can be redeemed {limit} time(s) a day by one person, and that many were. "
        "It is possible again from {again_at}. No points were taken."
    )
    zh = "该商品每人每日限兑 {limit} 次，您今日已达上限，{again_at} 起可再次兑换。未扣除积分。"


class MonthLimitReached(LimitReached):
    code = "month-limit-reached"
    en = (
        "This offer can be redeemed {limit} time(s) a month by one person, and that many were. "
        "It is possible again from {again_at}. No points were taken."
    )
    zh = "该商品每人每月限兑 {limit} 次，您本月已达上限，{again_at} 起可再次兑换。未扣除积分。"


class DistrictOutside(Conflict):
    code = "district-outside"
    en = "This offer is for other districts ({districts}) than the one that you stated. No points were taken."
    zh = "该商品仅面向 {districts} 地区，与您填写的所在地区不符。未扣除积分。"


class DistrictNeeded(DistrictOutside):
    code = "district-needed"
    en = (
        "This offer is for people of certain districts ({districts}), and you have stated none. State yours "
        "with PUT /v1/me/district, then redeem. No points were taken."
    )
    zh = (
        "该商品仅面向 {districts} 地区，您尚未填写所在区县。"
        "请先通过 PUT /v1/me/district 填写，再行兑换。未扣除积分。"
    )


class NotEligible(Conflict):
    code = "not-eligible"
    en = "This offer has a condition that you do not fulfil: {rule_en}. No points were taken."
    zh = "您尚未满足该商品的兑换条件：{rule_zh}。未扣除积分。"


class BudgetExhausted(Conflict):
    code = "budget-exhausted"
    en = "The money that pays for this is used up: {lacking_fen} fen are lacking. Nothing was done."
    zh = "该资金来源余额不足，尚缺 {lacking_fen} 分。未作任何处理。"


class OtherWay(Conflict):
    code = "offer-other-way"
    en = "An offer of this kind ({kind}) is taken up at {address}. No points were taken."
    zh = "该类商品（{kind}）请通过 {address} 办理。未扣除积分。"


class CodesRefused(Invalid):
    code = "codes-refused"
    lines: Sequence[Mapping[str, object]] = ()
    en = "{count} of the codes cannot be taken in, so none was; `details.lines` says which lines and why."
    zh = "有 {count} 个券码无法导入，本次全部未导入；行号和原因见 details.lines。"

    def __init__(self, *, count: int, lines: Sequence[Mapping[str, object]]) -> None:
        self.lines = lines
        super().__init__(count=count, lines=lines)


class CodeFileUnreadable(Invalid):
    code = "code-file-unreadable"
    en = "The file of codes cannot be read: line {line} {why}. Correct it and send it again."
    zh = "券码文件无法读取：第 {line} 行有误（{why}）。请修改后重新提交。"


class DonationAmount(Invalid):
    code = "donation-amount"
    en = "A donation here is of {points} points{or_more}. No points were taken."
    zh = "该捐赠每次为 {points} 积分{or_more_zh}。未扣除积分。"


class BudgetInvalid(Invalid):
    code = "budget-invalid"
    en = "The budget cannot be made like this: {why}. Correct it and send it again."
    zh = "补贴预算内容不合规：{why}。请修改后重新提交。"


class BudgetNotFound(NotFound):
    code = "budget-not-found"
    en = "There is no such budget of a subsidy in this programme. Take one from the list of budgets."
    zh = "本项目中没有该补贴预算。请从预算列表中选择。"


class BudgetTaken(Conflict):
    code = "budget-taken"
    en = "The programme has a budget of this name for the fiscal year {fiscal_year}. Add money to that one."
    zh = "本项目 {fiscal_year} 财政年度已有同名预算，请向该预算追加资金。"


class SubsidyNotFound(NotFound):
    code = "subsidy-not-found"
    en = "There is no such application for a subsidy for this caller. Check the id."
    zh = "未找到该补贴申请。请检查编号。"


class SubsidyDecided(Conflict):
    code = "subsidy-decided"
    en = "This application is {state} already. Read it again."
    zh = "该补贴申请已处理（{state}）。请重新查看。"


class SubsidyDocument(Invalid):
    code = "subsidy-document"
    en = "This is not a number of an invoice or an appliance: it has 4 to 40 letters and digits."
    zh = "发票号码或产品序列号有误：应为 4 至 40 位字母或数字。"


class SubsidyDocumentUsed(Conflict):
    code = "subsidy-document-used"
    en = "A subsidy was asked for with this number already. One invoice or appliance gets one subsidy."
    zh = "该发票号码或产品序列号已申请过补贴。每张发票或每台产品仅限一次。"


class SubsidyPersonCap(Conflict):
    code = "subsidy-person-cap"
    en = "One person gets at most {cap_fen} fen of this budget, and you have {had_fen}. Nothing was taken."
    zh = "该预算每人最多补贴 {cap_fen} 分，您已获 {had_fen} 分。未扣除积分。"


class NameNotMasked(Invalid):
    code = "name-not-masked"
    en = "The public list shows masked names only: write it with asterisks, like W**, or leave it out."
    zh = "公示名单仅显示隐名：请用星号隐去部分姓名（如 王**），或留空。"
