"""What can go wrong between a citizen, an offer and a till."""

from carbon_credit.kernel.errors import Busy, Conflict, Forbidden, Invalid, NotFound


class OfferNotFound(NotFound):
    code = "offer-not-found"
    en = "There is no such offer in this programme. Take one from the list of open offers."
    zh = "本项目中没有该兑换商品。请从可兑换列表中选择。"


class OfferInvalid(Invalid):
    code = "offer-invalid"
    en = "The offer cannot be made like this: {why}. Correct it and send it again."
    zh = "兑换商品内容不合规：{why}。请修改后重新提交。"


class OfferState(Conflict):
    code = "offer-state"
    en = "The offer is {state}, so this cannot be done to it. Read the offer again."
    zh = "该兑换商品当前状态为 {state}，不能执行此操作。请重新查看该商品。"


class ApprovalForbidden(Forbidden):
    code = "approval-forbidden"
    en = "Only an operator of the programme may approve an offer. Ask one."
    zh = "仅项目运营方可审批兑换商品，请联系运营方。"


class OfferClosed(Conflict):
    code = "offer-closed"
    en = "This offer is not open now. No points were taken; choose another one."
    zh = "该兑换商品当前未开放。未扣除积分，请选择其他商品。"


class OfferExhausted(Conflict):
    code = "offer-exhausted"
    en = "The last piece of this offer has been given. No points were taken; choose another one."
    zh = "该兑换商品已被领完。未扣除积分，请选择其他商品。"


class LimitReached(Conflict):
    code = "limit-reached"
    en = "This offer can be redeemed {limit} time(s) by one person, and that many were. No points were taken."
    zh = "该商品每人限兑 {limit} 次，您已达上限。未扣除积分。"


class MerchantInactive(Conflict):
    code = "merchant-inactive"
    en = "This is not a merchant, or it takes no part at present. Ask the operator of the programme."
    zh = "该机构不是商户，或当前不可用。请联系项目运营方。"


class RedemptionNotFound(NotFound):
    code = "redemption-not-found"
    en = "There is no such redemption for this caller. Check the id."
    zh = "未找到该兑换记录。请检查编号。"


class VoucherInvalid(Invalid):
    code = "voucher-invalid"
    en = "This is not a voucher code: a character is wrong or missing. Scan or type it again."
    zh = "券码有误：有字符错误或缺失。请重新扫描或输入。"


class VoucherForged(Invalid):
    code = "voucher-forged"
    en = (
        "This voucher was not signed by the programme. Do not take it; ask the citizen to show it in the app."
    )
    zh = "该券签名无效，并非本项目签发。请勿受理，请用户在应用中出示。"


class VoucherNotFound(NotFound):
    code = "voucher-not-found"
    en = "There is no such voucher at this merchant. Check that it is for this shop."
    zh = "本商户没有该券。请确认该券适用于本店。"


class VoucherConsumed(Conflict):
    code = "voucher-consumed"
    en = "This voucher has been used already, at {resolved_at} ({till}). It cannot be used again."
    zh = "该券已于 {resolved_at} 使用（{till}），不能重复使用。"


class VoucherCancelled(Conflict):
    code = "voucher-cancelled"
    en = "This voucher was cancelled at {resolved_at} and the points were given back. Redeem a new one."
    zh = "该券已于 {resolved_at} 取消，积分已退回。请重新兑换。"


class VoucherExpired(Conflict):
    code = "voucher-expired"
    en = "This voucher was valid until {expires_at}. Its points are given back; redeem a new one."
    zh = "该券有效期至 {expires_at}，已过期，积分将退回。请重新兑换。"


class VoucherLapsed(Conflict):
    code = "voucher-lapsed"
    en = "The rest of this voucher, {left_fen} fen, could be used until {expires_at} and has lapsed."
    zh = "该券余额 {left_fen} 分的有效期至 {expires_at}，已失效。"


class VoucherTooSmall(Conflict):
    code = "voucher-too-small"
    en = "There are {left_fen} fen left on this voucher, not {value_fen}. Take less, or all of it."
    zh = "该券剩余 {left_fen} 分，本次请求 {value_fen} 分。请减少金额，或全部使用。"


class PartialUseRefused(Conflict):
    code = "partial-use-refused"
    en = "This voucher is used whole: {value_fen} fen. Take it without an amount."
    zh = "该券须一次用完（{value_fen} 分），不能部分使用。请勿填写金额。"


class ConsumptionNotFound(NotFound):
    code = "consumption-not-found"
    en = "There is nothing to undo: this voucher was not used here, or its use was undone already."
    zh = "没有可撤销的核销：该券未在本店使用，或该次核销已撤销。"


class UndoTooLate(Conflict):
    code = "undo-too-late"
    en = "A use can be undone until {until}; that time is over. Ask the operator of the programme."
    zh = "核销仅可在 {until} 前撤销，现已超时。请联系项目运营方。"


class UndoElsewhere(Conflict):
    code = "undo-elsewhere"
    en = "This voucher was used at another till. Only the till that took it can undo that."
    zh = "该券在另一收银台核销，只能由该收银台撤销。"


class UndoSettled(Conflict):
    code = "undo-settled"
    en = "The points of this use have been settled already. Ask the operator of the programme."
    zh = "该次核销的积分已与商户结算，不能撤销。请联系项目运营方。"


class TillLocked(Busy):
    code = "till-locked"
    en = "Too many wrong codes were tried here. This till can go on at {until}; scan QR codes then."
    zh = "错误券码尝试次数过多，本收银台已锁定，{until} 后可继续。届时请扫描二维码。"


class TillNeeded(Forbidden):
    code = "till-needed"
    en = "Scans are handed in by a till, with its own credential. Ask the merchant for one."
    zh = "离线核销须由收银台使用自己的凭证上传。请向商户申请。"


class OfflineRefused(Conflict):
    code = "offline-refused"
    en = "The tills of this programme take vouchers only with a connection. Take each code at once."
    zh = "本项目的收银台仅支持在线核销。请逐笔在线核销。"


class TillClockWrong(Conflict):
    code = "till-clock-wrong"
    en = "The till's clock is {skew_s} seconds off; {clock_skew_s} are allowed. Set it and hand in again."
    zh = "收银台时钟偏差 {skew_s} 秒，超过允许的 {clock_skew_s} 秒。请校准后重新上传。"


class ScanConflict(Invalid):
    code = "scan-conflict"
    en = "This scan was handed in before with another content. A new scan needs a new id."
    zh = "该扫描编号已用于其他内容。新的扫描须使用新的编号。"


class ScanOutOfTime(Conflict):
    code = "scan-out-of-time"
    en = "A scan at {scanned_at} cannot be: it lies ahead of the clock, or before the voucher was given."
    zh = "扫描时间 {scanned_at} 不成立：晚于当前时间，或早于该券的发放时间。"


class ScanLate(Conflict):
    code = "scan-late"
    en = "This scan came after {until}, when the points were free to go back. It does not count."
    zh = "该扫描在 {until} 之后上传，积分已可退回用户，不予核销。"


class OfflineCeiling(Conflict):
    code = "offline-ceiling"
    en = "This till had {open_fen} fen open; {ceiling_fen} are allowed. This scan is beyond that."
    zh = "该收银台未上传金额已达 {open_fen} 分，上限 {ceiling_fen} 分，该笔扫描超限。"


class BillNeeded(Invalid):
    code = "bill-needed"
    en = "This voucher depends on the bill. Enter what the customer has to pay, then take it again."
    zh = "该券的优惠取决于消费金额。请输入应付金额后重新核销。"


class BillTooSmall(Conflict):
    code = "bill-too-small"
    en = "This voucher is good from a bill of {least_fen} fen on; this is {bill_fen} fen. It was not used."
    zh = "该券须消费满 {least_fen} 分方可使用，本次为 {bill_fen} 分。券未核销。"
