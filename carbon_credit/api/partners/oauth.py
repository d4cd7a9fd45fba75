"""Tokens: OAuth 2 client credentials (RFC 6749, 4.4) and token exchange (RFC 8693).

Errors are problems as everywhere, with the `error` and `error_description` that RFC 6749 asks for.
"""

import base64
import binascii
import uuid
from urllib.parse import unquote_plus

from flask import request
from marshmallow import EXCLUDE, Schema, fields

from carbon_credit.api.auth import ScopeMissing, caller_of
from carbon_credit.api.errors import BodyMalformed, RateLimited
from carbon_credit.api.fields import Text, Whole, Word
from carbon_credit.api.operation import Call, reads
from carbon_credit.api.schemas import Answer
from carbon_credit.identity.errors import (
    CallerSuspended,
    CitizenNotFound,
    CredentialRefused,
    ScopeUnknown,
    TokenExpired,
)
from carbon_credit.identity.operations import authenticate_client
from carbon_credit.identity.queries import citizen, is_linked_by
from carbon_credit.identity.scopes import CITIZEN, PARTNER, SCOPES_BY_ROLE
from carbon_credit.kernel.errors import Invalid

CLIENT_CREDENTIALS = "client_credentials"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105  the name of a grant
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  the name of a type
CITIZEN_ID = "urn:carbon-credit:token-type:citizen-id"
CITIZEN_TOKEN_TTL_S = 900
TOKENS_A_MINUTE = 60  # of one client from one address; a token lasts an hour
EXCHANGE_SCOPE = "citizens:token"


class GrantIncomplete(Invalid):
    code = "grant-incomplete"
    en = "This grant needs {missing}. Send it and ask again."
    zh = "该授权类型需要 {missing}，请补充后重试。"


class TokenRequest(Schema):
    """A form. Fields that are not listed are ignored, as RFC 6749 asks."""

    class Meta:
        unknown = EXCLUDE

    grant_type = Word(
        CLIENT_CREDENTIALS, TOKEN_EXCHANGE, required=True, metadata={"example": CLIENT_CREDENTIALS}
    )
    client_id = Text(
        longest=64,
        metadata={"description": "Here or in HTTP Basic.", "example": "cc_mfrggzdfmztwq2lkmnsxg4d"},
    )
    client_secret = Text(
        longest=200, metadata={"description": "Here or in HTTP Basic.", "example": "the-secret-shown-once"}
    )
    scope = Text(
        longest=400,
        metadata={
            "description": "Words separated by spaces; all that the credential has where it is left out.",
            "example": "events:write",
        },
    )
    subject_token = Text(
        longest=4096, metadata={"description": "Exchange: the id of a citizen that the partner linked."}
    )
    subject_token_type = Word(CITIZEN_ID)
    actor_token = Text(
        longest=4096,
        metadata={"description": f"Exchange: the partner's own token with scope {EXCHANGE_SCOPE}."},
    )
    actor_token_type = Word(ACCESS_TOKEN)


class TokenAnswer(Answer):
    """RFC 6749, 5.1."""

    access_token = fields.String(
        required=True, metadata={"example": "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIuLi4ifQ.c2ln"}
    )
    token_type = Word("Bearer", required=True, metadata={"example": "Bearer"})
    expires_in = Whole(required=True, metadata={"description": "Seconds.", "example": 3600})
    scope = fields.String(required=True, metadata={"example": "events:write events:read"})
    issued_token_type = fields.String(metadata={"description": "Only after an exchange."})


@reads(
    form=TokenRequest,
    answer=TokenAnswer,
    oauth=True,
    raises=(
        CredentialRefused,
        CallerSuspended,
        ScopeUnknown,
        ScopeMissing,
        GrantIncomplete,
        CitizenNotFound,
        TokenExpired,
        RateLimited,
    ),
)
def issue_token(call: Call) -> dict[str, object]:
    """Get an access token.

    With `client_credentials`, by HTTP Basic or in the form. With token exchange a partner gets a token of
    15 minutes for a citizen that it linked: `subject_token` is the citizen's id, `actor_token` its own token.
    """
    if call.body["grant_type"] == CLIENT_CREDENTIALS:
        return _for_client(call)
    return _for_citizen(call)


def _for_client(call: Call) -> dict[str, object]:
    client_id, secret = _client_credentials(call.body)
    _limit_guesses(call, client_id)
    client = authenticate_client(call.session, client_id=client_id, secret=secret, scopes=_scopes(call.body))
    ttl_s = call.runtime.settings.token_ttl_s
    token = call.runtime.tokens.issue(
        subject_id=client.party.id,
        role=client.party.role,
        programme=client.party.programme,
        scopes=client.scopes,
        client_id=client.client_id,
        now=call.now,
        ttl_s=ttl_s,
        till_id=client.till_id,
    )
    return _answer(token, ttl_s, client.scopes)


def _limit_guesses(call: Call, client_id: str) -> None:
    # By address too, so that nobody can shut a client out from elsewhere.
    verdict = call.runtime.limiter.hit(
        f"token {request.remote_addr} {client_id}", limit=TOKENS_A_MINUTE, window_s=60, now=call.now
    )
    if not verdict.allowed:
        raise RateLimited(retry_after_s=verdict.retry_after_s)


def _for_citizen(call: Call) -> dict[str, object]:
    form = call.body
    for name in ("subject_token", "subject_token_type", "actor_token", "actor_token_type"):
        if name not in form:
            raise GrantIncomplete(missing=name)
    partner = caller_of(call.runtime, form["actor_token"], now=call.now)
    if partner.role != PARTNER or EXCHANGE_SCOPE not in partner.scopes:
        raise ScopeMissing(scope=EXCHANGE_SCOPE)
    try:
        citizen_id = uuid.UUID(form["subject_token"])
    except ValueError as error:
        raise CitizenNotFound from error
    person = citizen(call.session, programme=partner.programme, citizen_id=citizen_id)
    if not person.active or not is_linked_by(call.session, citizen_id=person.id, partner_id=partner.id):
        raise CitizenNotFound
    granted = SCOPES_BY_ROLE[CITIZEN]
    wanted = _scopes(form) or granted
    for scope in wanted:
        if scope not in granted:
            raise ScopeUnknown(scope=scope[:64], granted=", ".join(granted))
    token = call.runtime.tokens.issue(
        subject_id=person.id,
        role=CITIZEN,
        programme=person.programme,
        scopes=wanted,
        client_id=partner.client_id,
        actor_id=partner.id,
        now=call.now,
        ttl_s=CITIZEN_TOKEN_TTL_S,
    )
    return _answer(token, CITIZEN_TOKEN_TTL_S, wanted) | {"issued_token_type": ACCESS_TOKEN}


def _answer(token: str, ttl_s: int, scopes: tuple[str, ...]) -> dict[str, object]:
    return {"access_token": token, "token_type": "Bearer", "expires_in": ttl_s, "scope": " ".join(scopes)}


def _scopes(form: dict[str, str]) -> tuple[str, ...] | None:
    return tuple(dict.fromkeys(form["scope"].split())) if "scope" in form else None


def _client_credentials(form: dict[str, str]) -> tuple[str, str]:
    kind, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "basic":
        for name in ("client_id", "client_secret"):
            if name not in form:
                raise GrantIncomplete(missing=name)
        return form["client_id"], form["client_secret"]
    try:
        name, colon, secret = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError) as error:
        raise BodyMalformed(why="the Basic credential is not base64 of UTF-8") from error
    if not colon:
        raise BodyMalformed(why="the Basic credential has no colon")
    # RFC 6749, 2.3.1: both parts are form-encoded before they are joined.
    return unquote_plus(name), unquote_plus(secret)
