"""A use at a till is told to a real receiver, whoever dies on the way: the process that used the voucher,
right after its commit; and the one that tells, when the receiver has the message and nobody knows.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from carbon_credit.kernel import clock
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import Settings
from carbon_credit.sweeps.webhooks import tell_endpoints
from carbon_credit.webhooks.claiming import LEASE
from tests.api.conftest import Town, build
from tests.api.test_deaths import dies
from tests.api.test_offering import offered, rich
from tests.flows.conftest import findings
from tests.webhooks.conftest import LOOPBACK, Receiver, hands, listen

__all__ = ["listen"]
TELLER = (sys.executable, "-c", "from carbon_credit.cli.main import main; main()", "sweep", "webhooks")
PATIENCE_S = 120


def teller(town: Town, base: Settings) -> subprocess.Popen[str]:
    """The sweep that tells, as a process of its own. Outside of production it may tell this machine."""
    environ = {
        "DATABASE_URL": town.database.engine.url.render_as_string(hide_password=False),
        "CARBON_CREDIT_VAR": str(base.var_dir),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PATH": os.environ["PATH"],
    }
    return subprocess.Popen(TELLER, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def told_and_killed(town: Town, base: Settings, receiver: Receiver) -> None:
    """A process tells, and is killed while the receiver has the message and has not answered."""
    with teller(town, base) as process:

        def kill(_number: int) -> Any:
            process.kill()
            process.wait(PATIENCE_S)
            return 204, b"", {}

        receiver.answer = kill
        _, said = process.communicate(timeout=PATIENCE_S)
    receiver.answer = lambda _number: (204, b"", {})
    assert process.returncode == -9, said


def test_a_use_is_told_though_who_used_and_who_tells_are_killed(
    database: Database, base_settings: Settings, listen: Callable[[], Receiver]
) -> None:
    town, receiver = build(database), listen()
    endpoint = town.post("merchant", "/v1/webhooks", {"url": receiver.url, "types": ["redemption.consumed"]})
    assert endpoint.status_code == 201, endpoint.text
    receiver.secrets.append(endpoint.json["secret"])
    rich(town, 25)
    offer_id = offered(town, "merchant", pieces=5)
    held = town.post("citizen", "/v1/redemptions", {"offer_id": offer_id}).json

    address = f"/v1/merchant/vouchers/{held['code']}/consumption"
    dies(town, base_settings, "after-commit", address=address, who=town.tokens["merchant"], key="use-1")
    assert receiver.got == [], "it is committed, and nobody has been told"

    told_and_killed(town, base_settings, receiver)
    messages = f"/v1/webhooks/{endpoint.json['id']}/messages"
    (sent,) = town.get("merchant", messages).json["items"]
    assert (sent["state"], sent["attempts"], len(receiver.got)) == ("sending", 1, 1)

    # The till, which has heard nothing, asks again; when the dead one's time is over, somebody else tells.
    again = town.post("merchant", address, headers={"Idempotency-Key": "use-1"})
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (200, "true")
    assert tell_endpoints(hands(database, clock.now), LOOPBACK) == 0
    later = clock.now() + LEASE + timedelta(minutes=1)
    assert tell_endpoints(hands(database, lambda: later), LOOPBACK) == 1

    first, second = receiver.got
    assert str(first.id) == str(second.id) == sent["message_id"]
    assert first.body == second.body
    assert first.told == second.told
    assert (first.told["type"], first.told["data"]["id"]) == ("redemption.consumed", held["id"])
    assert (first.told["data"]["consumed_fen"], first.told["data"]["points"]) == (500, 10)
    (ended,) = town.get("merchant", messages).json["items"]
    assert (ended["state"], ended["attempts"]) == ("delivered", 2)

    # Told twice, used once.
    third = town.post("merchant", address)
    assert (third.status_code, third.json["code"]) == (409, "voucher-consumed")
    (use,) = town.get("merchant", "/v1/merchant/consumptions").json["items"]
    assert (use["id"], use["value_fen"]) == (first.told["data"]["consumption_id"], 500)
    account = town.get("citizen", "/v1/me/account").json["points"]
    assert (account["available"], account["held"]) == (15, 0)
    assert findings(database) == []
