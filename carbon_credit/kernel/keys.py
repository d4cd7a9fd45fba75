"""The installation's secrets, and the development keys that are made on first start."""

import contextlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

DEVELOPMENT_MARK = "carbon-credit development key"


@dataclass(frozen=True, slots=True)
class Keys:
    """Symmetric keys are 32 bytes or more; private keys are PEM. Never printed."""

    mac: bytes = field(repr=False)
    link: bytes = field(repr=False)
    voucher: bytes = field(repr=False)
    token_private_pem: bytes = field(repr=False)
    dossier_private_pem: bytes = field(repr=False)
    voucher_private_pem: bytes = field(repr=False)
    webhook: bytes = field(default=b"", repr=False)
    webhook_previous: bytes | None = field(default=None, repr=False)
    link_previous: bytes | None = field(default=None, repr=False)
    token_previous_public_pem: bytes | None = field(default=None, repr=False)
    voucher_previous_public_pem: bytes | None = field(default=None, repr=False)


def development_keys(folder: Path) -> Keys:
    """The keys in `folder`, made there if this is the first start. Production refuses them."""
    folder.mkdir(parents=True, exist_ok=True)
    return Keys(
        mac=bytes.fromhex(_kept(folder / "mac.hex", _new_secret)),
        link=bytes.fromhex(_kept(folder / "link.hex", _new_secret)),
        voucher=bytes.fromhex(_kept(folder / "voucher.hex", _new_secret)),
        webhook=bytes.fromhex(_kept(folder / "webhook.hex", _new_secret)),
        token_private_pem=_kept(folder / "token.pem", _new_private_key).encode(),
        dossier_private_pem=_kept(folder / "dossier.pem", _new_private_key).encode(),
        voucher_private_pem=_kept(folder / "voucher.pem", _new_private_key).encode(),
    )


def is_token_key(pem: bytes) -> bool:
    """Whether `pem` holds a private key that tokens can be signed with: Ed25519 or P-256."""
    try:
        key = serialization.load_pem_private_key(_body(pem), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    is_p256 = isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1)
    return is_p256 or isinstance(key, Ed25519PrivateKey)


def private_key(pem: bytes) -> Ed25519PrivateKey:
    """The Ed25519 key in `pem`. ValueError for any other kind."""
    key = serialization.load_pem_private_key(_body(pem), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("the key is not an Ed25519 private key")
    return key


def public_pem(key: Ed25519PublicKey) -> bytes:
    """The public key as PEM, for publication."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def public_key(pem: bytes) -> Ed25519PublicKey:
    """The Ed25519 key in `pem`. ValueError for any other kind."""
    key = serialization.load_pem_public_key(_body(pem))
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("the key is not an Ed25519 public key")
    return key


def raw_public(key: Ed25519PublicKey) -> bytes:
    """The 32 octets of the public key."""
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def _body(pem: bytes) -> bytes:
    return b"\n".join(line for line in pem.splitlines() if not line.startswith(b"#"))


def _new_secret() -> str:
    return secrets.token_hex(32)


def _new_private_key() -> str:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return f"# {DEVELOPMENT_MARK}\n{pem.decode()}"


def _kept(path: Path, make: Callable[[], str]) -> str:
    # Created whole under another name and linked into place, so that two processes starting
    # together agree on one key and neither reads half of it.
    if not path.exists():
        draft = path.with_suffix(f".{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(make())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text().strip()
