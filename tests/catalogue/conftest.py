"""A methodology office on a real database: a seeded catalogue, operators, and a small package to change."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid5

import pytest
from sqlalchemy.orm import Session

from carbon_credit.catalogue import confirmation, publication, queries
from carbon_credit.catalogue.confirmation import Confirmation, Finding
from carbon_credit.catalogue.operations import seed
from carbon_credit.catalogue.publication import Step
from carbon_credit.catalogue.queries import VersionRecord
from carbon_credit.catalogue.recording import Actor
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from tests.world import NOW

T = TypeVar("T")

ID = "metro-test"
TODAY = date(2026, 11, 21)
FILE = "5c" * 32  # of the document's file

METHODOLOGY = """\
# A methodology of the tests.
# Its comments are kept.
id: metro-test
version: {version}
title: {{zh: "测试", en: "Test"}}
issuer: {{zh: "测试", en: "Test"}}
region: 深圳
published_at: null
effective_from: 2021-12-17
effective_to: null
supersedes: {supersedes}
activity_types: [metro.ride]
grades:
  formula: {{grade: published, source: paper}}
  eligibility: {{grade: secondary, source: paper}}
  caps: {{grade: assumed, source: null}}
  rounding: {{grade: assumed, source: null}}
  validity: {{grade: assumed, source: null}}
prose:
  applicability: null
  additionality: null
  boundary: null
  baseline: null
  leakage: null
  uncertainty: null
  monitoring: null
  crediting_period: null
  other_mechanisms: null
sources:
  - {{name: paper, document: "A paper, 2020: on metros"}}
inputs:
  - {{name: distance_m, label: {{zh: "距离", en: "Distance"}}, kind: integer, unit: pm, min: 0, max: 200000}}
parameters:
  - name: RF
    label: {{zh: "减排因子", en: "Reduction factor"}}
    unit: gCO2/pkm
    values:
      - {{value: {value}, grade: {grade}, source: paper, effective_from: null, effective_to: null,
         still_valid_on: null, review_by: {review_by}}}
steps:
  - {{name: reduction, label: {{zh: "减排量", en: "Reduction"}}, expression: RF * distance_m, unit: gCO2e}}
result: reduction
rounding: {{to: mg, mode: floor}}
negative: refuse
"""
CASES = """\
cases:
  - name: one kilometre
    on: 2026-01-01
    inputs: {{distance_m: 1000}}
    expect_mg: {expected}
"""


def package(
    *,
    version: int = 1,
    value: str = "46.8",
    grade: str = "published",
    supersedes: str = "null",
    review_by: str = "null",
    expected: int | None = None,
) -> dict[str, bytes]:
    """The files of a version: metres x `value`, which the case expects of 1,000 m in milligrams."""
    told = METHODOLOGY.format(
        version=version, value=value, grade=grade, supersedes=supersedes, review_by=review_by
    )
    wanted = int(float(value) * 1000) if expected is None else expected
    return {"methodology.yaml": told.encode(), "cases.yaml": CASES.format(expected=wanted).encode()}


def operator(name: str, programme: str = "gd-sz") -> Actor:
    """An operator of a real programme; of a rehearsal with another `programme`."""
    party = uuid5(UUID(int=7), name)
    return Actor(party_id=party, programme=programme, key=f"operator:{party}")


ANNA, BORIS = operator("Anna"), operator("Boris")
XAVER, YING = operator("Xaver", "x-gd-sz"), operator("Ying", "x-gd-sz")
# The same name in another programme: for all that is known the same person.
NAMESAKE = operator("Anna of Guangzhou", "gd-gz")


@dataclass
class Office:
    """The verbs on one database, each in a transaction of its own."""

    database: Database

    def act(self, deed: Callable[[Session], T]) -> T:
        return transact(self.database, deed)

    def look(self, deed: Callable[[Session], T]) -> T:
        with unit_of_work(self.database, read_only=True) as session:
            return deed(session)

    def seed(self, root: Path | None = None) -> None:
        folder = root or self.database.settings.methodologies_dir
        self.act(lambda session: seed(session, root=folder, now=NOW))

    def upload(self, files: dict[str, bytes], who: Actor = ANNA) -> VersionRecord:
        return self.act(lambda session: publication.upload(session, files=files, actor=who, now=NOW))

    def approve(
        self, who: Actor, version: str = "v1", *, name: str = ID, digest: str = "", on: date = TODAY
    ) -> Step:
        known = digest or self.version(version, name).digest
        return self.act(
            lambda session: publication.approve_publication(
                session, methodology_id=name, version=version, digest=known, actor=who, on=on, now=NOW
            )
        )

    def retire(self, who: Actor, version: str = "v1", *, name: str = ID) -> Step:
        return self.act(
            lambda session: publication.approve_retirement(
                session, methodology_id=name, version=version, reason="wrong", actor=who, now=NOW
            )
        )

    def confirm(self, who: Actor, version: str = "v1", *, name: str = ID, **finding: Any) -> Confirmation:
        found = {
            "part": "parameters.RF[0]",
            "stated": "46.8",
            "document": "Official document",
            "number": "No. 12 of 2021",
            "clause": "Table 3",
            "file_sha256": FILE,
        } | finding
        return self.act(
            lambda session: confirmation.confirm(
                session,
                methodology_id=name,
                version=version,
                finding=Finding(**found),
                actor=who,
                now=NOW,
            )
        )

    def published(self, files: dict[str, bytes], by: tuple[Actor, Actor] = (ANNA, BORIS)) -> VersionRecord:
        """Upload, and two approvals."""
        record = self.upload(files)
        for who in by:
            step = self.approve(who, record.version)
        return step.version

    def version(self, version: str = "v1", name: str = ID) -> VersionRecord:
        return self.look(lambda session: queries.version(session, methodology_id=name, version=version))


@pytest.fixture
def office(database: Database) -> Office:
    """On both databases, seeded."""
    made = Office(database)
    made.seed()
    return made
