"""Sealed texts: opened by the same installation for the same owner, and by nobody else."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.kernel.keys import Keys
from carbon_credit.kernel.sealing import SealBroken, seal, unseal

KEYS = Keys(
    mac=b"m" * 32,
    link=b"l" * 32,
    voucher=b"v" * 32,
    token_private_pem=b"",
    dossier_private_pem=b"",
    voucher_private_pem=b"",
)
OWNER = b"owner"


@given(text=st.binary(max_size=300))
def test_what_was_sealed_is_opened(text: bytes) -> None:
    sealed = seal(KEYS, text, purpose="test", belongs_to=OWNER)
    assert unseal(KEYS, sealed, purpose="test", belongs_to=OWNER) == text
    assert seal(KEYS, text, purpose="test", belongs_to=OWNER) != sealed
    rotated = replace(KEYS, link=b"n" * 32, link_previous=KEYS.link)
    assert unseal(rotated, sealed, purpose="test", belongs_to=OWNER) == text


@given(place=st.integers(0, 200), text=st.binary(max_size=40))
def test_changed_moved_or_foreign_it_stays_shut(place: int, text: bytes) -> None:
    sealed = seal(KEYS, text, purpose="test", belongs_to=OWNER)
    changed = bytearray(sealed)
    changed[place % len(changed)] ^= 1
    for broken, keys, purpose, owner in (
        (bytes(changed), KEYS, "test", OWNER),
        (sealed, KEYS, "test", b"another"),
        (sealed, KEYS, "other", OWNER),
        (sealed, replace(KEYS, link=b"n" * 32), "test", OWNER),
        (sealed[:-1], KEYS, "test", OWNER),
        (b"", KEYS, "test", OWNER),
    ):
        with pytest.raises(SealBroken):
            unseal(keys, broken, purpose=purpose, belongs_to=owner)
