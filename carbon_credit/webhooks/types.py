"""What can be told. A type never changes its meaning; fields may join its data."""

from types import MappingProxyType

EVERYTHING = "*"
TEST = "webhook.test"
DISABLED = "webhook.disabled"

# type: (English, Chinese)
TYPES = MappingProxyType(
    {
        "redemption.held": ("a piece of your offer is held for somebody", "有人兑换了您的一份商品（已占用）"),
        "redemption.consumed": ("a voucher was used", "券已核销"),
        "redemption.undone": ("the use of a voucher was taken back", "核销已撤销"),
        "redemption.cancelled": ("a voucher was given back", "券已取消"),
        "redemption.expired": ("a voucher was not used in time", "券已过期"),
        "points.expiring": ("points of your users are about to end", "用户积分即将到期"),
        "statement.issued": ("a monthly statement is there", "月结单已出具"),
        "payment.sent": ("a payment was sent", "款项已付出"),
        "offer.approved": ("your offer was approved", "商品已审核通过"),
        "offer.exhausted": ("the last piece of your offer is gone", "商品已兑完"),
        "dispute.answered": ("a dispute was answered", "争议已答复"),
        DISABLED: ("another endpoint of yours was disabled", "您的另一个接收地址已停用"),
        TEST: ("you asked for a test", "测试消息"),
    }
)
