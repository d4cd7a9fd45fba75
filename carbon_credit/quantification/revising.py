"""Re-quantification: past reductions by the version that governs their day now. Nothing is rewritten.

A portion is some citizens' reductions of one business day. `plan` computes portions without writing,
`apply` one portion with writing; both by the same functions, so that what is reported is what is posted.
Whoever knows which reductions lie in batches says so (`busy`): those are left as they are.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date, datetime
from typing import TypeAlias
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.kernel.bulk import one_of
from carbon_credit.kernel.clock import business_day
from carbon_credit.quantification.grams import Movement, Platforms, held_by_partner, post_movements
from carbon_credit.quantification.models import Reduction
from carbon_credit.quantification.periods import closed_days, lock_period_alone
from carbon_credit.quantification.portions import Portion, Row, Span, portions, wanted_of
from carbon_credit.quantification.present import REQUANTIFIED, Standing
from carbon_credit.quantification.recomputing import Recomputed, governed_otherwise, recompute
from carbon_credit.quantification.recording import Revision, append_adjustments, append_revisions
from carbon_credit.quantification.recounting import Left, Recounted, members, recount
from carbon_credit.quantification.renetting import most_by_netting
from carbon_credit.quantification.standing import standing_where
from carbon_credit.quantification.sums import RunningSums
from carbon_credit.quantification.tallies import PlannedTallies, Tallies, TallyKey

Busy: TypeAlias = Callable[[Collection[UUID]], set[UUID]]


def plan(session: Session, *, span: Span, busy: Busy) -> Iterator[tuple[Portion, list[Row]]]:
    """What would become of every reduction that is governed otherwise now, portion by portion.

    Nothing is written or locked. What earlier portions would change in sums that reach over days (a year's
    cap, netting, a partner's threshold) is remembered, and nothing else: memory does not grow with events.
    """
    rules = programme_rules(session, programme=span.programme)
    if span.draft is not None:
        rules = rules.trying(span.draft.compiled)
    carried: dict[TallyKey, tuple[int, int, int, int]] = {}
    left: tuple[date, Left] | None = None
    for portion in portions(session, span=span):
        work = _Work(session, rules, span, portion, busy)
        if left is None or left[0] != portion.day:
            left = (portion.day, work.left())
        tallies = PlannedTallies(session, keys=work.keys(), carried=carried)
        counted = work.counted(tallies, left[1])
        tallies.write()
        yield portion, work.rows(counted)


def apply(session: Session, *, span: Span, portion: Portion, busy: Busy, now: datetime) -> list[Row]:
    """Revise the portion's reductions that are governed otherwise, and post the differences.

    The caller's unit of work; applying again changes nothing. Nobody credits on the day, withdraws from it
    or closes it meanwhile. Points stay as they are. Raises ValueError for a draft: publish it first.
    """
    if span.draft is not None:
        raise ValueError("a draft governs nothing, so nothing can be revised by it")
    rules = programme_rules(session, programme=span.programme)
    lock_period_alone(session, span.programme, "day", portion.day)
    work = _Work(session, rules, span, portion, busy)
    tallies = Tallies(session, programme=span.programme, keys=work.keys())
    counted = work.counted(tallies, work.left())
    _write(session, rules, counted, closed=work.closed, now=now)
    tallies.write()
    return work.rows(counted)


class _Work:
    """One portion: what is computed again, and what of it may change."""

    def __init__(
        self, session: Session, rules: ProgrammeRules, span: Span, portion: Portion, busy: Busy
    ) -> None:
        self._session, self._rules, self._day = session, rules, portion.day
        standing = _standing(session, span, portion)
        self.closed = portion.day in closed_days(session, span.programme, {portion.day})
        self._governing = governed_otherwise(rules, only=span.only)
        self._again = recompute(session, rules, standing, self._governing)
        self._ask_busy = busy
        self._busy = busy([one.standing.reduction_id for one in self._again])
        self._changing = [
            one for one in self._again if one.refusal is None and one.standing.reduction_id not in self._busy
        ]
        platforms = Platforms(session, rules)
        self._sums = RunningSums(session, rules, platforms)

    def keys(self) -> set[TallyKey]:
        """The sums that have to be at hand."""
        return self._sums.keys(members(self._changing, self._session))

    def left(self) -> Left:
        """Of the programme's day."""
        return Left(self._session, self._rules, self._day, closed=self.closed)

    def counted(self, tallies: Tallies, left: Left) -> list[Recounted]:
        """What each that may change counts now."""
        self._sums.tallies = tallies
        credited = [one.standing for one in self._changing if one.standing.use == "credit"]
        held = held_by_partner(self._session, self._rules.code, credited)
        most = most_by_netting(self._session, self._rules, self._changing, self._governing, self._ask_busy)
        return recount(self._session, self._sums, self._changing, held=held, most=most, left=left)

    def rows(self, counted: Sequence[Recounted]) -> list[Row]:
        """One for each that is governed otherwise."""
        by_id = {one.again.standing.reduction_id: one for one in counted}
        return [_row(one, by_id.get(one.standing.reduction_id), self._busy) for one in self._again]


def _standing(session: Session, span: Span, portion: Portion) -> list[Standing]:
    return standing_where(
        session,
        *wanted_of(span),
        Reduction.business_day == portion.day,
        one_of(session, Reduction.citizen_id, portion.citizens),
        order=(Reduction.citizen_id, Reduction.id),
    )


def _row(again: Recomputed, counted: Recounted | None, busy: set[UUID]) -> Row:
    one, binding = again.standing, again.binding
    credited_mg = one.net_mg if one.use == "credit" else 0
    return Row(
        reduction_id=one.reduction_id,
        citizen_id=one.citizen_id,
        activity_type=one.activity_type,
        scene=one.scene,
        business_day=one.business_day,
        old_version=f"{one.methodology_id}/{one.version}",
        new_version=f"{binding.methodology_id}/{binding.version}",
        old_use=one.use,
        new_use=binding.use,
        old_grade=one.grade,
        new_grade=again.grade,
        old_mg=credited_mg,
        new_mg=credited_mg if counted is None else counted.credited_mg,
        refusal=again.refusal,
        busy=one.reduction_id in busy,
    )


def _write(
    session: Session, rules: ProgrammeRules, counted: Sequence[Recounted], *, closed: bool, now: datetime
) -> None:
    today = business_day(now, rules.time_zone)

    def accounting_day(one: Recounted) -> date:
        # What a closed day has is not changed any more: the difference belongs to the day it is found on.
        own = one.again.standing.accounting_day
        same = (one.mg, one.credited_mg) == (one.before_mg, one.credited_before_mg)
        return own if same or not closed else today

    revisions = [_revision(one, rules.digest, accounting_day(one)) for one in counted]
    append_revisions(session, programme=rules.code, revisions=revisions, now=now)
    changes: dict[date, list[tuple[UUID, int, str]]] = defaultdict(list)
    for one in counted:
        delta_mg = one.mg - one.before_mg
        changes[accounting_day(one)].append((one.again.standing.reduction_id, delta_mg, REQUANTIFIED))
    for day, those in sorted(changes.items()):
        append_adjustments(session, programme=rules.code, changes=those, accounting_day=day, now=now)
    post_movements(session, rules.code, [_movement(one) for one in counted], now=now)


def _revision(one: Recounted, profile_digest: str, day: date) -> Revision:
    again, before = one.again, one.again.standing
    binding = again.binding
    return Revision(
        reduction_id=before.reduction_id,
        number=before.revision + 1,
        methodology_id=binding.methodology_id,
        methodology_version=binding.version,
        version_digest=binding.digest,
        profile_digest=profile_digest,
        use=binding.use,
        inputs=again.inputs_text,
        tier=again.tier.value,
        grade=again.grade,
        gross_mg=again.gross_mg,
        reason=REQUANTIFIED,
        accounting_day=day,
    )


def _movement(one: Recounted) -> Movement:
    before = one.again.standing
    partner_mg = one.partner_mg if one.again.binding.use == "credit" else 0
    return Movement(
        reduction_id=before.reduction_id,
        citizen_id=before.citizen_id,
        partner_id=before.partner_id,
        effective_at=before.occurred_at,
        citizen_mg=(one.credited_mg - partner_mg) - (one.credited_before_mg - one.before_partner_mg),
        partner_mg=partner_mg - one.before_partner_mg,
    )
