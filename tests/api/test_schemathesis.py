"""What Schemathesis makes of the contract, sent with authentication: no 500, no undocumented answer."""

import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode

from carbon_credit.api import ROUTES
from carbon_credit.factory import application
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger.audit import audit
from tests.api.conftest import HOME, Town, build
from tests.api.test_story import (
    approved_offer,
    close_last_month,
    grant_points,
    meter_reading,
    registered_batch,
)

load_all_checks()
MODES = {"right": GenerationMode.POSITIVE, "wrong": GenerationMode.NEGATIVE}
# Its own address is the one that Schemathesis leaves out.
NAMES = [operation.name for _, _, operation in ROUTES if operation.name != "get_contract"]
# Where nothing can be sent, nothing wrong can be.
WITH_INPUT = [
    operation.name
    for _, rule, operation in ROUTES
    if operation.body or operation.form or operation.query or operation.content or "<" in rule
]
# A programme refuses much that a schema allows: points that are not there, periods that are closed. What
# fits the schema is accepted in the other tests; here, that whatever is answered is documented.
BY_DESIGN = [CHECKS.get_one("positive_data_acceptance")]
# What breaks a schema is refused; a text that is too long may make the whole body too large, which is 413.
REFUSED = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429"]
CONFIG = {"checks": {"negative_data_rejection": {"expected-statuses": REFUSED}}}
# Of many events, the wrong ones are named in the answer and the others credited.
ITEM_BY_ITEM = [CHECKS.get_one("negative_data_rejection")]


class Fuzzed:
    """A town with something of everything, and what is known in it."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.known = _known(town)
        loaded = schemathesis.openapi.from_wsgi(
            "/openapi.json", town.app, config=SchemathesisConfig.from_dict(CONFIG)
        )
        self.operations = {
            found.ok().definition.raw["operationId"]: found.ok() for found in loaded.get_all_operations()
        }


def _known(town: Town) -> dict[str, list[str]]:
    grant_points(town, 10_000)
    readings = [meter_reading(town, number, 2_000_000) for number in range(3)]
    events = town.post("partner", "/v1/events/batch", readings)
    close_last_month(town)
    batch_id = registered_batch(town)
    batch = town.get("operator", f"/v1/batches/{batch_id}").json
    offer_id = approved_offer(town, pieces=1000)
    redemption = town.post("citizen", "/v1/redemptions", {"offer_id": offer_id}).json
    return {
        "citizen_id": [str(citizen) for citizen in town.citizens.values()],
        "event_id": [outcome["id"] for outcome in events.json["outcomes"]],
        "reduction_id": [outcome["reduction_id"] for outcome in events.json["outcomes"]],
        "offer_id": [offer_id],
        "redemption_id": [redemption["id"]],
        "code": [redemption["code"]],
        "programme": [HOME],
        "scene": ["metro", "bus"],
        "methodology_id": ["sz-public-transit"],
        "version": ["v1"],
        "merchant_id": [str(town.parties["merchant"])],
        "batch_id": [batch_id],
        "project_id": [batch["project_id"]],
        "serial": [batch["serials"][0]["first"]],
    }


@pytest.fixture(scope="module")
def fuzzed(
    town_template: Town, base_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fuzzed]:
    path: Path = tmp_path_factory.mktemp("fuzz") / "town.db"
    shutil.copyfile(base_settings.var_dir / "town.db", path)
    database = Database(replace(base_settings, database_url=f"sqlite:///{path}"))
    app = application(database.settings, database)
    made = Fuzzed(replace(town_template, app=app, database=database, tokens=dict(town_template.tokens)))
    yield made
    with unit_of_work(database) as session:
        assert audit(session) == []
    database.dispose()


@pytest.fixture(scope="module")
def fuzzed_server(module_postgresql: Database) -> Iterator[Fuzzed]:
    """The same on PostgreSQL, which is stricter about texts and numbers."""
    yield Fuzzed(build(module_postgresql))
    with unit_of_work(module_postgresql) as session:
        assert audit(session) == []


def fuzz(fuzzed: Fuzzed, name: str, mode: str, examples: int) -> None:
    operation = fuzzed.operations[name]
    roles = operation.definition.raw.get("x-roles")
    headers = {"Authorization": f"Bearer {fuzzed.town.tokens[roles[0]]}"} if roles else {}

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize="FUZZ_SEED" not in os.environ,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @given(case=operation.as_strategy(generation_mode=MODES[mode]))
    def attempt(case: Any) -> None:
        if mode == "right":
            _aim(case, fuzzed.known)
        excluded = BY_DESIGN + (ITEM_BY_ITEM if name == "post_events" else [])
        case.call_and_validate(headers=headers, excluded_checks=excluded)

    attempt()


def _aim(case: Any, known: dict[str, list[str]]) -> None:
    # Half of the time at something that exists, or nothing behind a 404 would ever be reached.
    chance = random.Random(f"{case.body} {case.path_parameters}")
    for members in (case.path_parameters, case.body):
        if isinstance(members, dict):
            for name in members:
                if name in known and chance.random() < 0.5:
                    members[name] = chance.choice(known[name])


@pytest.mark.parametrize("name", NAMES)
def test_right_requests_a_few(fuzzed: Fuzzed, name: str) -> None:
    fuzz(fuzzed, name, "right", examples=6)


@pytest.mark.parametrize("name", WITH_INPUT)
def test_wrong_requests_a_few(fuzzed: Fuzzed, name: str) -> None:
    fuzz(fuzzed, name, "wrong", examples=6)


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_right_requests(fuzzed_server: Fuzzed, name: str) -> None:
    fuzz(fuzzed_server, name, "right", examples=int(os.environ.get("FUZZ_EXAMPLES", "120")))


@pytest.mark.long
@pytest.mark.parametrize("name", WITH_INPUT)
def test_wrong_requests(fuzzed_server: Fuzzed, name: str) -> None:
    fuzz(fuzzed_server, name, "wrong", examples=int(os.environ.get("FUZZ_EXAMPLES", "120")))
