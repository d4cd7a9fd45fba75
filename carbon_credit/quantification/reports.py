"""What re-quantification would do, in sum: per scene, over citizens, and a digest that names exactly this.

Nothing but integers; memory grows by one integer for each citizen, not with events.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from carbon_credit.kernel.digest import canonical_json
from carbon_credit.quantification.portions import Row

IN_BATCH = "in-batch"
QUANTILES = {"min": 0, "p5": 5, "p25": 25, "median": 50, "p75": 75, "p95": 95, "max": 100}
MOVERS = 10


@dataclass
class Sum:
    """Reductions, and their milligrams by the old and by the new version."""

    reductions: int = 0
    old_mg: int = 0
    new_mg: int = 0

    @property
    def delta_mg(self) -> int:
        """What is posted."""
        return self.new_mg - self.old_mg

    def add(self, row: Row) -> None:
        """Count a reduction in."""
        self.reductions += 1
        self.old_mg += row.old_mg
        self.new_mg += row.new_mg

    def as_dict(self) -> dict[str, int]:
        """JSON-able."""
        told = ("reductions", "old_mg", "new_mg", "delta_mg")
        return {name: getattr(self, name) for name in told}


@dataclass
class Report(Sum):
    """Sums over what is still to be done. `left`: reductions that stay as they are, by refusal code or
    "in-batch", with their milligrams in `left_mg`; they are among the rest with a difference of zero.

    `applied`: what has been done already; the digest covers both, so that it names the same change before
    it, half-way through it, and after it.
    """

    heading: bytes = b""
    scenes: dict[str, Sum] = field(default_factory=lambda: defaultdict(Sum))
    citizens: dict[UUID, int] = field(default_factory=lambda: defaultdict(int))
    left: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    left_mg: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    grades: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    uses: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    applied: Sum = field(default_factory=Sum)

    def __post_init__(self) -> None:
        self._hash = hashlib.sha256(self.heading)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over the heading and every reduction, done or to be done, in order."""
        return self._hash.hexdigest()

    def add(self, rows: Iterable[Row], done: Iterable[Row] = ()) -> None:  # type: ignore[override]
        """Count a portion in: what is to be done, and what is `done`."""
        done = list(done)
        for row in done:
            self.applied.add(row)
        rows = list(rows)
        for row in rows:
            self._count(row)
        self._hash.update(told(rows, done))

    def _count(self, row: Row) -> None:
        super().add(row)
        self.scenes[row.scene].add(row)
        self.citizens[row.citizen_id] += row.delta_mg
        if is_left(row):
            code = IN_BATCH if row.busy else row.refusal or ""
            self.left[code] += 1
            self.left_mg[code] += row.old_mg
            return
        if row.old_grade != row.new_grade:
            self.grades[row.old_grade, row.new_grade] += 1
        if row.old_use != row.new_use:
            self.uses[row.old_use, row.new_use] += 1

    def quantiles(self) -> dict[str, int] | None:
        """The citizens' differences, in milligrams, by nearest rank; None without citizens."""
        ordered = sorted(self.citizens.values())
        if not ordered:
            return None
        return {name: ordered[max(-(-len(ordered) * part // 100), 1) - 1] for name, part in QUANTILES.items()}

    def movers(self) -> list[tuple[UUID, int]]:
        """The citizens whose accounts would change most, up or down, most first."""
        ordered = sorted(self.citizens.items(), key=lambda one: (-abs(one[1]), one[0]))
        return [one for one in ordered[:MOVERS] if one[1]]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able. Citizens by their random ids, which say nothing about who they are."""
        return {
            "digest": self.digest,
            **super().as_dict(),
            "scenes": [{"scene": name, **one.as_dict()} for name, one in sorted(self.scenes.items())],
            "citizens": len(self.citizens),
            "citizen_delta_mg": self.quantiles(),
            "largest_movers": [{"citizen_id": str(who), "delta_mg": mg} for who, mg in self.movers()],
            "left": [
                {"code": code, "reductions": count, "co2e_mg": self.left_mg[code]}
                for code, count in sorted(self.left.items())
            ],
            "grades": _changes(self.grades),
            "uses": _changes(self.uses),
            "applied": self.applied.as_dict(),
        }


def is_left(row: Row) -> bool:
    """Whether the reduction stays as it is."""
    return row.busy or row.refusal is not None


def told(rows: Iterable[Row], done: Iterable[Row]) -> bytes:
    """The reductions, done or to be done, as bytes that differ wherever one of them does."""
    ordered = sorted((*rows, *done), key=lambda row: (row.business_day, row.citizen_id, row.reduction_id))
    return b"".join(canonical_json(_fields(row)) + b"\n" for row in ordered)


def _fields(row: Row) -> list[Any]:
    return [
        row.reduction_id.hex,
        row.old_version,
        row.new_version,
        row.old_use,
        row.new_use,
        row.old_grade,
        row.new_grade,
        row.old_mg,
        row.new_mg,
        row.refusal,
        row.busy,
    ]


def _changes(counts: dict[tuple[str, str], int]) -> list[dict[str, Any]]:
    return [{"old": old, "new": new, "reductions": count} for (old, new), count in sorted(counts.items())]
