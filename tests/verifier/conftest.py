"""A small dossier, assembled by hand from the format's words, that tests bend and check again."""

import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from carbon_credit.kernel.digest import sha256_hex
from carbon_credit.methodology.loader import package_from_files
from carbon_credit.verifier import manifest as claims
from carbon_credit.verifier.container import write_container
from carbon_credit.verifier.leaf import COLUMNS, Leaf, csv_line, leaf_hash
from carbon_credit.verifier.merkle import merkle_root
from carbon_credit.verifier.summary import Tally, summary_csv, totals_of

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
METHODOLOGY = """
id: test-transit
version: 1
title: {zh: 公交, en: Transit}
issuer: {zh: 测试, en: Tests}
region: test
published_at: null
effective_from: 2026-01-01
effective_to: null
activity_types: [metro.ride]
grades:
  formula: {grade: official, source: text}
  eligibility: {grade: official, source: text}
  caps: {grade: official, source: text}
  rounding: {grade: official, source: text}
  validity: {grade: official, source: text}
prose: {applicability: null, additionality: null, boundary: null, baseline: null, leakage: null,
  uncertainty: null, monitoring: null, crediting_period: null, other_mechanisms: null}
sources:
  - {name: text, document: A text}
inputs:
  - {name: distance_m, label: {zh: 里程, en: Distance}, kind: integer, unit: m, min: 1, max: 100000}
  - {name: ride, label: {zh: 乘次, en: Ride}, kind: event, unit: passenger}
parameters:
  - name: ef
    label: {zh: 因子, en: Factor}
    unit: gCO2e/pkm
    values:
      - {value: "46.8", grade: official, source: text, effective_from: 2026-01-01, effective_to: null,
         still_valid_on: null, review_by: null}
steps:
  - {name: reduction, label: {zh: 减排量, en: Reduction}, expression: distance_m * ride * ef, unit: gCO2e}
result: reduction
rounding: {to: mg, mode: floor}
negative: refuse
"""


def reduction_mg(distance_m: int) -> int:
    """46.8 g a passenger-kilometre, worked out apart from the engine."""
    return distance_m * 468 // 10


@dataclass
class Draft:
    """Everything that goes into a dossier. `build` signs whatever it finds, true or not."""

    leaves: list[Leaf]
    files: dict[str, bytes] = field(default_factory=dict)
    edition: str = "verifier"
    rehearsal: bool = True
    lines: list[bytes] | None = None
    change: Callable[[claims.Manifest], claims.Manifest] | None = None
    method: bytes = METHODOLOGY.encode()
    overlay: bytes | None = None
    version: str = "v1"
    claimed: list[Leaf] | None = None  # what totals and summary are made from, where not from the leaves

    def build(self) -> bytes:
        files = {"summary.xlsx": b"xlsx", "report.pdf": b"pdf", "declarations.json": b"{}\n"}
        method = {"methodology.yaml": self.method}
        if self.overlay is not None:
            method["overlay.yaml"] = self.overlay
        package = package_from_files(method)
        tally = Tally()
        for leaf in self.claimed or self.leaves:
            tally.add(leaf)
        rows = tally.rows()
        files["summary.csv"] = summary_csv(rows)
        if self.edition == "verifier":
            files |= {
                f"methodology/test-transit/{self.version}/{name}": data for name, data in method.items()
            }
            lines = self.lines or [csv_line(leaf.texts()) for leaf in self.leaves]
            files["reductions.csv.gz"] = gzip.compress(csv_line(COLUMNS) + b"".join(lines), mtime=0)
        files |= self.files
        count, totals = totals_of(rows)
        programme = "x-gd-sz" if self.rehearsal else "gd-sz"
        tonnes = totals.batch_mg // 10**9
        manifest = claims.Manifest(
            format="carbon-credit-dossier/1",
            edition=self.edition,  # type: ignore[arg-type]
            programme=programme,
            rehearsal=self.rehearsal,
            project=claims.Project(code="metro", name="地铁", owner="业主", applicant="申请方"),
            batch="0198f3aa",
            methodology=claims.Method(id="test-transit", version=self.version, digest=package.digest),
            monitoring_period=claims.MonitoringPeriod(from_=date(2026, 11, 1), to=date(2026, 12, 1)),
            vintage=2026,
            leaf_count=count,
            merkle_root=merkle_root(leaf_hash(leaf.texts()) for leaf in self.leaves).hex(),
            totals=totals,
            tonnes=tonnes,
            serials=claims.Serials(
                first=f"{programme.upper()}-metro-2026-000000008",
                last=f"{programme.upper()}-metro-2026-{7 + tonnes:09d}",
                count=tonnes,
            ),
            key_id=claims.key_id(KEY.public_key()),
            files=claims.file_entries({n: (sha256_hex(d), len(d)) for n, d in files.items()}),
        )
        data = claims.manifest_bytes(self.change(manifest) if self.change else manifest)
        signed = [(claims.FILE, data), (claims.SIGNATURE_FILE, KEY.sign(data))]
        target = io.BytesIO()
        write_container(target, [*sorted(files.items()), *signed])
        return target.getvalue()


def _leaves(count: int) -> list[Leaf]:
    leaves = []
    left = 10**9
    for number in range(1, count + 1):
        distance = 90_000 - number
        gross = reduction_mg(distance)
        part = min(left, gross)
        left -= part
        leaves.append(
            Leaf(
                leaf_no=number,
                salt=f"{number:032x}",
                pseudonym=f"{number % 7:032x}",
                business_date=date(2026, 11, 1 + number % 30),
                activity_type="metro.ride",
                methodology="test-transit",
                version="v1",
                version_digest=package_from_files({"methodology.yaml": METHODOLOGY.encode()}).digest,
                inputs={"distance_m": distance},
                tier="measured",
                grade="official",
                gross_mg=gross,
                cap_code="",
                adjusted_mg=0,
                credited_mg=gross,
                from_mg=0,
                to_mg=part,
            )
        )
        if left == 0:
            break
    assert left == 0, "the leaves make up exactly one tonne"
    return leaves


@pytest.fixture
def draft() -> Draft:
    """One tonne from about 240 rides, the last of them split."""
    return Draft(_leaves(400))


@pytest.fixture
def public_key() -> bytes:
    """The key that signs every draft, raw."""
    return KEY.public_key().public_bytes_raw()


@pytest.fixture
def altered() -> Callable[..., Draft]:
    """A draft with one leaf changed by keyword."""

    def alter(draft: Draft, number: int, **changes: object) -> Draft:
        leaves = list(draft.leaves)
        leaves[number - 1] = replace(leaves[number - 1], **changes)
        return replace(draft, leaves=leaves, claimed=draft.leaves)

    return alter
