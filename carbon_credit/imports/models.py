"""Import jobs: a file that a partner delivered, its parts on the way in, its chunks, its refused rows.

A job and its chunks stay, with counts and keyed digests. What the file said is there only as long as it
is needed: an upload and what came beside it until it is staged, the payload of a chunk until it is credited.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from carbon_credit.kernel.db import Base, UtcDateTime

STATES = (
    "state IN ('receiving', 'received', 'staging', 'crediting', 'withdrawing', "
    "'done', 'refused', 'cancelled', 'failed')"
)
UNENDED = text("ended_at IS NULL")
REPLACING = text("replaces_id IS NOT NULL AND state NOT IN ('refused', 'cancelled')")
UNDONE = text("done_at IS NULL")


class ImportJob(Base):
    """One delivery of one file. `options`, `expected`, `problem_details`: canonical JSON.

    `source`: its bytes come as parts into the database (upload) or are read where they lie (local).
    `rows`: data rows in all, known once it is staged. `position`: how far withdrawing has come.
    `lease` and `holder`: who reads the file now, until `leased_until`.
    """

    __tablename__ = "import_job"
    __table_args__ = (
        ForeignKeyConstraint(["partner_id", "programme"], ["party.id", "party.programme"]),
        ForeignKeyConstraint(["replaces_id"], ["import_job.id"]),
        CheckConstraint(STATES, name="state"),
        CheckConstraint("source IN ('upload', 'local')", name="source"),
        CheckConstraint("size > 0 AND received_bytes >= 0 AND received_bytes <= size", name="size"),
        CheckConstraint("state = 'receiving' OR received_bytes = size OR ended_at IS NOT NULL", name="whole"),
        CheckConstraint("(state IN ('done', 'refused', 'cancelled')) = (ended_at IS NOT NULL)", name="ended"),
        CheckConstraint("(state IN ('refused', 'failed')) = (problem IS NOT NULL)", name="problem"),
        CheckConstraint("(state = 'staging') = (lease IS NOT NULL)", name="lease"),
        CheckConstraint("(lease IS NULL) = (leased_until IS NULL)", name="leased_until"),
        CheckConstraint("(rows IS NULL) = (staged_at IS NULL)", name="staged"),
        CheckConstraint(
            "state NOT IN ('crediting', 'withdrawing', 'done') OR staged_at IS NOT NULL", name="staged_first"
        ),
        CheckConstraint(
            "(state = 'withdrawing' OR withdrawn > 0) <= (replaces_id IS NOT NULL)", name="withdraws"
        ),
        # Of two deliveries of one file at once, one makes the job and the other finds it.
        Index(
            "uq_import_job_running",
            "partner_id",
            "adapter",
            "sha256",
            unique=True,
            postgresql_where=UNENDED,
            sqlite_where=UNENDED,
        ),
        Index(
            "uq_import_job_replaces",
            "replaces_id",
            unique=True,
            postgresql_where=REPLACING,
            sqlite_where=REPLACING,
        ),
        Index("ix_import_job_programme_id", "programme", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    partner_id: Mapped[UUID]
    adapter: Mapped[str] = mapped_column(String(64))
    mapping_digest: Mapped[str | None] = mapped_column(String(64))
    options: Mapped[str] = mapped_column(Text)
    file_name: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    source: Mapped[str] = mapped_column(String(8))
    state: Mapped[str] = mapped_column(String(16))
    replaces_id: Mapped[UUID | None]
    expected: Mapped[str | None] = mapped_column(Text)
    received_bytes: Mapped[int] = mapped_column(BigInteger)
    read_bytes: Mapped[int] = mapped_column(BigInteger)
    rows: Mapped[int | None] = mapped_column(BigInteger)
    withdrawn: Mapped[int] = mapped_column(BigInteger)
    position: Mapped[int]
    lease: Mapped[UUID | None]
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    holder: Mapped[str | None] = mapped_column(String(120))
    problem: Mapped[str | None] = mapped_column(String(64))
    problem_details: Mapped[str | None] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    touched_at: Mapped[datetime] = mapped_column(UtcDateTime)
    staged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ImportUpload(Base):
    """A part of a file that is being uploaded, from `first_byte` on."""

    __tablename__ = "import_upload"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("import_job.id"), primary_key=True)
    first_byte: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    body: Mapped[bytes] = mapped_column(LargeBinary)


class ImportEnclosure(Base):
    """What was sent beside an uploaded file to read it with. Gone when the file is read."""

    __tablename__ = "import_enclosure"
    __table_args__ = (CheckConstraint("name IN ('mapping', 'riders', 'stations')", name="name"),)

    job_id: Mapped[UUID] = mapped_column(ForeignKey("import_job.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(8), primary_key=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)


class ImportChunk(Base):
    """Some rows of a file, credited in one transaction. `rows`: how many; the counts say what became of them.

    `payload`: compressed JSON of its events with their lines; it may name cards, and is gone once they are
    credited. `claim_keys`: 16 bytes for each event, sorted. Chunks of one lane are credited in their
    order, and all events of one card are in one lane.
    """

    __tablename__ = "import_chunk"
    __table_args__ = (
        CheckConstraint("(payload IS NULL) = (done_at IS NOT NULL)", name="payload"),
        # Every row has one outcome.
        CheckConstraint(
            "done_at IS NULL OR rows = credited_rows + held + rejected + duplicate + dropped", name="whole"
        ),
        Index(
            "ix_import_chunk_undone",
            "job_id",
            "lane",
            "number",
            postgresql_where=UNDONE,
            sqlite_where=UNDONE,
        ),
    )

    job_id: Mapped[UUID] = mapped_column(ForeignKey("import_job.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    lane: Mapped[int] = mapped_column(SmallInteger)
    rows: Mapped[int]
    events: Mapped[int]
    payload: Mapped[bytes | None] = mapped_column(LargeBinary)
    claim_keys: Mapped[bytes] = mapped_column(LargeBinary)
    credited_rows: Mapped[int]
    held: Mapped[int]
    rejected: Mapped[int]
    duplicate: Mapped[int]
    dropped: Mapped[int]
    credited: Mapped[int]
    revised: Mapped[int]
    co2e_mg: Mapped[int] = mapped_column(BigInteger)
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ImportReject(Base):
    """Why a row was not credited. Its key says that a row has one outcome."""

    __tablename__ = "import_reject"
    __table_args__ = (CheckConstraint("status IN ('held', 'rejected', 'duplicate')", name="status"),)

    job_id: Mapped[UUID] = mapped_column(ForeignKey("import_job.id"), primary_key=True)
    line: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(64))
