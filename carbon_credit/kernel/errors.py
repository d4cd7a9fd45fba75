"""The error tree. A leaf has a stable `code` and a message in English and Chinese.

    CarbonError
    ├── Invalid           the request can be understood, but not accepted as it is
    ├── Unauthenticated   we do not know who is asking
    ├── Forbidden         we know, and they may not
    ├── NotFound          there is no such thing, or not for this caller
    ├── Conflict          true a moment ago or for another content, not now
    ├── TooLarge          more than one request may carry
    ├── Busy              nothing is wrong with the request; try again
    ├── Broken            stored data contradicts itself; a person must look
    └── Misconfigured     the installation cannot start like this

Messages say what happened, why, and what to do. `details` are named values that fill the
message and go to the client beside it; they never hold personal data. HTTP is not known here.
"""

from collections.abc import Iterator
from typing import ClassVar


class CarbonError(Exception):
    """Base of every error that a caller may see. `details`: named values, JSON-able."""

    code: ClassVar[str] = "error"
    en: ClassVar[str] = "Something went wrong."
    zh: ClassVar[str] = "出现错误。"

    def __init__(self, **details: object) -> None:
        self.details = details
        super().__init__(self.message("en"))

    def message(self, language: str) -> str:
        """The sentence for a person; `language` is "zh" or "en"."""
        return (self.zh if language == "zh" else self.en).format(**self.details)


class Invalid(CarbonError):
    code = "invalid"
    en = "The request is not acceptable: {why}"
    zh = "请求无法接受：{why}"


class Unauthenticated(CarbonError):
    code = "unauthenticated"
    en = "No valid credential was presented: {why}. Get a token at /v1/oauth/token."
    zh = "未提供有效凭证：{why}。请在 /v1/oauth/token 获取令牌。"


class Forbidden(CarbonError):
    code = "forbidden"
    en = "This credential may not do that: {why}"
    zh = "该凭证无此权限：{why}"


class NotFound(CarbonError):
    code = "not-found"
    en = "There is no such {what} for this caller. Check the id and the programme."
    zh = "未找到该{what}。请检查编号和所属碳普惠项目。"


class Conflict(CarbonError):
    code = "conflict"
    en = "The request contradicts the present state: {why}"
    zh = "请求与当前状态冲突：{why}"


class TooLarge(CarbonError):
    code = "too-large"
    en = "The request is larger than {limit}. Send it in smaller parts."
    zh = "请求超过 {limit} 的上限，请分批发送。"


class Busy(CarbonError):
    code = "busy"
    en = "Another request holds what this one needs. Try again in a moment."
    zh = "资源正被占用，请稍后重试。"


class DatabaseUnavailable(Busy):
    code = "database-unavailable"
    en = "The database does not answer. Nothing was done. Try again in a moment, and tell the operator."
    zh = "数据库无响应，未作任何处理。请稍后重试，并告知运营方。"


class Broken(CarbonError):
    code = "broken"
    en = "Stored data contradicts itself: {why}"
    zh = "存储数据自相矛盾：{why}"


class Misconfigured(CarbonError):
    code = "misconfigured"
    en = "The service cannot start: {why}"
    zh = "服务无法启动：{why}"


def error_classes(root: type[CarbonError] = CarbonError) -> Iterator[type[CarbonError]]:
    """Every error class that has been imported, parents first."""
    yield root
    for child in root.__subclasses__():
        yield from error_classes(child)
