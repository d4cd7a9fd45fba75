"""Computing reductions again by another version: the same event, known history and facts, another formula.

Reads, and decides nothing about caps: `recounting` does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy.orm import Session

from carbon_credit.catalogue.rules import Binding, ProgrammeRules
from carbon_credit.identity.facts import FactRecord, facts_of, facts_on
from carbon_credit.kernel.digest import canonical_json
from carbon_credit.methodology.definition import Tier, grade_of, worst_tier
from carbon_credit.methodology.engine import CompiledMethodology, Evaluation, Refusal
from carbon_credit.quantification.history import History, Wanted, gather
from carbon_credit.quantification.parts import quantities_of_each
from carbon_credit.quantification.present import Standing

Quantities: TypeAlias = Mapping[str, int | str]
# By what an activity of a citizen's day is to be computed; None: by nothing else than now.
Governing: TypeAlias = Callable[[Standing], Binding | None]


@dataclass(frozen=True, slots=True)
class Draft:
    """A version that is computed as if it governed (`ProgrammeRules.trying`)."""

    compiled: CompiledMethodology


@dataclass(frozen=True, slots=True)
class Recomputed:
    """A reduction as it stands, and what `binding` makes of the same event from `inputs`.

    `tier`: as good as the worst that was read.
    """

    standing: Standing
    binding: Binding
    inputs: Quantities
    tier: Tier
    answer: Evaluation | Refusal

    @property
    def refusal(self) -> str | None:
        """Why the version gives no result; then the reduction is left as it is."""
        return self.answer.code if isinstance(self.answer, Refusal) else None

    @property
    def gross_mg(self) -> int:
        """What the formula gives; what it gave before where it is refused now."""
        return self.answer.reduction_mg if isinstance(self.answer, Evaluation) else self.standing.gross_mg

    @property
    def grade(self) -> str:
        """The grade of the result."""
        if isinstance(self.answer, Refusal):
            return self.standing.grade
        return grade_of(self.answer.grade, self.tier).value

    @property
    def inputs_text(self) -> str:
        """As they are stored."""
        return canonical_json(dict(self.inputs)).decode()


def governed_otherwise(rules: ProgrammeRules, *, only: tuple[str, str] | None = None) -> Governing:
    """What governs a reduction's day now, where that is not what it was computed by. `only`: (id, version)
    alone; what is governed by others is left to them."""

    def governing(one: Standing) -> Binding | None:
        found = rules.governing(one.activity_type, one.business_day)
        if found is None or only not in (None, (found.methodology_id, found.version)):
            return None
        now = (found.methodology_id, found.version, found.digest, found.use)
        return None if now == (one.methodology_id, one.version, one.version_digest, one.use) else found

    return governing


def recompute(
    session: Session, rules: ProgrammeRules, standing: Sequence[Standing], governing: Governing
) -> list[Recomputed]:
    """Those of the reductions that are governed otherwise, computed again.

    The history and the facts that were read before are read as they were; what only the new version
    reads is gathered now.
    """
    found = [(one, binding) for one in standing if (binding := governing(one)) is not None]
    if not found:
        return []
    quantities = quantities_of_each(session, [one for one, _ in found])
    history = gather(session, programme=rules.code, wanted=_history_wanted(found))
    names = {name for _, binding in found for name in binding.compiled.facts}
    facts = facts_of(session, citizen_ids={one.citizen_id for one, _ in found} if names else (), names=names)
    return [
        _recomputed(one, binding, quantities[one.reduction_id], history, facts.get(one.citizen_id, ()))
        for one, binding in found
    ]


def _history_wanted(found: Sequence[tuple[Standing, Binding]]) -> set[Wanted]:
    return {
        Wanted(one.citizen_id, one.activity_type, one.business_day, need.days)
        for one, binding in found
        for need in binding.compiled.history
        if need.name not in one.inputs
    }


def _recomputed(
    one: Standing, binding: Binding, quantities: Quantities, history: History, known: Sequence[FactRecord]
) -> Recomputed:
    compiled, day, tier = binding.compiled, one.business_day, Tier(one.tier)
    stated = {name: fact for name, fact in facts_on(known, day).items() if name in compiled.facts}
    inputs = compiled.inputs_of(
        one.activity_type,
        quantities,
        history=history.inputs_of(
            compiled.history, citizen_id=one.citizen_id, activity_type=one.activity_type, day=day
        ),
        facts={name: fact.value for name, fact in stated.items() if fact.value is not None},
        tier=tier,
        on=day,
    )
    read = one.inputs
    for spec in compiled.methodology.inputs:
        if spec.kind in ("history", "fact", "evidence"):
            if spec.name in read:
                inputs[spec.name] = read[spec.name]
            elif spec.fact in stated:
                tier = worst_tier(tier, Tier(stated[spec.fact].tier))
    return Recomputed(one, binding, inputs, tier, binding.evaluate(inputs, on=day))
