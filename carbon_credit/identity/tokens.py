"""Access tokens: JSON Web Tokens (RFC 7519, typ at+jwt of RFC 9068) signed with EdDSA or ES256.

What a token may be is decided by the key that its `kid` names, never by its own `alg`: that is
what makes `alg: none` and HS256 signed with our public key fail. The claims:

    iss, aud, iat, exp, jti   as registered
    sub        the party or citizen
    role, prg  what it is, in which programme
    scope      words separated by spaces
    client_id  the credential behind it; its revocation ends the token
    till       the till that a merchant's credential belongs to, if any
    act        {"sub": partner} in a citizen's token that a partner got by exchange (RFC 8693)
"""

import base64
import hashlib
import json
import threading
import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from carbon_credit.identity import errors
from carbon_credit.identity.scopes import SCOPES_BY_ROLE
from carbon_credit.kernel.ids import new_id

ALGORITHMS = ("EdDSA", "ES256")
CLOCK_SKEW = timedelta(seconds=30)
MAX_TOKEN_LENGTH = 4096
REMEMBERED_TOKENS = 10_000
_REQUIRED = ("iss", "aud", "sub", "iat", "exp", "jti", "role", "prg", "scope", "client_id")

PublicKey = Ed25519PublicKey | EllipticCurvePublicKey
PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says. `actor_id`: the partner that acts for a citizen, or None. `till_id`: the
    merchant's till that the credential belongs to, or None."""

    subject_id: uuid.UUID
    role: str
    programme: str
    scopes: frozenset[str]
    client_id: str
    actor_id: uuid.UUID | None
    token_id: str
    expires_at: datetime
    till_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class _VerificationKey:
    algorithm: str
    public: PublicKey = field(repr=False)


class TokenKeys:
    """One key that signs, and those whose signatures are still accepted, by `kid`."""

    def __init__(self, signing_pem: bytes, accepted_public_pems: Sequence[bytes] = ()) -> None:
        """`signing_pem`: an Ed25519 or P-256 private key. The others: public keys of former ones."""
        self._private, self.algorithm = _private_key(signing_pem)
        self.kid = _thumbprint(self._private.public_key())
        self._accepted = {self.kid: _VerificationKey(self.algorithm, self._private.public_key())}
        for pem in accepted_public_pems:
            public, algorithm = _public_key(pem)
            self._accepted[_thumbprint(public)] = _VerificationKey(algorithm, public)

    def sign(self, claims: Mapping[str, object]) -> str:
        """The claims as a signed token."""
        headers = {"kid": self.kid, "typ": "at+jwt"}
        return jwt.encode(dict(claims), self._private, algorithm=self.algorithm, headers=headers)

    def key_for(self, header: Mapping[str, object]) -> _VerificationKey:
        """The key that the header names. Raises TokenAlgorithmRefused, TokenKeyUnknown."""
        if header.get("alg") not in ALGORITHMS:
            raise errors.TokenAlgorithmRefused(accepted=", ".join(ALGORITHMS))
        kid = header.get("kid")
        found = self._accepted.get(kid) if isinstance(kid, str) else None
        if found is None:
            raise errors.TokenKeyUnknown
        if header["alg"] != found.algorithm:
            raise errors.TokenAlgorithmRefused(accepted=found.algorithm)
        return found

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys as a JSON Web Key Set, to be published."""
        return {
            "keys": [
                {**_jwk(key.public), "kid": kid, "alg": key.algorithm, "use": "sig"}
                for kid, key in self._accepted.items()
            ]
        }


class Tokens:
    """Issues and verifies. A signature is checked once; the token is then known by its digest."""

    def __init__(self, keys: TokenKeys, *, issuer: str, audience: str) -> None:
        self.keys = keys
        self._issuer = issuer
        self._audience = audience
        self._known: OrderedDict[bytes, Claims] = OrderedDict()
        self._lock = threading.Lock()

    def issue(
        self,
        *,
        subject_id: uuid.UUID,
        role: str,
        programme: str,
        scopes: Sequence[str],
        client_id: str,
        now: datetime,
        ttl_s: int,
        actor_id: uuid.UUID | None = None,
        till_id: uuid.UUID | None = None,
    ) -> str:
        """A token that holds for `ttl_s` seconds from `now`."""
        issued = int(now.timestamp())
        claims: dict[str, object] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(subject_id),
            "iat": issued,
            "exp": issued + ttl_s,
            "jti": str(new_id()),
            "role": role,
            "prg": programme,
            "scope": " ".join(scopes),
            "client_id": client_id,
        }
        if actor_id is not None:
            claims["act"] = {"sub": str(actor_id)}
        if till_id is not None:
            claims["till"] = str(till_id)
        return self.keys.sign(claims)

    def verify(self, token: str, *, now: datetime) -> Claims:
        """What the token says, if all of it holds at `now`. Raises a leaf of Unauthenticated."""
        if len(token) > MAX_TOKEN_LENGTH or not token.isascii():
            raise errors.TokenMalformed
        digest = hashlib.sha256(token.encode()).digest()
        with self._lock:
            claims = self._known.get(digest)
        if claims is None:
            claims = self._read(token, now)
            self._remember(digest, claims)
        if claims.expires_at <= now:
            raise errors.TokenExpired
        return claims

    def _read(self, token: str, now: datetime) -> Claims:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise errors.TokenMalformed from error
        if "crit" in header or header.get("typ") not in ("at+jwt", "JWT"):
            raise errors.TokenMalformed
        key = self.keys.key_for(header)
        try:
            # Only the signature: times are judged by the caller's clock, and each claim has its own error.
            options: Any = {"verify_signature": True, "verify_exp": False, "verify_nbf": False}
            options |= {"verify_iat": False, "verify_aud": False, "verify_iss": False, "verify_sub": False}
            options |= {"verify_jti": False}
            payload = jwt.decode(token, key.public, algorithms=[key.algorithm], options=options)
        except jwt.InvalidSignatureError as error:
            raise errors.TokenSignatureWrong from error
        except jwt.InvalidTokenError as error:
            raise errors.TokenMalformed from error
        return self._claims(payload, now)

    def _claims(self, payload: Mapping[str, Any], now: datetime) -> Claims:
        for name in _REQUIRED:
            if name not in payload:
                raise errors.TokenClaimsWrong(claim=name)
        if payload["iss"] != self._issuer:
            raise errors.TokenIssuerWrong
        audience = payload["aud"]
        if self._audience != audience and not (isinstance(audience, list) and self._audience in audience):
            raise errors.TokenAudienceWrong
        if payload["role"] not in SCOPES_BY_ROLE:
            raise errors.TokenClaimsWrong(claim="role")
        issued_at = _instant(payload, "iat")
        not_before = _instant(payload, "nbf") if "nbf" in payload else issued_at
        if max(issued_at, not_before) > now + CLOCK_SKEW:
            raise errors.TokenNotYetValid
        actor = payload.get("act")
        if actor is not None and not isinstance(actor, dict):
            raise errors.TokenClaimsWrong(claim="act")
        return Claims(
            subject_id=_id(payload.get("sub"), "sub"),
            role=payload["role"],
            programme=_text(payload, "prg"),
            scopes=frozenset(_text(payload, "scope").split()),
            client_id=_text(payload, "client_id"),
            actor_id=None if actor is None else _id(actor.get("sub"), "act"),
            token_id=_text(payload, "jti"),
            expires_at=_instant(payload, "exp"),
            till_id=_id(payload["till"], "till") if "till" in payload else None,
        )

    def _remember(self, digest: bytes, claims: Claims) -> None:
        with self._lock:
            self._known[digest] = claims
            while len(self._known) > REMEMBERED_TOKENS:
                self._known.popitem(last=False)


def _instant(payload: Mapping[str, Any], name: str) -> datetime:
    value = payload[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**34:
        raise errors.TokenClaimsWrong(claim=name)
    return datetime.fromtimestamp(value, UTC)


def _text(payload: Mapping[str, Any], name: str) -> str:
    value = payload[name]
    if not isinstance(value, str):
        raise errors.TokenClaimsWrong(claim=name)
    return value


def _id(value: object, name: str) -> uuid.UUID:
    try:
        return uuid.UUID(value)  # type: ignore[arg-type]
    except (ValueError, TypeError, AttributeError) as error:
        raise errors.TokenClaimsWrong(claim=name) from error


def _private_key(pem: bytes) -> tuple[PrivateKey, str]:
    body = b"\n".join(line for line in pem.splitlines() if not line.startswith(b"#"))
    key = serialization.load_pem_private_key(body, password=None)
    if isinstance(key, Ed25519PrivateKey):
        return key, "EdDSA"
    if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1):
        return key, "ES256"
    raise ValueError("a token is signed with an Ed25519 or a P-256 private key")


def _public_key(pem: bytes) -> tuple[PublicKey, str]:
    key = serialization.load_pem_public_key(pem)
    if isinstance(key, Ed25519PublicKey):
        return key, "EdDSA"
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return key, "ES256"
    raise ValueError("a token is verified with an Ed25519 or a P-256 public key")


def _jwk(key: PublicKey) -> dict[str, str]:
    if isinstance(key, Ed25519PublicKey):
        members = OKPAlgorithm.to_jwk(key, as_dict=True)
    else:
        members = ECAlgorithm.to_jwk(key, as_dict=True)
    return {name: members[name] for name in ("crv", "kty", "x", "y") if name in members}


def _thumbprint(key: PublicKey) -> str:
    # RFC 7638: the digest of the required members, in order.
    canonical = json.dumps(_jwk(key), sort_keys=True, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()
