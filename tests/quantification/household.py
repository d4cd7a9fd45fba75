"""A small library of households for tests: what is known of them, and periods that are divided by days.

Version 1 of `test-household` saves 0.5 kg for each kWh below the baseline, version 2, from July 2026 on,
0.4 kg. Both credit only who owns no photovoltaic system, wait for the tariff tier until the year is
over, and count a reading of a record alone. `sz-household-electricity` is the library's own.
"""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import text

from carbon_credit.identity.operations import register_citizens
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from tests.world import World

LIBRARY = Path(__file__).resolve().parents[2] / "methodologies"
METER = ("electricity-meter", "METER-0")
_TEXT = {"zh": "测试", "en": "test"}
_GRADED = {"grade": "published", "source": "paper"}
_DESIGN = dict.fromkeys(
    ("additionality", "boundary", "baseline", "leakage", "uncertainty", "conservativeness")
) | {
    "applicability": _TEXT,
    "monitoring": dict.fromkeys(("data", "instrument", "frequency", "quality", "retention")),
    "crediting_period": None,
    "other_markets": {
        "project_emissions_in_ets": "unknown",
        "grid_savings_in_ets": "unknown",
        "ccer": "unknown",
        "text": _TEXT,
    },
    "double_claim": None,
}


def household(version: int, factor: str, *, start: str, end: str | None, **more: Any) -> dict[str, Any]:
    """One version, as its file says it."""
    value = {"value": factor, "effective_from": start, "effective_to": None, "still_valid_on": None}
    return {
        "id": "test-household",
        "format": 2,
        "version": version,
        "title": _TEXT,
        "issuer": _TEXT,
        "region": "test",
        "published_at": None,
        "effective_from": start,
        "effective_to": end,
        "activity_types": ["electricity.period"],
        "grades": dict.fromkeys(("formula", "eligibility", "caps", "rounding", "validity"), _GRADED),
        "design": _DESIGN,
        "changes": [{"version": version, "dated": start, "text": _TEXT}],
        "sources": [{"name": "paper", "document": "A paper"}],
        "inputs": [
            {"name": name, "label": _TEXT, "kind": "integer", "unit": "Wh", "min": 0, "max": 100_000_000}
            for name in ("energy_wh", "baseline_wh")
        ]
        + [
            _word("pv", fact="pv-owner", values=["yes", "no"]),
            _word("tariff", fact="tariff-tier", values=["first", "second", "third"], absent="unknown"),
            {
                "name": "proof",
                "label": _TEXT,
                "kind": "evidence",
                "by_tier": {"measured": "record", "derived": "record", "declared": "word", "assumed": "word"},
            },
        ],
        "parameters": [
            {
                "name": "EF",
                "label": _TEXT,
                "unit": "kgCO2/kWh",
                "values": [value | _GRADED | {"review_by": None}],
            }
        ],
        "eligibility": [
            _condition("no-pv", 'pv == "no"', "no photovoltaic system of one's own"),
            _condition("low-tariff", 'tariff == "first"', "first tariff tier", decided="year"),
            _condition("by-record", 'proof == "record"', "read by a meter"),
        ],
        "split": "days",
        "steps": [
            {
                "name": "saved",
                "label": _TEXT,
                "expression": "(baseline_wh - energy_wh) * EF",
                "unit": "kgCO2e",
            }
        ],
        "result": "saved",
        "rounding": {"to": "mg", "mode": "floor"},
        "negative": "zero",
        **more,
    }


def write_library(root: Path, *packages: dict[str, Any], bindings: list[dict[str, Any]]) -> Path:
    """A library with these packages and Shenzhen's own, and its rehearsal, bound like this."""
    root.mkdir()
    shutil.copyfile(LIBRARY / "activities.yaml", root / "activities.yaml")
    shutil.copytree(LIBRARY / "factors", root / "factors")
    for name in ("sz-household-electricity", "sz-public-transit"):
        shutil.copytree(LIBRARY / name, root / name)
    for package in packages:
        folder = root / package["id"] / f"v{package['version']}"
        folder.mkdir(parents=True)
        _write(folder / "methodology.yaml", package)
        case = {"name": "before its time", "on": "2000-01-01", "inputs": {}, "expect_refusal": "not-in-force"}
        _write(folder / "cases.yaml", {"cases": [case]})
    profile = yaml.safe_load((LIBRARY / "programmes" / "x-gd-sz.yaml").read_text(encoding="utf-8"))
    profile["bindings"] = bindings
    profile["caps"] = []
    profile["points_rules"] = [
        rule | {"activity_types": ["electricity.period"]}
        for rule in profile["points_rules"]
        if "electricity.period" in rule["activity_types"]
    ]
    (root / "programmes").mkdir()
    _write(root / "programmes" / "x-gd-sz.yaml", profile)
    return root


def binding(methodology: str, version: int, *, start: str, end: str | None = None, **more: Any) -> Any:
    """A binding of electricity, for credit."""
    return {
        "activity_type": "electricity.period",
        "methodology": methodology,
        "version": version,
        "effective_from": start,
        "effective_to": end,
        "use": "credit",
        **more,
    }


def two_versions(root: Path) -> Path:
    """The version changes on 1 July 2026."""
    return write_library(
        root,
        household(1, "0.5", start="2024-01-01", end="2026-07-01"),
        household(2, "0.4", start="2026-07-01", end=None),
        bindings=[
            binding("test-household", 1, start="2024-01-01", end="2026-07-01"),
            binding("test-household", 2, start="2026-07-01"),
        ],
    )


class Homes(World):
    """A world of households. `home`: a citizen linked by a meter of the citizen's own."""

    def __init__(self, database: Database, root: Path) -> None:
        super().__init__(Database(replace(database.settings, methodologies_dir=root)))
        self.root = root

    def linked(self, meter: tuple[str, str]) -> Any:
        """A further citizen, with a meter and nothing agreed."""
        return transact(
            self.database,
            lambda session: register_citizens(
                session, partner_id=self.partner, links_of=[[meter]], now=self.now
            )[0],
        )

    def rows(self, columns: str) -> list[Any]:
        """These columns of the reductions, by business day."""
        query = f"SELECT {columns} FROM reduction ORDER BY business_day, id"
        with unit_of_work(self.database, read_only=True) as session:
            return list(session.execute(text(query)).all())


def reading(
    event_id: str,
    start: str,
    end: str | None,
    energy_wh: int,
    *,
    link: tuple[str, str] = METER,
    revision: int = 1,
    **data: Any,
) -> dict[str, Any]:
    """What a meter has counted; days are Shanghai's, the last excluded."""
    ends = {"ended_at": f"{end}T00:00:00+08:00" if "T" not in end else end} if end else {}
    return {
        "id": event_id,
        "revision": revision,
        "type": "electricity.period",
        "occurred_at": f"{start}T00:00:00+08:00" if "T" not in start else start,
        "citizen": {"link": {"kind": link[0], "value": link[1]}},
        "data": {"energy_wh": energy_wh, "reading_source": "meter", **data},
        **ends,
    }


def _word(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "label": _TEXT, "kind": "fact", **more}


def _condition(name: str, test: str, label: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "label": {"zh": "条件", "en": label}, "test": test, **_GRADED, **more}


class _Plain(yaml.SafeDumper):
    """Writes everything out, as the loader wants it."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _write(path: Path, content: object) -> None:
    path.write_text(yaml.dump(content, Dumper=_Plain, allow_unicode=True, sort_keys=False), encoding="utf-8")
