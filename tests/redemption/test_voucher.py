"""Codes: forgiving of how they are typed, unforgiving of what."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.redemption import voucher
from carbon_credit.redemption.errors import VoucherInvalid

KEY = bytes(range(32))
SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
codes = st.uuids().map(lambda chosen: voucher.code_of(KEY, redemption_id=chosen))


def test_a_code_is_pinned() -> None:
    # Vouchers in people's phones must survive an upgrade: this value may never change.
    code = voucher.code_of(KEY, redemption_id=uuid.UUID(int=1))
    assert voucher.grouped(code) == "YXZJ-QHKM-JDRV3"


def test_the_check_character_is_crockfords() -> None:
    # Python's own base 32 and remainder: 1000 0000 0005 is 32**11 + 5.
    assert int("100000000005", 32) % 37 == 3
    assert voucher.read("1000-0000-0005-3") == "1000000000053"


@given(codes)
def test_a_code_reads_back(code: str) -> None:
    assert len(code) == 13
    assert set(code) <= set(SYMBOLS)
    assert voucher.read(code) == code
    assert voucher.read(f"CV1:{code}") == code
    assert voucher.read(f" {voucher.grouped(code).lower()} ") == code
    assert voucher.read(code.replace("0", "O").replace("1", "l")) == code


@given(codes, st.integers(0, 12), st.sampled_from(SYMBOLS))
def test_one_wrong_character_is_noticed(code: str, place: int, symbol: str) -> None:
    wrong = code[:place] + symbol + code[place + 1 :]
    if wrong == code:
        return
    with pytest.raises(VoucherInvalid):
        voucher.read(wrong)


@given(codes, st.integers(0, 12), st.integers(0, 12))
def test_two_exchanged_characters_are_noticed(code: str, one: int, other: int) -> None:
    letters = list(code)
    letters[one], letters[other] = letters[other], letters[one]
    if "".join(letters) == code:
        return
    with pytest.raises(VoucherInvalid):
        voucher.read("".join(letters))


@given(st.text(max_size=30))
def test_any_text_is_a_code_or_said_to_be_none(text: str) -> None:
    try:
        code = voucher.read(text)
    except VoucherInvalid:
        return
    assert len(code) == 13
    assert set(code) <= set(SYMBOLS)


def test_the_key_decides_code_and_digest() -> None:
    chosen = uuid.UUID(int=7)
    code = voucher.code_of(KEY, redemption_id=chosen)
    assert voucher.code_of(KEY[::-1], redemption_id=chosen) != code
    assert voucher.digest_of(KEY, code=code) != voucher.digest_of(KEY[::-1], code=code)
    # The digest must not give the code away: it is not the bits that the code was made of.
    assert code not in voucher.digest_of(KEY, code=code).hex.upper()
