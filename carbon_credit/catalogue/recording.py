"""Writing versions, their texts, approvals and confirmations; the stamp over what is published."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Table, select, update
from sqlalchemy.orm import Session

from carbon_credit.catalogue.models import (
    CatalogueStamp,
    MethodologyApproval,
    MethodologyText,
    MethodologyVersion,
    ValueConfirmation,
)
from carbon_credit.kernel.bulk import append_rows, insert_new, lock_alone
from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.digest import canonical_json, row_mac, sha256_hex
from carbon_credit.kernel.ids import new_id
from carbon_credit.methodology.engine import weakest_grade
from carbon_credit.methodology.loader import Package

VERSION = cast(Table, MethodologyVersion.__table__)
TEXT = cast(Table, MethodologyText.__table__)
APPROVAL = cast(Table, MethodologyApproval.__table__)
CONFIRMATION = cast(Table, ValueConfirmation.__table__)
# Rows that carry a MAC: an audit looks at each.
SEALED = (APPROVAL, CONFIRMATION)

# Who approves what published.lock names: nobody that could log in.
SEED_PARTY = UUID(int=0)
SEED_ACTOR = "published.lock"

DRAFT, PUBLISHED, RETIRED = "draft", "published", "retired"
FOR_ALL, FOR_REHEARSAL = "all", "rehearsal"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: an operator of a programme. `key`: how logs name the party, "operator:<id>"."""

    party_id: UUID
    programme: str
    key: str

    @property
    def rehearsal(self) -> bool:
        """True where what this operator does holds in rehearsals alone."""
        return self.programme.startswith("x-")


SEED = Actor(SEED_PARTY, "", SEED_ACTOR)


def hold_catalogue(session: Session) -> None:
    """Let nobody else change the catalogue until the transaction ends: of two approvals at one moment
    the later sees the earlier."""
    lock_alone(session, "catalogue")


def bundle_of(package: Package) -> bytes:
    """The files of a package as canonical JSON {name: text}."""
    return canonical_json({name: data.decode() for name, data in package.files.items()})


def values_of(package: Package, *, origin: str, now: datetime) -> dict[str, Any]:
    """The columns of a draft of `package`."""
    methodology = package.methodology
    bundle = bundle_of(package)
    return {
        "methodology_id": methodology.id,
        "version": package.version,
        "digest": package.digest,
        "state": DRAFT,
        "grade": weakest_grade(package).value,
        "effective_from": methodology.effective_from,
        "effective_to": methodology.effective_to,
        "bundle": bundle,
        "recorded_at": now,
        # A version with an overlay takes nobody's place: only who names it gets it.
        "supersedes": f"v{methodology.supersedes}"
        if methodology.supersedes and package.overlay is None
        else None,
        "origin": origin,
        "bundle_sha256": sha256_hex(bundle),
        "published_for": None,
        "published_at": None,
    }


def add_versions(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Insert versions (see `values_of`), and keep their texts by digest."""
    keep_texts(session, rows)
    names = tuple(column.name for column in VERSION.columns)
    ordered = sorted(rows, key=lambda row: (row["methodology_id"], row["version"]))
    append_rows(session, VERSION, names, [tuple(row[name] for name in names) for row in ordered])


def replace_version(session: Session, values: dict[str, Any]) -> None:
    """Give a draft other bytes, or another state. The text that it had stays in methodology_text."""
    keep_texts(session, [values])
    key = (VERSION.c.methodology_id == values["methodology_id"], VERSION.c.version == values["version"])
    session.execute(update(VERSION).where(*key).values(values))


def keep_texts(session: Session, rows: Iterable[dict[str, Any]]) -> None:
    """Keep the bytes under each digest for ever."""
    names = tuple(column.name for column in TEXT.columns)
    by_digest = {row["digest"]: tuple(row[name] for name in names) for row in rows}
    insert_new(session, TEXT, names, [by_digest[digest] for digest in sorted(by_digest)], "digest")


def approve_rows(
    session: Session,
    rows: Iterable[Mapping[str, Any]],
    *,
    act: str,
    actor: Actor,
    now: datetime,
    reason: str | None = None,
) -> None:
    """Note that `actor` is for publishing or retiring exactly the bytes of `rows`, and why."""
    key = keys_of(session).mac
    made = []
    for row in sorted(rows, key=lambda row: (row["methodology_id"], row["version"])):
        fields = (
            new_id(),
            row["methodology_id"],
            row["version"],
            row["digest"],
            row["bundle_sha256"],
            act,
            actor.party_id,
            actor.programme,
            actor.rehearsal,
            actor.key,
            reason,
            now,
        )
        made.append((*fields, row_mac(key, APPROVAL.name, *fields)))
    append_rows(session, APPROVAL, tuple(column.name for column in APPROVAL.columns), made)


def append_confirmation(session: Session, values: dict[str, Any]) -> None:
    """Keep a confirmation. `values`: every column but id and MAC."""
    names = [column.name for column in CONFIRMATION.columns][:-1]
    fields = tuple(values.get(name) if name != "id" else new_id() for name in names)
    mac = row_mac(keys_of(session).mac, CONFIRMATION.name, *fields)
    append_rows(session, CONFIRMATION, (*names, "mac"), [(*fields, mac)])


def refresh_stamp(session: Session) -> None:
    """Write the digest over all versions and their states, so that every process reads its rules anew.
    Drafts count, because a rehearsal may run one."""
    columns = ("methodology_id", "version", "digest", "state", "supersedes", "published_for")
    statement = select(*(VERSION.c[name] for name in columns)).order_by(
        VERSION.c.methodology_id, VERSION.c.version
    )
    stamp = sha256_hex(canonical_json([list(row) for row in session.execute(statement)]))
    session.merge(CatalogueStamp(id=1, stamp=stamp))
    session.flush()
