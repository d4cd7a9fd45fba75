"""The text of a voucher's QR code: what it says, and that nobody else can say it."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import segno
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.kernel.keys import Keys, public_pem
from carbon_credit.redemption import signing, voucher
from carbon_credit.redemption.errors import VoucherForged, VoucherInvalid
from tests.redemption.conftest import LATER, Mall

MERCHANT, OFFER = uuid.UUID(int=1), uuid.UUID(int=2)
UNTIL = datetime(2026, 12, 31, 16, 0, tzinfo=UTC)
CODE = voucher.code_of(bytes(32), redemption_id=uuid.UUID(int=3))


def pem_of(number: int) -> bytes:
    key = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


KEYS = Keys(
    mac=b"",
    link=b"",
    voucher=b"",
    token_private_pem=b"",
    dossier_private_pem=b"",
    voucher_private_pem=pem_of(1),
)


def signed(
    keys: Keys = KEYS, *, value_fen: int = 500, partial_use: bool = False, needs_bill: bool = False
) -> str:
    return signing.sign(
        keys,
        code=CODE,
        expires_at=UNTIL + timedelta(microseconds=999_999),
        value_fen=value_fen,
        partial_use=partial_use,
        needs_bill=needs_bill,
        merchant_id=MERCHANT,
        offer_id=OFFER,
    )


def test_a_signed_text_is_pinned() -> None:
    # Vouchers in people's phones, and the tills that read them, must survive an upgrade.
    assert signed() == (
        "CV2:00T7A3S3NZQZ82ZR5SNKCZ000000000007T7RF6D21MJGSES9VAH5SSSQWJ6QBXQGC4Z5SW95YNEF2A8XWAQH8"
        "VH1ARVA1E13TFD5SJ9GGXEPHS6PGG8MRZCBF6ZJ3YGYYS334A06CC6JB93SWCGT"
    )


@pytest.mark.parametrize(("partial_use", "needs_bill"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("value_fen", [1, 500, 10**15])
def test_what_was_signed_is_read(value_fen: int, partial_use: bool, needs_bill: bool) -> None:
    text = signed(value_fen=value_fen, partial_use=partial_use, needs_bill=needs_bill)
    found = signing.terms_of(KEYS, text=f" {text.lower()}\n")
    assert (found.code, found.value_fen) == (CODE, value_fen)
    assert (found.partial_use, found.needs_bill) == (partial_use, needs_bill)
    assert found.expires_at == UNTIL  # whole seconds, never later than the voucher's own time
    assert found.is_of(MERCHANT)
    assert not found.is_of(OFFER)
    assert signing.code_in(text) == CODE


def test_it_is_a_coarse_picture() -> None:
    code = segno.make(signed(value_fen=10**15), error="m", micro=False, boost_error=False)
    assert (code.version, code.mode) == (6, "alphanumeric")


@given(st.integers(0, 93 * 8 - 1))
def test_any_bit_that_is_changed_is_noticed(place: int) -> None:
    octets = bytearray(voucher.decoded(signed().removeprefix("CV2:"), 93))
    octets[place // 8] ^= 1 << place % 8
    with pytest.raises((VoucherForged, VoucherInvalid)):
        signing.terms_of(KEYS, text="CV2:" + voucher.encoded(bytes(octets)))


@given(st.text(max_size=200))
def test_anything_else_is_no_voucher(text: str) -> None:
    for typed in (text, f"CV2:{text}"):
        with pytest.raises((VoucherForged, VoucherInvalid)):
            signing.terms_of(KEYS, text=typed)


def test_the_key_before_is_still_taken_and_no_other() -> None:
    former = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32).public_key()
    text = signed()
    changed = replace(KEYS, voucher_private_pem=pem_of(2))
    with pytest.raises(VoucherForged):
        signing.terms_of(changed, text=text)
    rotated = replace(changed, voucher_previous_public_pem=public_pem(former))
    assert signing.terms_of(rotated, text=text).code == CODE
    assert signing.terms_of(rotated, text=signed(rotated)).code == CODE


def test_a_till_takes_what_the_citizen_shows(mall: Mall) -> None:
    held = mall.reserve(mall.citizen({LATER: 100}), mall.offer())
    assert held.qr_text is not None
    found = signing.terms_of(mall.database.settings.keys, text=held.qr_text)
    assert (found.code, found.value_fen, found.is_of(mall.merchant)) == (held.code, 500, True)
    assert mall.consume(held.qr_text).redemption_id == held.id
