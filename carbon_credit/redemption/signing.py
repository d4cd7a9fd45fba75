"""What a voucher's QR code says: its code and terms, signed, so that a till can judge it offline.

    CV2: + Crockford's base 32 of 29 octets of terms and the 64 of an Ed25519 signature over them

    1  flags: 1 for partial use,     7  value, fen
       2 where the bill decides
    2  which key                     4  which merchant: SHA-256 of its id
    8  the code's 60 bits            3  which offer: SHA-256 of its id
    4  valid until, Unix seconds

All of it is in the QR alphanumeric mode and fits version 6 (41 x 41 modules) at level M. Nothing in it is
about the citizen. The signature proves that the voucher was made, not that it is still unused.
"""

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from carbon_credit.kernel.keys import Keys, private_key, public_key, raw_public
from carbon_credit.redemption import voucher
from carbon_credit.redemption.errors import VoucherForged, VoucherInvalid

PREFIX = "CV2:"
PARTIAL, BILL = 1, 2
_DOMAIN = b"carbon-credit voucher CV2\0"
_TERMS, _WHOLE = 29, 29 + 64


@dataclass(frozen=True, slots=True)
class Terms:
    """What a signed voucher says. `code`: thirteen characters. `expires_at`: whole seconds, never later than
    the voucher's own."""

    code: str
    expires_at: datetime
    value_fen: int
    partial_use: bool
    needs_bill: bool
    merchant: bytes
    offer: bytes

    def is_of(self, merchant_id: uuid.UUID) -> bool:
        """Whether it is this merchant's, as far as four octets tell."""
        return self.merchant == _short(merchant_id, 4)


def sign(
    keys: Keys,
    *,
    code: str,
    expires_at: datetime,
    value_fen: int,
    partial_use: bool,
    needs_bill: bool,
    merchant_id: uuid.UUID,
    offer_id: uuid.UUID,
) -> str:
    """The text of the voucher's QR code."""
    key = _signer(keys.voucher_private_pem)
    terms = b"".join(
        (
            bytes([PARTIAL * partial_use | BILL * needs_bill]),
            key_id(key.public_key()),
            voucher.number_of(code).to_bytes(8, "big"),
            int(expires_at.timestamp()).to_bytes(4, "big"),
            value_fen.to_bytes(7, "big"),
            _short(merchant_id, 4),
            _short(offer_id, 3),
        )
    )
    return PREFIX + voucher.encoded(terms + key.sign(_DOMAIN + terms))


def terms_of(keys: Keys, *, text: str) -> Terms:
    """What a scanned text says, if one of our keys signed it. Raises VoucherInvalid, VoucherForged."""
    whole = _octets(text)
    terms, signature = whole[:_TERMS], whole[_TERMS:]
    public = next((one for one in public_keys(keys) if key_id(one) == terms[1:3]), None)
    if public is None:
        raise VoucherForged
    try:
        public.verify(signature, _DOMAIN + terms)
    except InvalidSignature as error:
        raise VoucherForged from error
    return Terms(
        code=code_in(text),
        expires_at=datetime.fromtimestamp(int.from_bytes(terms[11:15], "big"), UTC),
        value_fen=int.from_bytes(terms[15:22], "big"),
        partial_use=bool(terms[0] & PARTIAL),
        needs_bill=bool(terms[0] & BILL),
        merchant=terms[22:26],
        offer=terms[26:29],
    )


def code_in(text: str) -> str:
    """The code in what was typed or scanned, signed or not. Raises VoucherInvalid.

    A signature is not looked at: where the database is asked, the code alone is enough.
    """
    if not text.strip().upper().startswith(PREFIX):
        return voucher.read(text)
    return voucher.code_from(int.from_bytes(_octets(text)[3:11], "big"))


def public_keys(keys: Keys) -> Iterator[Ed25519PublicKey]:
    """Those whose signatures hold: the present one and the one before."""
    yield _signer(keys.voucher_private_pem).public_key()
    if keys.voucher_previous_public_pem is not None:
        yield public_key(keys.voucher_previous_public_pem)


def key_id(public: Ed25519PublicKey) -> bytes:
    """Two octets by which a text names its key: enough to choose among the few that are accepted."""
    return hashlib.sha256(raw_public(public)).digest()[:2]


def _octets(text: str) -> bytes:
    try:
        return voucher.decoded(text.strip().upper().removeprefix(PREFIX), _WHOLE)
    except ValueError as error:
        raise VoucherInvalid from error


def _short(number: uuid.UUID, octets: int) -> bytes:
    return hashlib.sha256(number.bytes).digest()[:octets]


@lru_cache(maxsize=4)  # reading a PEM takes longer than signing
def _signer(pem: bytes) -> Ed25519PrivateKey:
    return private_key(pem)
