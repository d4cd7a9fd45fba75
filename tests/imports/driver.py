"""Files of rides and the running of import jobs in this process, for tests on a real database."""

import csv
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from carbon_credit.imports.adapters import make_adapter
from carbon_credit.imports.jobs.control import Control
from carbon_credit.imports.jobs.opening import LOCAL, Delivery, open_job
from carbon_credit.imports.jobs.records import Counts, JobRecord, counts, job, rejects
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.sweeps.importing import Hands, credit_all, stage
from tests.world import World

COLUMNS = ("id", "card", "start_time", "distance_m", "type", "distance_source")
ADAPTER = "generic-ride"
Row = tuple[str, str, str, int]


def rides(number: int, *, people: int = 2, first: int = 0, distance_m: int = 8300) -> list[Row]:
    """So many rides by the citizens of a `World` in turn, four a day each: no cap is reached."""
    return [_ride(place, people, distance_m) for place in range(first, first + number)]


def _ride(place: int, people: int, distance_m: int) -> Row:
    day = date(2026, 11, 20) - timedelta(days=place // (4 * people))
    hour, minute = 6 + 4 * (place // people % 4), place % people
    return (f"R-{place}", f"CARD-{place % people}", f"{day}T{hour:02d}:{minute:02d}:00+08:00", distance_m)


def write(path: Path, rows: Sequence[Row], *, encoding: str = "utf-8") -> Path:
    """The rows as a file."""
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((*row, "metro", "gates") for row in rows)
    return path


@dataclass
class Driver:
    """Delivers files for the partner of a world, and runs their jobs step by step."""

    world: World
    holder: str = "test:1"

    @property
    def hands(self) -> Hands:
        """The steps of a job, each in a unit of work on the world's database, at the world's time."""
        database, world = self.world.database, self.world

        def act(deed: Callable[[Any, datetime], Any], /) -> Any:
            return transact(database, lambda session: deed(session, world.now))

        def look(deed: Callable[[Any, datetime], Any], /) -> Any:
            with unit_of_work(database, read_only=True) as session:
                return deed(session, world.now)

        return Hands(act, look, lambda: world.now, self.holder)

    def delivery(self, path: Path, **more: Any) -> Delivery:
        """The file as a delivery."""
        known = Delivery(
            programme=self.world.programme,
            partner_id=self.world.partner,
            adapter=ADAPTER,
            mapping_digest=make_adapter(ADAPTER).digest,
            options={},
            file_name=path.name,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            size=max(1, path.stat().st_size),
            source=LOCAL,
        )
        return replace(known, **more)

    def open(self, path: Path, *, control: Control | None = None, replaces: UUID | None = None) -> JobRecord:
        """The job for a file."""
        delivery = self.delivery(path, control=control or Control(), replaces_id=replaces)
        known, _new = self.hands.act(
            lambda session, now: open_job(session, delivery=delivery, created_by="test", now=now)
        )
        return known

    def stage(self, known: JobRecord, path: Path, *, take_over: bool = False) -> bool:
        """Read the file."""
        return stage(self.hands, known=known, path=path, adapter=make_adapter(ADAPTER), take_over=take_over)

    def run(self, path: Path, **more: Any) -> JobRecord:
        """The whole job, by one worker."""
        known = self.open(path, **more)
        self.stage(known, path)
        credit_all(self.hands, job_id=known.id)
        return self.job(known.id)

    def job(self, job_id: UUID) -> JobRecord:
        """The job as it is now."""
        return self.hands.look(lambda session, _now: job(session, job_id=job_id))

    def counts(self, job_id: UUID) -> Counts:
        """What became of its rows."""
        return self.hands.look(lambda session, _now: counts(session, job_id=job_id))

    def rejects(self, job_id: UUID) -> list[tuple[int, str, str]]:
        """The rows that were not credited."""
        found = self.hands.look(lambda session, _now: rejects(session, job_id=job_id, after=0, limit=10**6))
        return [(one.line, one.status, one.reason) for one in found]
