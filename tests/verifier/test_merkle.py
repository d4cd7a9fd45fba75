"""The tree: the streamed root is the level-by-level one, and proofs lead to it and nowhere else."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.verifier.merkle import (
    EMPTY_ROOT,
    RootBuilder,
    hash_leaf,
    hash_node,
    merkle_proof,
    merkle_root,
    proves,
)

leaves = st.lists(st.binary(max_size=4), min_size=1, max_size=70).map(
    lambda many: [hash_leaf(one) for one in many]
)


def _by_levels(level: list[bytes]) -> bytes:
    while len(level) > 1:
        pairs = [hash_node(*level[i : i + 2]) for i in range(0, len(level) - 1, 2)]
        level = pairs + (level[-1:] if len(level) % 2 else [])
    return level[0]


@given(leaves)
def test_the_streamed_root_is_the_one_by_levels(hashes: list[bytes]) -> None:
    assert merkle_root(hashes) == _by_levels(hashes)


@given(leaves, st.data())
def test_a_proof_leads_to_the_root_for_its_own_leaf_only(hashes: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(hashes) - 1))
    steps, root = merkle_proof(hashes, index), merkle_root(hashes)
    assert proves(hashes[index], steps, root)
    assert not proves(hash_leaf(b"another leaf"), steps, root)
    assert len(steps) <= len(hashes).bit_length()


def test_worked_by_hand() -> None:
    a, b, c = (hashlib.sha256(b"\x00" + text).digest() for text in (b"a", b"b", b"c"))
    left = hashlib.sha256(b"\x01" + a + b).digest()
    assert (
        merkle_root([hash_leaf(b"a"), hash_leaf(b"b"), hash_leaf(b"c")])
        == hashlib.sha256(b"\x01" + left + c).digest()
    )
    assert merkle_root([]) == EMPTY_ROOT
    assert merkle_root([a]) == a


def test_the_root_can_be_asked_for_between_leaves() -> None:
    builder = RootBuilder()
    hashes = [hash_leaf(bytes([i])) for i in range(9)]
    for count, leaf in enumerate(hashes, start=1):
        builder.add(leaf)
        assert builder.root() == merkle_root(hashes[:count])
    assert builder.count == 9


@pytest.mark.parametrize("index", [-1, 2])
def test_there_is_no_proof_for_a_leaf_that_is_not_there(index: int) -> None:
    with pytest.raises(IndexError):
        merkle_proof([hash_leaf(b"a"), hash_leaf(b"b")], index)
