"""Each route x each role: only the allowed pass. The routes are the application's: none is left out."""

import uuid
from collections.abc import Callable

import pytest

from carbon_credit.api import ROUTES
from carbon_credit.api.operation import Operation
from carbon_credit.identity.scopes import SCOPES_BY_ROLE
from tests.api.conftest import HOME, Town

ROLES = tuple(SCOPES_BY_ROLE)
GUARDED = [(method, rule, operation) for method, rule, operation in ROUTES if operation.access is not None]
PUBLIC = {
    "/v1/oauth/token",
    "/.well-known/jwks.json",
    "/.well-known/dossier-key.pem",
    "/.well-known/voucher-keys.json",
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/till",
    "/docs",
    "/v1/public/programmes/<programme:programme>/totals",
    "/v1/public/programmes/<programme:programme>/points",
    "/v1/public/serials/<serial:serial>",
    "/v1/public/programmes/<programme:programme>/subsidies",
    "/v1/public/donations/<voucher:code>",
    "/v1/public/retirements/<voucher:code>",
}
# What stands for each variable part: well-formed, and nobody's.
PARTS = {
    "year": "2026",
    "first_byte": "0",
    "programme": HOME,
    "scene": "metro",
    "code": "AAAA-AAAA-AAAA",
    "event_id": "M-1",
    "serial": "X-GD-SZ-metro-2026-000000001",
    "methodology_id": "sz-public-transit",
    "version": "v1",
    "client_id": "cc_nobody",
    "form": "pdf",
    "month": "2026-11",
}


def address_of(rule: str) -> str:
    parts = []
    for part in rule.split("/"):
        name = part.strip("<>").partition(":")[2] if part.startswith("<") else ""
        parts.append(PARTS.get(name, str(uuid.UUID(int=1))) if name else part)
    return "/".join(parts)


def named(operation: Operation) -> str:
    return operation.name


def test_only_what_is_meant_to_be_is_open_to_everybody() -> None:
    open_to_all = {rule for _, rule, operation in ROUTES if operation.access is None}
    assert {rule for rule in open_to_all if not rule.startswith(("/docs/", "/till/"))} == PUBLIC


def test_every_scope_that_a_route_needs_is_granted_to_its_roles() -> None:
    for _, rule, operation in GUARDED:
        access = operation.access
        assert access is not None
        for role in access.roles:
            assert access.scope in SCOPES_BY_ROLE[role], (rule, role)


@pytest.mark.parametrize(("method", "rule", "operation"), GUARDED, ids=[named(row[2]) for row in GUARDED])
def test_only_the_allowed_pass(town: Town, method: str, rule: str, operation: Operation) -> None:
    address = address_of(rule)
    access = operation.access
    assert access is not None
    nobody = town.call(None, method, address)
    assert (nobody.status_code, nobody.json["code"]) == (401, "token-missing")
    for role in ROLES:
        answer = town.call(role, method, address, buffered=True)
        if role in access.roles:
            assert answer.status_code not in (401, 403, 500), (role, answer.text)
        else:
            assert (answer.status_code, answer.json["code"]) == (403, "role-forbidden"), role
    # The right role without the scope.
    role = access.roles[0]
    others = [scope for scope in SCOPES_BY_ROLE[role] if scope != access.scope]
    town.tokens["narrow"] = town.runtime.tokens.issue(
        subject_id=town.citizens["citizen"] if role == "citizen" else town.parties[role],
        role=role,
        programme=HOME,
        scopes=others,
        client_id=town.clients["partner" if role == "citizen" else role][0],
        actor_id=town.parties["partner"] if role == "citizen" else None,
        now=town.now,
        ttl_s=3600,
    )
    narrow = town.call("narrow", method, address)
    assert (narrow.status_code, narrow.json["code"]) == (403, "scope-missing")


def test_the_matrix(town: Town, record_property: Callable[[str, object], None]) -> None:
    # The same as one table, for people: it goes into the report of the test run.
    lines = [f"{'operation':32}" + "".join(f"{role:>10}" for role in ROLES)]
    for method, rule, operation in GUARDED:
        access = operation.access
        assert access is not None
        row = []
        for role in ROLES:
            answer = town.call(role, method, address_of(rule), buffered=True)
            passed = answer.status_code not in (401, 403)
            assert passed == (role in access.roles)
            row.append("yes" if passed else "-")
        lines.append(f"{operation.name:32}" + "".join(f"{cell:>10}" for cell in row))
    record_property("matrix", "\n".join(lines))
    assert len(lines) == len(GUARDED) + 1


@pytest.mark.parametrize("who", ["away partner", "away operator", "away verifier"])
def test_another_programme_is_not_found(town: Town, who: str) -> None:
    answer = town.get(who, f"/v1/programmes/{HOME}")
    assert (answer.status_code, answer.json["code"]) == (404, "programme-not-found")
