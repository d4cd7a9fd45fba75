"""Programmes and methodology versions as this installation runs them.

`methodologies/` is the seed; the rows here decide. Bytes that have been published never change.
"""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, String, UniqueConstraint
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
    """One version of one methodology. `bundle`: its files as canonical JSON {path: text}."""

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


class NetworkVersion(Base):
    """A metro network by which distances between gates are computed. `body`: the csv."""

    __tablename__ = "network_version"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    programme: Mapped[str] = mapped_column(String(16), ForeignKey("programme.code"), index=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    loaded_at: Mapped[datetime] = mapped_column(UtcDateTime)
