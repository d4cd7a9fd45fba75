"""Writing what settled cases have become: adjustments, revisions, grams, points and running sums."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_
from sqlalchemy.orm import Session

from carbon_credit.catalogue.rules import ProgrammeRules, Share
from carbon_credit.catalogue.terms import CO2E_BASIS, EVENT_BASIS
from carbon_credit.kernel.bulk import one_of
from carbon_credit.quantification.caps import is_counted
from carbon_credit.quantification.cases import Case
from carbon_credit.quantification.exclusive import OVERLAP
from carbon_credit.quantification.grams import Movement, Platforms, held_by_partner, post_movements
from carbon_credit.quantification.models import Reduction
from carbon_credit.quantification.netting import NETTING
from carbon_credit.quantification.parts import quantities_of_each
from carbon_credit.quantification.present import Standing
from carbon_credit.quantification.recording import append_adjustments, append_revisions
from carbon_credit.quantification.rewards import Rewards, basis_of
from carbon_credit.quantification.sharing import partner_parts, share_span
from carbon_credit.quantification.spans import is_accounted, on_closed_day
from carbon_credit.quantification.standing import standing_where
from carbon_credit.quantification.sums import RunningSums

CAP = "cap"

_Whose = tuple[UUID, UUID]  # citizen, partner


def post_cases(
    session: Session,
    rules: ProgrammeRules,
    sums: RunningSums,
    cases: Sequence[Case],
    *,
    reason: str | None = None,
    accounting_day: date,
    now: datetime,
) -> int:
    """Write what changes; the sum of it in milligrams. The sums of all cases are locked.

    `reason`: of all adjustments, where it is not what took the milligrams that tells it. Where a partner
    has a part in a case, its `partner_mg` says what it becomes.
    """
    changed = [case for case in cases if case.changed]
    append_revisions(
        session,
        programme=rules.code,
        revisions=[case.revision for case in changed if case.revision is not None],
        now=now,
    )
    append_adjustments(
        session,
        programme=rules.code,
        changes=[
            (case.standing.reduction_id, mg, why)
            for case in changed
            for mg, why in ([(case.delta_mg, reason)] if reason else _adjustments(case))
        ],
        accounting_day=accounting_day,
        now=now,
    )
    _post_grams(session, rules, sums, cases, now=now)
    _post_points(session, rules, sums, changed, now=now)
    sums.tallies.write()
    return sum(case.delta_mg for case in changed)


def share_out_day(
    session: Session, rules: ProgrammeRules, platforms: Platforms, day: date, cases: Sequence[Case]
) -> None:
    """The partners' parts of whole days of citizens, in canonical order: `partner_mg` of each case."""
    groups: dict[tuple[UUID, UUID, Share], list[Case]] = defaultdict(list)
    for case in cases:
        one = case.standing
        share = platforms.share(one.activity_type, day, one.partner_id) if one.use == "credit" else None
        if share is not None:
            groups[one.citizen_id, one.partner_id, share].append(case)
    for share in {share for _, _, share in groups}:
        mine = {
            (citizen, partner): those for (citizen, partner, one), those in groups.items() if one == share
        }
        held: Mapping[_Whose, int] = {}
        if share.per != "citizen-day":
            held = _held(session, rules, share, day, mine, on_closed_day(rules.code))
        _divide(share, mine, held)


def share_out_late(
    session: Session, rules: ProgrammeRules, platforms: Platforms, cases: Sequence[Case]
) -> None:
    """The partners' parts of late cases, given in their turn, beside what is final in the same span."""
    groups: dict[tuple[Share, date], dict[_Whose, list[Case]]] = defaultdict(lambda: defaultdict(list))
    for case in cases:
        one = case.standing
        if one.use != "credit":
            continue
        share = platforms.share(one.activity_type, one.business_day, one.partner_id)
        if share is not None:
            first, _ = share_span(share.per, one.business_day)
            groups[share, first][one.citizen_id, one.partner_id].append(case)
    final = and_(on_closed_day(rules.code), is_accounted(rules.code))
    for (share, first), mine in groups.items():
        _divide(share, mine, _held(session, rules, share, first, mine, final))


def _divide(share: Share, groups: Mapping[_Whose, Sequence[Case]], held: Mapping[_Whose, int]) -> None:
    for whose, those in groups.items():
        parts = partner_parts(
            [case.mg for case in those],
            threshold_mg=share.threshold_mg,
            held_before_mg=held.get(whose, 0),
        )
        for case, part in zip(those, parts, strict=True):
            case.partner_mg = part


def _held(
    session: Session,
    rules: ProgrammeRules,
    share: Share,
    day: date,
    whose: Collection[_Whose],
    wanted: ColumnElement[bool],
) -> dict[_Whose, int]:
    """What partners hold of the reductions in the share's span of `day` that are `wanted`."""
    first, last = share_span(share.per, day)
    standing = standing_where(
        session,
        one_of(session, Reduction.citizen_id, {citizen for citizen, _ in whose}),
        Reduction.programme == rules.code,
        Reduction.business_day.between(first, last),
        wanted,
    )
    mine = [
        one
        for one in standing
        if (one.citizen_id, one.partner_id) in whose
        and rules.overflow(one.activity_type, one.business_day) == share
    ]
    held = held_by_partner(session, rules.code, mine)
    found: dict[_Whose, int] = defaultdict(int)
    for one in mine:
        found[one.citizen_id, one.partner_id] += held.get(one.reduction_id, 0)
    return found


def _adjustments(case: Case) -> Iterator[tuple[int, str]]:
    """(milligrams, reason): first what another result changes, then what caps and the like take."""
    one, rest = case.standing, case.delta_mg
    if case.revision is not None:
        result = max(case.gross_mg, 0)
        settled = min(max(one.net_mg + result - max(one.gross_mg, 0), 0), result) - one.net_mg
        yield settled, case.revision.reason
        rest -= settled
    if rest:
        yield rest, case.code or _given_back(one)


def _given_back(one: Standing) -> str:
    return one.cap_code if one.cap_code in (NETTING, OVERLAP) else CAP


def _post_grams(
    session: Session, rules: ProgrammeRules, sums: RunningSums, cases: Sequence[Case], *, now: datetime
) -> None:
    """Post differences to who owns them, and count the cases as they are now into the running sums."""
    credited = [case for case in cases if case.standing.use == "credit"]
    shared = [case.standing for case in credited if case.partner_mg is not None]
    held = held_by_partner(session, rules.code, shared)
    movements = []
    for case in cases:
        one = case.standing
        before = held.get(one.reduction_id, 0)
        partner_mg = (case.partner_mg or 0) - before
        if case.changed or partner_mg:
            _recount(sums, case, partner_mg)
        if one.use == "credit" and (case.delta_mg or partner_mg):
            movements.append(
                Movement(
                    reduction_id=one.reduction_id,
                    citizen_id=one.citizen_id,
                    partner_id=one.partner_id,
                    effective_at=one.occurred_at,
                    citizen_mg=case.delta_mg - partner_mg,
                    partner_mg=partner_mg,
                )
            )
    post_movements(session, rules.code, movements, now=now)


def _recount(sums: RunningSums, case: Case, partner_mg: int) -> None:
    one = case.standing
    before = one.net_mg if one.cap_code == OVERLAP else one.gross_mg
    after = case.mg if case.code == OVERLAP else case.gross_mg
    under = sums.under(case.member)
    under.add(
        events=is_counted(case.mg, case.code) - is_counted(one.net_mg, one.cap_code),
        gross_mg=after - before,
        mg=case.delta_mg,
        partner_mg=partner_mg,
    )
    under.mark(
        gross_mg=case.gross_mg,
        mg=case.mg,
        cap_code=case.code,
        partner_mg=case.partner_mg or 0,
    )


def _post_points(
    session: Session, rules: ProgrammeRules, sums: RunningSums, changed: Sequence[Case], *, now: datetime
) -> None:
    rewards = Rewards(session, rules, sums.tallies, now=now)
    earning = [case for case in changed if case.standing.recorded_use != "display"]
    quantities = quantities_of_each(session, [case.standing for case in earning if _counts(rules, case)])
    for case in earning:
        one = case.standing
        for rule in rules.points_rules(one.activity_type, one.business_day):
            known = quantities.get(one.reduction_id, {})
            before = basis_of(rule, one.points_mg, one.points_cap_code, known)
            after = basis_of(rule, one.points_mg + case.delta_mg, case.code, known)
            rewards.count(
                rule,
                citizen_id=one.citizen_id,
                day=one.business_day,
                activity_type=one.activity_type,
                basis=after - before,
            )
    rewards.post()


def _counts(rules: ProgrammeRules, case: Case) -> bool:
    """Whether points for it follow from the event's own quantities, and not from grams or its being there."""
    one = case.standing
    given = rules.points_rules(one.activity_type, one.business_day)
    return any(rule.basis not in (CO2E_BASIS, EVENT_BASIS) for rule in given)
