"""Who signs dossiers: the installation's own key, or anything that keeps to the protocol (an HSM)."""

from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy.orm import Session

from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.keys import private_key


class Signer(Protocol):
    """Signs with Ed25519."""

    @property
    def public_key(self) -> Ed25519PublicKey:
        """The key that verifiers are given."""

    def sign(self, data: bytes) -> bytes:
        """64 bytes over `data`."""


class KeySigner:
    """Signs with a private key held in memory."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @property
    def public_key(self) -> Ed25519PublicKey:
        return self._key.public_key()

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)


def signer_of(session: Session) -> KeySigner:
    """The installation's signer."""
    return KeySigner(private_key(keys_of(session).dossier_private_pem))
