"""Client secrets: drawn here, shown once, kept as a scrypt hash.

A secret is 256 random bits, so stretching only has to make a stolen table useless, not to save a
weak password: 2**12 costs about 10 ms and 4 MB, which a flood of wrong secrets cannot turn on us.
"""

import base64
import hashlib
import secrets

from carbon_credit.kernel.digest import same

_N, _R, _P = 2**12, 8, 1
_NOBODY = "scrypt$4096$8$1$00000000000000000000000000000000$" + "0" * 64


def new_client_id() -> str:
    """A fresh client id, not secret: "cc_" and 20 letters or digits."""
    return "cc_" + base64.b32encode(secrets.token_bytes(12)).decode().rstrip("=").lower()


def new_secret() -> str:
    """256 random bits in 43 URL-safe characters."""
    return secrets.token_urlsafe(32)


def hashed(secret: str) -> str:
    """What is stored: algorithm, cost, salt and hash."""
    salt = secrets.token_bytes(16)
    return f"scrypt${_N}${_R}${_P}${salt.hex()}${_scrypt(secret, salt, _N, _R, _P).hex()}"


def matches(secret: str, stored: str | None) -> bool:
    """Whether `secret` is behind `stored`. An unknown client takes as long as a wrong secret."""
    _, n, r, p, salt, expected = (stored or _NOBODY).split("$")
    found = _scrypt(secret, bytes.fromhex(salt), int(n), int(r), int(p))
    return same(found, bytes.fromhex(expected)) and stored is not None


def _scrypt(secret: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(secret.encode("utf-8", "surrogatepass"), salt=salt, n=n, r=r, p=p, dklen=32)
