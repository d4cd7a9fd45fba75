"""What the ledger refuses. Messages name kinds of account, never whose they are."""

from carbon_credit.kernel.errors import Conflict, Invalid, NotFound


class OutsideChart(Invalid):
    code = "outside-chart"
    en = "The chart of accounts does not allow this posting: {why}. Use or add a code that does."
    zh = "会计科目表不允许该记账：{why}。请使用允许的业务代码，或先在科目表中登记。"


class TransferInvalid(Invalid):
    code = "transfer-invalid"
    en = "This transfer cannot be posted: {why}."
    zh = "该笔转账无法记账：{why}。"


class TransferConflict(Conflict):
    code = "transfer-conflict"
    en = "This transfer id was used for another content. Use a new id for a new transfer."
    zh = "该转账编号已用于内容不同的另一笔转账。新转账请使用新的编号。"


class TransferUnknown(NotFound):
    code = "transfer-unknown"
    en = "There is no posted transfer with this id. Check the id."
    zh = "没有该编号的已记账转账。请检查编号。"


class InsufficientBalance(Conflict):
    code = "insufficient-balance"
    en = "The {kind} account has less {asset} available than this takes. Take less, or wait for more."
    zh = "{kind} 账户的可用 {asset} 不足。请减少数量，或等待余额增加。"


class DebtOverpaid(Conflict):
    code = "debt-overpaid"
    en = "The {kind} account owes less {asset} than this pays back. Pay back what is owed and no more."
    zh = "{kind} 账户所欠 {asset} 少于本次偿还数。请按实际欠数偿还。"


class AmountTooLarge(Invalid):
    code = "amount-too-large"
    en = "The {kind} account cannot hold this much {asset}. Check the unit of the amount."
    zh = "{kind} 账户无法容纳如此多的 {asset}。请检查数量的单位。"


class HoldUnknown(NotFound):
    code = "hold-unknown"
    en = "There is no held transfer with this id. Check the id."
    zh = "没有该编号的冻结转账。请检查编号。"


class HoldResolved(Conflict):
    code = "hold-resolved"
    en = "This hold was already {outcome}. A hold ends once."
    zh = "该冻结已处理（{outcome}）。每笔冻结只能处理一次。"


class HoldExpired(Conflict):
    code = "hold-expired"
    en = "This hold is past its time and can no longer be settled. Hold again."
    zh = "该冻结已过期，不能再结算。请重新发起。"


class HoldExceeded(Invalid):
    code = "hold-exceeded"
    en = "More would be settled than is held. Settle at most the held amount."
    zh = "结算数量超过冻结数量。最多只能结算冻结的数量。"


class ReversalExceeded(Conflict):
    code = "reversal-exceeded"
    en = "More would be reversed than this transfer moved. Reverse at most what is left of it."
    zh = "冲正数量超过原转账的剩余数量。最多只能冲正剩余部分。"


class RangeSealed(Conflict):
    code = "range-sealed"
    en = "The id of this transfer is older than the last sealed block. Make a new id and post again."
    zh = "该转账编号早于最近一次封存的区块。请生成新编号后重新记账。"


class NotMonthEnd(Invalid):
    code = "not-month-end"
    en = "Opening balances follow the last day of a month; {day} is not one. Give the last day."
    zh = "期初余额只能在月末之后生成；{day} 不是月末。请提供月末日期。"
