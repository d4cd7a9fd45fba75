"""Tokens of every wrong kind: each has its own error, and none gets in."""

import base64
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_credit.identity import errors, tokens
from carbon_credit.identity.tokens import TokenKeys, Tokens
from carbon_credit.kernel.errors import Unauthenticated

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
PARTY = uuid.UUID(int=7)


def private_pem(key: Any) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_pem(key: Any) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)


ED25519 = Ed25519PrivateKey.generate()
P256 = generate_private_key(SECP256R1())


@pytest.fixture(params=[ED25519, P256], ids=["EdDSA", "ES256"])
def issuer(request: pytest.FixtureRequest) -> Tokens:
    return Tokens(TokenKeys(private_pem(request.param)), issuer="cc", audience="cc-api")


def issued(issuer: Tokens, **changes: Any) -> str:
    wanted = {
        "subject_id": PARTY,
        "role": "partner",
        "programme": "gd-gz",
        "scopes": ("events:write",),
        "client_id": "cc_a",
        "now": NOW,
        "ttl_s": 60,
    }
    return issuer.issue(**{**wanted, **changes})


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})


def raw(header: dict[str, Any], payload: dict[str, Any], signature: bytes = b"") -> str:
    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    return ".".join((part(json.dumps(header).encode()), part(json.dumps(payload).encode()), part(signature)))


def test_what_was_issued_is_read_back(issuer: Tokens) -> None:
    claims = issuer.verify(issued(issuer, actor_id=uuid.UUID(int=9)), now=NOW)
    assert claims.subject_id == PARTY
    assert (claims.role, claims.programme, claims.client_id) == ("partner", "gd-gz", "cc_a")
    assert claims.scopes == {"events:write"}
    assert claims.actor_id == uuid.UUID(int=9)
    assert claims.expires_at == NOW + timedelta(seconds=60)


def test_it_ends_at_its_time_also_when_it_is_remembered(issuer: Tokens) -> None:
    token = issued(issuer)
    issuer.verify(token, now=NOW + timedelta(seconds=59))
    with pytest.raises(errors.TokenExpired):
        issuer.verify(token, now=NOW + timedelta(seconds=60))


def forge_none(issuer: Tokens) -> str:
    header, payload = parts(issued(issuer))
    return raw({**header, "alg": "none"}, payload)


def forge_hs256_with_the_public_key(issuer: Tokens) -> str:
    # PyJWT refuses to make this one, so it is made by hand.
    import hashlib
    import hmac

    header, payload = parts(issued(issuer))
    unsigned = raw({**header, "alg": "HS256"}, payload).rsplit(".", 1)[0]
    secret = public_pem(issuer.keys._private)
    signature = hmac.digest(secret, unsigned.encode(), hashlib.sha256)
    return f"{unsigned}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def forge_other_algorithm_of_the_list(issuer: Tokens) -> str:
    header, payload = parts(issued(issuer))
    other = "ES256" if header["alg"] == "EdDSA" else "EdDSA"
    return raw({**header, "alg": other}, payload, b"x" * 64)


def forge_key(issuer: Tokens) -> str:
    stranger = Tokens(TokenKeys(private_pem(Ed25519PrivateKey.generate())), issuer="cc", audience="cc-api")
    return issued(stranger)


def forge_signature_of_a_stranger(issuer: Tokens) -> str:
    header, payload = parts(issued(issuer))
    kind = Ed25519PrivateKey.generate() if header["alg"] == "EdDSA" else generate_private_key(SECP256R1())
    return jwt.encode(payload, kind, algorithm=header["alg"], headers=header)


def forge_payload(issuer: Tokens) -> str:
    token = issued(issuer)
    header, payload = parts(token)
    changed = raw(header, {**payload, "role": "operator"}).rsplit(".", 1)[0]
    return f"{changed}.{token.rsplit('.', 1)[1]}"


def forge_claims(**changes: Any) -> Callable[[Tokens], str]:
    def forge(issuer: Tokens) -> str:
        _, payload = parts(issued(issuer))
        merged = {**payload, **changes}
        return issuer.keys.sign({name: value for name, value in merged.items() if value is not ...})

    return forge


def forge_header(**changes: Any) -> Callable[[Tokens], str]:
    def forge(issuer: Tokens) -> str:
        header, payload = parts(issued(issuer))
        merged = {name: value for name, value in {**header, **changes}.items() if value is not ...}
        return raw(merged, payload, b"x" * 64)

    return forge


WRONG = {
    "none": (forge_none, errors.TokenAlgorithmRefused),
    "hs256 with the public key": (forge_hs256_with_the_public_key, errors.TokenAlgorithmRefused),
    "another accepted algorithm": (forge_other_algorithm_of_the_list, errors.TokenAlgorithmRefused),
    "unknown key": (forge_key, errors.TokenKeyUnknown),
    "no key id": (forge_header(kid=...), errors.TokenKeyUnknown),
    "key id is a list": (forge_header(kid=["a"]), errors.TokenMalformed),
    "key by address": (forge_header(kid="x", jku="https://evil.example/jwks"), errors.TokenKeyUnknown),
    "critical header": (forge_header(crit=["exp"]), errors.TokenMalformed),
    "other type": (forge_header(typ="id+jwt"), errors.TokenMalformed),
    "stranger's signature": (forge_signature_of_a_stranger, errors.TokenSignatureWrong),
    "changed payload": (forge_payload, errors.TokenSignatureWrong),
    "other issuer": (forge_claims(iss="other"), errors.TokenIssuerWrong),
    "other audience": (forge_claims(aud="other"), errors.TokenAudienceWrong),
    "audience is a number": (forge_claims(aud=5), errors.TokenAudienceWrong),
    "expired": (forge_claims(exp=int(NOW.timestamp()) - 1), errors.TokenExpired),
    "issued in the future": (forge_claims(iat=int(NOW.timestamp()) + 600), errors.TokenNotYetValid),
    "not yet": (forge_claims(nbf=int(NOW.timestamp()) + 600), errors.TokenNotYetValid),
    "no expiry": (forge_claims(exp=...), errors.TokenClaimsWrong),
    "expiry is true": (forge_claims(exp=True), errors.TokenClaimsWrong),
    "expiry is a text": (forge_claims(exp="9999999999"), errors.TokenClaimsWrong),
    "no audience": (forge_claims(aud=...), errors.TokenClaimsWrong),
    "unknown role": (forge_claims(role="root"), errors.TokenClaimsWrong),
    "subject is no id": (forge_claims(sub="me"), errors.TokenClaimsWrong),
    "scope is a list": (forge_claims(scope=["events:write"]), errors.TokenClaimsWrong),
    "actor is a text": (forge_claims(act="me"), errors.TokenClaimsWrong),
    "actor without id": (forge_claims(act={}), errors.TokenClaimsWrong),
    "empty": (lambda _: "", errors.TokenMalformed),
    "two parts": (lambda issuer: issued(issuer).rsplit(".", 1)[0], errors.TokenMalformed),
    "not ascii": (lambda _: "é.é.é", errors.TokenMalformed),
    "too long": (lambda _: "a" * 5000, errors.TokenMalformed),
    "header is a list": (lambda _: "W10.e30.e30", errors.TokenMalformed),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_token_is_refused_by_its_own_error(issuer: Tokens, kind: str) -> None:
    forge, error = WRONG[kind]
    with pytest.raises(Unauthenticated) as raised:
        issuer.verify(forge(issuer), now=NOW)
    assert type(raised.value) is error


def test_each_error_has_its_own_code() -> None:
    leaves = {error for _, error in WRONG.values()}
    assert len({leaf.code for leaf in leaves}) == len(leaves)


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.decode("latin-1")))
def test_no_text_brings_anything_but_a_refusal(text: str) -> None:
    with pytest.raises(Unauthenticated):
        Tokens(TokenKeys(private_pem(ED25519)), issuer="cc", audience="cc-api").verify(text, now=NOW)


def test_a_former_key_is_accepted_while_it_is_listed() -> None:
    former = Tokens(TokenKeys(private_pem(P256)), issuer="cc", audience="cc-api")
    present = TokenKeys(private_pem(ED25519), [public_pem(P256)])
    rotated = Tokens(present, issuer="cc", audience="cc-api")
    assert rotated.verify(issued(former), now=NOW).subject_id == PARTY
    published = present.jwks()["keys"]
    assert {key["kid"] for key in published} == {present.kid, former.keys.kid}
    assert {key["alg"] for key in published} == {"EdDSA", "ES256"}
    assert not any("d" in key for key in published)


def test_other_curves_do_not_sign() -> None:
    with pytest.raises(ValueError, match="P-256"):
        TokenKeys(private_pem(generate_private_key(SECP384R1())))


def test_the_memory_of_verified_tokens_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "REMEMBERED_TOKENS", 3)
    issuer = Tokens(TokenKeys(private_pem(ED25519)), issuer="cc", audience="cc-api")
    for _ in range(5):
        issuer.verify(issued(issuer), now=NOW)
    assert len(issuer._known) == 3
