"""From a batch item and its reduction to the leaf that is hashed and handed out."""

import hmac
from collections.abc import Iterator
from uuid import UUID

import orjson
from sqlalchemy.orm import Session

from carbon_credit.offsets.queries import Item, items
from carbon_credit.quantification.selection import Candidate, reductions_by_id
from carbon_credit.verifier.leaf import Leaf


def with_reductions(session: Session, batch_id: UUID) -> Iterator[list[tuple[Item, Candidate]]]:
    """Items by position with their reductions, in portions."""
    for portion in items(session, batch_id=batch_id):
        found = reductions_by_id(session, ids=[item.reduction_id for item in portion])
        yield [(item, found[item.reduction_id]) for item in portion]


def leaf_of(item: Item, reduction: Candidate, *, salt: bytes) -> Leaf:
    """The leaf. `salt`: 32 bytes of the batch, from which its own salt and the pseudonym are derived.

    A pseudonym is the same within a batch, so that a verifier sees what one person did, and another in
    every other batch. Without the salt nobody can compute either; deleting it makes leaves unlinkable.
    """
    return Leaf(
        leaf_no=item.position,
        salt=_derived(salt, "leaf", item.reduction_id, item.from_mg),
        pseudonym=_derived(salt, "citizen", reduction.citizen_id, 0),
        business_date=reduction.business_day,
        activity_type=reduction.activity_type,
        methodology=reduction.methodology_id,
        version=reduction.methodology_version,
        version_digest=reduction.version_digest,
        inputs=orjson.loads(reduction.inputs),
        tier=reduction.tier,
        grade=reduction.grade,
        gross_mg=reduction.gross_mg,
        cap_code=reduction.cap_code or "",
        adjusted_mg=item.total_mg - reduction.credited_mg,
        credited_mg=item.total_mg,
        from_mg=item.from_mg,
        to_mg=item.to_mg,
    )


def _derived(salt: bytes, use: str, what: UUID, number: int) -> str:
    return hmac.digest(salt, f"{use}:{what.hex}:{number}".encode(), "sha256")[:16].hex()
