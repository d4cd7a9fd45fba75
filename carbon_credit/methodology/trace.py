"""The explanation of one result: for an auditor as data, for a citizen as text in two languages."""

import re
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

from carbon_credit.kernel.quantity import grams_text
from carbon_credit.methodology.arithmetic import exact_text
from carbon_credit.methodology.definition import Grade, Methodology, Overlay, Predicate, Source, Texts
from carbon_credit.methodology.loader import OVERLAY_SOURCE
from carbon_credit.methodology.readings import Reading
from carbon_credit.methodology.wording import EXCLUSIVE, GRADES, NETTING, REFUSALS, SPLIT, UNITS, WORDS

_SYMBOL = re.compile("[A-Za-z]+[0-9]*[a-z]*")


@dataclass(frozen=True, slots=True)
class TracedInput:
    name: str
    label: Texts
    value: str
    unit: str | None


@dataclass(frozen=True, slots=True)
class TracedStep:
    """`value` is exact, in `unit`. `expression` as it is written, `expression_zh` for Chinese readers."""

    name: str
    label: Texts
    expression: str
    expression_zh: str
    value: Fraction
    unit: str


@dataclass(frozen=True, slots=True)
class TracedCondition:
    """A condition of eligibility. `verdict`: holds, fails, pending, or unknown-value where a value that it
    needs is missing. `values`: (name, value, unit) of what the test compares."""

    predicate: Predicate
    test: str
    verdict: str
    values: tuple[tuple[str, str, str | None], ...]
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything that went into one result, or into its refusal (then `reduction_mg` is None)."""

    methodology: Methodology
    version: str
    digest: str
    overlay: Overlay | None
    on: date
    declared_day: date | None
    inputs: tuple[TracedInput, ...]
    conditions: tuple[TracedCondition, ...]
    readings: tuple[Reading, ...]
    steps: tuple[TracedStep, ...]
    exact_mg: Fraction | None
    reduction_mg: int | None
    grade: Grade | None
    pending: bool
    refusal: tuple[str, str | None, str] | None

    def as_dict(self) -> dict[str, Any]:
        """JSON-able: text, integers, lists and null only; amounts are exact texts."""
        method = self.methodology
        code, name, detail = self.refusal or (None, None, None)
        return {
            "methodology": {
                "id": method.id,
                "version": method.version,
                "version_name": self.version,
                "digest": self.digest,
                "title": _both(method.title),
                "effective_from": _day(method.effective_from),
                "effective_to": _day(method.effective_to),
                "supersedes": None if method.supersedes is None else f"v{method.supersedes}",
                "why": _both(self.why),
            },
            "overlay": None
            if self.overlay is None
            else {
                "note": _both(self.overlay.note),
                "parameters": [value.parameter for value in self.overlay.values],
            },
            "on": self.on.isoformat(),
            "declared_day": _day(self.declared_day),
            "inputs": [
                {"name": i.name, "label": _both(i.label), "value": i.value, "unit": i.unit}
                for i in self.inputs
            ],
            "eligibility": [_condition(condition) for condition in self.conditions],
            "parameters": [_reading(reading) for reading in self.readings],
            "steps": [
                {
                    "name": step.name,
                    "label": _both(step.label),
                    "expression": step.expression,
                    "expression_zh": step.expression_zh,
                    "value": exact_text(step.value),
                    "unit": step.unit,
                }
                for step in self.steps
            ],
            "formula_grade": str(method.grades.formula.grade),
            "rounding": {
                "to": method.rounding.to,
                "mode": method.rounding.mode,
                "exact_mg": None if self.exact_mg is None else exact_text(self.exact_mg),
            },
            "netting": method.netting,
            "negative": method.negative,
            "split": method.split,
            "exclusive_within_s": method.exclusive.within_s if method.exclusive else None,
            "reduction_mg": self.reduction_mg,
            "pending": self.pending,
            "grade": None if self.grade is None else str(self.grade),
            "refusal": (
                None
                if code is None
                else {
                    "code": code,
                    "field": name,
                    "detail": detail,
                    "detail_zh": self._refused_zh(code, name),
                }
            ),
        }

    @property
    def why(self) -> Texts:
        """Why this version governs the day."""
        start, end = self.methodology.effective_from, self.methodology.effective_to
        zh = f"{self.version} 有效期（{start or '未知'} 至 {end or '今'}）"
        en = f"the period of {self.version} (from {start or 'not known'} to {end or 'further notice'})"
        if self.declared_day is not None:
            zh = f"{self.on} 早于 {zh}；演练声明其提前有效，按 {self.declared_day} 计算"
            en = (
                f"{self.on} is before {en}; the rehearsal declares it in force earlier, and takes"
                f" {self.declared_day}"
            )
        elif self.refusal is not None and self.refusal[0] == "not-in-force":
            zh, en = f"{self.on} 不在 {zh}内", f"{self.on} is outside {en}"
        else:
            zh, en = f"{self.on} 在 {zh}内", f"{self.on} lies in {en}"
        if self.methodology.supersedes is not None:
            zh += f"，该版本取代 v{self.methodology.supersedes}"
            en += f"; it supersedes v{self.methodology.supersedes}"
        return Texts(zh=zh, en=en)

    def text(self, language: str) -> str:
        """The same for a person; `language` is "zh" or "en"."""
        return "\n".join(self._lines(language))

    def _lines(self, language: str) -> list[str]:
        def word(key: str) -> str:
            return WORDS[key].text(language)

        method = self.methodology
        start = _day(method.effective_from) or word("unknown")
        lines = [
            f"{word('methodology')}: {method.title.text(language)} ({method.id} {self.version})",
            f"{word('digest')}: {self.digest}",
            f"{word('day')}: {self.on}",
            f"{word('period')}: {start} – {_day(method.effective_to) or word('further')}",
        ]
        if self.declared_day is not None:
            lines.append(f"{word('declared')} {self.declared_day}")
        if self.overlay is not None:
            names = ", ".join(value.parameter for value in self.overlay.values)
            lines.append(f"{word('overlay')}: {names}; {self.overlay.note.text(language)}")
        lines.append(f"{word('inputs')}:")
        lines += [
            f"  {i.label.text(language)} {i.name} = {_amount(i.value, i.unit, language)}" for i in self.inputs
        ]
        if self.conditions:
            lines.append(f"{word('eligibility')}:")
        for condition in self.conditions:
            lines += self._condition(condition, language)
        if self.readings:
            lines.append(f"{word('values')}:")
        for reading in self.readings:
            amount = _amount(reading.value, reading.unit, language)
            lines.append(f"  {reading.label.text(language)} {reading.name} = {amount}")
            lines.append(f"    {_graded(reading.grade, language)}; {_cited(reading, language)}")
        if self.steps:
            lines.append(f"{word('steps')}:")
        for step in self.steps:
            amount = _amount(_readable(step.value), step.unit, language)
            formula = step.expression_zh if language == "zh" else step.expression
            lines.append(f"  {step.label.text(language)} {step.name} = {formula} = {amount}")
        return lines + self._handling(language) + self._outcome(language)

    def _condition(self, condition: TracedCondition, language: str) -> list[str]:
        values = ", ".join(
            f"{name} = {_amount(value, unit, language)}" for name, value, unit in condition.values
        )
        predicate = condition.predicate
        source = self.methodology.source(predicate.source)
        cited = [source.document, source.number, predicate.clause, source.address] if source else []
        graded = _graded(predicate.grade, language)
        lines = [
            f"  {predicate.label.text(language)} {condition.test} ({values}):"
            f" {WORDS[condition.verdict].text(language)}",
            f"    {graded}; {WORDS['source'].text(language)}: {', '.join(filter(None, cited))}"
            if cited
            else f"    {graded}",
        ]
        for reading in condition.readings:
            lines.append(f"    {reading.label.text(language)} {reading.name}: {_cited(reading, language)}")
        return lines

    def _handling(self, language: str) -> list[str]:
        """What happens to the result beside others."""
        if self.refusal is not None:
            return []
        method = self.methodology
        lines = [NETTING[method.netting].text(language)] if method.netting in NETTING else []
        if method.split == "days":
            lines.append(SPLIT.text(language))
        if method.exclusive is not None:
            lines.append(EXCLUSIVE.text(language).format(method.exclusive.within_s))
        return lines

    def _outcome(self, language: str) -> list[str]:
        if self.refusal is not None:
            code, name, detail = self.refusal
            why = self._refused_zh(code, name) if language == "zh" else detail
            return [f"{WORDS['refused'].text(language)} ({code}): {why}"]
        if self.reduction_mg is None or self.grade is None or self.exact_mg is None:
            return []
        lines = [WORDS["pending"].text(language)] if self.pending else []
        return [
            *lines,
            f"{WORDS['rounding'].text(language)}: {_readable(self.exact_mg)} -> {self.reduction_mg} mg",
            f"{WORDS['result'].text(language)}: {grams_text(self.reduction_mg)} gCO2e"
            f" ({WORDS['grade'].text(language)}: {GRADES[self.grade].text(language)})",
        ]

    def _refused_zh(self, code: str, name: str | None) -> str:
        labels = {predicate.name: predicate.label.zh for predicate in self.methodology.eligibility}
        told = labels.get(name, name) if name is not None and code == "not-eligible" else name
        return REFUSALS[code] + (f"：{told}" if told else "")


def _amount(value: str, unit: str | None, language: str) -> str:
    if unit is None or unit == "1":
        return value
    # `pm` alone says nothing to a citizen.
    told = _SYMBOL.sub(lambda found: _told_unit(found[0], language), unit)
    return f"{value} {told}"


def _told_unit(symbol: str, language: str) -> str:
    return UNITS[symbol].text(language) if symbol in UNITS else symbol


def _graded(grade: Grade, language: str) -> str:
    return f"{WORDS['grade'].text(language)}: {GRADES[grade].text(language)}"


def _condition(condition: TracedCondition) -> dict[str, Any]:
    predicate = condition.predicate
    return {
        "name": predicate.name,
        "label": _both(predicate.label),
        "test": condition.test,
        "decided": predicate.decided,
        "verdict": condition.verdict,
        "values": [{"name": name, "value": value, "unit": unit} for name, value, unit in condition.values],
        "parameters": [_reading(reading) for reading in condition.readings],
        "grade": str(predicate.grade),
        "source": predicate.source,
        "clause": predicate.clause,
    }


def _both(texts: Texts) -> dict[str, str]:
    return {"zh": texts.zh, "en": texts.en}


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _reading(reading: Reading) -> dict[str, Any]:
    source: Source = reading.source
    return {
        "name": reading.name,
        "label": _both(reading.label),
        "value": reading.value,
        "unit": reading.unit,
        "grade": str(reading.grade),
        "data_year": reading.data_year,
        "borrowed_from": reading.borrowed_from,
        "review_by": _day(reading.review_by),
        "source": {
            "document": source.document,
            "number": source.number,
            "clause": reading.clause,
            "address": source.address,
            "dated": _day(source.dated),
            "read_as": source.read_as,
        },
    }


def _cited(reading: Reading, language: str) -> str:
    source = reading.source
    # The stand-ins of a rehearsal have no document.
    document = WORDS["overlay"].text(language) if source == OVERLAY_SOURCE else source.document
    parts = [document, source.number, reading.clause, source.address]
    text = f"{WORDS['source'].text(language)}: {', '.join(part for part in parts if part)}"
    if reading.data_year is not None:
        text += f"; {WORDS['year'].text(language)} {reading.data_year}"
    if reading.borrowed_from is not None:
        text += f"; {WORDS['borrowed'].text(language)} {reading.borrowed_from}"
    return text


def _readable(value: Fraction) -> str:
    """Exact where a decimal ends; else three decimals and a sign that it was cut."""
    text = exact_text(value)
    if "/" not in text:
        return text
    thousandths = abs(value) * 1000 // 1
    return f"≈{'-' if value < 0 else ''}{grams_text(int(thousandths))}"
