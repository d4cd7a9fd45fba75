"""Settling a citizen's day: history, overlap, netting and caps over all of it in canonical order.

Pure but for what it reads: each step changes the cases, and `posting` writes what they have become.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.kernel.digest import canonical_json
from carbon_credit.methodology.definition import Tier, grade_of
from carbon_credit.methodology.engine import Refusal
from carbon_credit.quantification import history
from carbon_credit.quantification.caps import Used, allow_through, count_in
from carbon_credit.quantification.cases import Case, by_citizen
from carbon_credit.quantification.exclusive import OVERLAP, best
from carbon_credit.quantification.netting import NETTING, hand_out, span_end, span_start
from carbon_credit.quantification.recording import Revision
from carbon_credit.quantification.scopes import PERSON_YEAR, limits_of
from carbon_credit.quantification.spans import SpanSum, counted_by_citizen, counted_by_methodology
from carbon_credit.quantification.tallies import TallyKey
from carbon_credit.quantification.trips import records_of, trips_of

SETTLED = "settled"


def settle(session: Session, rules: ProgrammeRules, day: date, cases: Sequence[Case]) -> None:
    """What each case counts, by the profile in force. `cases`: whole days of citizens, in order.

    All but the cap of the programme's day, which only all citizens together reach.
    """
    settle_history(session, rules, day, cases)
    for case in cases:
        case.mg, case.code = max(case.gross_mg, 0), None
    keep_best_records(session, rules, cases, {day - timedelta(days=1)})
    _net(session, rules, day, cases)
    _cap(session, rules, day, cases)


def compute_again(
    case: Case,
    inputs: Mapping[str, int | str],
    *,
    earlier: bool,
    reason: str,
    accounting_day: date,
    tier: Tier | None = None,
) -> None:
    """Revise the case: its result from `inputs`, nothing where they are refused. `tier`: of all inputs."""
    one, compiled = case.standing, case.member.compiled
    tier = tier or Tier(one.tier)
    result = compiled.evaluate(inputs, on=one.business_day, earlier=earlier)
    if isinstance(result, Refusal):
        case.gross_mg, grade = 0, one.grade
    else:
        case.gross_mg, grade = result.reduction_mg, grade_of(result.grade, tier).value
    case.revision = Revision(
        reduction_id=one.reduction_id,
        number=one.revision + 1,
        methodology_id=one.methodology_id,
        methodology_version=one.version,
        version_digest=one.version_digest,
        profile_digest=one.profile_digest,
        use=one.use,
        inputs=canonical_json(inputs).decode(),
        tier=tier.value,
        grade=grade,
        gross_mg=case.gross_mg,
        reason=reason,
        accounting_day=accounting_day,
    )


def settle_history(session: Session, rules: ProgrammeRules, day: date, cases: Sequence[Case]) -> None:
    """What these cases of `day` read of the days before is read anew: they are closed, and all that will
    count is there."""
    reading = [case for case in cases if case.member.compiled.history]
    wanted = {
        history.Wanted(case.standing.citizen_id, case.standing.activity_type, day, need.days)
        for case in reading
        for need in case.member.compiled.history
    }
    found = history.gather(session, programme=rules.code, wanted=wanted)
    for case in reading:
        one = case.standing
        needs = case.member.compiled.history
        known = found.inputs_of(needs, citizen_id=one.citizen_id, activity_type=one.activity_type, day=day)
        inputs = {**one.inputs, **known}
        if inputs != one.inputs:
            binding = rules.governing(one.activity_type, day)
            earlier = binding.earlier if binding else False
            compute_again(case, inputs, earlier=earlier, reason=SETTLED, accounting_day=one.recorded_for)


def keep_best_records(
    session: Session,
    rules: ProgrammeRules,
    cases: Sequence[Case],
    days: Collection[date],
    *wanted: ColumnElement[bool],
) -> None:
    """Of several records of one trip the best counts. What counted on `days`, as far as it is `wanted`,
    stays."""
    exclusive = [case for case in cases if case.member.within_s is not None]
    if not exclusive:
        return
    whose = {(case.standing.citizen_id, case.standing.activity_type) for case in exclusive}
    before = trips_of(session, programme=rules.code, whose=whose, days=days, wanted=wanted)
    records = records_of(session, [case.standing for case in exclusive])
    grouped = sorted(exclusive, key=lambda one: (one.standing.citizen_id, one.standing.activity_type))
    for key, group in groupby(grouped, key=lambda one: (one.standing.citizen_id, one.standing.activity_type)):
        those = sorted(group, key=lambda one: one.evidence)
        counts = best(
            [records[one.standing.reduction_id] for one in those],
            within_s=those[0].member.within_s or 0,
            settled=before.best_of(key),
        )
        for case, is_best in zip(those, counts, strict=True):
            if not is_best:
                case.mg, case.code = 0, OVERLAP


def _net(session: Session, rules: ProgrammeRules, day: date, cases: Sequence[Case]) -> None:
    """Results below zero are set off against the others of their span, as far as it has gone."""
    netted = [case for case in cases if case.member.netting is not None and case.code != OVERLAP]
    for span in sorted({case.member.netting or "" for case in netted}):
        those = [case for case in netted if case.member.netting == span]
        before: dict[tuple[UUID, str], SpanSum] = {}
        if span != "day":
            before = counted_by_methodology(
                session,
                programme=rules.code,
                citizens={case.standing.citizen_id for case in those},
                methodology_ids={case.standing.methodology_id for case in those},
                first=span_start(span, day),
                last=span_end(span, day),
            )
        by_methodology: dict[tuple[UUID, str], list[Case]] = {}
        for case in those:  # in canonical order
            key = (case.standing.citizen_id, case.standing.methodology_id)
            by_methodology.setdefault(key, []).append(case)
        for key, group in by_methodology.items():
            earlier = before.get(key, SpanSum())
            amounts = hand_out(
                [case.gross_mg for case in group],
                sum_before=earlier.gross_mg,
                counted_before=earlier.granted,
            )
            for case, mg in zip(group, amounts, strict=True):
                case.mg, case.code = mg, NETTING if mg < case.gross_mg else None


def _cap(session: Session, rules: ProgrammeRules, day: date, cases: Sequence[Case]) -> None:
    """The citizen's caps, from the inside out. The year's has what its closed days have left."""
    years: Mapping[UUID, SpanSum] = {}
    if any(cap.scope == "person-year" for cap in rules.caps(day)):
        years = counted_by_citizen(
            session,
            programme=rules.code,
            citizens={case.standing.citizen_id for case in cases},
            first=span_start("year", day),
            last=span_end("year", day),
        )
    for citizen_id, those in by_citizen(cases):
        used: dict[TallyKey, Used] = {}
        year = years.get(citizen_id, SpanSum())
        for case in those:
            if case.code == OVERLAP:
                continue
            limits = []
            for cap, key in limits_of(rules, citizen_id, day, case.standing.activity_type):
                if key not in used:
                    used[key] = Used(year.events, year.granted) if key.scope == PERSON_YEAR else Used()
                limits.append((cap, used[key]))
            allowed = allow_through(limits, case.mg)
            case.mg, case.code = allowed.mg, allowed.cap_code or case.code
            for _, one in limits:
                count_in(one, case.mg, case.code)


def reads_on(rules: ProgrammeRules, day: date) -> Collection[str]:
    """The activity types whose methodology in force on `day` reads the days before."""
    found = []
    for kind in rules.activities:
        binding = rules.governing(kind, day)
        if binding is not None and binding.compiled.history:
            found.append(kind)
    return found
