"""Two programmes with parties, for everything about who acts."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from carbon_credit.identity.operations import create_party
from carbon_credit.identity.queries import PartyRecord
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOW


def seed_programmes(database: Database, *codes: str) -> None:
    """Bare programme rows, enough for the keys that point at them."""
    with unit_of_work(database) as session:
        for code in codes:
            digest = code.ljust(64, "0")
            session.execute(
                text("INSERT INTO profile (digest, programme, body, loaded_at) VALUES (:d, :c, :b, :t)"),
                {"d": digest, "c": code, "b": b"{}", "t": NOW},
            )
            session.execute(
                text(
                    "INSERT INTO programme (code, rehearsal, phase, time_zone, profile_digest) "
                    "VALUES (:c, :r, 'pilot', 'Asia/Shanghai', :d)"
                ),
                {"c": code, "r": code.startswith("x-"), "d": digest},
            )


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    seed_programmes(database, "gd-gz", "gd-sz")
    with unit_of_work(database) as opened:
        yield opened


@pytest.fixture
def partner(session: Session) -> PartyRecord:
    return create_party(session, programme="gd-gz", role="partner", name="Metro app", now=NOW)


@pytest.fixture
def other_partner(session: Session) -> PartyRecord:
    return create_party(session, programme="gd-sz", role="partner", name="Metro app", now=NOW)
