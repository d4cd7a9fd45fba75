"""Whoever changes a row behind the service's back is found: any sealed table, also with balances to match."""

import uuid
from contextlib import suppress
from dataclasses import fields
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.digest import canonical_json
from carbon_credit.kernel.unit_of_work import transact
from carbon_credit.ledger.accounts import CO2E, AccountKey, account_id
from carbon_credit.offsets import operations as batches
from carbon_credit.quantification.parts import Part, append_parts
from carbon_credit.quantification.queries import standing_of_day
from carbon_credit.quantification.recording import Revision, append_revisions
from carbon_credit.sweeps import SWEEPS
from carbon_credit.sweeps.audit import audit_everything
from carbon_credit.tables import metadata
from tests.catalogue.conftest import ANNA, Office
from tests.flows.conftest import cheating, findings, neutralise_own
from tests.flows.settling import hold_a_funded_voucher, settle_two_months
from tests.world import World, metro

SEALED = sorted(table.name for table in metadata.tables.values() if "mac" in table.columns)
PROJECT = {
    "code": "metro",
    "name_zh": "深圳地铁",
    "name_en": "Shenzhen metro",
    "owner": "业主",
    "applicant": "运营方",
    "boundary_zh": "深圳市",
    "boundary_en": "Shenzhen",
    "methodology_id": "sz-public-transit",
    "activity_types": ["metro.ride"],
    "crediting_from": date(2022, 1, 1),
    "crediting_to": date(2030, 1, 1),
}


def full_world(database: Database) -> World:
    """A row in every sealed table: rides, one withdrawn, one computed again, one a part of its event; a
    voucher used and its merchant settled; a month closed; grams retired; a batch; a seal; a value
    confirmed."""
    world = World(database)
    rides = [metro(f"M-{n}", person=n % 2, at="2026-10-20T08:00:00+08:00") for n in range(6)]
    world.credit(*rides, backfill=True)
    world.withdraw("M-5")
    held = hold_a_funded_voucher(world, points=1)
    held.consume(world)
    settle_two_months(world, held)
    later = world.now + timedelta(days=365)
    assert transact(database, lambda session: SWEEPS["seal"].batch(session, later, 1000)) > 0
    world.close_month(date(2026, 10, 1))
    neutralise_own(world, 1_000)
    _open_a_batch(world)
    transact(database, lambda session: _revise_one(session, world))
    Office(database).confirm(ANNA, name="sz-public-transit", part="parameters.RF_metro[0]")
    return world


def _revise_one(session: Session, world: World) -> None:
    """The first ride, as it was, once more; and as the only part of its event."""
    citizens = world.citizens
    day = {"programme": world.programme, "business_day": date(2026, 10, 20), "activity_type": "metro.ride"}
    one = min(standing_of_day(session, citizen_ids=citizens, **day), key=lambda row: row.reduction_id)
    names = [field.name for field in fields(Revision)]
    same = {name: getattr(one, name) for name in names if hasattr(one, name)}
    same |= {"number": 1, "methodology_version": one.version, "inputs": canonical_json(one.inputs).decode()}
    revision = Revision(**same, reason="requantified")
    append_revisions(session, programme=world.programme, revisions=[revision], now=world.now)
    ends = one.business_day + timedelta(days=1)
    whole = (one.reduction_id, one.event_id, one.citizen_id, one.activity_type, one.business_day, ends, "{}")
    append_parts(session, [Part(*whole)])


def _open_a_batch(world: World) -> None:
    from_to = {"starts_on": date(2026, 10, 1), "ends_before": date(2026, 11, 1)}
    more: dict[str, Any] = {"programme": world.programme, "actor": "operator", "now": world.now}

    def deed(session: Session) -> None:
        project = batches.create_project(session, terms=batches.ProjectTerms(**PROJECT), **more)
        batches.open_batch(session, project_id=project.id, methodology_version="v1", **from_to, **more)

    transact(world.database, deed)


def found_in(session: Session) -> set[tuple[str, str]]:
    return {(one.table, one.row) for one in audit_everything(session).findings}


def changed(value: Any) -> Any:
    """Another value of the same kind."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case bytes():
            return bytes([value[0] ^ 1]) + value[1:]
        case uuid.UUID():
            return uuid.UUID(int=value.int ^ 1)
        case date():
            return value + timedelta(days=1)
        case str():
            return value[:-1] + ("0" if value[-1:] != "0" else "1")
    return None


@pytest.fixture(scope="module")
def world_on(request: pytest.FixtureRequest) -> Any:
    """Worlds that are kept for the file: cheats are taken back."""
    made: dict[str, World] = {}

    def make(kind: str) -> World:
        if kind not in made:
            made[kind] = full_world(request.getfixturevalue(kind))
        return made[kind]

    return make


@pytest.mark.parametrize("kind", ["module_sqlite", "module_postgresql"])
@pytest.mark.parametrize("name", SEALED)
def test_a_changed_column_of_a_sealed_row_is_named(name: str, kind: str, world_on: Any) -> None:
    world: World = world_on(kind)
    table = metadata.tables[name]
    key = [column.name for column in table.primary_key]
    missed = []
    with cheating(world.database) as session:
        assert found_in(session) == set()
        row = session.execute(sa.select(table).order_by(*table.primary_key)).mappings().first()
        assert row is not None, f"the story writes no {name}"
        mine = sa.and_(*(table.c[part] == row[part] for part in key))
        for column in (one.name for one in table.columns):
            if column in key or row[column] is None:
                continue
            point = session.begin_nested()
            # What a constraint refuses even so need not be found.
            with suppress(IntegrityError):
                session.execute(table.update().where(mine).values({column: changed(row[column])}))
                if not any(where == name for where, _ in found_in(session)):
                    missed.append(column)
            point.rollback()
    assert missed == []


@pytest.mark.parametrize("kind", ["module_sqlite", "module_postgresql"])
def test_a_gift_with_balances_to_match_is_named(kind: str, world_on: Any) -> None:
    world: World = world_on(kind)
    transfer, account = metadata.tables["transfer"], metadata.tables["account"]
    mine = account_id(AccountKey(world.programme, CO2E, "citizen.reductions", world.citizens[0]))
    with cheating(world.database) as session:
        wanted = sa.select(transfer.c.id).where(transfer.c.credit_account == mine).limit(1)
        transfer_id = session.execute(wanted).scalar_one()
        session.execute(
            transfer.update().where(transfer.c.id == transfer_id).values(amount=transfer.c.amount + 10**6)
        )
        session.execute(
            account.update()
            .where(account.c.id == mine)
            .values(credits_posted=account.c.credits_posted + 10**6)
        )
        found = audit_everything(session)
        assert not found.as_dict()["ok"]
        assert ("transfer", str(transfer_id)) in {(one.table, one.row) for one in found.findings}


@pytest.mark.parametrize("kind", ["module_sqlite", "module_postgresql"])
@pytest.mark.parametrize(
    "name", ["transfer", "reduction", "event", "event_claim", "reduction_adjustment", "batch_step"]
)
def test_a_row_taken_away_is_missed(name: str, kind: str, world_on: Any) -> None:
    world: World = world_on(kind)
    table = metadata.tables[name]
    (key,) = table.primary_key
    with cheating(world.database) as session:
        first = session.execute(sa.select(key).order_by(key).limit(1)).scalar_one()
        session.execute(table.delete().where(key == first))
        assert found_in(session) != set()


def test_nothing_of_this_was_kept(world_on: Any) -> None:
    for kind in ("module_sqlite", "module_postgresql"):
        assert findings(world_on(kind).database) == []
