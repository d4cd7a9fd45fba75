"""Words that every story needs: what the books hold, whether they hold, and a hand that cheats."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.ids import new_id
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.neutrality.certificates import Certificate
from carbon_credit.neutrality.operations import neutralise
from carbon_credit.redemption import offers, operations
from carbon_credit.redemption.offering import stock
from carbon_credit.redemption.till.consuming import Place, consume
from carbon_credit.sweeps.audit import audit_everything
from carbon_credit.tables import metadata
from tests.world import World


@pytest.fixture(scope="module")
def module_sqlite(
    base_settings: Settings, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """One SQLite file for all tests of a file."""
    path = tmp_path_factory.mktemp("kept") / "carbon-credit.db"
    shutil.copyfile(sqlite_template, path)
    database = Database(replace(base_settings, database_url=f"sqlite:///{path}"))
    yield database
    database.dispose()


LEDGER = ("account", "transfer", "reduction", "reduction_adjustment", "event", "day_tally", "open_hold")


def findings(database: Database) -> list[str]:
    """What the whole audit says."""
    with unit_of_work(database, read_only=True) as session:
        return [
            f"{one.rule} {one.table} {one.row}: {one.detail}" for one in audit_everything(session).findings
        ]


def rows(database: Database, *names: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the named tables (default: of all), to be compared."""
    with unit_of_work(database, read_only=True) as session:
        return {
            name: sorted((tuple(row) for row in session.execute(sa.select(metadata.tables[name]))), key=repr)
            for name in names or sorted(metadata.tables)
        }


@contextmanager
def cheating(database: Database) -> Iterator[Session]:
    """A session in which no trigger fires; what is done in it is gone afterwards."""
    with unit_of_work(database, read_only=True) as session:
        if database.settings.embedded:
            for (name,) in session.execute(
                sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            ).all():
                session.execute(sa.text(f"DROP TRIGGER {name}"))
        else:
            session.execute(sa.text("SET LOCAL session_replication_role = replica"))
        yield session


@dataclass(frozen=True)
class Held:
    """A voucher that a citizen holds, and the merchant who takes it."""

    code: str
    offer: UUID
    merchant: UUID
    expires_at: datetime

    def consume(self, world: World) -> None:
        """Use it."""
        transact(
            world.database,
            lambda session: consume(session, place=Place(self.merchant), text=self.code, now=world.now),
        )


def neutralise_own(world: World, mg: int | None = None) -> Certificate:
    """The first citizen retires grams of their own, for an offer made for it."""
    now, programme = world.now, world.programme
    operator = world.party("operator", f"Climate office of {new_id()}")
    terms = offers.OfferTerms(
        kind="neutralise",
        title_zh="我的出行",
        title_en="My trips",
        points_price=0,
        value_fen=0,
        stocked=False,
        opens_at=now,
        closes_at=now + timedelta(days=1),
        voucher_ttl_s=3600,
    )

    def deed(session: Session) -> Certificate:
        offer_id = offers.propose_offer(
            session, programme=programme, merchant_id=operator, terms=terms, now=now
        )
        offers.approve_offer(session, programme=programme, operator_id=operator, offer_id=offer_id, now=now)
        return neutralise(
            session,
            programme=programme,
            citizen_id=world.citizens[0],
            offer_id=offer_id,
            co2e_mg=mg,
            now=now,
        )

    return transact(world.database, deed)


def hold_a_voucher(
    world: World, *, points: int, ttl_s: int = 3600, shop: str = "Tea house", **more: Any
) -> Held:
    """The first citizen gets a voucher of a new shop's offer, made for it. `more`: terms of the offer."""
    now, programme = world.now, world.programme
    merchant, operator = world.party("merchant", shop), world.party("operator", f"Office for the {shop}")
    terms = offers.OfferTerms(
        title_zh="茶",
        title_en="Tea",
        points_price=points,
        value_fen=100,
        opens_at=now,
        closes_at=now + timedelta(days=1),
        voucher_ttl_s=ttl_s,
        **more,
    )

    def deed(session: Session) -> Held:
        offer_id = offers.propose_offer(
            session, programme=programme, merchant_id=merchant, terms=terms, now=now
        )
        stock.add_stock(session, programme=programme, offer_id=offer_id, pieces=5, now=now)
        offers.approve_offer(session, programme=programme, operator_id=operator, offer_id=offer_id, now=now)
        held = operations.reserve(
            session, programme=programme, citizen_id=world.citizens[0], offer_id=offer_id, now=now
        )
        assert held.code
        return Held(held.code, offer_id, merchant, now + timedelta(seconds=ttl_s))

    return transact(world.database, deed)
