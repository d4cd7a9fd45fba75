"""Secrets of endpoints: made, sealed for storage, and what they sign.

A secret is 32 random bytes, shown once as `whsec_` and base64. Signing needs it again and again, so it
is stored: encrypted with AES-256-GCM under a key derived from the installation's `WEBHOOK_KEY`, and bound
to the row that it stands in.
"""

import hashlib
import hmac
import secrets
from base64 import b64encode
from collections.abc import Sequence
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from carbon_credit.kernel.keys import Keys
from carbon_credit.webhooks.errors import WebhookSecretUnreadable

PREFIX = "whsec_"
_BYTES = 32  # the specification asks for 24 to 64
_NONCE = 12


def new_secret() -> bytes:
    """A fresh secret."""
    return secrets.token_bytes(_BYTES)


def shown(secret: bytes) -> str:
    """The secret as its owner gets it, once."""
    return PREFIX + b64encode(secret).decode()


def seal(keys: Keys, secret: bytes, *, secret_id: UUID) -> bytes:
    """The secret, encrypted for the row `secret_id`."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + AESGCM(_derived(keys.webhook)).encrypt(nonce, secret, secret_id.bytes)


def open_sealed(keys: Keys, sealed: bytes, *, secret_id: UUID) -> bytes:
    """The secret again. Raises WebhookSecretUnreadable."""
    for key in filter(None, (keys.webhook, keys.webhook_previous)):
        try:
            return AESGCM(_derived(key)).decrypt(sealed[:_NONCE], sealed[_NONCE:], secret_id.bytes)
        except InvalidTag:
            continue
    raise WebhookSecretUnreadable


def key_id(keys: Keys) -> str:
    """Names the key that secrets are sealed with now, without telling anything of it."""
    return hmac.digest(keys.webhook, b"webhook key id", hashlib.sha256).hex()[:16]


def headers(
    secrets_in_force: Sequence[bytes], *, message_id: UUID, timestamp: int, body: bytes
) -> dict[str, str]:
    """The three headers of Standard Webhooks: one signature for each secret in force.

    `timestamp`: of this attempt, seconds since 1970.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = [
        "v1," + b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode() for secret in secrets_in_force
    ]
    return {
        "webhook-id": str(message_id),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def _derived(key: bytes) -> bytes:
    return hmac.digest(key, b"webhook secrets", hashlib.sha256)
