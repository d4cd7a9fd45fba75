"""Final reductions as a batch sees them: in a fixed order, each with what speaks against it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, and_, case, cast, func, or_, select
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import one_of
from carbon_credit.quantification.models import Reduction, ReductionAdjustment, ReductionEnd
from carbon_credit.quantification.periods import all_closed_months
from carbon_credit.quantification.present import LATEST, final, net_sum, newest, revised


@dataclass(frozen=True, slots=True)
class Candidate:
    """A final reduction as a batch sees it, or who retires it: as it stands now, by its latest revision.

    `inputs`: canonical JSON of what the formula read.
    """

    id: UUID
    citizen_id: UUID
    partner_id: UUID
    activity_type: str
    occurred_at: datetime
    business_day: date
    vintage: int
    methodology_id: str
    methodology_version: str
    version_digest: str
    profile_digest: str
    inputs: str
    tier: str
    grade: str
    gross_mg: int
    credited_mg: int
    net_mg: int
    cap_code: str | None
    mandate_id: UUID | None
    consent_id: UUID
    ended: bool

    @property
    def reduction_id(self) -> UUID:
        """Its id, as those who ask for its grams name it."""
        return self.id


def final_reductions(
    session: Session,
    *,
    programme: str,
    methodology_id: str,
    methodology_version: str,
    starts_on: date,
    ends_before: date,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Candidate]:
    """Reductions that now are of use `credit` and of this version, whose business day lies in the period
    and whose month is closed,

    by (occurred_at, id), from the one after `after`. Ended ones are included and say so, so that a
    preview can name every reason.
    """
    statement = _candidates().where(
        Reduction.programme == programme,
        newest(Reduction.use) == "credit",
        newest(Reduction.methodology_id) == methodology_id,
        newest(Reduction.methodology_version) == methodology_version,
        Reduction.business_day >= starts_on,
        Reduction.business_day < ends_before,
        final(all_closed_months(session, programme)),
    )
    return _in_order(session, statement, after, limit)


def own_final_reductions(
    session: Session,
    *,
    programme: str,
    citizen_id: UUID,
    methodology_ids: Collection[str],
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Candidate]:
    """One citizen's reductions that now are of use `credit` and of these methodologies, and whose month is
    closed, by (occurred_at, id), from the one after `after`. Ended ones are included and say so."""
    statement = _candidates().where(
        *_own(session, programme, citizen_id), newest(Reduction.methodology_id).in_(sorted(methodology_ids))
    )
    return _in_order(session, statement, after, limit)


def own_methodologies(session: Session, *, programme: str, citizen_id: UUID) -> set[str]:
    """The methodologies of what `own_final_reductions` can find."""
    statement = revised(select(newest(Reduction.methodology_id)).select_from(Reduction))
    return set(session.scalars(statement.where(*_own(session, programme, citizen_id)).distinct()))


def _own(session: Session, programme: str, citizen_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return (
        Reduction.citizen_id == citizen_id,
        Reduction.programme == programme,
        newest(Reduction.use) == "credit",
        final(all_closed_months(session, programme)),
    )


def _in_order(
    session: Session,
    statement: Select[*tuple[Any, ...]],
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Candidate]:
    statement = statement.order_by(Reduction.occurred_at, Reduction.id).limit(limit)
    if after is not None:
        at, reduction_id = after
        statement = statement.where(
            or_(
                Reduction.occurred_at > at,
                and_(Reduction.occurred_at == at, Reduction.id > reduction_id),
            )
        )
    return [Candidate(*row) for row in session.execute(statement)]


def reductions_by_id(session: Session, *, ids: Sequence[UUID]) -> dict[UUID, Candidate]:
    """These reductions as a batch sees them."""
    if not ids:
        return {}
    rows = session.execute(_candidates().where(one_of(session, Reduction.id, ids)))
    return {row.id: Candidate(*row) for row in rows}


def open_milligrams(
    session: Session,
    *,
    programme: str,
    methodology_id: str,
    methodology_version: str,
    starts_on: date,
    ends_before: date,
) -> int:
    """Milligrams of the period that count now, but whose month is not closed yet."""
    mine = (
        Reduction.programme == programme,
        newest(Reduction.use) == "credit",
        newest(Reduction.methodology_id) == methodology_id,
        newest(Reduction.methodology_version) == methodology_version,
        Reduction.business_day >= starts_on,
        Reduction.business_day < ends_before,
    )
    closed = final(all_closed_months(session, programme))
    return net_sum(session, *mine) - net_sum(session, *mine, closed)


def _candidates() -> Select[*tuple[Any, ...]]:
    """The columns of Candidate, in its order. Columns, not objects: a batch reads a million rows."""
    delta = (
        select(func.sum(ReductionAdjustment.delta_mg))
        .where(ReductionAdjustment.reduction_id == Reduction.id)
        .correlate(Reduction)
        .scalar_subquery()
    )
    statement = select(
        Reduction.id,
        Reduction.citizen_id,
        Reduction.partner_id,
        Reduction.activity_type,
        Reduction.occurred_at,
        Reduction.business_day,
        Reduction.vintage,
        newest(Reduction.methodology_id),
        newest(Reduction.methodology_version),
        newest(Reduction.version_digest),
        newest(Reduction.profile_digest),
        newest(Reduction.inputs),
        newest(Reduction.tier),
        newest(Reduction.grade),
        newest(Reduction.gross_mg),
        _after_caps().label("credited_mg"),
        cast(Reduction.credited_mg + func.coalesce(delta, 0), BigInteger).label("net_mg"),
        Reduction.cap_code,
        Reduction.mandate_id,
        Reduction.consent_id,
        ReductionEnd.reduction_id.is_not(None).label("ended"),
    )
    return statement.outerjoin(LATEST, LATEST.reduction_id == Reduction.id).outerjoin(
        ReductionEnd, ReductionEnd.reduction_id == Reduction.id
    )


def _after_caps() -> ColumnElement[int]:
    """Of a reduction that was computed once more, what its caps left of the new result, so that the rest
    of the difference is an adjustment; of others, what was credited."""
    gross_mg = case((newest(Reduction.gross_mg) > 0, newest(Reduction.gross_mg)), else_=0)
    capped = and_(Reduction.cap_code.is_not(None), Reduction.credited_mg <= gross_mg)
    own = or_(LATEST.reduction_id.is_(None), capped)
    return case((own, Reduction.credited_mg), else_=gross_mg)
