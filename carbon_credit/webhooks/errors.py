"""What can be wrong with an endpoint, its address, or what is asked of it."""

from carbon_credit.kernel.errors import Broken, Conflict, Invalid, NotFound


class WebhookNotFound(NotFound):
    code = "webhook-not-found"
    en = "You have no such endpoint. List yours at /v1/webhooks."
    zh = "您没有该接收地址。请在 /v1/webhooks 查看。"


class WebhookMessageNotFound(NotFound):
    code = "webhook-message-not-found"
    en = "There is no such message for you. Messages are kept for {days} days."
    zh = "未找到该消息。消息保留 {days} 天。"


class WebhookUrlRefused(Invalid):
    """`why` and `why_zh` say what is wrong with it."""

    code = "webhook-url-refused"
    en = "Messages cannot be sent to this address: {why}"
    zh = "无法向该地址发送消息：{why_zh}"


class WebhookUrlTaken(Conflict):
    code = "webhook-url-taken"
    en = "You have an endpoint with this address already. Change that one, or choose another address."
    zh = "您已有使用该地址的接收端，请修改原接收端或更换地址。"


class WebhookTooMany(Conflict):
    code = "webhook-too-many"
    en = "You have {limit} endpoints, which is the most. Delete one that is not needed."
    zh = "您已有 {limit} 个接收地址，达到上限。请先删除不需要的。"


class WebhookSecretsTooMany(Conflict):
    code = "webhook-secrets-too-many"
    en = "The endpoint has {limit} secrets in force. Wait until an old one ends, or rotate with overlap_s 0."
    zh = "该接收地址已有 {limit} 个有效密钥。请等待旧密钥失效，或以 overlap_s 为 0 轮换。"


class WebhookDisabled(Conflict):
    code = "webhook-disabled"
    en = "The endpoint is disabled. Set its state to active first."
    zh = "该接收地址已停用，请先将状态设为 active。"


class WebhookReplayTooLarge(Invalid):
    code = "webhook-replay-too-large"
    en = "The span holds more than {limit} messages. Replay a shorter one, then the next."
    zh = "该时段内超过 {limit} 条消息。请缩短时段分次重放。"


class WebhookSecretUnreadable(Broken):
    code = "webhook-secret-unreadable"
    en = "A secret cannot be opened: neither WEBHOOK_KEY nor WEBHOOK_KEY_PREVIOUS has sealed it."
    zh = "无法解开密钥：它不是由 WEBHOOK_KEY 或 WEBHOOK_KEY_PREVIOUS 加密的。"
