"""Programmes and methodology versions as this installation runs them.

`methodologies/` is the seed; the rows here decide. Bytes that have been published never change.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from carbon_credit.kernel.db import Base, UtcDateTime


class Programme(Base):
    """A 碳普惠 scheme. `(code, rehearsal)` is a key, so that other tables can pin the flag."""

    __tablename__ = "programme"
    __table_args__ = (
        UniqueConstraint("code", "rehearsal"),
        CheckConstraint("rehearsal = (code LIKE 'x-%')", name="rehearsal_by_code"),
        CheckConstraint("phase IN ('shadow', 'pilot', 'open', 'closing', 'closed')", name="phase"),
    )

    code: Mapped[str] = mapped_column(String(16), primary_key=True)
    rehearsal: Mapped[bool]
    phase: Mapped[str] = mapped_column(String(16))
    time_zone: Mapped[str] = mapped_column(String(64))
    profile_digest: Mapped[str] = mapped_column(String(64), ForeignKey("profile.digest"))


class Profile(Base):
    """The bytes of a programme profile, kept for ever: postings name their digest."""

    __tablename__ = "profile"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    programme: Mapped[str] = mapped_column(String(16), index=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    loaded_at: Mapped[datetime] = mapped_column(UtcDateTime)


class MethodologyVersion(Base):
    """One version of one methodology. `bundle`: its files as canonical JSON {path: text}.

    A draft may be replaced; what was published stays, until it is retired. `published_for`: all, or
    rehearsal where operators of rehearsals alone have approved it. `supersedes`: the version in whose
    place it governs, for the days on which it is in force. `origin`: seed, upload or confirmation.
    """

    __tablename__ = "methodology_version"
    __table_args__ = (CheckConstraint("state IN ('draft', 'published', 'retired')", name="state"),)

    methodology_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[str] = mapped_column(String(32), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    state: Mapped[str] = mapped_column(String(16))
    grade: Mapped[str] = mapped_column(String(16))
    effective_from: Mapped[date | None]
    effective_to: Mapped[date | None]
    bundle: Mapped[bytes] = mapped_column(LargeBinary)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    supersedes: Mapped[str | None] = mapped_column(String(32))
    origin: Mapped[str | None] = mapped_column(String(16))
    bundle_sha256: Mapped[str | None] = mapped_column(String(64))
    published_for: Mapped[str | None] = mapped_column(String(16))
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class MethodologyText(Base):
    """The files under every digest that was ever in the catalogue, drafts that were replaced included."""

    __tablename__ = "methodology_text"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    bundle: Mapped[bytes] = mapped_column(LargeBinary)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)


class MethodologyApproval(Base):
    """A party is for publishing (or retiring) exactly these bytes. The seed approves what the lock names,
    under the party id of zeroes."""

    __tablename__ = "methodology_approval"
    __table_args__ = (
        UniqueConstraint("digest", "bundle_sha256", "act", "party_id"),
        Index("ix_methodology_approval_methodology_id_version", "methodology_id", "version"),
        CheckConstraint("act IN ('publish', 'retire')", name="act"),
        CheckConstraint("rehearsal = (programme LIKE 'x-%')", name="rehearsal_by_code"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    methodology_id: Mapped[str] = mapped_column(String(64))
    version: Mapped[str] = mapped_column(String(32))
    digest: Mapped[str] = mapped_column(String(64))
    bundle_sha256: Mapped[str] = mapped_column(String(64))
    act: Mapped[str] = mapped_column(String(16))
    party_id: Mapped[UUID]
    programme: Mapped[str] = mapped_column(String(16))
    rehearsal: Mapped[bool]
    actor: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str | None] = mapped_column(String(500))
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    mac: Mapped[bytes] = mapped_column(LargeBinary)


class ValueConfirmation(Base):
    """A party has found `stated`, the value of `part`, in an official document whose file it had at hand.

    Of the file only its SHA-256 is kept. `digest`: the version that was looked at. `part`: what of it,
    e.g. `parameters.RF_metro[0]`.
    """

    __tablename__ = "value_confirmation"
    __table_args__ = (
        Index("ix_value_confirmation_methodology_id", "methodology_id"),
        CheckConstraint("rehearsal = (programme LIKE 'x-%')", name="rehearsal_by_code"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    methodology_id: Mapped[str] = mapped_column(String(64))
    version: Mapped[str] = mapped_column(String(32))
    digest: Mapped[str] = mapped_column(String(64))
    part: Mapped[str] = mapped_column(String(160))
    stated: Mapped[str] = mapped_column(Text)
    document: Mapped[str] = mapped_column(String(500))
    number: Mapped[str | None] = mapped_column(String(500))
    clause: Mapped[str | None] = mapped_column(String(500))
    address: Mapped[str | None] = mapped_column(String(500))
    file_sha256: Mapped[str] = mapped_column(String(64))
    party_id: Mapped[UUID]
    programme: Mapped[str] = mapped_column(String(16))
    rehearsal: Mapped[bool]
    actor: Mapped[str] = mapped_column(String(64))
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    mac: Mapped[bytes] = mapped_column(LargeBinary)


class CatalogueStamp(Base):
    """One row: a digest over all versions and their states. Rules read under another stamp are read
    anew."""

    __tablename__ = "catalogue_stamp"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    stamp: Mapped[str] = mapped_column(String(64))


class NetworkVersion(Base):
    """A metro network by which distances between gates are computed. `body`: the csv."""

    __tablename__ = "network_version"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    programme: Mapped[str] = mapped_column(String(16), ForeignKey("programme.code"), index=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    loaded_at: Mapped[datetime] = mapped_column(UtcDateTime)
