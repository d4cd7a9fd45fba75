"""What can go wrong between a merchant's month and its money."""

from carbon_credit.kernel.errors import Broken, Conflict, Forbidden, Invalid, NotFound


class MonthNotOver(Conflict):
    code = "settlement-month-open"
    en = "The month {month} is not over in {programme} yet, so it cannot be settled. Ask from {from_day} on."
    zh = "{programme} 的 {month} 尚未结束，不能结算。请于 {from_day} 起再试。"


class LaterMonthSettled(Conflict):
    code = "later-month-settled"
    en = "This merchant has a statement of {month} already. What came late goes on the next one."
    zh = "该商户已有 {month} 的对账单。迟到的核销将计入下一期。"


class StatementNotFound(NotFound):
    code = "statement-not-found"
    en = "There is no such statement for this caller. Take one from the list of statements."
    zh = "未找到该对账单。请从对账单列表中选择。"


class StatementState(Conflict):
    code = "statement-state"
    en = "The statement is {state}, so {step} cannot be done now. Possible: {allowed}."
    zh = "该对账单当前状态为 {state}，不能执行 {step}。可执行：{allowed}。"


class DisputesOpen(Conflict):
    code = "disputes-open"
    en = "The statement has {count} dispute(s) that the operator has not answered. Wait for the answer."
    zh = "该对账单有 {count} 项异议尚未答复，请等待运营方答复。"


class DisputeExists(Conflict):
    code = "dispute-exists"
    en = "There is an open dispute about this offer on this statement already. Wait for its answer."
    zh = "该对账单的该商品已有未答复的异议，请等待答复。"


class DisputeNotFound(NotFound):
    code = "dispute-not-found"
    en = "There is no such dispute for this caller. Take one from the list of disputes."
    zh = "未找到该异议。请从异议列表中选择。"


class DisputeAnswered(Conflict):
    code = "dispute-answered"
    en = "The dispute was answered already. Its answer stands; the merchant may dispute the next statement."
    zh = "该异议已答复，答复有效。商户可就下一期对账单提出异议。"


class LineUnknown(Invalid):
    code = "statement-line-unknown"
    en = "The statement has no line of this offer. Take an offer that is on it."
    zh = "该对账单没有此商品的明细。请选择对账单上的商品。"


class AnswerForbidden(Forbidden):
    code = "answer-forbidden"
    en = "Who issued the statement or raised the dispute may not answer it. Ask another operator."
    zh = "对账单的出具人、异议的提出人不得答复该异议。请由其他运营人员答复。"


class AdjustmentUnfunded(Invalid):
    code = "adjustment-unfunded"
    en = "The merchant itself pays for this offer, so there is no money to adjust. Answer with 0 fen."
    zh = "该商品由商户自行承担，没有可调整的款项。请以 0 分答复。"


class TermsTaken(Conflict):
    code = "terms-taken"
    en = "The merchant has terms from {day} on already. Terms do not change; give a later day."
    zh = "该商户已有自 {day} 起生效的条款。条款不可更改，请使用更晚的日期。"


class TermsBackdated(Conflict):
    code = "terms-backdated"
    en = "The terms would begin on {day}, in a month that has a statement. They can begin on {from_day}."
    zh = "条款生效日 {day} 所在月份已出对账单。最早可自 {from_day} 起生效。"


class PayeeNotFound(NotFound):
    code = "payee-not-found"
    en = "There is no such payee of this merchant. Record one first."
    zh = "该商户没有此收款账户。请先登记。"


class PayeeConfirmForbidden(Forbidden):
    code = "payee-confirm-forbidden"
    en = "Who recorded a payee may not confirm it. Another operator compares it with the document."
    zh = "登记收款账户的人员不得自行确认。请由另一名运营人员核对凭证后确认。"


class InvoiceTaken(Conflict):
    code = "invoice-taken"
    en = "An invoice of this number stands for another statement already. Give the number of its own invoice."
    zh = "该发票号码已用于另一份对账单。请填写本期对账单对应的发票号码。"


class NothingToPay(Conflict):
    code = "nothing-to-pay"
    en = "No statement is ready to be paid: {waiting} wait for an invoice or a confirmed payee."
    zh = "没有可付款的对账单：{waiting} 份尚缺发票或已确认的收款账户。"


class PaymentFileNotFound(NotFound):
    code = "payment-file-not-found"
    en = "There is no such payment file in this programme. Take one from the list."
    zh = "本项目没有该付款文件。请从列表中选择。"


class ConfirmationsUnreadable(Invalid):
    code = "confirmations-unreadable"
    en = "The confirmations cannot be read: {why}. Send CSV with the columns {columns}."
    zh = "付款回单文件无法读取：{why}。请提交含以下列的 CSV：{columns}。"


class RunNotFound(NotFound):
    code = "settlement-not-found"
    en = "The month {month} was not settled in this programme. Ask for it with POST /v1/settlements."
    zh = "本项目尚未结算 {month}。请使用 POST /v1/settlements 发起。"


class StatementDiffers(Broken):
    code = "statement-differs"
    en = "The ledger has {ledger_fen} fen for this merchant, its statements {told_fen}. Run ledger audit."
    zh = "该商户的账本余额为 {ledger_fen} 分，对账单合计为 {told_fen} 分，二者不符。请运行 ledger audit。"
