"""HTTP for the error tree: every answer that is not a success is RFC 9457 problem+json.

The edges add a few leaves of their own; `status_of` is the only place that knows a status.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from flask import Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge, RequestTimeout

from carbon_credit.api.field_messages import in_chinese
from carbon_credit.identity.errors import CallerSuspended, CredentialRefused, ScopeUnknown
from carbon_credit.imports.errors import MappingUnsound
from carbon_credit.kernel.errors import (
    Broken,
    Busy,
    CarbonError,
    Conflict,
    Forbidden,
    Invalid,
    Misconfigured,
    NotFound,
    TooLarge,
    Unauthenticated,
)
from carbon_credit.redemption.errors import TillLocked

PROBLEM_JSON = "application/problem+json"
LANGUAGES = ("en", "zh")
RETRY_AFTER_S = 2


class BodyMalformed(Invalid):
    code = "body-malformed"
    en = "The body cannot be read: {why}. Nothing was done."
    zh = "请求体无法解析：{why}。未作任何处理。"


class MediaTypeUnsupported(Invalid):
    code = "media-type-unsupported"
    en = "This resource does not take that Content-Type or Content-Encoding. It takes: {accepted}"
    zh = "该资源不支持此 Content-Type 或 Content-Encoding。支持：{accepted}"


class FieldsInvalid(Invalid):
    code = "fields-invalid"
    en = "The request has {count} wrong field(s), named in `errors`. Correct them and send it again."
    zh = "请求中有 {count} 个字段有误，见 `errors`。请更正后重新发送。"

    def __init__(self, messages: Mapping[str, Any], *, in_query: bool = False) -> None:
        self.problems = list(_flat(messages, "" if in_query else "/"))
        super().__init__(count=len(self.problems))


class RouteUnknown(NotFound):
    code = "route-unknown"
    en = "There is nothing at this address. The addresses are listed at /docs."
    zh = "该地址不存在。所有地址见 /docs。"


class MethodUnsupported(CarbonError):
    code = "method-unsupported"
    en = "This address does not know the method {method}. It knows: {allowed}"
    zh = "该地址不支持 {method} 方法。支持：{allowed}"


class BodyTooLarge(TooLarge):
    code = "body-too-large"
    en = "The body is larger than {limit} bytes. Send it in smaller parts."
    zh = "请求体超过 {limit} 字节，请分批发送。"


class RequestUnreadable(Invalid):
    code = "request-unreadable"
    en = "The request cannot be read as HTTP: {why}"
    zh = "请求不是有效的 HTTP 请求：{why}"


class RateLimited(Busy):
    code = "rate-limited"
    en = "Too many requests. Try again in {retry_after_s} seconds."
    zh = "请求过于频繁，请在 {retry_after_s} 秒后重试。"


class Internal(CarbonError):
    code = "internal"
    en = "Something went wrong on our side; nothing was done. Try again, and tell the operator if it stays."
    zh = "服务内部错误，未作任何处理。请重试；如仍出现请联系运营方。"


_STATUS: dict[type[CarbonError], int] = {
    BodyMalformed: 400,
    RequestUnreadable: 400,
    MediaTypeUnsupported: 415,
    MethodUnsupported: 405,
    Invalid: 422,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    TooLarge: 413,
    RateLimited: 429,
    TillLocked: 429,
    Busy: 503,
    Broken: 500,
    Misconfigured: 503,
    Internal: 500,
    CarbonError: 500,
}

_TITLES = {
    400: ("Cannot be read", "无法解析"),
    401: ("Not authenticated", "未通过认证"),
    403: ("Not allowed", "无权限"),
    404: ("Not found", "未找到"),
    405: ("Method not supported", "方法不支持"),
    409: ("Conflict", "状态冲突"),
    413: ("Too large", "内容过大"),
    415: ("Media type not supported", "媒体类型不支持"),
    422: ("Not acceptable as it is", "内容不合格"),
    429: ("Too many requests", "请求过多"),
    500: ("Internal error", "内部错误"),
    503: ("Try again", "请稍后重试"),
}


def status_of(error: type[CarbonError]) -> int:
    """The HTTP status of an error class."""
    return next(_STATUS[parent] for parent in error.__mro__ if parent in _STATUS)


def type_of(code: str) -> str:
    """The stable `type` of a problem."""
    return f"urn:carbon-credit:problem:{code}"


def language() -> str:
    """zh or en, by Accept-Language; en where neither is wanted."""
    return request.accept_languages.best_match(LANGUAGES, default="en") or "en"


def problem(error: CarbonError, /, *, status: int | None = None, **members: object) -> dict[str, object]:
    """The problem as JSON-able members. `members`: extensions of the resource's own."""
    spoken = language()
    status = status or status_of(type(error))
    title_en, title_zh = _TITLES[status]
    found: dict[str, object] = {
        "type": type_of(error.code),
        "title": title_zh if spoken == "zh" else title_en,
        "status": status,
        "code": error.code,
        "detail": error.message(spoken),
    }
    if error.details:
        found["details"] = error.details
    if isinstance(error, FieldsInvalid):
        found["errors"] = [
            {"pointer": pointer, "detail": in_chinese(text) if spoken == "zh" else text}
            for pointer, text in error.problems
        ]
    elif isinstance(error, MappingUnsound):
        found["errors"] = [_mistake(one, spoken) for one in error.problems]
    return found | members


def _mistake(error: CarbonError, spoken: str) -> dict[str, object]:
    return {
        "pointer": "/mapping",
        "detail": error.message(spoken),
        "line": error.details["line"],
        "key": error.details["key"],
    }


def problem_response(error: CarbonError, /, *, status: int | None = None, **members: object) -> Response:
    """The problem as an answer, with the headers that go with it."""
    body = problem(error, status=status, **members)
    response = Response(
        orjson.dumps(body, default=str), status=int(str(body["status"])), mimetype=PROBLEM_JSON
    )
    response.headers["Content-Language"] = language()
    response.headers["Vary"] = "Accept-Language"
    if isinstance(error, CredentialRefused):
        response.headers["WWW-Authenticate"] = 'Basic realm="carbon-credit", charset="UTF-8"'
    elif isinstance(error, Unauthenticated):
        response.headers["WWW-Authenticate"] = f'Bearer realm="carbon-credit", error="{_bearer(error)}"'
    elif isinstance(error, MethodUnsupported):
        response.headers["Allow"] = str(error.details["allowed"])
    elif isinstance(error, RateLimited | TillLocked):
        response.headers["Retry-After"] = str(error.details["retry_after_s"])
    elif response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


def oauth_status_of(error: type[CarbonError]) -> int:
    """The HTTP status of an error at the token endpoint: RFC 6749 wants 400 for most."""
    status = status_of(error)
    if error in (CredentialRefused, CallerSuspended):
        return 401
    return 400 if status in (401, 403, 404, 409, 422) else status


def oauth_response(error: CarbonError) -> Response:
    """The problem with the members of RFC 6749, 5.2."""
    match error:
        case CredentialRefused() | CallerSuspended():
            word = "invalid_client"
        case ScopeUnknown() | Forbidden():
            word = "invalid_scope"
        case Unauthenticated() | NotFound():
            word = "invalid_grant"
        case FieldsInvalid() if ("/grant_type", "Must be one of") in {
            (pointer, text[:14]) for pointer, text in error.problems
        }:
            word = "unsupported_grant_type"
        case _:
            word = "invalid_request"
    status = oauth_status_of(type(error))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _on_carbon_error(error)
    response = problem_response(error, status=status, error=word, error_description=error.message(language()))
    if status != HTTPStatus.UNAUTHORIZED:
        response.headers.pop("WWW-Authenticate", None)
    return response


def register_error_handlers(app: Flask) -> None:
    """Every error of the application goes through here."""
    app.register_error_handler(CarbonError, _on_carbon_error)
    app.register_error_handler(HTTPException, _on_http_error)
    app.register_error_handler(Exception, _on_unexpected)


def _on_carbon_error(error: CarbonError) -> Response:
    if status_of(type(error)) >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, Busy):
        _log(error)
    return problem_response(error)


def _on_http_error(error: HTTPException) -> Response:
    match error:
        case MethodNotAllowed():
            allowed = ", ".join(sorted(error.valid_methods or ()))
            return problem_response(MethodUnsupported(method=request.method, allowed=allowed))
        case RequestEntityTooLarge():
            return problem_response(BodyTooLarge(limit=request.max_content_length))
        case _ if error.code == HTTPStatus.NOT_FOUND:
            return problem_response(RouteUnknown())
        case RequestTimeout():
            return problem_response(RequestUnreadable(why="it did not arrive in time"))
        case _ if error.code is not None and 300 <= error.code < 400:
            return Response(status=error.code, headers=dict(error.get_headers()))
        case _ if error.code is not None and 400 <= error.code < 500:
            return problem_response(RequestUnreadable(why=error.name))
    _log(error)
    return problem_response(Internal())


def _on_unexpected(error: Exception) -> Response:
    _log(error)
    return problem_response(Internal())


def _log(error: Exception) -> None:
    current_app.logger.error("%s %s failed", request.method, request.url_rule, exc_info=error)


def _bearer(error: Unauthenticated) -> str:
    return "invalid_request" if error.code == "token-missing" else "invalid_token"


def _flat(messages: Any, path: str) -> Any:
    # marshmallow's nested dicts as (pointer, sentence); "_schema" is the object itself.
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            here = path if name == "_schema" else _join(path, str(name))
            yield from _flat(inner, here)
    elif isinstance(messages, list | tuple):
        for text in messages:
            yield from _flat(text, path)
    else:
        yield path, str(messages)


def _join(path: str, name: str) -> str:
    if not path:
        return name
    return path.rstrip("/") + "/" + name.replace("~", "~0").replace("/", "~1")
