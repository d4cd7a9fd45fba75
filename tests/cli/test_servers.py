"""The service as it runs in production: gunicorn, PostgreSQL, every secret from the environment."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from carbon_credit.kernel import clock
from carbon_credit.kernel.db import Database
from tests.kernel.test_settings import production
from tests.tasks.test_worker import BROKER, REDIS

COMMAND = [sys.executable, "-c", "from carbon_credit.cli.main import main; main()"]


def environment(database: Database, var: Path) -> dict[str, str]:
    """What an operator sets."""
    given = production(
        DATABASE_URL=database.settings.database_url,
        REDIS_URL=REDIS,
        CELERY_BROKER_URL=BROKER,
        CARBON_CREDIT_VAR=str(var),
    )
    return {**os.environ, **given}


def command(environ: dict[str, str], *arguments: str) -> dict[str, Any]:
    told = subprocess.run([*COMMAND, *arguments, "--json"], env=environ, capture_output=True, check=False)
    assert told.returncode == 0, told.stderr.decode()
    found: dict[str, Any] = orjson.loads(told.stdout)
    return found


def ask(
    address: str, body: Any = None, *, token: str = "", form: dict[str, str] | None = None, method: str = ""
) -> tuple[int, dict[str, Any]]:
    data = urllib.parse.urlencode(form).encode() if form else orjson.dumps(body) if body is not None else None
    headers = {"Content-Type": "application/x-www-form-urlencoded" if form else "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(address, data, headers, method=method or None)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, orjson.loads(answer.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, orjson.loads(refused.read())


@contextmanager
def served(environ: dict[str, str], log: Path) -> Iterator[str]:
    """`carbon-credit serve` on a port of its own; ends as a service manager ends it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log.open("wb") as out:
        server = subprocess.Popen(
            [*COMMAND, "serve", "--port", str(port)], env=environ, stdout=out, stderr=out
        )
    try:
        for _ in range(300):
            assert server.poll() is None, log.read_text()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0, log.read_text()
    finally:
        if server.poll() is None:
            server.kill()
            server.wait(10)


def enrolled(home: str, environ: dict[str, str]) -> str:
    """A partner's token, with a citizen registered and consenting."""
    party = command(environ, "party", "add", "--programme", "x-gd-sz", "--role", "partner", "--name", "Metro")
    form = {name: party[name] for name in ("client_id", "client_secret")}
    status, granted = ask(f"{home}/v1/oauth/token", form={"grant_type": "client_credentials", **form})
    assert status == 200, granted
    token = str(granted["access_token"])
    link = {"kind": "transit-card", "value": "CARD-1"}
    status, citizen = ask(f"{home}/v1/citizens", {"links": [link]}, token=token)
    assert status == 201, citizen
    given_at = (clock.now() - timedelta(days=30)).isoformat()
    consent = {"text_version": "2026-1", "given_at": given_at}
    status, told = ask(
        f"{home}/v1/citizens/{citizen['id']}/consents/metro", consent, token=token, method="PUT"
    )
    assert status in (200, 201), told
    return token


@pytest.mark.long
def test_production_serves_from_health_to_a_credited_ride(
    postgresql_database: Database, tmp_path: Path
) -> None:
    environ = environment(postgresql_database, tmp_path / "var")
    upgraded = subprocess.run([*COMMAND, "db", "upgrade"], env=environ, capture_output=True, check=False)
    assert upgraded.returncode == 0, upgraded.stderr.decode()
    with served(environ, tmp_path / "server.log") as home:
        assert ask(f"{home}/healthz") == (200, {"status": "ok"})
        assert ask(f"{home}/readyz") == (200, {"status": "ready"})
        token = enrolled(home, environ)
        ride = {
            "id": "R-1",
            "type": "metro.ride",
            "occurred_at": (clock.now() - timedelta(days=1)).isoformat(),
            "citizen": {"link": {"kind": "transit-card", "value": "CARD-1"}},
            "data": {"distance_m": 8300, "distance_source": "gates"},
        }
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: ask(f"{home}/v1/events", ride, token=token), range(24)))
        assert {status for status, _ in answers} == {200}
        said = sorted(outcome["status"] for _, outcome in answers)
        assert said == ["credited"] + ["duplicate"] * 23
        assert {outcome["co2e_mg"] for _, outcome in answers} == {388_440}
        assert ask(f"{home}/v1/events", ride)[0] == 401
        assert ask(f"{home}/v1/nothing")[0] == 404
    assert command(environ, "ledger", "audit")["ok"]
    assert "Traceback" not in (tmp_path / "server.log").read_text()
    assert not (tmp_path / "var" / "keys").exists(), "production makes no keys"


def test_production_does_not_start_without_its_secrets(base_settings: Any, tmp_path: Path) -> None:
    environ = {
        "CARBON_CREDIT_ENV": "production",
        "CARBON_CREDIT_VAR": str(tmp_path),
        "PATH": os.environ["PATH"],
    }
    told = subprocess.run([*COMMAND, "serve"], env=environ, capture_output=True, check=False)
    assert told.returncode == 2
    for name in ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "MAC_KEY", "TOKEN_PRIVATE_KEY"):
        assert name in told.stderr.decode()
    assert list(tmp_path.iterdir()) == []


def test_a_server_does_not_start_on_a_database_that_is_behind(
    postgresql_database: Database, tmp_path: Path
) -> None:
    environ = environment(postgresql_database, tmp_path)
    with postgresql_database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    told = subprocess.run([*COMMAND, "serve"], env=environ, capture_output=True, check=False)
    assert told.returncode == 2
    assert "carbon-credit db upgrade" in told.stderr.decode()
