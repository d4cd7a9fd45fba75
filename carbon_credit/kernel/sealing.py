"""Texts that must be read again and may not lie in the database as they are: sealed with ChaCha20-Poly1305.

A sealed text is bound to what it belongs to: moved to another row, it cannot be opened.
"""

import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from carbon_credit.kernel.errors import Broken
from carbon_credit.kernel.keys import Keys

_NONCE_BYTES = 12


class SealBroken(Broken):
    code = "seal-broken"
    en = "A sealed text of {what} cannot be opened: it was changed, or LINK_KEY was replaced twice meanwhile."
    zh = "{what} 的加密内容无法打开：内容被改动，或其间 LINK_KEY 已更换两次。"


def seal(keys: Keys, text: bytes, *, purpose: str, belongs_to: bytes) -> bytes:
    """`text`, readable only with the installation's LINK_KEY, for this purpose and this owner."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + _cipher(keys.link, purpose).encrypt(nonce, text, belongs_to)


def unseal(keys: Keys, sealed: bytes, *, purpose: str, belongs_to: bytes) -> bytes:
    """What was sealed; also under the former LINK_KEY. Raises SealBroken."""
    for key in (keys.link, keys.link_previous):
        if key is None:
            continue
        try:
            return _cipher(key, purpose).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], belongs_to)
        except (InvalidTag, ValueError):
            continue
    raise SealBroken(what=purpose)


def _cipher(key: bytes, purpose: str) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(hmac.digest(key, f"seal/{purpose}".encode(), "sha256"))
