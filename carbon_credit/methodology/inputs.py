"""What a methodology reads about an activity: from the event, the citizen's history and known facts.

`InputReader.inputs_of` brings all of it into the one form that is evaluated and stored: whole numbers and
words by input name. A recomputation needs nothing but that form.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from carbon_credit.kernel.quantity import MAX_QUANTITY
from carbon_credit.methodology.definition import InputSpec, Methodology, Tier

MAX_SINCE_DAYS = 36_600  # a hundred years either way


@dataclass(frozen=True, slots=True)
class HistoryNeed:
    """An input taken from the same citizen's events of the same activity type on the `days` business
    days before: the sum of their field `of`, or (`take` = days) the number of days that have one."""

    name: str
    of: str
    days: int
    take: str


def is_word(spec: InputSpec) -> bool:
    """Whether the input is a word; the choices between words are made before anything is computed."""
    return spec.kind in ("enum", "evidence") or (spec.kind == "fact" and not spec.since)


def is_number(spec: InputSpec) -> bool:
    """Whether the input is a whole number in the unit of the input."""
    return spec.kind in ("integer", "history") or (spec.kind == "fact" and spec.since)


def words_of(spec: InputSpec) -> tuple[str, ...]:
    """Every word that the input can be: `values`, the words of `by_tier`, `otherwise` and `absent`."""
    more = (*(spec.by_tier or {}).values(), spec.otherwise, spec.absent)
    return tuple(dict.fromkeys((*spec.values, *(word for word in more if word is not None))))


def bounds(spec: InputSpec) -> tuple[int, int]:
    """(least, greatest) of a number. History and facts need none in the file: their kind bounds them."""
    least, greatest = 0, 0
    if spec.kind == "history":
        greatest = (spec.days or 0) if spec.take == "days" else MAX_QUANTITY
    elif spec.kind == "fact":
        least, greatest = -MAX_SINCE_DAYS, MAX_SINCE_DAYS
    return (least if spec.min is None else spec.min, greatest if spec.max is None else spec.max)


class InputReader:
    """`history`: what has to be looked up. `facts`: the names of the facts that are read.
    `reads`: the fields of the event that are read; everything else is not the formula's business."""

    def __init__(self, methodology: Methodology) -> None:
        specs = methodology.inputs
        enums = [spec for spec in specs if spec.kind == "enum"]
        self._by_activity = {s.name: s.by_activity for s in enums if s.by_activity is not None}
        self.reads = (
            frozenset(spec.name for spec in specs if spec.kind in ("integer", "enum"))
            - self._by_activity.keys()
        )
        self.history = tuple(
            HistoryNeed(spec.name, spec.of or "", spec.days or 0, spec.take or "sum")
            for spec in specs
            if spec.kind == "history"
        )
        self._facts = [spec for spec in specs if spec.kind == "fact"]
        self.facts = frozenset(spec.fact for spec in self._facts if spec.fact is not None)
        self._evidence = [spec for spec in specs if spec.kind == "evidence"]
        self._lenient = [spec for spec in enums if spec.otherwise is not None or spec.absent is not None]
        self._words = {spec.name: frozenset(words_of(spec)) for spec in (*self._facts, *self._lenient)}
        self._plain = not (self.history or self._facts or self._evidence or self._lenient)

    def inputs_of(
        self,
        activity_type: str,
        data: Mapping[str, int | str],
        *,
        history: Mapping[str, int],
        facts: Mapping[str, str],
        tier: Tier | None,
        on: date | None,
    ) -> dict[str, int | str]:
        """Everything that is known of what the formula reads, by input name. What is not known is left
        out, and what does not fit is left as it is: `evaluate` refuses both by name."""
        inputs = {name: data[name] for name in self.reads if name in data}
        for name, words in self._by_activity.items():
            if activity_type in words:
                inputs[name] = words[activity_type]
        if self._plain:
            return inputs
        for spec in self._lenient:
            _put(inputs, spec.name, _word(spec, self._words[spec.name], inputs.get(spec.name)))
        for need in self.history:
            _put(inputs, need.name, history.get(need.name))
        for spec in self._facts:
            stated = facts.get(spec.fact or "")
            known = self._words[spec.name]
            _put(inputs, spec.name, _days_since(stated, on) if spec.since else _word(spec, known, stated))
        for spec in self._evidence:
            _put(inputs, spec.name, _tier_word(spec, tier))
        return inputs


def _put(inputs: dict[str, int | str], name: str, value: int | str | None) -> None:
    if value is not None:
        inputs[name] = value


def _word(spec: InputSpec, known: frozenset[str], stated: int | str | None) -> int | str | None:
    if stated is None:
        return spec.absent
    return stated if stated in known or spec.otherwise is None else spec.otherwise


def _tier_word(spec: InputSpec, tier: Tier | None) -> str | None:
    return spec.absent if tier is None else (spec.by_tier or {}).get(tier, spec.otherwise)


def _days_since(stated: str | None, on: date | None) -> int | str | None:
    if stated is None or on is None:
        return None
    try:
        return (on - date.fromisoformat(stated)).days
    except ValueError:
        return stated


def unknown_facts(specs: Iterable[InputSpec], words: Mapping[str, str]) -> frozenset[str]:
    """The inputs of facts of which nothing is known yet: their word is the `absent` one."""
    return frozenset(
        spec.name
        for spec in specs
        if spec.kind == "fact" and spec.absent is not None and words.get(spec.name) == spec.absent
    )
