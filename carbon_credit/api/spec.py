"""openapi.yaml, written from the same declarations that serve the requests.

What follows from a declaration is added here: an operation with a caller can answer 401 and 403, one
with a body 400, 413, 415 and 422, and so on, so no view has to remember to say it.
"""

import importlib
import pkgutil
import re
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, cast

import orjson
import yaml
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask
from werkzeug.routing import BaseConverter, Rule

import carbon_credit
from carbon_credit.api import auth, errors, idempotency
from carbon_credit.api.body import FORM, JSON
from carbon_credit.api.errors import PROBLEM_JSON, oauth_status_of, status_of
from carbon_credit.api.examples import example
from carbon_credit.api.operation import Operation
from carbon_credit.api.schemas import Problem
from carbon_credit.identity import errors as identity
from carbon_credit.identity.scopes import SCOPES_BY_ROLE
from carbon_credit.kernel.errors import Busy, CarbonError, DatabaseUnavailable, error_classes
from carbon_credit.kernel.idempotency import IdempotencyConflict
from carbon_credit.kernel.paging import CursorInvalid

TAGS = {
    "partners": "Tokens, events, citizens: for the apps and operators that report activity (数据提供方)",
    "citizens": "A citizen's account, offers and redemptions (用户)",
    "merchants": "Vouchers at the till (商户)",
    "malls": "Redeeming in a partner's own mall (数据提供方商城)",
    "operators": "Programmes, methodologies, offers, projects, batches, periods (运营方、核证机构)",
    "webhooks": "To be told what happened: endpoints and messages (商户、数据提供方)",
    "public": "For everybody: totals, serial numbers, keys, health (公众)",
}
_ABOUT = """Carbon inclusion (碳普惠): events in, accounts credited, points redeemed, offsets out.

Quantities are integers: milligrams of CO2e (`co2e_mg`), points, fen (`cny_fen`). Errors are RFC 9457 problems
with a stable `code`; sentences are Chinese or English by Accept-Language. Writes other than events take
`Idempotency-Key`. A credential is one party in one programme; another programme's object is not found."""

# Not part of the service: they may define errors of their own for people at a terminal.
_OUTSIDE = ("cli", "tasks", "console", "factory")
_AUTHENTICATION = (
    identity.TokenMissing,
    identity.TokenMalformed,
    identity.TokenAlgorithmRefused,
    identity.TokenKeyUnknown,
    identity.TokenSignatureWrong,
    identity.TokenIssuerWrong,
    identity.TokenAudienceWrong,
    identity.TokenExpired,
    identity.TokenNotYetValid,
    identity.TokenClaimsWrong,
    identity.CallerSuspended,
    auth.RoleForbidden,
    auth.ScopeMissing,
)
_BODY = (errors.BodyMalformed, errors.BodyTooLarge, errors.MediaTypeUnsupported)
_KEYED = (
    idempotency.IdempotencyKeyInvalid,
    idempotency.IdempotencyInProgress,
    IdempotencyConflict,
)


@dataclass(frozen=True, slots=True)
class Route:
    """An operation at its address."""

    rule: Rule
    method: str
    operation: Operation


def routes(app: Flask) -> list[Route]:
    """All operations of the application, in the order of the URL table."""
    found = []
    for endpoint, view in app.view_functions.items():
        if isinstance(view, Operation):
            rule = next(app.url_map.iter_rules(endpoint))
            (method,) = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            found.append(Route(rule, method, view))
    return found


def errors_of(route: Route) -> dict[int, list[type[CarbonError]]]:
    """What can go wrong at this address, by HTTP status."""
    operation = route.operation
    possible: list[type[CarbonError]] = []
    if operation.access is not None:
        possible += _AUTHENTICATION
    if operation.body or operation.form or operation.content:
        possible += _BODY
    if operation.body or operation.form or operation.query:
        possible.append(errors.FieldsInvalid)
    if operation.query is not None and "cursor" in operation.query.fields:
        possible.append(CursorInvalid)
    if operation.keyed:
        possible += _KEYED
    if route.rule.arguments:
        possible.append(errors.RouteUnknown)
    possible += operation.raises
    if operation.uses_database:
        possible += [Busy, DatabaseUnavailable]
    statuses: dict[int, list[type[CarbonError]]] = {}
    for error in dict.fromkeys(possible):
        status = oauth_status_of(error) if operation.oauth else status_of(error)
        statuses.setdefault(status, []).append(error)
    return dict(sorted(statuses.items()))


def contract(app: Flask) -> dict[str, Any]:
    """The OpenAPI document as a dictionary."""
    spec = APISpec(
        title="carbon-credit",
        version=version("carbon-credit"),
        openapi_version="3.1.0",
        plugins=[MarshmallowPlugin()],
        info={"description": _ABOUT, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        servers=[{"url": "/", "description": "This installation"}],
    )
    for name, description in TAGS.items():
        spec.tag({"name": name, "description": description})
    spec.components.schema("Problem", schema=Problem)
    spec.components.security_scheme("oauth2", _security())
    for route in routes(app):
        address, parameters = _address(route.rule)
        spec.path(path=address, operations={route.method.lower(): _operation(route, parameters)})
    written = spec.to_dict()
    written["components"]["schemas"]["Problem"]["properties"]["code"] |= _codes()
    return cast(dict[str, Any], _tidy(orjson.loads(orjson.dumps(written, option=orjson.OPT_NON_STR_KEYS))))


def as_yaml(app: Flask) -> str:
    """The OpenAPI document as the committed file holds it."""
    text = yaml.safe_dump(contract(app), sort_keys=False, allow_unicode=True, width=110)
    return f"# Generated from carbon_credit/api. Write it again with: make openapi\n{text}"


def as_json(app: Flask) -> bytes:
    """The OpenAPI document as it is served, made once for an application."""
    if "carbon-credit-contract" not in app.extensions:
        app.extensions["carbon-credit-contract"] = orjson.dumps(contract(app))
    return cast(bytes, app.extensions["carbon-credit-contract"])


def served_errors() -> list[type[CarbonError]]:
    """Every error class of the service, by code."""
    for module in pkgutil.walk_packages(carbon_credit.__path__, "carbon_credit."):
        if module.name.split(".")[1] not in _OUTSIDE:
            importlib.import_module(module.name)
    mine = {
        error
        for error in error_classes()
        if error.__module__.startswith("carbon_credit.") and error.__module__.split(".")[1] not in _OUTSIDE
    }
    return sorted(mine, key=lambda error: error.code)


def _operation(route: Route, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    operation = route.operation
    summary, _, rest = (operation.view.__doc__ or "").strip().partition("\n")
    described: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.view.__module__.split(".")[2]],
        "summary": summary.strip(),
    }
    if rest.strip():
        described["description"] = " ".join(rest.split())
    if operation.query is not None:
        parameters = [*parameters, {"in": "query", "schema": operation.query}]
    if operation.keyed:
        parameters = [*parameters, _idempotency_header()]
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        described["requestBody"] = _request_body(JSON, operation.body, required=not operation.bare)
    elif operation.form is not None:
        described["requestBody"] = _request_body(FORM, operation.form)
    elif operation.content:
        described["requestBody"] = {"required": True, "content": operation.content}
    described["responses"] = {str(operation.status): _success(operation)}
    if operation.accepts:
        described["responses"]["202"] = _accepted(operation)
    described["responses"] |= {str(status): _failure(classes) for status, classes in errors_of(route).items()}
    described["security"] = [] if operation.access is None else [{"oauth2": [operation.access.scope]}]
    if operation.access is not None:
        described["x-roles"] = list(operation.access.roles)
    return described


def _request_body(media_type: str, schema: Any, *, required: bool = True) -> dict[str, Any]:
    return {"required": required, "content": {media_type: {"schema": schema, "example": example(schema)}}}


def _success(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {"description": "Done." if operation.writes else "Found."}
    if operation.answer is not None:
        described["content"] = {JSON: {"schema": operation.answer, "example": example(operation.answer)}}
    else:
        described["content"] = {name: {"schema": _file_schema(name)} for name in operation.downloads}
    if operation.keyed:
        described["headers"] = {
            idempotency.REPLAYED: {
                "description": "`true` where this is the answer of an earlier request with the same key.",
                "schema": {"type": "string", "const": "true"},
            }
        }
    return described


def _accepted(operation: Operation) -> dict[str, Any]:
    described = _success(operation)
    address = {"type": "string", "format": "uri-reference"}
    return {
        "description": "Accepted; what becomes of it is told at `Location`.",
        "content": described["content"],
        "headers": {"Location": {"description": "Where it is told.", "schema": address}},
    }


def _file_schema(media_type: str) -> dict[str, Any]:
    if media_type == JSON or media_type.endswith("+json"):
        return {"type": "object"}
    return {"type": "string"} if media_type.startswith("text/") else {"type": "string", "format": "binary"}


def _failure(classes: list[type[CarbonError]]) -> dict[str, Any]:
    codes = ", ".join(f"`{error.code}`" for error in classes)
    return {"description": codes, "content": {PROBLEM_JSON: {"schema": Problem}}}


def _address(rule: Rule) -> tuple[str, list[dict[str, Any]]]:
    address, parameters = "", []
    for is_variable, part in rule._trace:
        address += f"{{{part}}}" if is_variable else part.lstrip("|")
        if is_variable:
            schema = _parameter_schema(rule._converters[part])
            parameters.append({"in": "path", "name": part, "required": True, "schema": schema})
    return address, parameters


def _parameter_schema(converter: BaseConverter) -> dict[str, Any]:
    match type(converter).__name__:
        case "UUIDConverter":
            return {"type": "string", "format": "uuid"}
        case "AnyConverter":
            return {"type": "string", "enum": sorted(cast(Any, converter).items)}
    pattern = re.sub(r"\\x([0-9a-f]{2})", r"\\u00\1", converter.regex)  # ECMA 262 knows only the latter
    return {"type": "string", "pattern": f"^{pattern}$"}


def _idempotency_header() -> dict[str, Any]:
    return {
        "in": "header",
        "name": idempotency.HEADER,
        "required": False,
        "description": "Sent again with the same request, the first answer comes back.",
        "schema": {"type": "string", "pattern": r"^[\u0021-\u007e]{1,128}$"},
    }


def _security() -> dict[str, Any]:
    scopes: dict[str, str] = {}
    for role, words in SCOPES_BY_ROLE.items():
        for word in words:
            scopes[word] = f"{scopes[word]}, {role}" if word in scopes else f"For: {role}"
    return {
        "type": "oauth2",
        "description": "A bearer token of /v1/oauth/token.",
        "flows": {"clientCredentials": {"tokenUrl": "/v1/oauth/token", "scopes": scopes}},
    }


def _codes() -> dict[str, Any]:
    served = served_errors()
    table = "\n".join(f"| `{error.code}` | {status_of(error)} | {error.en} |" for error in served)
    return {
        "enum": [error.code for error in served],
        "description": f"Stable. The codes:\n\n| code | status | meaning |\n|---|---|---|\n{table}",
    }


def _tidy(node: Any, *, is_schema: bool = False) -> Any:
    # `example` inside a schema is deprecated in 3.1; JSON Schema says `examples`.
    if isinstance(node, list):
        return [_tidy(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    tidied: dict[str, Any] = {}
    for name, inner in node.items():
        if name == "properties" and isinstance(inner, dict):
            tidied[name] = {key: _tidy(value, is_schema=True) for key, value in inner.items()}
        elif name == "example" and is_schema:
            tidied["examples"] = [inner]
        else:
            tidied[name] = _tidy(inner, is_schema=name in ("schema", "items"))
    return tidied
