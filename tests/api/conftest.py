"""An application on a real database, with two rehearsal cities and a token for everyone in them."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from carbon_credit.api.runtime import Runtime
from carbon_credit.catalogue.operations import seed
from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.factory import application
from carbon_credit.identity.consents import ConsentGrant, MandateGrant, give_consents, give_mandates
from carbon_credit.identity.operations import create_party, issue_credential, register_citizens
from carbon_credit.identity.scopes import PARTY_ROLES, SCOPES_BY_ROLE
from carbon_credit.kernel import clock
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import unit_of_work

HOME = "x-gd-sz"
AWAY = "x-gd-gz"
CARD = ("transit-card", "CARD-0")


@dataclass
class Town:
    """One application. `parties`: by name, e.g. "partner", "merchant", "merchant 2", "away partner"."""

    app: Flask
    database: Database
    now: datetime
    parties: dict[str, UUID] = field(default_factory=dict)
    clients: dict[str, tuple[str, str]] = field(default_factory=dict)
    citizens: dict[str, UUID] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def client(self) -> FlaskClient:
        """A client without a token."""
        return self.app.test_client()

    @property
    def runtime(self) -> Runtime:
        """What the application holds."""
        found = self.app.extensions["carbon-credit"]
        assert isinstance(found, Runtime)
        return found

    def call(self, who: str | None, method: str, address: str, **more: Any) -> TestResponse:
        """A request of `who`, or of nobody."""
        headers = dict(more.pop("headers", {}))
        if who is not None:
            headers["Authorization"] = f"Bearer {self.tokens[who]}"
        return self.client.open(address, method=method, headers=headers, **more)

    def get(self, who: str | None, address: str, **more: Any) -> TestResponse:
        """Read."""
        return self.call(who, "GET", address, **more)

    def post(self, who: str | None, address: str, json: Any = None, **more: Any) -> TestResponse:
        """Write; without a body where there is none."""
        return self.call(who, "POST", address, **({"json": json} if json is not None else {}), **more)

    def token(self, name: str, *, role: str, subject: UUID, programme: str, actor: UUID | None = None) -> str:
        """A token, remembered under `name`, with every scope of the role."""
        partner = "away partner" if programme == AWAY else "partner"
        client_id = self.clients[name if actor is None else partner][0]
        self.tokens[name] = self.runtime.tokens.issue(
            subject_id=subject,
            role=role,
            programme=programme,
            scopes=SCOPES_BY_ROLE[role],
            client_id=client_id,
            now=self.now,
            ttl_s=3600,
            actor_id=actor,
        )
        return self.tokens[name]


def build(database: Database) -> Town:
    """A town with one party of each role (two merchants and partners), three citizens, and one away."""
    town = Town(app=application(database.settings, database), database=database, now=clock.now())
    with unit_of_work(database) as session:
        seed(session, root=database.settings.methodologies_dir, now=town.now)
        named = [(role, HOME, role) for role in PARTY_ROLES]
        named += [("merchant 2", HOME, "merchant"), ("partner 2", HOME, "partner")]
        named += [("verifier 2", HOME, "verifier")]
        named += [(f"away {role}", AWAY, role) for role in PARTY_ROLES]
        for name, programme, role in named:
            party = create_party(session, programme=programme, role=role, name=name, now=town.now)
            issued = issue_credential(session, party_id=party.id, now=town.now)
            town.parties[name] = party.id
            town.clients[name] = (issued.client_id, issued.secret)
        for name, programme, partner in (
            ("citizen", HOME, "partner"),
            ("citizen 2", HOME, "partner"),
            ("away citizen", AWAY, "away partner"),
        ):
            town.citizens[name] = enrol(session, town, programme, town.parties[partner], len(town.citizens))
    for name, programme, role in named:
        town.token(name, role=role, subject=town.parties[name], programme=programme)
    for name, citizen_id in town.citizens.items():
        away = name.startswith("away")
        actor = town.parties["away partner" if away else "partner"]
        town.token(name, role="citizen", subject=citizen_id, programme=AWAY if away else HOME, actor=actor)
    return town


def enrol(session: Any, town: Town, programme: str, partner: UUID, number: int) -> UUID:
    """A citizen with a card, every consent and a mandate, all given yesterday a year ago."""
    given_at = town.now.replace(year=town.now.year - 1)
    links = [("transit-card", f"CARD-{number}")]
    (citizen_id,) = register_citizens(session, partner_id=partner, links_of=[links], now=town.now)
    scenes = programme_rules(session, programme=programme).profile.scenes
    consents = [
        ConsentGrant(citizen_id=citizen_id, scene=scene.code, text_version="2026-1", given_at=given_at)
        for scene in scenes
    ]
    give_consents(session, partner_id=partner, grants=consents, now=town.now)
    mandate = MandateGrant(citizen_id=citizen_id, text_version="2026-1", share_percent=70, given_at=given_at)
    give_mandates(session, programme=programme, grants=[mandate], now=town.now)
    return citizen_id


@pytest.fixture(scope="session")
def town_template(base_settings: Settings, sqlite_template: Path) -> Town:
    """A town in a file, to copy from: building one takes half a second."""
    path = base_settings.var_dir / "town.db"
    shutil.copyfile(sqlite_template, path)
    database = Database(replace(base_settings, database_url=f"sqlite:///{path}"))
    town = build(database)
    with database.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.dispose()
    return town


@pytest.fixture
def town(town_template: Town, base_settings: Settings, tmp_path: Path) -> Iterator[Town]:
    """The town on SQLite: enough where only the edge is looked at."""
    path = tmp_path / "town.db"
    shutil.copyfile(base_settings.var_dir / "town.db", path)
    database = Database(replace(base_settings, database_url=f"sqlite:///{path}", var_dir=tmp_path))
    copied = replace(town_template, app=application(database.settings, database), database=database)
    yield replace(copied, tokens=dict(town_template.tokens))
    database.dispose()


@pytest.fixture
def any_town(database: Database) -> Town:
    """The town on both databases: for what the database decides."""
    return build(database)
