"""Processes killed with -9 between hold and voucher, and between a use and its being told.

Whatever was killed before its commit has left nothing; what was killed after it is whole, and a client that
comes again with the same key gets the answer that nobody heard.
"""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from carbon_credit.kernel import clock, outbox
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger import points as ledger_points
from carbon_credit.redemption import offers
from carbon_credit.redemption.models import Consumption, Redemption
from carbon_credit.redemption.offering import stock
from carbon_credit.sweeps.audit import audit_everything
from tests.api.conftest import HOME, Town

SCRIPT = Path(__file__).parent / "dying.py"
BEFORE = {
    "hold": ("redemption", "redemption_lot", "transfer", "account", "outbox", "before-commit"),
    "use": (
        "redemption",
        "pending_resolution",
        "transfer",
        "account",
        "consumption",
        "outbox",
        "before-commit",
    ),
}


@pytest.fixture
def offer(any_town: Town) -> UUID:
    """Something that the citizen can pay for."""
    town, now = any_town, any_town.now
    terms = offers.OfferTerms(
        title_zh="茶",
        title_en="Tea",
        points_price=10,
        value_fen=500,
        opens_at=now - timedelta(hours=1),
        closes_at=now + timedelta(days=1),
        voucher_ttl_s=3600,
    )
    with unit_of_work(town.database) as session:
        item = ledger_points.PointsGrant(
            town.citizens["citizen"], 25, (now + timedelta(days=400)).date(), None, now
        )
        ledger_points.grants(session, items=[item], programme=HOME, now=now)
        made = offers.propose_offer(
            session, programme=HOME, merchant_id=town.parties["merchant"], terms=terms, now=now
        )
        stock.add_stock(session, programme=HOME, offer_id=made, pieces=5, now=now)
        offers.approve_offer(
            session, programme=HOME, operator_id=town.parties["operator"], offer_id=made, now=now
        )
        outbox.take(session, limit=10)  # that it was approved
    return made


def dies(town: Town, base: Settings, *points: str, **request: Any) -> None:
    """A process of its own asks, and dies at each point."""
    url = town.database.engine.url.render_as_string(hide_password=False)
    environ = {"DATABASE_URL": url, "CARBON_CREDIT_VAR": str(base.var_dir), "PATH": os.environ["PATH"]}
    environ["PYTHONPATH"] = str(SCRIPT.parents[2])
    command = [sys.executable, str(SCRIPT), json.dumps({"method": "POST", "body": None, **request}), *points]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def counts(town: Town) -> tuple[int, int, list[str]]:
    """Redemptions, uses, and what is still to be told, to all who are to hear it."""
    with unit_of_work(town.database, read_only=True) as session:
        held, used = (
            session.execute(select(func.count()).select_from(model)).scalar_one()
            for model in (Redemption, Consumption)
        )
        told = session.scalars(select(outbox.Outgoing.type).order_by(outbox.Outgoing.id))
        return held, used, sorted(told)


def sound(town: Town) -> None:
    with unit_of_work(town.database, read_only=True) as session:
        assert audit_everything(session).findings == ()


def test_a_hold_is_whole_or_has_not_been(any_town: Town, base_settings: Settings, offer: UUID) -> None:
    town = any_town
    request: dict[str, Any] = {
        "address": "/v1/redemptions",
        "who": town.tokens["citizen"],
        "key": "hold-1",
        "body": {"offer_id": str(offer)},
    }
    dies(town, base_settings, *BEFORE["hold"], **request)
    assert counts(town) == (0, 0, [])
    sound(town)
    dies(town, base_settings, "after-commit", **request)
    # Held, and nobody has the voucher: the same request again gets it, and holds nothing more.
    heard = ["redemption.held", "redemption.held"]  # the merchant and the app
    assert counts(town) == (1, 0, heard)
    again = town.post("citizen", "/v1/redemptions", request["body"], headers={"Idempotency-Key": "hold-1"})
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert counts(town) == (1, 0, heard)
    assert again.json["code"] == town.get("citizen", "/v1/me/vouchers").json["items"][0]["code"]
    sound(town)


def test_a_use_is_whole_or_has_not_been_and_is_told(
    any_town: Town, base_settings: Settings, offer: UUID
) -> None:
    town = any_town
    held = town.post("citizen", "/v1/redemptions", {"offer_id": str(offer)}).json
    with unit_of_work(town.database) as session:
        outbox.take(session, limit=10)
    address = f"/v1/merchant/vouchers/{held['code']}/consumption"
    request: dict[str, Any] = {"address": address, "who": town.tokens["merchant"], "key": "use-1"}
    dies(town, base_settings, *BEFORE["use"], **request)
    assert counts(town) == (1, 0, [])
    assert town.get("citizen", "/v1/me/vouchers").json["items"][0]["state"] == "held"
    dies(town, base_settings, "after-commit", **request)
    heard = ["redemption.consumed", "redemption.consumed"]
    assert counts(town) == (1, 1, heard)
    again = town.post("merchant", address, headers={"Idempotency-Key": "use-1"})
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (200, "true")
    assert counts(town) == (1, 1, heard)
    sound(town)


def test_what_was_used_is_told_at_least_once(any_town: Town, offer: UUID) -> None:
    """Whoever takes a message out and dies before it is written down to whom leaves it there."""
    town = any_town
    held = town.post("citizen", "/v1/redemptions", {"offer_id": str(offer)}).json
    town.post("merchant", f"/v1/merchant/vouchers/{held['code']}/consumption")
    with unit_of_work(town.database, read_only=True) as session:  # as a death does: nothing is committed
        assert len(outbox.take(session, limit=10)) == 4
    with unit_of_work(town.database) as session:
        taken = outbox.take(session, limit=10)
    assert sorted({one.type for one in taken}) == ["redemption.consumed", "redemption.held"]
    assert counts(town)[2] == []
    told = next(one for one in taken if one.type == "redemption.consumed")
    data = json.loads(told.data)
    assert (data["redemption_id"], data["consumed_fen"]) == (held["id"], 500)
    assert str(town.citizens["citizen"]) not in told.data
    assert clock.now() >= told.created_at
