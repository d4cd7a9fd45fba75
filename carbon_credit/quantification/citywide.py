"""The cap of a programme's day: known when the day is over, and settled over all citizens in canonical order.

There is no running sum of it, on which the whole city would wait. Until the day is closed everything
counts; then the first events of the day do, up to the cap. One pass finds the event at which it is
reached; whoever has events from there on is settled, portion after portion. What came when the day was
closed gets what is left, in the same order among those that came on one day (`late`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from msgspec import Struct, json
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.catalogue.terms import Cap
from carbon_credit.events.queries import claim_keys_of
from carbon_credit.kernel.structs import learned
from carbon_credit.quantification.caps import CAP_PROGRAMME, Used, allow, count_in
from carbon_credit.quantification.cases import TIER_ORDER, UNASKED, Case, cases_of_day
from carbon_credit.quantification.grams import Platforms
from carbon_credit.quantification.models import Reduction, ReductionEnd
from carbon_credit.quantification.posting import post_cases, share_out_day
from carbon_credit.quantification.present import newest, revised
from carbon_credit.quantification.spans import net_now
from carbon_credit.quantification.sums import RunningSums

_READ_AT_ONCE = 20_000


class Limit(Struct, frozen=True):
    """The place of the event at which the cap is reached, and what counts of it; of later ones nothing."""

    occurred_at: datetime
    tier: int
    partner_id: UUID
    claim_key: UUID
    citizen_id: UUID
    mg: int

    @property
    def place(self) -> tuple[datetime, int, UUID, UUID, UUID]:
        """Among all events of the day."""
        return self.occurred_at, self.tier, self.partner_id, self.claim_key, self.citizen_id


@dataclass(frozen=True, slots=True)
class _Row:
    """What the cap has to know of a reduction. `counts`: as an event, also where its result is nothing."""

    citizen_id: UUID
    event_id: UUID
    partner_id: UUID
    occurred_at: datetime
    tier: int
    net_mg: int
    counts: bool

    @property
    def tie(self) -> tuple[datetime, int, UUID]:
        return self.occurred_at, self.tier, self.partner_id


def city_cap(rules: ProgrammeRules, day: date) -> Cap | None:
    """The cap of the programme's day, if there is one."""
    return next((one for one in rules.caps(day) if one.scope == "programme-day"), None)


def find_limit(session: Session, rules: ProgrammeRules, day: date) -> str | None:
    """Where the day reaches its cap, after every citizen's own caps, as JSON; None where it does not."""
    cap = city_cap(rules, day)
    if cap is None or _within(session, rules.code, day, cap):
        return None
    used = Used()
    for row in _canonical(session, rules.code, day):
        allowed = allow(cap, gross_mg=row.net_mg, events_before=used.events, mg_before=used.granted)
        if allowed.cap_code is not None and row.net_mg:
            claim_key = claim_keys_of(session, event_ids={row.event_id})[row.event_id]
            limit = Limit(row.occurred_at, row.tier, row.partner_id, claim_key, row.citizen_id, allowed.mg)
            return json.encode(limit).decode()
        if row.counts:
            count_in(used, allowed.mg, allowed.cap_code)
    return None


def citizens_beyond(
    session: Session, rules: ProgrammeRules, day: date, limit: str, *, after: UUID | None, at_most: int
) -> list[UUID]:
    """The next citizens by id who have events of the day at the limit or after it."""
    statement = (
        select(Reduction.citizen_id)
        .where(
            Reduction.programme == rules.code,
            Reduction.business_day == day,
            Reduction.accounting_day == day,
            Reduction.occurred_at >= _read(limit).occurred_at,
        )
        .distinct()
        .order_by(Reduction.citizen_id)
        .limit(at_most)
    )
    if after is not None:
        statement = statement.where(Reduction.citizen_id > after)
    return list(session.scalars(statement))


def apply_limit(
    session: Session,
    rules: ProgrammeRules,
    day: date,
    limit: str,
    citizens: Sequence[UUID],
    *,
    now: datetime,
) -> int:
    """Take from these citizens what is beyond the limit; the milligrams posted (zero or less)."""
    platforms, found = Platforms(session, rules), _read(limit)
    cases = cases_of_day(session, programme=rules.code, day=day, citizens=citizens)
    sums = RunningSums(session, rules, platforms)
    sums.lock(case.member for case in cases)
    for case, place in placed(session, [one for one in cases if not one.standing.is_late]):
        if place >= found.place and case.mg:
            mg = found.mg if place == found.place else 0
            if mg < case.mg:
                case.mg, case.code = mg, CAP_PROGRAMME
    share_out_day(session, rules, platforms, day, cases)
    return post_cases(session, rules, sums, cases, accounting_day=day, now=now)


def placed(
    session: Session, cases: Sequence[Case]
) -> Iterator[tuple[Case, tuple[datetime, int, UUID, UUID, UUID]]]:
    """Each case with its place in the whole programme."""
    unasked = {one.standing.event_id for one in cases if one.claim_key == UNASKED}
    claim_keys = claim_keys_of(session, event_ids=unasked)
    for case in cases:
        one = case.standing
        claim_key = claim_keys.get(one.event_id, case.claim_key)
        yield case, (one.occurred_at, TIER_ORDER[one.tier], one.partner_id, claim_key, one.citizen_id)


def _read(limit: str) -> Limit:
    return json.decode(limit.encode(), type=learned(Limit))


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
        citizen_id=row.citizen_id,
        event_id=row.event_id,
        partner_id=row.partner_id,
        occurred_at=row.occurred_at,
        tier=TIER_ORDER[row.tier],
        net_mg=int(row.net_mg),
        counts=row.net_mg > 0 or row.gross_mg <= 0,
    )


def _in_order(session: Session, rows: Sequence[_Row]) -> list[_Row]:
    first: dict[tuple[datetime, int, UUID], UUID] = {}
    tied = set()
    for one in rows:
        other = first.setdefault(one.tie, one.event_id)
        if other != one.event_id:
            tied |= {other, one.event_id}
    # Claims decide between those that nothing else puts in order: only these are read.
    claim_keys = claim_keys_of(session, event_ids=tied)
    return sorted(rows, key=lambda one: (one.tie, claim_keys.get(one.event_id, UNASKED), one.citizen_id))


def _rows(programme: str, day: date) -> Select[*tuple[Any, ...]]:
    """What stands of the day, without what is only shown and what came late."""
    columns = (
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
        Reduction.accounting_day == day,
        ReductionEnd.reduction_id.is_(None),
        newest(Reduction.use) != "display",
    )
