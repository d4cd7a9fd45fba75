"""The explanation of one result: for an auditor as data, for a citizen as text in two languages."""

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

from carbon_credit.kernel.quantity import grams_text
from carbon_credit.methodology.arithmetic import exact_text
from carbon_credit.methodology.definition import Grade, Methodology, Source, Texts
from carbon_credit.methodology.formula import Reading

_GRADES = {
    Grade.OFFICIAL: Texts(zh="官方确认", en="official"),
    Grade.PUBLISHED: Texts(zh="已公布", en="published"),
    Grade.SECONDARY: Texts(zh="二手来源（沙盒）", en="secondary (sandbox)"),
    Grade.ASSUMED: Texts(zh="假定（沙盒）", en="assumed (sandbox)"),
}
_WORDS = {
    "methodology": Texts(zh="方法学", en="Methodology"),
    "digest": Texts(zh="摘要", en="Digest"),
    "day": Texts(zh="行为日期", en="Day of the activity"),
    "period": Texts(zh="有效期", en="In force"),
    "unknown": Texts(zh="未知", en="not known"),
    "further": Texts(zh="至今", en="until further notice"),
    "declared": Texts(
        zh="演练声明：按该版本首日计算", en="Rehearsal declares the version in force earlier; taken as on"
    ),
    "inputs": Texts(zh="输入", en="Inputs"),
    "values": Texts(zh="参数", en="Values"),
    "source": Texts(zh="来源", en="source"),
    "grade": Texts(zh="证据等级", en="grade"),
    "year": Texts(zh="数据年份", en="data year"),
    "borrowed": Texts(zh="借用自", en="borrowed from"),
    "steps": Texts(zh="计算", en="Steps"),
    "rounding": Texts(zh="取整：向下取整到整毫克", en="Rounding: down to whole milligrams"),
    "result": Texts(zh="减排量", en="Reduction"),
    "refused": Texts(zh="不予核算", en="No result"),
}
_REFUSALS = {
    "input-missing": "缺少方法学所需的输入",
    "input-unknown": "方法学不读取该输入",
    "input-not-integer": "输入必须为整数",
    "input-out-of-bounds": "输入超出允许范围",
    "input-not-listed": "输入不在允许的选项内",
    "not-in-force": "该版本在此日期无效",
    "value-missing": "该日期没有已知的参数值",
    "division-by-zero": "公式以零作除数",
    "negative-result": "结果为负，方法学不予计入",
    "result-out-of-bounds": "结果超出账户可容纳的范围",
}


@dataclass(frozen=True, slots=True)
class TracedInput:
    name: str
    label: Texts
    value: str
    unit: str | None


@dataclass(frozen=True, slots=True)
class TracedStep:
    """`value` is exact, in `unit`."""

    name: str
    label: Texts
    expression: str
    value: Fraction
    unit: str


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything that went into one result, or into its refusal (then `reduction_mg` is None)."""

    methodology: Methodology
    digest: str
    on: date
    declared_day: date | None
    inputs: tuple[TracedInput, ...]
    readings: tuple[Reading, ...]
    steps: tuple[TracedStep, ...]
    exact_mg: Fraction | None
    reduction_mg: int | None
    grade: Grade | None
    refusal: tuple[str, str | None, str] | None

    def as_dict(self) -> dict[str, Any]:
        """JSON-able: text, integers, lists and null only; amounts are exact texts."""
        method = self.methodology
        code, name, detail = self.refusal or (None, None, None)
        return {
            "methodology": {
                "id": method.id,
                "version": method.version,
                "digest": self.digest,
                "title": _both(method.title),
                "effective_from": _day(method.effective_from),
                "effective_to": _day(method.effective_to),
            },
            "on": self.on.isoformat(),
            "declared_day": _day(self.declared_day),
            "inputs": [
                {"name": i.name, "label": _both(i.label), "value": i.value, "unit": i.unit}
                for i in self.inputs
            ],
            "parameters": [_reading(reading) for reading in self.readings],
            "steps": [
                {
                    "name": step.name,
                    "label": _both(step.label),
                    "expression": step.expression,
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
            "reduction_mg": self.reduction_mg,
            "grade": None if self.grade is None else str(self.grade),
            "refusal": None if code is None else {"code": code, "field": name, "detail": detail},
        }

    def text(self, language: str) -> str:
        """The same for a person; `language` is "zh" or "en"."""
        return "\n".join(self._lines(language))

    def _lines(self, language: str) -> list[str]:
        def word(key: str) -> str:
            return _WORDS[key].text(language)

        method = self.methodology
        start = _day(method.effective_from) or word("unknown")
        lines = [
            f"{word('methodology')}: {method.title.text(language)} ({method.id} v{method.version})",
            f"{word('digest')}: {self.digest}",
            f"{word('day')}: {self.on}",
            f"{word('period')}: {start} – {_day(method.effective_to) or word('further')}",
        ]
        if self.declared_day is not None:
            lines.append(f"{word('declared')} {self.declared_day}")
        lines.append(f"{word('inputs')}:")
        lines += [
            f"  {i.label.text(language)} {i.name} = {i.value} {i.unit or ''}".rstrip() for i in self.inputs
        ]
        if self.readings:
            lines.append(f"{word('values')}:")
        for reading in self.readings:
            lines.append(f"  {reading.label.text(language)} {reading.name} = {reading.value} {reading.unit}")
            lines.append(
                f"    {word('grade')}: {_GRADES[reading.grade].text(language)}; {_cited(reading, language)}"
            )
        if self.steps:
            lines.append(f"{word('steps')}:")
        for step in self.steps:
            amount = f"{_readable(step.value)} {step.unit}"
            lines.append(f"  {step.label.text(language)} {step.name} = {step.expression} = {amount}")
        return lines + self._outcome(language)

    def _outcome(self, language: str) -> list[str]:
        if self.refusal is not None:
            code, name, detail = self.refusal
            why = _REFUSALS[code] + (f"：{name}" if name else "") if language == "zh" else detail
            return [f"{_WORDS['refused'].text(language)} ({code}): {why}"]
        if self.reduction_mg is None or self.grade is None or self.exact_mg is None:
            return []
        return [
            f"{_WORDS['rounding'].text(language)}: {_readable(self.exact_mg)} -> {self.reduction_mg} mg",
            f"{_WORDS['result'].text(language)}: {grams_text(self.reduction_mg)} gCO2e"
            f" ({_WORDS['grade'].text(language)}: {_GRADES[self.grade].text(language)})",
        ]


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
    parts = [source.document, source.number, reading.clause, source.address]
    text = f"{_WORDS['source'].text(language)}: {', '.join(part for part in parts if part)}"
    if reading.data_year is not None:
        text += f"; {_WORDS['year'].text(language)} {reading.data_year}"
    if reading.borrowed_from is not None:
        text += f"; {_WORDS['borrowed'].text(language)} {reading.borrowed_from}"
    return text


def _readable(value: Fraction) -> str:
    """Exact where a decimal ends; else three decimals and a sign that it was cut."""
    text = exact_text(value)
    if "/" not in text:
        return text
    thousandths = abs(value) * 1000 // 1
    return f"≈{'-' if value < 0 else ''}{grams_text(int(thousandths))}"
