"""What can go wrong between a citizen, an offer and a till."""

from carbon_credit.kernel.errors import Conflict, Forbidden, Invalid, NotFound


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


class VoucherNotFound(NotFound):
    code = "voucher-not-found"
    en = "There is no such voucher at this merchant. Check that it is for this shop."
    zh = "本商户没有该券。请确认该券适用于本店。"


class VoucherConsumed(Conflict):
    code = "voucher-consumed"
    en = "This voucher has been used already, at {resolved_at}. It cannot be used again."
    zh = "该券已于 {resolved_at} 使用，不能重复使用。"


class VoucherCancelled(Conflict):
    code = "voucher-cancelled"
    en = "This voucher was cancelled at {resolved_at} and the points were given back. Redeem a new one."
    zh = "该券已于 {resolved_at} 取消，积分已退回。请重新兑换。"


class VoucherExpired(Conflict):
    code = "voucher-expired"
    en = "This voucher was valid until {expires_at}. Its points are given back; redeem a new one."
    zh = "该券有效期至 {expires_at}，已过期，积分将退回。请重新兑换。"
