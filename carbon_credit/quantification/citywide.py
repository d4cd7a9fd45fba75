"""The cap of a programme's day: known when the day is over, and settled over all citizens in canonical order.

There is no running sum of it, on which the whole city would wait. Until the day is closed everything
counts; then the first events of the day do, up to the cap.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.catalogue.terms import Cap
from carbon_credit.events.queries import claim_keys_of
from carbon_credit.quantification.caps import Allowed, Used, allow, count_in
from carbon_credit.quantification.cases import TIER_ORDER, cases_of_day
from carbon_credit.quantification.grams import Platforms
from carbon_credit.quantification.models import Reduction, ReductionEnd
from carbon_credit.quantification.posting import post_cases, share_out_day
from carbon_credit.quantification.present import newest, revised
from carbon_credit.quantification.spans import net_now
from carbon_credit.quantification.sums import RunningSums

_CITIZENS_AT_ONCE = 1000
_READ_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True)
class _Row:
    """What the cap has to know of a reduction. `counts`: as an event, also where its result is nothing."""

    id: UUID
    citizen_id: UUID
    event_id: UUID
    partner_id: UUID
    occurred_at: datetime
    tier: str
    net_mg: int
    counts: bool


def settle_programme_day(session: Session, rules: ProgrammeRules, day: date, *, now: datetime) -> int:
    """Take what is beyond the cap, after every citizen's own caps; the milligrams posted (zero or less)."""
    cap = next((one for one in rules.caps(day) if one.scope == "programme-day"), None)
    if cap is None or _within(session, rules.code, day, cap):
        return 0
    refused: dict[UUID, dict[UUID, Allowed]] = defaultdict(dict)
    used = Used()
    for row in _canonical(session, rules.code, day):
        allowed = allow(cap, gross_mg=row.net_mg, events_before=used.events, mg_before=used.granted)
        if allowed.cap_code is not None and row.net_mg:
            refused[row.citizen_id][row.id] = allowed
        if row.counts:
            count_in(used, allowed.mg, allowed.cap_code)
    citizens, corrected = sorted(refused), 0
    for start in range(0, len(citizens), _CITIZENS_AT_ONCE):
        portion = citizens[start : start + _CITIZENS_AT_ONCE]
        corrected += _apply(session, rules, day, portion, refused, now)
    return corrected


def _apply(
    session: Session,
    rules: ProgrammeRules,
    day: date,
    citizens: Sequence[UUID],
    refused: dict[UUID, dict[UUID, Allowed]],
    now: datetime,
) -> int:
    platforms = Platforms(session, rules)
    cases = cases_of_day(session, programme=rules.code, day=day, citizens=citizens)
    sums = RunningSums(session, rules, platforms)
    sums.lock(case.member for case in cases)
    for case in cases:
        allowed = refused[case.standing.citizen_id].get(case.standing.reduction_id)
        if allowed is not None:
            case.mg, case.code = allowed.mg, allowed.cap_code
    share_out_day(session, rules, platforms, day, cases)
    return post_cases(session, rules, sums, cases, accounting_day=day, now=now)


def _within(session: Session, programme: str, day: date, cap: Cap) -> bool:
    """Whether the day stays below the cap as it is."""
    rows = _rows(programme, day).subquery()
    count, total = session.execute(
        select(func.count(), func.coalesce(func.sum(rows.c.net_mg), 0)).select_from(rows)
    ).one()
    return (cap.max_events is None or count <= cap.max_events) and (
        cap.max_mg is None or int(total) <= cap.max_mg
    )


def _canonical(session: Session, programme: str, day: date) -> Iterator[_Row]:
    """The reductions of the day in canonical order, read in portions."""
    statement = _rows(programme, day).order_by(Reduction.occurred_at)
    waiting: list[_Row] = []
    result = session.execute(statement.execution_options(yield_per=_READ_AT_ONCE))
    for portion in result.partitions(_READ_AT_ONCE):
        read = waiting + [_row(row) for row in portion]
        # Others of the last instant may follow in the next portion.
        last = read[-1].occurred_at
        waiting = [one for one in read if one.occurred_at == last]
        yield from _in_order(session, [one for one in read if one.occurred_at < last])
    yield from _in_order(session, waiting)


def _row(row: Any) -> _Row:
    return _Row(
        id=row.id,
        citizen_id=row.citizen_id,
        event_id=row.event_id,
        partner_id=row.partner_id,
        occurred_at=row.occurred_at,
        tier=row.tier,
        net_mg=int(row.net_mg),
        counts=row.net_mg > 0 or row.gross_mg <= 0,
    )


def _in_order(session: Session, rows: Sequence[_Row]) -> list[_Row]:
    claim_keys = claim_keys_of(session, event_ids={one.event_id for one in rows})
    return sorted(
        rows,
        key=lambda one: (
            one.occurred_at,
            TIER_ORDER[one.tier],
            one.partner_id,
            claim_keys[one.event_id],
            one.citizen_id,
        ),
    )


def _rows(programme: str, day: date) -> Select[*tuple[Any, ...]]:
    """What stands of the day, without what is only shown."""
    columns = (
        Reduction.id,
        Reduction.citizen_id,
        Reduction.event_id,
        Reduction.partner_id,
        Reduction.occurred_at,
        newest(Reduction.tier).label("tier"),
        net_now().label("net_mg"),
        newest(Reduction.gross_mg).label("gross_mg"),
    )
    statement = revised(select(*columns).select_from(Reduction))
    return statement.outerjoin(ReductionEnd, ReductionEnd.reduction_id == Reduction.id).where(
        Reduction.programme == programme,
        Reduction.business_day == day,
        ReductionEnd.reduction_id.is_(None),
        newest(Reduction.use) != "display",
    )
