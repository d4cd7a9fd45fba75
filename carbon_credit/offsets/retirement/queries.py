"""Reads of what citizens retired of their own grams."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import one_of
from carbon_credit.ledger.accounts import CO2E, AccountKey
from carbon_credit.methodology.definition import Texts
from carbon_credit.methodology.grades import Grade
from carbon_credit.offsets.errors import RetirementNotFound
from carbon_credit.offsets.models import BatchItem, CitizenRetirement
from carbon_credit.quantification.ended import ended_reductions

MAX_PAGE = 500


@dataclass(frozen=True, slots=True)
class Retirement:
    """Grams that a citizen retired. `grade`: the worst of them. `withdrawn_mg` of `co2e_mg` rest on acts that
    were withdrawn afterwards: they stay retired."""

    id: UUID
    programme: str
    rehearsal: bool
    citizen_id: UUID
    co2e_mg: int
    withdrawn_mg: int
    grade: Grade
    purpose: Texts
    retired_at: datetime


def retired_key(programme: str, retirement_id: UUID) -> AccountKey:
    """Where the grams of one retirement are, for good."""
    return AccountKey(programme, CO2E, "retired", retirement_id)


def retirement(session: Session, *, retirement_id: UUID) -> Retirement:
    """One retirement, of whatever programme. Raises RetirementNotFound."""
    row = session.get(CitizenRetirement, retirement_id)
    if row is None:
        raise RetirementNotFound
    return _records(session, [row])[0]


def retirements_of(
    session: Session, *, programme: str, citizen_id: UUID, after: UUID | None = None, limit: int = 50
) -> list[Retirement]:
    """What the citizen retired, newest first, from behind `after`."""
    statement = select(CitizenRetirement).where(
        CitizenRetirement.citizen_id == citizen_id, CitizenRetirement.programme == programme
    )
    if after is not None:
        statement = statement.where(CitizenRetirement.id < after)
    page = max(1, min(limit, MAX_PAGE))
    statement = statement.order_by(CitizenRetirement.id.desc()).limit(page)
    return _records(session, session.scalars(statement).all())


def retired_mg(session: Session, *, programme: str, citizen_id: UUID) -> int:
    """All that the citizen retired."""
    total = select(func.coalesce(func.sum(CitizenRetirement.co2e_mg), 0)).where(
        CitizenRetirement.citizen_id == citizen_id, CitizenRetirement.programme == programme
    )
    return int(session.scalar(total) or 0)


def all_retirements(session: Session, *, at_once: int) -> Iterator[Sequence[CitizenRetirement]]:
    """Every retirement by id, in portions, as the rows stand now."""
    after: UUID | None = None
    while True:
        statement = select(CitizenRetirement).order_by(CitizenRetirement.id).limit(at_once)
        if after is not None:
            statement = statement.where(CitizenRetirement.id > after)
        portion = session.scalars(statement.execution_options(populate_existing=True)).all()
        if portion:
            yield portion
            after = portion[-1].id
        if len(portion) < at_once:
            return


def retirements_by_id(session: Session, *, ids: Collection[UUID]) -> dict[UUID, CitizenRetirement]:
    """The rows of these ids, as they stand now; what is not there is left out."""
    statement = select(CitizenRetirement).where(one_of(session, CitizenRetirement.id, ids))
    found = session.scalars(statement.execution_options(populate_existing=True))
    return {row.id: row for row in found}


def _records(session: Session, rows: Sequence[CitizenRetirement]) -> list[Retirement]:
    withdrawn = _withdrawn(session, [row.id for row in rows])
    return [
        Retirement(
            id=row.id,
            programme=row.programme,
            rehearsal=row.rehearsal,
            citizen_id=row.citizen_id,
            co2e_mg=row.co2e_mg,
            withdrawn_mg=withdrawn.get(row.id, 0),
            grade=Grade(row.grade),
            purpose=Texts(zh=row.purpose_zh, en=row.purpose_en),
            retired_at=row.retired_at,
        )
        for row in rows
    ]


def _withdrawn(session: Session, retirement_ids: Collection[UUID]) -> dict[UUID, int]:
    if not retirement_ids:
        return {}
    statement = (
        select(BatchItem.retirement_id, func.sum(BatchItem.to_mg - BatchItem.from_mg))
        .where(
            one_of(session, BatchItem.retirement_id, retirement_ids),
            BatchItem.reduction_id.in_(ended_reductions()),
        )
        .group_by(BatchItem.retirement_id)
    )
    return {retirement_id: int(mg) for retirement_id, mg in session.execute(statement) if retirement_id}
