"""From a bearer token to a caller, and whether that caller may use this route.

Whose objects a caller may touch is decided in the views and queries: another programme's or another
party's object is not found.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime

from flask import request

from carbon_credit.api.runtime import Runtime
from carbon_credit.identity.errors import TokenMissing
from carbon_credit.kernel.errors import Forbidden


class RoleForbidden(Forbidden):
    code = "role-forbidden"
    en = "The role {role} may not use this resource. It is for: {allowed}"
    zh = "{role} 无权使用该资源。仅限：{allowed}"


class ScopeMissing(Forbidden):
    code = "scope-missing"
    en = "This token does not carry the scope {scope}. Ask for it at /v1/oauth/token."
    zh = "该令牌不含权限范围 {scope}。请在 /v1/oauth/token 申请。"


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use a route: one of `roles`, with a token that carries `scope`."""

    roles: tuple[str, ...]
    scope: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking. `id`: the party or, for the role citizen, the citizen. `till_id`: the till of the
    merchant that asks; None for the merchant's own credential."""

    id: uuid.UUID
    role: str
    programme: str
    scopes: frozenset[str]
    client_id: str
    actor_id: uuid.UUID | None
    till_id: uuid.UUID | None = None

    @property
    def key(self) -> str:
        """The caller in one short text: scope of idempotency keys. Two tills may use the same key."""
        return f"{self.role}:{self.id}" if self.till_id is None else f"till:{self.till_id}"


def access(*roles: str, scope: str) -> Access:
    """Shorthand for the tables of routes."""
    return Access(roles=roles, scope=scope)


def authenticate(runtime: Runtime, allowed: Access, *, now: datetime) -> Caller:
    """The caller of this request. Raises a leaf of Unauthenticated or Forbidden."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise TokenMissing
    caller = caller_of(runtime, token.strip(), now=now)
    if caller.role not in allowed.roles:
        raise RoleForbidden(role=caller.role, allowed=", ".join(allowed.roles))
    if allowed.scope not in caller.scopes:
        raise ScopeMissing(scope=allowed.scope)
    return caller


def caller_of(runtime: Runtime, token: str, *, now: datetime) -> Caller:
    """Who stands behind the token. Raises a leaf of Unauthenticated."""
    claims = runtime.tokens.verify(token, now=now)
    runtime.standings.require(claims, now=now)
    return Caller(
        id=claims.subject_id,
        role=claims.role,
        programme=claims.programme,
        scopes=claims.scopes,
        client_id=claims.client_id,
        actor_id=claims.actor_id,
        till_id=claims.till_id,
    )
