"""A newer version of Shenzhen's public transit in the place of the one that governs, and its revisions."""

import re
from collections import Counter
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.catalogue import publication, queries
from carbon_credit.catalogue.recording import Actor
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.quantification.portions import Portion, Row, Span, portions
from carbon_credit.sweeps import requantification
from carbon_credit.sweeps.audit import audit_everything
from tests.catalogue.conftest import ANNA, BORIS
from tests.world import World

TRANSIT = "sz-public-transit"
NOVEMBER = (date(2026, 11, 1), date(2026, 11, 30))


def files_after(session: Session, base: str, metro: str, was: str = "46.8") -> dict[str, bytes]:
    """The version after the newest, in the place of `base`, with another value (g/pkm) for the metro."""
    numbers = [int(one.version[1:]) for one in queries.versions(session) if one.methodology_id == TRANSIT]
    files = queries.package_files(session, methodology_id=TRANSIT, version=base)
    told = re.sub(r"\nsupersedes: .*\n", "\n", files["methodology.yaml"].decode())
    told = re.sub(
        r"\nversion: [0-9]+\n", f"\nversion: {max(numbers) + 1}\nsupersedes: {base[1:]}\n", told, count=1
    )
    assert told.count(f"value: {was}\n") == 1
    told = told.replace(f"value: {was}\n", f"value: {metro}\n")
    cases = (
        "cases:\n"
        "  - {name: metro, on: 2026-11-20, inputs: {mode: metro, distance_m: 10000}, "
        f"expect_mg: {int(float(metro) * 10000)}}}\n"
        "  - {name: bus, on: 2026-11-20, inputs: {mode: bus, distance_m: 10000}, expect_mg: 269000}\n"
    )
    return files | {"methodology.yaml": told.encode(), "cases.yaml": cases.encode()}


def publish(world: World, metro: str, base: str = "v1", by: tuple[Actor, Actor] = (ANNA, BORIS)) -> str:
    """Publish such a version; its name."""

    def approve(session: Session, name: str) -> None:
        digest = queries.version(session, methodology_id=TRANSIT, version=name).digest
        for who in by:
            publication.approve_publication(
                session,
                methodology_id=TRANSIT,
                version=name,
                digest=digest,
                actor=who,
                on=world.now.date(),
                now=world.now,
            )

    def deed(session: Session) -> str:
        if queries.version(session, methodology_id=TRANSIT, version=base).state == "draft":
            approve(session, base)
        files = files_after(session, base, metro)
        record = publication.upload(session, files=files, actor=by[0], now=world.now)
        approve(session, record.version)
        return record.version

    return transact(world.database, deed)


def november(world: World) -> Span:
    """Everything of the month."""
    return Span(world.programme, *NOVEMBER)


def planned(world: World, span: Span | None = None) -> list[Row]:
    """What re-quantification would do."""
    with unit_of_work(world.database, read_only=True) as session:
        plan = requantification.plan(session, span=span or november(world))
        return [row for _portion, rows in plan for row in rows]


def portions_of(world: World, span: Span | None = None, limit: int = 2) -> list[Portion]:
    """Small ones, so that there is more than one."""
    with unit_of_work(world.database, read_only=True) as session:
        return list(portions(session, span=span or november(world), limit=limit))


def apply(world: World, span: Span | None = None) -> list[Row]:
    """Re-quantify, a unit of work for each portion."""
    rows: list[Row] = []
    for portion in portions_of(world, span):
        rows += transact(
            world.database,
            lambda session, portion=portion: requantification.apply(
                session, span=span or november(world), portion=portion, now=world.now
            ),
        )
    return rows


@dataclass
class Sums:
    """Milligrams posted in all, by scene and by citizen; how many were left, by why."""

    delta_mg: int
    scenes: dict[str, int]
    citizens: dict[UUID, int]
    left: dict[str, int]


def reported(rows: list[Row]) -> Sums:
    """What rows come to."""
    scenes: Counter[str] = Counter()
    citizens: Counter[UUID] = Counter()
    for row in rows:
        scenes[row.scene] += row.delta_mg
        citizens[row.citizen_id] += row.delta_mg
    left = Counter("in-batch" if row.busy else row.refusal for row in rows if row.busy or row.refusal)
    return Sums(
        sum(row.delta_mg for row in rows), dict(scenes), dict(citizens), {str(k): left[k] for k in left}
    )


def findings(world: World) -> list[str]:
    """What the audit finds."""
    with unit_of_work(world.database, read_only=True) as session:
        return [f"{one.rule}: {one.detail}" for one in audit_everything(session).findings]
