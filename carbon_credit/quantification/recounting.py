"""What reductions that were computed again count: out of every running sum, and in again.

The others of the day keep what they have; those whose result is as it was do too, whatever has become
free since. So nothing moves where nothing changed, and no cap is passed where something did.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import exists
from sqlalchemy.orm import Session, aliased

from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.quantification.caps import CAP_PROGRAMME, Allowed, allow_through, is_counted
from carbon_credit.quantification.cases import by_citizen, in_order
from carbon_credit.quantification.exclusive import OVERLAP
from carbon_credit.quantification.models import Reduction, ReductionEnd
from carbon_credit.quantification.netting import NETTING
from carbon_credit.quantification.present import net_sum, newest
from carbon_credit.quantification.recomputing import Recomputed
from carbon_credit.quantification.sharing import partner_parts
from carbon_credit.quantification.sums import Member, RunningSums, member_of

_ended = aliased(ReductionEnd)


@dataclass(frozen=True, slots=True)
class Recounted:
    """What a reduction counts now (`mg`, of which `partner_mg` are the partner's), and did before.

    Milligrams of any use; `credited_*` are those on accounts.
    """

    again: Recomputed
    mg: int
    partner_mg: int
    before_partner_mg: int

    @property
    def before_mg(self) -> int:
        """What counted before."""
        return self.again.standing.net_mg

    @property
    def credited_before_mg(self) -> int:
        """What was on accounts."""
        return self.before_mg if self.again.standing.use == "credit" else 0

    @property
    def credited_mg(self) -> int:
        """What is to be on accounts."""
        return self.mg if self.again.binding.use == "credit" else 0


def members(recomputed: Iterable[Recomputed], session: Session) -> list[Member]:
    """Of which sums the reductions are a member now, and will be: to be locked before `recount`."""
    found = []
    for again in recomputed:
        found += [member_of(session, again.standing), member_after(again)]
    return found


def member_after(again: Recomputed) -> Member:
    """As the new version has it."""
    one, binding = again.standing, again.binding
    return Member(
        one.citizen_id, one.partner_id, one.activity_type, one.business_day, binding.compiled, binding.use
    )


def recount(
    session: Session,
    sums: RunningSums,
    recomputed: Sequence[Recomputed],
    *,
    held: Mapping[UUID, int],
    most: Mapping[UUID, int],
    left: "Left",
) -> list[Recounted]:
    """What each counts now, counted into `sums`, which are locked. `recomputed`: with a result each, of one
    business day. By reduction, `held`: the partner's part, `most`: what netting leaves, where it nets."""
    moving = {one.standing.reduction_id: one for one in recomputed if moves(one)}
    counted: dict[UUID, tuple[int, int]] = {}
    # One citizen after the other, so that it does not matter how many there are in a portion.
    for _citizen, cases in by_citizen(in_order(session, [again.standing for again in moving.values()])):
        for one in [case.standing for case in cases]:
            _count_out(session, sums, moving[one.reduction_id], held.get(one.reduction_id, 0))
            left.give_back(one.net_mg if one.use != "display" else 0)
        for one in [case.standing for case in cases]:
            again = moving[one.reduction_id]
            counted[one.reduction_id] = _count_in(sums, again, most.get(one.reduction_id), left)
    result = []
    for again in recomputed:
        one = again.standing
        before = held.get(one.reduction_id, 0)
        mg, partner_mg = counted.get(one.reduction_id, (one.net_mg, before))
        result.append(Recounted(again, mg, partner_mg, before))
    return result


class Left:
    """What the cap of the programme's day, over all citizens, still has. Closing applies it to the whole
    day; here it is only asked whether a closed day has room for more."""

    def __init__(self, session: Session, rules: ProgrammeRules, day: date, *, closed: bool) -> None:
        caps = [cap.max_mg for cap in rules.caps(day) if cap.scope == "programme-day"] if closed else []
        self._most = next((most for most in caps if most is not None), None)
        self._counted = 0
        if self._most is not None:
            ended = exists().where(_ended.reduction_id == Reduction.id)
            mine = (Reduction.programme == rules.code, Reduction.business_day == day, ~ended)
            self._counted = net_sum(session, *mine, newest(Reduction.use) != "display")

    def give_back(self, mg: int) -> None:
        """Something leaves the day."""
        self._counted -= mg

    def allow(self, mg: int) -> Allowed:
        """What of `mg` still fits; it is counted in."""
        allowed = mg if self._most is None else max(min(mg, self._most - self._counted), 0)
        self._counted += allowed
        return Allowed(allowed, CAP_PROGRAMME if allowed < mg else None)


def moves(again: Recomputed) -> bool:
    """Whether what it counts has to be asked again."""
    one, binding = again.standing, again.binding
    same_terms = (one.use, one.methodology_id) == (binding.use, binding.methodology_id)
    return not (same_terms and again.gross_mg == one.gross_mg)


def _count_out(session: Session, sums: RunningSums, again: Recomputed, partner_mg: int) -> None:
    one = again.standing
    if one.use == "display":
        return
    sums.add(
        member_of(session, one),
        events=-int(is_counted(one.net_mg, one.cap_code)),
        gross_mg=-(one.net_mg if one.cap_code == OVERLAP else one.gross_mg),
        mg=-one.net_mg,
        partner_mg=-partner_mg,
    )


def _count_in(sums: RunningSums, again: Recomputed, most_mg: int | None, left: Left) -> tuple[int, int]:
    """(what counts, the partner's part of it)."""
    one, member, gross_mg = again.standing, member_after(again), again.gross_mg
    if member.use == "display":
        return 0, 0
    if one.cap_code == OVERLAP:  # another record of the trip counts: that has not changed
        mg, code = min(one.net_mg, max(gross_mg, 0)), OVERLAP
        result_mg = mg
    else:
        mg, code, result_mg = max(gross_mg, 0), None, gross_mg
        if most_mg is not None and most_mg < mg:
            mg, code = most_mg, NETTING
    under = sums.under(member)
    allowed = allow_through(under.limits, mg)
    fitting = left.allow(allowed.mg)
    mg, code = fitting.mg, fitting.cap_code or allowed.cap_code or code
    partner_mg = 0
    if under.share is not None and under.shared is not None:
        threshold_mg, held_mg = under.share.threshold_mg, under.shared.granted
        [partner_mg] = partner_parts([mg], threshold_mg=threshold_mg, held_before_mg=held_mg)
    under.add(events=int(is_counted(mg, code)), gross_mg=result_mg, mg=mg, partner_mg=partner_mg)
    under.mark(gross_mg=gross_mg, mg=mg, cap_code=code, partner_mg=partner_mg)
    return mg, partner_mg
