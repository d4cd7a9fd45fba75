"""Matching without telling: a partner learns which of its cards are enrolled, and sends only those rows.

A match key belongs to one programme and kind of link. It is derived from the installation's link key, and
nothing leads back, so whoever holds it cannot compute the digests that the platform finds citizens by.
"""

import hashlib
import hmac
import unicodedata
import uuid

from carbon_credit.kernel.keys import Keys

KEY_BYTES = 32


def match_key(keys: Keys, *, programme: str, kind: str, previous: bool = False) -> bytes:
    """The key that the partner computes with. `previous`: of the link key before the present one."""
    link_key = keys.link_previous if previous and keys.link_previous is not None else keys.link
    return hmac.digest(link_key, f"match-key/{programme}/{kind}".encode(), "sha256")


def key_id(key: bytes) -> str:
    """What a match key is called: 16 hexadecimal digits, not secret."""
    return hashlib.sha256(b"match-key-id/" + key).hexdigest()[:16]


def match_digest(key: bytes, value: str) -> uuid.UUID:
    """What stands for a card: 16 bytes of HMAC-SHA256 over it, so that a partner can compute it anywhere.
    The same for `１２３` and ` 123 `, as for links."""
    return uuid.UUID(bytes=hmac.digest(key, plain(value).encode(), "sha256")[:16])


def plain(value: str) -> str:
    """The value as it is compared: NFKC, no white space around it."""
    return (value if value.isascii() else unicodedata.normalize("NFKC", value)).strip()
