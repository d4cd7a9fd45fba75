"""A month of rides: credited, closed, batched, verified, registered, exported, checked by a stranger."""

import io
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.ids import new_id
from carbon_credit.kernel.keys import private_key, public_pem
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.offsets import operations, queries
from carbon_credit.offsets.dossier.exporting import export_dossier
from carbon_credit.offsets.errors import NotIndependent, SandboxRefused
from carbon_credit.offsets.operations import ProjectTerms
from carbon_credit.offsets.queries import BatchRecord, ProjectRecord
from carbon_credit.verifier.check import check_dossier
from tests.flows.conftest import findings
from tests.world import World, metro, statuses

MONTH, NEXT = date(2026, 10, 1), date(2026, 11, 1)
NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
LONG_RIDE_M = 99_000
RIDE_MG = LONG_RIDE_M * 468 // 10
OPERATOR, VERIFIER = "operator", "verifier"


def a_month_of_rides(database: Database, programme: str) -> World:
    """Ten people, four days, six long rides a day: 240 rides of 4,633,200 mg, 1.1 tonnes. Closed."""
    world = World(database, programme=programme, people=10)
    rides = [
        metro(
            f"R-{person}-{day}-{hour}",
            person=person,
            at=f"2026-10-{day:02d}T{hour:02d}:00:00+08:00",
            distance_m=LONG_RIDE_M,
        )
        for person in range(10)
        for day in (1, 2, 15, 31)
        for hour in (0, 6, 7, 18, 19, 23)
    ]
    assert set(statuses(world.credit(*rides, backfill=True))) == {"credited"}
    world.close_month(MONTH)
    return world


def project_of(world: World) -> ProjectRecord:
    terms = ProjectTerms(
        code="metro",
        name_zh="深圳地铁",
        name_en="Shenzhen metro",
        owner="业主",
        applicant="运营方",
        boundary_zh="深圳市",
        boundary_en="Shenzhen",
        methodology_id="sz-public-transit",
        activity_types=["metro.ride"],
        crediting_from=date(2022, 1, 1),
        crediting_to=date(2030, 1, 1),
    )
    return transact(
        world.database,
        lambda session: operations.create_project(
            session, programme=world.programme, terms=terms, actor=OPERATOR, now=NOW
        ),
    )


def opened(world: World, project: ProjectRecord) -> BatchRecord:
    return transact(
        world.database,
        lambda session: operations.open_batch(
            session,
            programme=world.programme,
            project_id=project.id,
            methodology_version="v1",
            starts_on=MONTH,
            ends_before=NEXT,
            actor=OPERATOR,
            now=NOW,
        ),
    )


def step(world: World, name: str, batch_id: UUID, actor: str, **more: Any) -> Any:
    return transact(
        world.database,
        lambda session: getattr(operations, name)(
            session, programme=world.programme, batch_id=batch_id, actor=actor, now=NOW, **more
        ),
    )


def exported(world: World, batch_id: UUID) -> bytes:
    target = io.BytesIO()
    with unit_of_work(world.database, read_only=True) as session:
        export_dossier(
            session, programme=world.programme, batch_id=batch_id, edition="verifier", target=target
        )
    return target.getvalue()


def test_a_month_becomes_a_registered_batch_that_a_stranger_can_check(
    database: Database, tmp_path: Path
) -> None:
    world = a_month_of_rides(database, "x-gd-sz")
    project = project_of(world)
    batch_id = opened(world, project).id
    found = step(world, "fill_batch", batch_id, OPERATOR)
    assert (found.tonnes, found.left_mg) == (1, 240 * RIDE_MG - 10**9)
    frozen = step(world, "freeze_batch", batch_id, OPERATOR)
    assert frozen.leaf_count == 216, "the last of them is cut: 216 rides reach over the tonne"
    with pytest.raises(NotIndependent):
        step(world, "start_verification", batch_id, OPERATOR)
    step(world, "start_verification", batch_id, VERIFIER)
    step(world, "verify_batch", batch_id, VERIFIER, statement="S-1")
    step(world, "apply_batch", batch_id, OPERATOR)
    assert step(world, "register_batch", batch_id, OPERATOR).state == "registered"
    with unit_of_work(database, read_only=True) as session:
        [serials] = queries.serials_of_batch(session, batch_id=batch_id)
    assert serials.first == serials.last == "X-GD-SZ-metro-2026-000000001"
    assert findings(database) == []

    dossier = exported(world, batch_id)
    assert dossier == exported(world, batch_id)
    key = public_pem(private_key(database.settings.keys.dossier_private_pem).public_key())
    report = check_dossier(dossier, public_key=key)
    assert (report.difference, report.tonnes, report.leaves, report.signer) == (None, 1, 216, "checked")
    assert report.merkle_root == frozen.merkle_root
    check_at_the_command_line(dossier, key, tmp_path)


def check_at_the_command_line(dossier: bytes, key: bytes, folder: Path) -> None:
    """The verifier's own machine: the zip, the public key, and no database."""
    (folder / "key.pem").write_bytes(key)
    whole, changed = folder / "whole.zip", folder / "changed.zip"
    whole.write_bytes(dossier)
    place = dossier.index(b"reductions.csv.gz") + 400
    changed.write_bytes(dossier[:place] + bytes([dossier[place] ^ 1]) + dossier[place + 1 :])
    for path, status in ((whole, 0), (changed, 1)):
        code = "from carbon_credit.cli.main import main; main()"
        command = [sys.executable, "-c", code, "dossier", "verify", str(path), "--json"]
        command += ["--key", str(folder / "key.pem")]
        told = subprocess.run(
            command, capture_output=True, cwd=Path.cwd(), env={"CARBON_CREDIT_VAR": "/nowhere"}
        )
        assert told.returncode == status, told.stderr.decode()
        report = orjson.loads(told.stdout)
        assert report["ok"] == (status == 0)
        if status:
            difference = report["difference"]
            assert difference["file"] == "reductions.csv.gz"
            assert difference["expected"] != difference["found"]


def test_below_official_nothing_of_a_real_programme_becomes_a_batch(database: Database) -> None:
    world = a_month_of_rides(database, "gd-sz")
    project = project_of(world)
    with pytest.raises(SandboxRefused):
        opened(world, project)
    # Nor by hand: no open batch can be given a reduction of a grade below official.
    with unit_of_work(database, read_only=True) as session:
        reduction, digest = session.execute(text("SELECT id, version_digest FROM reduction")).first() or (
            "",
            "",
        )
    batch_id, project_id = new_id(), project.id
    if database.settings.embedded:
        batch_id, project_id = batch_id.hex, project_id.hex  # type: ignore[assignment]
    batch = (
        "INSERT INTO batch (id, programme, rehearsal, project_id, methodology_id, methodology_version, "
        "version_digest, starts_on, ends_before, vintage, state, exclusions, prepared_by, opened_at, salt) "
        "VALUES (:id, 'gd-sz', false, :project, 'sz-public-transit', 'v1', :digest, '2026-10-01', "
        "'2026-11-01', 2026, 'open', '[]', 'operator', :at, :salt)"
    )
    item = (
        "INSERT INTO batch_item "
        "(reduction_id, from_mg, to_mg, total_mg, batch_id, position, grade, rehearsal) "
        "VALUES (:reduction, 0, :mg, :mg, :id, 1, :grade, :rehearsal)"
    )
    values = {"id": batch_id, "project": project_id, "digest": digest, "at": NOW, "salt": b"s" * 32}
    for grade, rehearsal in (("published", False), ("official", False), ("published", True)):
        more = {"id": batch_id, "reduction": reduction, "mg": RIDE_MG, "grade": grade, "rehearsal": rehearsal}
        with unit_of_work(database, read_only=True) as session:
            session.execute(text(batch), values)
            with pytest.raises(DBAPIError, match=r"official|agree|FOREIGN|foreign"):
                session.execute(text(item), more)
    assert findings(database) == []
