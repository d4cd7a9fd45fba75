"""Two API processes and three workers on five hosts that share nothing but the database and the broker.

An import comes in by one API, single posts by both; in the middle an API and a worker are killed. What comes
of it is what one process makes of the same file and the same posts.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
import pytest

from carbon_credit.identity.operations import issue_credential
from carbon_credit.kernel.clock import now
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import read_settings
from carbon_credit.kernel.unit_of_work import transact
from carbon_credit.quantification.operations import credit
from tests.chaos.conftest import Rehearsal
from tests.chaos.networks import network
from tests.chaos.rehearsal import PARTNER, PROGRAMME, City
from tests.chaos.servers import own_postgresql, own_redis
from tests.chaos.test_servers import until

pytestmark = pytest.mark.long

APIS, WORKERS = ("api-1", "api-2"), ("worker-1", "worker-2", "worker-3")
PORT = 8000
POSTS = 400
BOUNDARY = "a-file-of-rides"


def test_five_hosts_one_database(everyday: Rehearsal, tmp_path: Path) -> None:
    posts = other_days(everyday.city, tmp_path)
    expected = one_process(everyday, posts, tmp_path)
    with ExitStack() as stack:
        net = stack.enter_context(network([*APIS, *WORKERS]))
        server = stack.enter_context(own_postgresql(address=net.address))
        broker = stack.enter_context(own_redis(address=net.address))
        home = folder(tmp_path, "home")
        city = everyday.moved(server, home)
        client = credentials(city)
        nodes = []
        for host in net.hosts:
            # A folder of its own: settings and keys are all that hosts are given.
            mine = folder(tmp_path, host.name)
            here = replace(
                everyday.at(city.url, mine), prefix=host.prefix, environ={"CELERY_BROKER_URL": broker}
            )
            if host.name.endswith(APIS):
                command = ["serve", "--host", host.address, "--port", str(PORT), "--workers", "1"]
            else:
                command = ["worker", "--beat", "--concurrency", "1"]
            nodes.append(stack.enter_context(running(here, command)))
        doors = [host.address for host in net.hosts[: len(APIS)]]
        for door in doors:
            until(lambda door=door: answers(door))  # type: ignore[misc]
        deliver(doors[0], client, city.file)
        told: list[str] = []
        traffic = [
            threading.Thread(
                target=post_all, args=(doors[turn:] + doors[:turn], client, posts[turn::2], told)
            )
            for turn in range(2)
        ]
        for one in traffic:
            one.start()
        until(lambda: city.rows_done() > everyday.rides // 5 and len(told) > POSTS // 10)
        for victim in (nodes[0], nodes[2]):
            os.killpg(victim.pid, signal.SIGKILL)
        for one in traffic:
            one.join()
        until(lambda: city.states() == ["done"])
        assert set(told) <= {"credited", "duplicate"}
        assert len(told) == POSTS
        assert city.totals() == expected
        city.audit()


def other_days(city: City, tmp_path: Path) -> list[Any]:
    """Rides of the same people some days before the file's, so that it does not matter which come first."""
    file = tmp_path / "posts.ndjson"
    city.run(
        *("simulate", "--programme", PROGRAMME, "--citizens", "300", "--days", "2", "--events", str(POSTS)),
        *("--types", "metro.ride,bus.ride", "--from", f"{now().date().replace(day=1)}", "--seed", "7"),
        *("--out", str(file)),
    )
    return [orjson.loads(line) for line in file.read_bytes().splitlines()]


def one_process(rehearsal: Rehearsal, posts: Sequence[Any], tmp_path: Path) -> dict[str, Any]:
    """The totals of the same file and the same posts without all this."""
    with rehearsal.copy(folder(tmp_path, "alone")) as city:
        city.run(*city.importing(workers=2))
        database = Database(read_settings(city.surroundings))
        partner = partner_of(city)
        transact(
            database,
            lambda session: credit(
                session, programme=PROGRAMME, partner_id=partner, payloads=posts, now=now(), backfill=True
            ),
        )
        database.dispose()
        return city.totals()


def partner_of(city: City) -> UUID:
    """Whose file it is."""
    with city.connected() as connection:
        row = connection.execute("SELECT id FROM party WHERE name = %s", (PARTNER,)).fetchone()
        assert row is not None
        return UUID(str(row[0]))


def credentials(city: City) -> tuple[str, str]:
    """A client of the partner's."""
    database = Database(read_settings(city.surroundings))
    partner = partner_of(city)
    issued = transact(database, lambda session: issue_credential(session, party_id=partner, now=now()))
    database.dispose()
    return issued.client_id, issued.secret


def folder(tmp_path: Path, name: str) -> Path:
    """A new one."""
    found = tmp_path / name
    found.mkdir()
    return found


@contextmanager
def running(city: City, command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A server, in a process group of its own; gone afterwards."""
    process = city.start(*command)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(door: str) -> bool:
    """Whether an API is up."""
    try:
        return asked(door, "GET", "/healthz")[0] == 200
    except (OSError, HTTPException):
        return False


def asked(door: str, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
    """Status and body of an answer."""
    connection = HTTPConnection(door, PORT, timeout=30)
    try:
        connection.request(
            method, path, body, {name.replace("_", "-"): text for name, text in headers.items()}
        )
        answer = connection.getresponse()
        content = answer.read()
        return answer.status, orjson.loads(content) if content else None
    finally:
        connection.close()


def token(door: str, client: tuple[str, str]) -> str:
    """Fresh access."""
    wanted = {"grant_type": "client_credentials", "client_id": client[0], "client_secret": client[1]}
    form = "application/x-www-form-urlencoded"
    status, told = asked(door, "POST", "/v1/oauth/token", urlencode(wanted).encode(), Content_Type=form)
    assert status == 200, told
    return str(told["access_token"])


def deliver(door: str, client: tuple[str, str], file: Path) -> None:
    """The whole file in one request."""
    part = 'Content-Disposition: form-data; name="{}"'
    body = b"".join(
        (
            f"--{BOUNDARY}\r\n{part.format('adapter')}\r\n\r\ngeneric-ride\r\n".encode(),
            f"--{BOUNDARY}\r\n{part.format('file')}; filename=rides.csv\r\n\r\n".encode(),
            file.read_bytes(),
            f"\r\n--{BOUNDARY}--\r\n".encode(),
        )
    )
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    status, told = asked(
        door, "POST", "/v1/imports", body, Content_Type=kind, Authorization=f"Bearer {token(door, client)}"
    )
    assert status in (200, 201, 202), told


def post_all(doors: Sequence[str], client: tuple[str, str], posts: Sequence[Any], told: list[str]) -> None:
    """One event a request; where no answer comes, the same event to the other API."""
    turn, access = 0, ""
    for event in posts:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            door = doors[turn % len(doors)]
            try:
                access = access or token(door, client)
                status, answer = asked(
                    door, "POST", "/v1/events", orjson.dumps(event),
                    Content_Type="application/json", Authorization=f"Bearer {access}",
                )  # fmt: skip
            except (OSError, HTTPException):
                turn += 1
                continue
            if status < 500:
                told.append(answer.get("status", str(answer)))
                break
            turn += 1
            time.sleep(0.1)
