"""From sandbox to saleable: a value is confirmed, its version published, the past computed again, batched."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import yaml

from carbon_credit.catalogue import queries as catalogue
from carbon_credit.catalogue.lock import write_lock
from carbon_credit.catalogue.parts import parts_of
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.keys import private_key, public_pem
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.methodology.loader import package_from_files
from carbon_credit.offsets import operations
from carbon_credit.offsets.errors import SandboxRefused
from carbon_credit.offsets.queries import BatchRecord
from carbon_credit.quantification.queries import citizen_totals
from carbon_credit.verifier.check import check_dossier
from tests.catalogue.conftest import ANNA, BORIS, Office, package
from tests.flows.conftest import findings
from tests.flows.test_a_month_becomes_a_batch import (
    MONTH,
    NEXT,
    NOW,
    OPERATOR,
    VERIFIER,
    a_month_of_rides,
    exported,
    opened,
    project_of,
    step,
)
from tests.quantification.household import LIBRARY
from tests.quantification.newer import Span, apply, reported
from tests.world import World, metro

TRANSIT = "sz-public-transit"
OCTOBER = (date(2026, 10, 1), date(2026, 10, 31))


def confirmed(office: Office, name: str, version: str) -> str:
    """Two operators attach the document to every part of the version, and publish what follows from it."""
    base = office.look(
        lambda session: catalogue.compiled_by_digest(session, digest=office.version(version, name).digest)
    )
    draft = None
    for part in parts_of(base.package).values():
        for who in (ANNA, BORIS):
            if part.stated is not None:
                draft = office.confirm(who, version, name=name, part=part.name, stated=part.stated).draft
    assert draft is not None
    for who in (ANNA, BORIS):
        office.approve(who, draft.version, name=name, digest=draft.digest)
    return draft.version


def open_version(world: World, project_id: object, version: str) -> BatchRecord:
    return transact(
        world.database,
        lambda session: operations.open_batch(
            session,
            programme=world.programme,
            project_id=project_id,  # type: ignore[arg-type]
            methodology_version=version,
            starts_on=MONTH,
            ends_before=NEXT,
            actor=OPERATOR,
            now=NOW,
        ),
    )


def test_what_could_not_be_batched_is_confirmed_computed_again_and_batched(database: Database) -> None:
    world = a_month_of_rides(database, "gd-sz")
    project = project_of(world)
    with pytest.raises(SandboxRefused, match=r"published|assumed|secondary"):
        opened(world, project)
    grams = [world.grams(person) for person in range(10)]

    office = Office(database)
    version = confirmed(office, TRANSIT, "v1")
    with pytest.raises(SandboxRefused):
        opened(world, project)  # the old version is what it was
    rows = apply(world, Span("gd-sz", *OCTOBER))
    assert len(rows) == 240
    assert {(row.delta_mg, row.old_grade, row.new_grade) for row in rows} == {(0, "published", "official")}
    assert [world.grams(person) for person in range(10)] == grams

    batch_id = open_version(world, project.id, version).id
    assert step(world, "fill_batch", batch_id, OPERATOR).tonnes == 1
    step(world, "freeze_batch", batch_id, OPERATOR)
    step(world, "start_verification", batch_id, VERIFIER)
    step(world, "verify_batch", batch_id, VERIFIER, statement="S-1")
    step(world, "apply_batch", batch_id, OPERATOR)
    assert step(world, "register_batch", batch_id, OPERATOR).state == "registered"
    key = public_pem(private_key(database.settings.keys.dossier_private_pem).public_key())
    report = check_dossier(exported(world, batch_id), public_key=key)
    assert (report.difference, report.tonnes, report.rehearsal) == (None, 1, False)
    assert findings(database) == []

    # What lies in the batch is left when yet another version comes; the rest of the month is not.
    later = confirmed_again(office, version)
    rows = apply(world, Span("gd-sz", *OCTOBER))
    assert {row.new_version for row in rows} == {f"{TRANSIT}/{later}"}
    assert dict(reported(rows).left) == {"in-batch": 216}
    assert report == check_dossier(exported(world, batch_id), public_key=key)
    assert findings(database) == []


def confirmed_again(office: Office, base: str) -> str:
    """The same values in another text: a new version in the place of `base`."""
    files = office.look(lambda s: catalogue.package_files(s, methodology_id=TRANSIT, version=base))
    method = yaml.safe_load(files["methodology.yaml"])
    number = max(
        int(one.version[1:]) for one in office.look(catalogue.versions) if one.methodology_id == TRANSIT
    )
    method |= {"version": number + 1, "supersedes": method["version"]}
    method["region"] += "市"
    told = yaml.safe_dump(method, allow_unicode=True, sort_keys=False).encode()
    record = office.upload(files | {"methodology.yaml": told})
    for who in (ANNA, BORIS):
        office.approve(who, record.version, name=TRANSIT)
    return record.version


def sandbox_library(root: Path) -> Path:
    """Shenzhen with a single methodology whose value is secondary: points now, grams once confirmed."""
    (root / "metro-test" / "v1").mkdir(parents=True)
    files = package(grade="secondary")
    for name, data in files.items():
        (root / "metro-test" / "v1" / name).write_bytes(data)
    write_lock(root, {("metro-test", "v1"): package_from_files(files).digest})
    (root / "activities.yaml").write_bytes((LIBRARY / "activities.yaml").read_bytes())
    (root / "programmes").mkdir()
    profile = yaml.safe_load((LIBRARY / "programmes" / "gd-sz.yaml").read_text(encoding="utf-8"))
    bound = {"activity_type": "metro.ride", "methodology": "metro-test", "version": 1, "use": "credit"}
    span = {"effective_from": "2022-01-01", "effective_to": None}
    profile["bindings"] = [bound | span | {"sandbox_use": "points"}]
    text = {"zh": "每 100 克 1 积分", "en": "1 point for 100 g"}
    rule = {"code": "grams", "label": text, "activity_types": ["metro.ride"], "basis": "co2e_mg"}
    graded = {"per": 100_000, "points": 1, "grade": "assumed", "source": None}
    profile["points_rules"] = [rule | span | graded]
    told = yaml.safe_dump(profile, allow_unicode=True, sort_keys=False)
    (root / "programmes" / "gd-sz.yaml").write_text(told, encoding="utf-8")
    return root


def test_what_gave_points_is_credited_once_its_value_is_confirmed(database: Database, tmp_path: Path) -> None:
    root = sandbox_library(tmp_path / "methodologies")
    world = World(Database(replace(database.settings, methodologies_dir=root)), programme="gd-sz")
    at = "2026-10-20T08:00:00+08:00"
    (first, _) = world.credit(metro("M-1", at=at), metro("M-2", at=at), backfill=True)
    assert (first.use, first.grade, first.sandbox, first.co2e_mg) == ("points", "secondary", True, 388_440)
    assert (world.grams(), world.points()) == (0, 7)
    world.close_month(MONTH)

    version = confirmed(Office(world.database), "metro-test", "v1")
    rows = apply(world, Span("gd-sz", *OCTOBER))
    assert {(row.old_use, row.new_use, row.old_mg, row.new_mg) for row in rows} == {
        ("points", "credit", 0, 388_440)
    }
    assert reported(rows).delta_mg == world.grams() == 2 * 388_440
    assert world.points() == 7
    assert findings(world.database) == []
    with unit_of_work(world.database, read_only=True) as session:
        totals = citizen_totals(session, programme="gd-sz", citizen_id=world.citizens[0])
    # The grams came in November, so they are final when November is.
    assert (totals.provisional_mg, totals.confirmed_mg) == (2 * 388_440, 0)

    (third,) = world.credit(metro("M-3", at="2026-11-20T08:00:00+08:00"))
    assert (third.use, third.grade, third.methodology) == ("credit", "official", f"metro-test/{version}")
    world.withdraw("M-1")
    assert (world.grams(), world.points()) == (2 * 388_440, 3 + 3)
    assert findings(world.database) == []
    world.database.dispose()
