"""The tree over the leaves: sha256(0x01 ‖ left ‖ right), an odd node goes up as it is.

Leaf hashes begin with 0x00 and nodes with 0x01, so that a node can never be shown as a leaf
(RFC 6962, whose shape this is too). Built as a stream: memory is the height of the tree.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

LEAF_PREFIX = b"\x00"
NODE_PREFIX = b"\x01"
EMPTY_ROOT = hashlib.sha256(b"").digest()


def hash_leaf(data: bytes) -> bytes:
    """32 bytes: the hash of one leaf's canonical bytes."""
    return hashlib.sha256(LEAF_PREFIX + data).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    """32 bytes: the hash of a node over its two children."""
    return hashlib.sha256(NODE_PREFIX + left + right).digest()


class RootBuilder:
    """Add leaf hashes in order, then ask for the root; more may be added after."""

    def __init__(self) -> None:
        self.count = 0
        self._peaks: list[tuple[int, bytes]] = []  # complete subtrees, tallest first, with their height

    def add(self, leaf_hash: bytes) -> None:
        self.count += 1
        height, node = 0, leaf_hash
        while self._peaks and self._peaks[-1][0] == height:
            node = hash_node(self._peaks.pop()[1], node)
            height += 1
        self._peaks.append((height, node))

    def root(self) -> bytes:
        """32 bytes; of no leaves, the hash of nothing."""
        if not self._peaks:
            return EMPTY_ROOT
        node = self._peaks[-1][1]
        for _height, left in reversed(self._peaks[:-1]):
            node = hash_node(left, node)
        return node


def merkle_root(leaf_hashes: Iterable[bytes]) -> bytes:
    """The root over `leaf_hashes` in order."""
    builder = RootBuilder()
    for leaf_hash in leaf_hashes:
        builder.add(leaf_hash)
    return builder.root()


@dataclass(frozen=True, slots=True)
class ProofStep:
    """The sibling on one level, and on which side of us it stands."""

    side: Literal["left", "right"]
    sibling: bytes


def merkle_proof(leaf_hashes: Sequence[bytes], index: int) -> list[ProofStep]:
    """The siblings from leaf `index` (from 0) to the root, lowest first. IndexError outside."""
    if not 0 <= index < len(leaf_hashes):
        raise IndexError(f"there is no leaf {index} among {len(leaf_hashes)}")
    steps: list[ProofStep] = []
    level = list(leaf_hashes)
    while len(level) > 1:
        beside = index ^ 1
        if beside < len(level):
            steps.append(ProofStep("left" if beside < index else "right", level[beside]))
        odd = level[-1:] if len(level) % 2 else []
        level = [hash_node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)] + odd
        index //= 2
    return steps


def proves(leaf_hash: bytes, steps: Iterable[ProofStep], root: bytes) -> bool:
    """True where `steps` lead from `leaf_hash` to `root`."""
    node = leaf_hash
    for step in steps:
        node = hash_node(step.sibling, node) if step.side == "left" else hash_node(node, step.sibling)
    return node == root
