"""What a verifier computes from a leaf alone: history, facts, conditions, and stand-ins of a rehearsal."""

from dataclasses import replace
from typing import Any

import pytest
import yaml

from carbon_credit.methodology.loader import package_from_files
from carbon_credit.verifier.check import check_dossier
from tests.verifier.conftest import METHODOLOGY

TEXT = {"zh": "测试", "en": "test"}
OFFICIAL = {"label": TEXT, "grade": "official", "source": "text"}
UNKNOWN = dict.fromkeys(("project_emissions_in_ets", "grid_savings_in_ets", "ccer"), "unknown")
DESIGN = (
    dict.fromkeys(("applicability", "additionality", "boundary", "baseline", "leakage", "uncertainty"))
    | dict.fromkeys(("conservativeness", "crediting_period", "double_claim"))
    | {"monitoring": dict.fromkeys(("data", "instrument", "frequency", "quality", "retention"))}
    | {"other_markets": UNKNOWN | {"text": TEXT}}
)
KNOWN: list[dict[str, Any]] = [
    {"name": "before", "kind": "history", "unit": "m", "of": "distance_m", "days": 7, "take": "sum"},
    {"name": "pv", "kind": "fact", "fact": "pv-owner", "values": ["yes", "no"]},
    {"name": "tier", "kind": "fact", "fact": "tier", "values": ["first", "second"], "absent": "unknown"},
]


def conditioned() -> bytes:
    """The small methodology with history, facts and conditions, as a new file has them."""
    method = yaml.safe_load(METHODOLOGY)
    del method["prose"]
    method |= {"format": 2, "design": DESIGN}
    method["changes"] = [{"version": 1, "dated": "2026-01-01", "text": TEXT}]
    method["inputs"] += [one | {"label": TEXT} for one in KNOWN]
    method["eligibility"] = [
        OFFICIAL | {"name": "no-pv", "test": 'pv == "no"'},
        OFFICIAL | {"name": "tariff", "test": 'tier == "first"', "decided": "year"},
    ]
    method["steps"][0]["expression"] = "(distance_m + before) * ride * ef"
    return yaml.dump(method, Dumper=Plain, allow_unicode=True, sort_keys=False).encode()


class Plain(yaml.SafeDumper):
    """Writes everything out, as the loader wants it."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


@pytest.mark.parametrize(
    ("changes", "field", "found"),
    [
        ({}, None, None),
        ({"pv": "yes"}, "inputs.no-pv", "not-eligible"),
        ({"tier": "second"}, "inputs.tariff", "not-eligible"),
        ({"tier": "unknown"}, "inputs", "only when the year is over"),
        ({"before": 1000}, "gross_mg", "4258753"),
        ({"before": None}, "inputs.before", "input-missing"),
    ],
)
def test_history_facts_and_conditions_are_computed_again_from_the_leaf(
    draft: Any, changes: dict[str, Any], field: str | None, found: str | None
) -> None:
    known = {"before": 0, "pv": "no", "tier": "first"} | changes
    known = {name: value for name, value in known.items() if value is not None}
    package = package_from_files({"methodology.yaml": conditioned()})
    draft.method = conditioned()
    draft.leaves = [
        replace(leaf, inputs={**leaf.inputs, **known}, version_digest=package.digest) for leaf in draft.leaves
    ]
    report = check_dossier(draft.build())
    if field is None:
        assert report.ok, report.text("en")
        return
    assert report.difference is not None
    assert report.difference.field == field
    assert found in f"{report.difference.found} {report.difference.expected}"


def test_stand_ins_are_another_version_and_for_rehearsals_alone(draft: Any) -> None:
    known = 'value: "46.8", grade: official, source: text'
    assert known in METHODOLOGY
    method = METHODOLOGY.replace(known, "value: null, grade: null, source: null")
    overlay = b"note: {zh: x, en: x}\nvalues:\n  - {parameter: ef, value: 46.8, note: {zh: x, en: x}}\n"
    files = {"methodology.yaml": method.encode(), "overlay.yaml": overlay}
    package = package_from_files(files)
    draft.method, draft.overlay = method.encode(), overlay
    draft.version = "v1+sandbox"
    draft.leaves = [
        replace(leaf, version="v1+sandbox", version_digest=package.digest, grade="assumed")
        for leaf in draft.leaves
    ]
    assert check_dossier(draft.build()).ok
    draft.version = "v1"
    report = check_dossier(draft.build())
    assert report.difference is not None
    draft.version, draft.rehearsal = "v1+sandbox", False
    report = check_dossier(draft.build())
    assert report.difference is not None
    assert "stand-ins" in str(report.difference.expected)
