"""Worlds with rules of a test's own: a small library, x-gd-sz with other caps, shares and budgets."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import text

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger.accounts import CO2E, AccountKey
from carbon_credit.ledger.audit import audit as audit_ledger
from carbon_credit.ledger.queries import balances
from carbon_credit.quantification.audit import audit as audit_reductions
from tests.world import World

LIBRARY = Path(__file__).resolve().parents[2] / "methodologies"
KEPT = ("activity-record", "household-electricity", "shared-bike-sandbox", "walking-sandbox")
NOTE = {"grade": "assumed", "source": None}

# 1 mg for each Wh below 10,000: a result below zero for a household that uses more.
METHOD = """\
id: {id}
format: 2
version: 1
title: {{zh: 测试, en: Test}}
issuer: {{zh: 测试, en: Test}}
region: 深圳
published_at: null
effective_from: 2015-01-01
effective_to: null
activity_types: [{activity}]
grades:
  formula: {{grade: assumed, source: null}}
  eligibility: {{grade: assumed, source: null}}
  caps: {{grade: assumed, source: null}}
  rounding: {{grade: assumed, source: null}}
  validity: {{grade: assumed, source: null}}
design:
  applicability: null
  additionality: null
  boundary: null
  baseline: null
  leakage: null
  uncertainty: null
  conservativeness: null
  monitoring: {{data: null, instrument: null, frequency: null, quality: null, retention: null}}
  crediting_period: null
  other_markets:
    project_emissions_in_ets: unknown
    grid_savings_in_ets: unknown
    ccer: unknown
    text: {{zh: 无, en: None}}
  double_claim: null
changes:
  - {{version: 1, dated: 2026-11-21, text: {{zh: 首版, en: First}}}}
sources:
  - {{name: made-up, document: a test}}
inputs:
{inputs}
parameters:
{parameters}
{more}
steps:
  - {{name: reduction, label: {{zh: 减排量, en: Reduction}}, expression: "{expression}", unit: gCO2e}}
result: reduction
rounding: {{to: mg, mode: floor}}
"""
LABEL = "label: {zh: 测试, en: Test}"
VALUE = (
    "values: [{{value: {0}, grade: assumed, source: made-up, effective_from: null, effective_to: null, "
    "still_valid_on: null, review_by: null}}]"
)
METERED = f"  - {{name: energy_wh, {LABEL}, kind: integer, unit: Wh, min: 0, max: 1000000}}"
RIDDEN = f"  - {{name: distance_m, {LABEL}, kind: integer, unit: pm, min: 0, max: 1000000}}"


def parameter(name: str, unit: str, value: int) -> str:
    """A parameter of a test's methodology."""
    return f"  - {{name: {name}, {LABEL}, unit: {unit}, {VALUE.format(value)}}}"


def saving(name: str, *, netting: str = "event", more: str = "", inputs: str = "") -> dict[str, str]:
    """Electricity below 10,000 Wh at 1 mg/Wh, netted over a span."""
    return {
        "id": name,
        "activity": "electricity.period",
        "inputs": METERED + inputs,
        "parameters": "\n".join([parameter("base", "Wh", 10_000), parameter("rate", "gCO2/kWh", 1)]),
        "expression": "(base - energy_wh) * rate",
        "more": f"negative: {'refuse' if netting == 'event' else 'keep'}\nnetting: {netting}\n{more}",
    }


def riding(name: str, *, within_s: int) -> dict[str, str]:
    """Metro rides at 10 mg/m, of which one record of each trip counts."""
    return {
        "id": name,
        "activity": "metro.ride",
        "inputs": RIDDEN,
        "parameters": parameter("rate", "gCO2/pkm", 10),
        "expression": "distance_m * rate",
        "more": f"negative: refuse\nexclusive: {{within_s: {within_s}}}",
    }


def library(root: Path, methods: Sequence[Mapping[str, str]], changes: Mapping[str, Any]) -> Path:
    """A library of few packages, of which `methods` govern their activity, and x-gd-sz with `changes`."""
    root.mkdir()
    shutil.copy(LIBRARY / "activities.yaml", root)
    shutil.copytree(LIBRARY / "factors", root / "factors")
    for name in KEPT:
        shutil.copytree(LIBRARY / name / "v1", root / name / "v1")
    shutil.copytree(LIBRARY / "sz-public-transit" / "v1", root / "sz-public-transit" / "v1")
    (root / "published.lock").write_text("", encoding="utf-8")
    for method in methods:
        folder = root / method["id"] / "v1"
        folder.mkdir(parents=True)
        (folder / "methodology.yaml").write_text(METHOD.format(**method), encoding="utf-8")
        (folder / "cases.yaml").write_text("cases: []\n", encoding="utf-8")
    profile = PROFILE | dict(changes)
    own = {method["activity"]: method["id"] for method in methods}
    profile["bindings"] = [
        {
            "activity_type": kind,
            "methodology": own.get(kind, name),
            "version": 1,
            "effective_from": "2015-01-01",
            "effective_to": None,
            "use": "credit",
        }
        | ({"earlier_period": True} if name == "sz-public-transit" and kind not in own else {})
        for kind, name in BOUND.items()
    ]
    (root / "programmes").mkdir()
    written = yaml.safe_dump(profile, allow_unicode=True, sort_keys=False).replace(
        "'2015-01-01'", "2015-01-01"
    )
    (root / "programmes" / "x-gd-sz.yaml").write_text(written, encoding="utf-8")
    return root


@contextmanager
def city(
    database: Database,
    root: Path,
    *,
    methods: Sequence[Mapping[str, str]] = (),
    people: int = 1,
    now: datetime | None = None,
    **changes: Any,
) -> Iterator[World]:
    """A world of that library. `changes`: sections of the profile in place of its own."""
    other = Database(
        replace(database.settings, methodologies_dir=library(root / "library", methods, changes))
    )
    try:
        yield World(other, people=people) if now is None else World(other, people=people, now=now)
    finally:
        other.dispose()


def cap(scope: str, *, mg: int | None = None, events: int | None = None, **over: str) -> dict[str, Any]:
    """A cap of the profile."""
    return {"scope": scope, "max_mg": mg, "max_events": events, **over, **NOTE}


def partner_mg(world: World) -> int:
    """Milligrams on the partner's account."""
    key = AccountKey(world.programme, CO2E, "partner.reductions", world.partner)
    with unit_of_work(world.database, read_only=True) as session:
        return balances(session, keys=[key])[key].posted


def net_by_person(world: World) -> list[int]:
    """What counts of each person's reductions, by the rows."""
    statement = text(
        "SELECT r.citizen_id AS who, SUM(r.credited_mg + COALESCE((SELECT SUM(a.delta_mg) "
        "FROM reduction_adjustment a WHERE a.reduction_id = r.id), 0)) AS mg "
        "FROM reduction r GROUP BY r.citizen_id"
    )
    with unit_of_work(world.database, read_only=True) as session:
        found = {str(row.who).replace("-", ""): int(row.mg) for row in session.execute(statement)}
    return [found.get(citizen.hex, 0) for citizen in world.citizens]


def assert_books(world: World) -> None:
    """Nothing is found by either audit."""
    with unit_of_work(world.database, read_only=True) as session:
        assert audit_ledger(session) == []
        assert audit_reductions(session, progress=lambda _: None) == []


def reading(
    name: str, energy_wh: int, *, at: str, person: int = 0, revision: int = 1, **data: Any
) -> dict[str, Any]:
    """A household's electricity of a day."""
    return {
        "id": name,
        "revision": revision,
        "type": "electricity.period",
        "occurred_at": at,
        "citizen": {"link": {"kind": "transit-card", "value": f"CARD-{person}"}},
        "data": {"energy_wh": energy_wh, "reading_source": "meter", **data},
    }


PROFILE: dict[str, Any] = yaml.safe_load(
    (LIBRARY / "programmes" / "x-gd-sz.yaml").read_text(encoding="utf-8")
)
PROFILE = {key: value for key, value in PROFILE.items() if key not in ("overflow", "points_budget")}
PROFILE["caps"] = []
BOUND = {
    "metro.ride": "sz-public-transit",
    "bus.ride": "sz-public-transit",
    "bike.ride": "shared-bike-sandbox",
    "walk": "walking-sandbox",
    "electricity.period": "household-electricity",
}
