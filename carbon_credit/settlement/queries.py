"""Reads: statements with how far they have come, their lines, fees, adjustments, losses and steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from carbon_credit.settlement.errors import StatementNotFound
from carbon_credit.settlement.models import (
    Statement,
    StatementAdjustment,
    StatementFee,
    StatementLine,
    StatementLoss,
    StatementProgress,
    StatementStep,
)

MAX_PAGE = 201


@dataclass(frozen=True, slots=True)
class StatementRecord:
    """A statement and its state. Sums are fen; see the model for what each is."""

    id: UUID
    programme: str
    merchant_id: UUID
    month: date
    year: int
    number: int
    ends_at: datetime
    opening_fen: int
    uses: int
    used_fen: int
    undos: int
    undone_fen: int
    adjusted_fen: int
    fee_fen: int
    paid_fen: int
    closing_fen: int
    payable_fen: int
    carried_fen: int
    own_fen: int
    points: int
    points_settled: int
    items_digest: str
    digest: str
    issued_by: str
    issued_at: datetime
    state: str
    invoice_number: str | None

    @property
    def label(self) -> str:
        """The number as people write it: 2026-000017."""
        return f"{self.year}-{self.number:06d}"


@dataclass(frozen=True, slots=True)
class Content:
    """What a statement tells beside its sums."""

    lines: Sequence[Any]
    fees: Sequence[Any]
    adjustments: Sequence[Any]
    losses: Sequence[Any]


_FIELDS = [name for name in StatementRecord.__dataclass_fields__ if name not in ("state", "invoice_number")]
_COLUMNS = [
    *(getattr(Statement, name) for name in _FIELDS),
    StatementProgress.state,
    StatementProgress.invoice_number,
]


def statement(
    session: Session, *, programme: str, statement_id: UUID, merchant_id: UUID | None = None
) -> StatementRecord:
    """One statement, of the merchant where one is given. Raises StatementNotFound."""
    wanted = [Statement.id == statement_id, Statement.programme == programme]
    if merchant_id is not None:
        wanted.append(Statement.merchant_id == merchant_id)
    row = session.execute(_joined().where(*wanted)).one_or_none()
    if row is None:
        raise StatementNotFound
    return StatementRecord(*row)


def statements(
    session: Session,
    *,
    programme: str,
    merchant_id: UUID | None = None,
    month: date | None = None,
    state: str | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[StatementRecord]:
    """Statements, oldest first, from behind `after`."""
    wanted = _joined().where(Statement.programme == programme).order_by(Statement.id)
    if merchant_id is not None:
        wanted = wanted.where(Statement.merchant_id == merchant_id)
    if month is not None:
        wanted = wanted.where(Statement.month == month)
    if state is not None:
        wanted = wanted.where(StatementProgress.state == state)
    if after is not None:
        wanted = wanted.where(Statement.id > after)
    return [StatementRecord(*row) for row in session.execute(wanted.limit(min(limit, MAX_PAGE)))]


def content(session: Session, *, statement_id: UUID) -> Content:
    """Lines, fees, adjustments and losses of a statement, without their MACs, in a fixed order."""
    return Content(
        lines=_rows(session, StatementLine, statement_id, "position"),
        fees=_rows(session, StatementFee, statement_id, "terms_id"),
        adjustments=_rows(session, StatementAdjustment, statement_id, "dispute_id"),
        losses=_rows(session, StatementLoss, statement_id, "till_id", "scan_id"),
    )


def steps(session: Session, *, statement_id: UUID) -> list[StatementStep]:
    """What happened to the statement, in order."""
    mine = select(StatementStep).where(StatementStep.statement_id == statement_id)
    return list(session.scalars(mine.order_by(StatementStep.id)))


def _joined() -> Any:
    return select(*_COLUMNS).join(StatementProgress, StatementProgress.statement_id == Statement.id)


def _rows(session: Session, model: Any, statement_id: UUID, *order: str) -> Sequence[Any]:
    table: Table = model.__table__
    columns = [column for column in table.columns if column.name != "mac"]
    mine = select(*columns).where(table.c.statement_id == statement_id)
    return session.execute(mine.order_by(*(table.c[name] for name in order))).all()
