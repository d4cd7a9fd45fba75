"""What an audit asks of the catalogue: bytes that fit their digest, approvals for what is published."""

from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.catalogue.four_eyes import agreed
from carbon_credit.catalogue.models import MethodologyText
from carbon_credit.catalogue.queries import files_of, versions
from carbon_credit.catalogue.recording import APPROVAL, DRAFT, FOR_REHEARSAL, SEALED, SEED_PARTY
from carbon_credit.kernel.digest import canonical_json, sha256_hex
from carbon_credit.methodology.loader import CASES

__all__ = ["SEALED", "texts_changed", "unapproved"]


def texts_changed(session: Session) -> Iterator[str]:
    """The digests under which other bytes are stored."""
    statement = select(MethodologyText.digest, MethodologyText.bundle).order_by(MethodologyText.digest)
    for digest, bundle in session.execute(statement).yield_per(50):
        # As the loader makes it, without reading a hundred packages: a bundle holds no file beside them.
        parts = {name: sha256_hex(data) for name, data in files_of(bundle).items() if name != CASES}
        if sha256_hex(canonical_json(parts)) != digest:
            yield digest


def unapproved(session: Session) -> Iterator[str]:
    """The versions that are published without the approval of two parties of one programme for exactly these
    bytes."""
    names = ("digest", "bundle_sha256", "rehearsal", "programme", "party_id")
    statement = select(*(APPROVAL.c[name] for name in names)).where(APPROVAL.c.act == "publish")
    told: dict[tuple[str, str | None], set[tuple[bool, str, UUID]]] = defaultdict(set)
    for row in session.execute(statement):
        told[row.digest, row.bundle_sha256].add((row.rehearsal, row.programme, row.party_id))
    for one in versions(session):
        if one.state == DRAFT:
            continue
        acts = {
            (programme, party)
            for rehearsal, programme, party in told[one.digest, one.bundle_sha256]
            if one.published_for == FOR_REHEARSAL or not rehearsal
        }
        if not agreed(acts) and not any(party == SEED_PARTY for _, party in acts):
            yield f"{one.methodology_id}/{one.version}"
