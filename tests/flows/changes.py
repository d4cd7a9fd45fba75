"""A change of Shenzhen's public transit: tried, published by two, applied, as operators do it."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from carbon_credit.catalogue import publication, queries
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.quantification.portions import Row
from carbon_credit.quantification.reports import Report
from carbon_credit.sweeps.changing import Change, Part, apply_part, change_to, report_of
from tests.catalogue.conftest import ANNA, BORIS
from tests.quantification.newer import TRANSIT, files_after
from tests.world import World


@dataclass
class Tried:
    """A report, what it is about, and what is to be done."""

    change: Change
    report: Report
    parts: list[Part] = field(default_factory=list)


def draft(world: World, metro: str, base: str = "v1", was: str = "46.8") -> str:
    """Upload the next version with another value for the metro (g/pkm); its name."""

    def deed(session: Session) -> str:
        files = files_after(session, base, metro, was)
        return publication.upload(session, files=files, actor=ANNA, now=world.now).version

    return transact(world.database, deed)


def publish(world: World, version: str) -> None:
    """By two operators."""
    for who in (ANNA, BORIS):

        def deed(session: Session, who: object = who) -> None:
            known = queries.version(session, methodology_id=TRANSIT, version=version)
            publication.approve_publication(
                session,
                methodology_id=TRANSIT,
                version=version,
                digest=known.digest,
                actor=who,  # type: ignore[arg-type]
                on=world.now.date(),
                now=world.now,
            )

        transact(world.database, deed)


def tried(world: World, version: str, period: str = "2026-10") -> Tried:
    """The report on a version."""
    with unit_of_work(world.database, read_only=True) as session:
        known = queries.version(session, methodology_id=TRANSIT, version=version)
        compiled = queries.compiled_by_digest(session, digest=known.digest)
        change = change_to(session, programme=world.programme, compiled=compiled, period=period)
        parts: list[Part] = []
        return Tried(change, report_of(session, change=change, parts=parts), parts)


def applied(world: World, found: Tried, part: Part, *, now: datetime | None = None) -> list[Row]:
    """Post one part in a unit of work of its own."""
    return transact(
        world.database,
        lambda session: apply_part(
            session, change=found.change, part=part, given=found.report.digest, now=now or world.now
        ),
    )


def applied_whole(world: World, found: Tried) -> list[Row]:
    """Post all parts."""
    return [row for part in found.parts for row in applied(world, found, part)]
