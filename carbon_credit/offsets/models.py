"""Projects, batches, which milligrams of which reduction are in which batch or retired by their citizen,
serial ranges, the log of steps.

`batch_item` cuts a reduction into half-open ranges. Each range but the first names the end of the one
before it, and ends are unique: so the ranges of a reduction form one chain and can neither overlap nor
leave a gap, by constraint, in both databases.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from carbon_credit.kernel.db import Base, UtcDateTime

OPEN_ONLY = text("state = 'open'")
BATCHED_ONLY = text("batch_id IS NOT NULL")
RETIRED_ONLY = text("retirement_id IS NOT NULL")


class Project(Base):
    """A project (项目): who owns it and applies, what it covers, under which methodology.

    `activity_types`: codes separated by spaces; the batches of a project take these only.
    """

    __tablename__ = "project"
    __table_args__ = (
        ForeignKeyConstraint(["programme", "rehearsal"], ["programme.code", "programme.rehearsal"]),
        UniqueConstraint("programme", "code"),
        # So that a batch can pin programme and rehearsal of its project.
        UniqueConstraint("id", "programme", "rehearsal"),
        CheckConstraint("crediting_from < crediting_to", name="crediting_period"),
        CheckConstraint("registry_kind IN ('internal', 'external')", name="registry_kind"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    rehearsal: Mapped[bool]
    code: Mapped[str] = mapped_column(String(32))
    name_zh: Mapped[str] = mapped_column(String(120))
    name_en: Mapped[str] = mapped_column(String(120))
    owner: Mapped[str] = mapped_column(String(120))
    applicant: Mapped[str] = mapped_column(String(120))
    boundary_zh: Mapped[str] = mapped_column(Text)
    boundary_en: Mapped[str] = mapped_column(Text)
    methodology_id: Mapped[str] = mapped_column(String(64))
    filing_number: Mapped[str | None] = mapped_column(String(64))
    activity_types: Mapped[str] = mapped_column(String(400))
    crediting_from: Mapped[date]
    crediting_to: Mapped[date]
    registry_kind: Mapped[str] = mapped_column(String(16))
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Batch(Base):
    """Reductions of one project, methodology version, monitoring period and vintage, frozen together.

    What is null while open is set at the freeze and never changes again. `salt`: 32 bytes from which the
    leaf salts and pseudonyms are derived; deleting it makes the leaves unlinkable and keeps the root.
    `exclusions`: canonical JSON of what was left out at the last filling, and why.
    """

    __tablename__ = "batch"
    __table_args__ = (
        ForeignKeyConstraint(
            ["project_id", "programme", "rehearsal"], ["project.id", "project.programme", "project.rehearsal"]
        ),
        UniqueConstraint("id", "rehearsal"),
        UniqueConstraint("id", "project_id", "programme", "vintage"),
        CheckConstraint(
            "state IN ('open', 'frozen', 'under_verification', 'corrections_requested', 'verified', "
            "'rejected', 'applied', 'returned', 'registered')",
            name="state",
        ),
        CheckConstraint("starts_on < ends_before", name="period"),
        CheckConstraint(
            "state IN ('open', 'rejected') OR (merkle_root IS NOT NULL AND leaf_count > 0 AND tonnes > 0 "
            "AND frozen_at IS NOT NULL AND gross_mg IS NOT NULL AND credited_mg IS NOT NULL)",
            name="frozen",
        ),
        CheckConstraint("tonnes IS NULL OR batch_mg = tonnes * 1000000000", name="whole_tonnes"),
        CheckConstraint(
            "state NOT IN ('verified', 'applied', 'returned', 'registered') OR "
            "(verifier IS NOT NULL AND statement IS NOT NULL)",
            name="verified",
        ),
        CheckConstraint("verifier IS NULL OR verifier <> prepared_by", name="independent"),
        Index(
            "uq_batch_open",
            "project_id",
            "methodology_version",
            "starts_on",
            "ends_before",
            unique=True,
            postgresql_where=OPEN_ONLY,
            sqlite_where=OPEN_ONLY,
        ),
        Index("ix_batch_programme_id", "programme", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    rehearsal: Mapped[bool]
    project_id: Mapped[UUID]
    methodology_id: Mapped[str] = mapped_column(String(64))
    methodology_version: Mapped[str] = mapped_column(String(32))
    version_digest: Mapped[str] = mapped_column(String(64))
    starts_on: Mapped[date]
    ends_before: Mapped[date]
    vintage: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[str] = mapped_column(String(24))
    prepared_by: Mapped[str] = mapped_column(String(64))
    verifier: Mapped[str | None] = mapped_column(String(64))
    statement: Mapped[str | None] = mapped_column(String(120))
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    frozen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    leaf_count: Mapped[int | None] = mapped_column(BigInteger)
    gross_mg: Mapped[int | None] = mapped_column(BigInteger)
    credited_mg: Mapped[int | None] = mapped_column(BigInteger)
    batch_mg: Mapped[int | None] = mapped_column(BigInteger)
    tonnes: Mapped[int | None] = mapped_column(BigInteger)
    merkle_root: Mapped[str | None] = mapped_column(String(64))
    salt: Mapped[bytes | None] = mapped_column(LargeBinary)
    exclusions: Mapped[str] = mapped_column(Text)


class BatchItem(Base):
    """The milligrams [from_mg, to_mg) of a reduction: in a batch, retired by their citizen, or neither.

    `total_mg`: all that the reduction counts for, as it stood when it was first cut. `position`: the
    number of the leaf. No foreign key points at the reduction; triggers compare grade, total and citizen
    with it.
    """

    __tablename__ = "batch_item"
    __table_args__ = (
        UniqueConstraint("reduction_id", "to_mg"),
        # Deferred, because cutting a range in two replaces the end that the next one names.
        ForeignKeyConstraint(
            ["reduction_id", "after_mg"],
            ["batch_item.reduction_id", "batch_item.to_mg"],
            name="fk_batch_item_after",
            deferrable=True,
            initially="DEFERRED",
        ),
        ForeignKeyConstraint(["batch_id", "rehearsal"], ["batch.id", "batch.rehearsal"]),
        ForeignKeyConstraint(
            ["retirement_id", "rehearsal"], ["citizen_retirement.id", "citizen_retirement.rehearsal"]
        ),
        CheckConstraint("from_mg >= 0 AND from_mg < to_mg", name="range"),
        CheckConstraint("to_mg <= total_mg", name="within_total"),
        CheckConstraint("(from_mg = 0) = (after_mg IS NULL)", name="chain"),
        CheckConstraint("after_mg IS NULL OR after_mg = from_mg", name="after"),
        # What a citizen retires may be published, and so may what is left of such a reduction.
        CheckConstraint(
            "rehearsal OR grade = 'official' OR grade = 'published' AND batch_id IS NULL",
            name="official_outside_rehearsal",
        ),
        CheckConstraint("batch_id IS NULL OR retirement_id IS NULL", name="one_use"),
        CheckConstraint("(batch_id IS NULL) = (position IS NULL)", name="position"),
        Index(
            "uq_batch_item_position",
            "batch_id",
            "position",
            unique=True,
            postgresql_where=BATCHED_ONLY,
            sqlite_where=BATCHED_ONLY,
        ),
        Index(
            "ix_batch_item_retirement_id",
            "retirement_id",
            postgresql_where=RETIRED_ONLY,
            sqlite_where=RETIRED_ONLY,
        ),
    )

    reduction_id: Mapped[UUID] = mapped_column(primary_key=True)
    from_mg: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    to_mg: Mapped[int] = mapped_column(BigInteger)
    total_mg: Mapped[int] = mapped_column(BigInteger)
    after_mg: Mapped[int | None] = mapped_column(BigInteger)
    batch_id: Mapped[UUID | None]
    position: Mapped[int | None] = mapped_column(Integer)
    grade: Mapped[str] = mapped_column(String(16))
    rehearsal: Mapped[bool]
    retirement_id: Mapped[UUID | None]

    @property
    def is_free(self) -> bool:
        """In no batch and not retired."""
        return self.batch_id is None and self.retirement_id is None


class CitizenRetirement(Base):
    """A citizen retired grams of their own, for good. Append-only; the grams are ranges in `batch_item`.

    `grade`: the worst of them. `purpose_zh`, `purpose_en`: for what, as it stood when it was done.
    """

    __tablename__ = "citizen_retirement"
    __table_args__ = (
        ForeignKeyConstraint(["programme", "rehearsal"], ["programme.code", "programme.rehearsal"]),
        ForeignKeyConstraint(["citizen_id", "programme"], ["citizen.id", "citizen.programme"]),
        # So that a range can pin the rehearsal of its retirement.
        UniqueConstraint("id", "rehearsal"),
        CheckConstraint("co2e_mg > 0", name="co2e_mg"),
        CheckConstraint("grade IN ('official', 'published', 'secondary', 'assumed')", name="grade"),
        CheckConstraint("rehearsal OR grade IN ('official', 'published')", name="no_sandbox"),
        Index("ix_citizen_retirement_citizen_id_id", "citizen_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    rehearsal: Mapped[bool]
    citizen_id: Mapped[UUID]
    co2e_mg: Mapped[int] = mapped_column(BigInteger)
    grade: Mapped[str] = mapped_column(String(16))
    purpose_zh: Mapped[str] = mapped_column(String(80))
    purpose_en: Mapped[str] = mapped_column(String(160))
    retired_at: Mapped[datetime] = mapped_column(UtcDateTime)
    mac: Mapped[bytes] = mapped_column(LargeBinary)


class BatchStep(Base):
    """One step of a batch, append-only. `detail`: canonical JSON of what the step fixed."""

    __tablename__ = "batch_step"
    __table_args__ = (Index("ix_batch_step_batch_id_id", "batch_id", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    batch_id: Mapped[UUID] = mapped_column(ForeignKey("batch.id"))
    step: Mapped[str] = mapped_column(String(24))
    from_state: Mapped[str | None] = mapped_column(String(24))
    to_state: Mapped[str] = mapped_column(String(24))
    actor: Mapped[str] = mapped_column(String(64))
    detail: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    mac: Mapped[bytes] = mapped_column(LargeBinary)


class SerialCounter(Base):
    """The next serial number of a project and vintage. Its row is locked while a range is issued."""

    __tablename__ = "serial_counter"
    __table_args__ = (CheckConstraint("next_no >= 1", name="next_no"),)

    project_id: Mapped[UUID] = mapped_column(ForeignKey("project.id"), primary_key=True)
    vintage: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    next_no: Mapped[int] = mapped_column(BigInteger)


class SerialRange(Base):
    """Serial numbers first_no..last_no, both in it, one a tonne. `series` stands before the year."""

    __tablename__ = "serial_range"
    __table_args__ = (
        ForeignKeyConstraint(
            ["batch_id", "project_id", "programme", "vintage"],
            ["batch.id", "batch.project_id", "batch.programme", "batch.vintage"],
            name="fk_serial_range_batch",
        ),
        UniqueConstraint("project_id", "vintage", "first_no"),
        UniqueConstraint("project_id", "vintage", "last_no"),
        CheckConstraint("1 <= first_no AND first_no <= last_no AND last_no <= 999999999", name="numbers"),
        CheckConstraint("tonnes = last_no - first_no + 1", name="tonnes"),
        # Rehearsal tonnes can be told by their serials. substr, because LIKE ignores case on SQLite.
        CheckConstraint(
            "(substr(programme, 1, 2) = 'x-') = (substr(series, 1, 2) = 'X-')", name="rehearsal_series"
        ),
        CheckConstraint("state IN ('issued', 'listed', 'sold', 'delivered', 'retired')", name="state"),
        Index("ix_serial_range_batch_id", "batch_id"),
        Index("ix_serial_range_programme_id", "programme", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    project_id: Mapped[UUID]
    batch_id: Mapped[UUID]
    vintage: Mapped[int] = mapped_column(SmallInteger)
    series: Mapped[str] = mapped_column(String(80))
    first_no: Mapped[int] = mapped_column(BigInteger)
    last_no: Mapped[int] = mapped_column(BigInteger)
    tonnes: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(16))
    issued_at: Mapped[datetime] = mapped_column(UtcDateTime)
