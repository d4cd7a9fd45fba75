"""Closing days and months: caps over the whole day in canonical order, differences posted.

While a day is open its events count in the order in which they arrive. Closing applies the same
caps to everything that happened on it, ordered by (occurred_at, tier, partner, claim), which no
arrival can change, and posts what differs. A month is closed when all its days are.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.events.queries import claim_keys_of, quantities_of
from carbon_credit.kernel.clock import business_day
from carbon_credit.kernel.ids import new_id
from carbon_credit.ledger import operations as ledger
from carbon_credit.ledger.accounts import CO2E, AccountKey
from carbon_credit.ledger.entries import Transfer
from carbon_credit.ledger.openings import write_openings
from carbon_credit.ledger.seals import seal
from carbon_credit.methodology.definition import Tier
from carbon_credit.quantification.caps import Allowed, allow_day
from carbon_credit.quantification.crediting import basis_of, cap_key, points_key, post_points
from carbon_credit.quantification.errors import DaysOpen, PeriodClosed, PeriodNotOver
from carbon_credit.quantification.models import DayTally, Period, Reduction, ReductionAdjustment
from carbon_credit.quantification.periods import (
    closed_days,
    closed_months,
    first_of_month,
    lock_period_alone,
    next_month,
    record_closing,
)
from carbon_credit.quantification.queries import Standing, standing_of_day
from carbon_credit.quantification.recording import append_adjustments
from carbon_credit.quantification.tallies import Tallies

Progress = Callable[[int], None]

_CITIZENS_AT_ONCE = 1000
_SEALED_AT_ONCE = 50_000
_TIER_ORDER = {tier.value: place for place, tier in enumerate(Tier)}


@dataclass(frozen=True, slots=True)
class Closing:
    """What a closed period amounts to. `corrected_mg`: the sum of the differences that closing posted."""

    programme: str
    kind: str
    starts_on: date
    reductions: int
    credited_mg: int
    corrected_mg: int


@dataclass(frozen=True, slots=True)
class _Change:
    standing: Standing
    allowed: Allowed

    @property
    def delta_mg(self) -> int:
        return self.allowed.mg - self.standing.net_mg


def close_day(
    session: Session,
    *,
    programme: str,
    day: date,
    now: datetime,
    closed_by: str,
    progress: Progress | None = None,
) -> Closing:
    """Close one business day. `progress` is told how many citizens were looked at.

    Raises PeriodNotOver, PeriodClosed.
    """
    rules = programme_rules(session, programme=programme)
    if business_day(now, rules.time_zone) <= day:
        raise PeriodNotOver(period=day.isoformat(), programme=programme)
    lock_period_alone(session, programme, "day", day)
    if closed_days(session, programme, {day}):
        raise PeriodClosed(period=day.isoformat(), programme=programme)
    corrected = 0
    for activity_type, citizens in _capped_citizens(session, programme, day):
        corrected += _apply_caps(session, rules, day, activity_type, citizens, now)
        if progress:
            progress(len(citizens))
    return _record(session, programme, "day", day, day + timedelta(days=1), corrected, closed_by, now)


def close_month(session: Session, *, programme: str, month: date, now: datetime, closed_by: str) -> Closing:
    """Close the month of `month` after all its days; writes the opening balances of the next.

    Raises PeriodNotOver, PeriodClosed, DaysOpen.
    """
    require_month_over(session, programme=programme, month=month, now=now)
    start, end = first_of_month(month), next_month(month)
    lock_period_alone(session, programme, "month", start)
    if closed_months(session, programme, {start}):
        raise PeriodClosed(period=f"{start:%Y-%m}", programme=programme)
    missing = open_days(session, programme=programme, month=start)
    if missing:
        raise DaysOpen(period=f"{start:%Y-%m}", days=", ".join(day.isoformat() for day in missing[:5]))
    # Opening balances count what is sealed; the sweep writes them where nothing was old enough yet.
    while seal(session, now=now, limit=_SEALED_AT_ONCE):
        pass
    write_openings(session, programme=programme, month_end=end - timedelta(days=1), now=now)
    return _record(session, programme, "month", start, end, 0, closed_by, now)


def require_month_over(session: Session, *, programme: str, month: date, now: datetime) -> None:
    """Whoever closes a month day by day asks this before the first. Raises PeriodNotOver."""
    rules = programme_rules(session, programme=programme)
    if business_day(now, rules.time_zone) < next_month(month):
        raise PeriodNotOver(period=f"{first_of_month(month):%Y-%m}", programme=programme)


def open_days(session: Session, *, programme: str, month: date) -> list[date]:
    """The days of the month that are not closed."""
    start, end = first_of_month(month), next_month(month)
    days = [start + timedelta(days=offset) for offset in range((end - start).days)]
    closed = closed_days(session, programme, days)
    return [day for day in days if day not in closed]


def _capped_citizens(session: Session, programme: str, day: date) -> Iterator[tuple[str, list[UUID]]]:
    """Citizens whose cap took something, by activity type, in portions. Only they can differ."""
    statement = (
        select(DayTally.scope, DayTally.citizen_id)
        .where(
            DayTally.programme == programme,
            DayTally.business_day == day,
            DayTally.scope.like("cap:%"),
            DayTally.capped > 0,
        )
        .order_by(DayTally.scope, DayTally.citizen_id)
    )
    for scope, rows in groupby(session.execute(statement).all(), key=lambda row: row.scope):
        citizens = [row.citizen_id for row in rows]
        for start in range(0, len(citizens), _CITIZENS_AT_ONCE):
            yield scope.removeprefix("cap:"), citizens[start : start + _CITIZENS_AT_ONCE]


def _apply_caps(
    session: Session,
    rules: ProgrammeRules,
    day: date,
    activity_type: str,
    citizens: Sequence[UUID],
    now: datetime,
) -> int:
    """Post what the canonical order changes for these citizens; the sum of it in milligrams."""
    points_rules = rules.points_rules(activity_type, day)
    keys = [cap_key(citizen, day, activity_type) for citizen in citizens]
    rewards = [points_key(citizen, day, rule) for citizen in citizens for rule in points_rules]
    tallies = Tallies(session, programme=rules.code, keys=[*keys, *rewards])
    standing = standing_of_day(
        session,
        programme=rules.code,
        business_day=day,
        citizen_ids=citizens,
        activity_type=activity_type,
    )
    changes = list(_changes(session, rules, day, activity_type, standing))
    quantities = quantities_of(session, event_ids=[change.standing.event_id for change in changes])
    for change in changes:
        one = change.standing
        tallies[cap_key(one.citizen_id, day, activity_type)].add(granted=change.delta_mg)
        for rule in points_rules:
            before = basis_of(rule, one.net_mg, one.cap_code, quantities[one.event_id])
            after = basis_of(rule, change.allowed.mg, change.allowed.cap_code, quantities[one.event_id])
            tallies[points_key(one.citizen_id, day, rule)].add(amount=after - before)
    append_adjustments(
        session,
        programme=rules.code,
        changes=[(change.standing.reduction_id, change.delta_mg, "cap") for change in changes],
        accounting_day=day,
        now=now,
    )
    ledger.post(session, transfers=[_transfer(rules.code, one, now) for one in _posted(changes)], now=now)
    post_points(session, rules, tallies, set(rewards), now=now)
    tallies.write()
    return sum(change.delta_mg for change in changes)


def _changes(
    session: Session, rules: ProgrammeRules, day: date, activity_type: str, standing: Sequence[Standing]
) -> Iterator[_Change]:
    cap = rules.cap(activity_type, day)
    claim_keys = claim_keys_of(session, event_ids=[one.event_id for one in standing])

    def canonical(one: Standing) -> tuple[UUID, datetime, int, UUID, UUID]:
        tier = _TIER_ORDER[one.tier]
        return (one.citizen_id, one.occurred_at, tier, one.partner_id, claim_keys[one.event_id])

    for _, group in groupby(sorted(standing, key=canonical), key=lambda one: one.citizen_id):
        those = list(group)
        for one, allowed in zip(those, allow_day(cap, [one.gross_mg for one in those]), strict=True):
            if allowed.mg != one.net_mg or allowed.cap_code != one.cap_code:
                yield _Change(one, allowed)


def _posted(changes: Sequence[_Change]) -> list[_Change]:
    # What a citizen loses is taken after what the same citizen gains is given.
    posted = [change for change in changes if change.standing.use == "credit" and change.delta_mg]
    return sorted(posted, key=lambda change: change.delta_mg < 0)


def _transfer(programme: str, change: _Change, now: datetime) -> Transfer:
    source = AccountKey(programme, CO2E, "programme.source")
    citizen = AccountKey(programme, CO2E, "citizen.reductions", change.standing.citizen_id)
    gains = change.delta_mg > 0
    return Transfer(
        id=new_id(),
        code="reduction.credit" if gains else "reduction.revoke",
        debit=source if gains else citizen,
        credit=citizen if gains else source,
        amount=abs(change.delta_mg),
        effective_at=change.standing.occurred_at if gains else now,
        reference=change.standing.reduction_id,
    )


def _record(
    session: Session,
    programme: str,
    kind: str,
    start: date,
    end: date,
    corrected_mg: int,
    closed_by: str,
    now: datetime,
) -> Closing:
    mine = (
        Reduction.programme == programme,
        Reduction.accounting_day >= start,
        Reduction.accounting_day < end,
    )
    count, credited = session.execute(
        select(func.count(), func.coalesce(func.sum(Reduction.credited_mg), 0)).where(*mine)
    ).one()
    adjusted = session.scalar(
        select(func.coalesce(func.sum(ReductionAdjustment.delta_mg), 0)).where(
            ReductionAdjustment.programme == programme,
            ReductionAdjustment.accounting_day >= start,
            ReductionAdjustment.accounting_day < end,
        )
    )
    period: Period = record_closing(
        session,
        programme=programme,
        kind=kind,
        starts_on=start,
        closed_by=closed_by,
        reductions=count,
        credited_mg=int(credited) + int(adjusted or 0),
        corrected_mg=corrected_mg,
        now=now,
    )
    return Closing(
        programme=programme,
        kind=kind,
        starts_on=start,
        reductions=period.reductions,
        credited_mg=period.credited_mg,
        corrected_mg=corrected_mg,
    )
