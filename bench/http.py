"""The service as its clients see it: gunicorn, tokens, HTTP; beside a bare Flask view that does one INSERT.

Both run under the same gunicorn with the same workers and threads, on the same PostgreSQL, in turn. The
client runs on the same machine and takes its part of it.
"""

import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from socket import socket

import orjson
import psycopg
from flask import Flask, Response, request

from bench import load
from bench.databases import analyze, fresh_database
from bench.events import PROGRAMME, City
from bench.measure import Figure, Plan, compared, single
from carbon_credit.cli.servers import THREADS, gunicorn
from carbon_credit.identity.operations import issue_credential
from carbon_credit.identity.tokens import TokenKeys, Tokens
from carbon_credit.kernel.clock import now
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import transact

SECTION = "HTTP on PostgreSQL"
WORKERS = 2
CONNECTIONS = 32
BATCH = 1000
BATCH_CONNECTIONS = 8
QUICK_THREADS = 4  # each holds a connection to a server that others may use too
_LONGER = 5  # a round over HTTP lasts so many times that of a deed: threads and caches have to settle
_START_S = 60

SERVICE = "carbon_credit.factory:create_app()"
BARE_TABLE = "CREATE TABLE IF NOT EXISTS bench_bare (id uuid PRIMARY KEY, body jsonb NOT NULL)"
_INSERT = "INSERT INTO bench_bare (id, body) VALUES (%s, %s)"


def measure(plan: Plan) -> list[Figure]:
    """Single posts on 32 connections beside the bare view on as many; batches of 1,000 on eight."""
    threads = THREADS if plan.rounds > 1 else QUICK_THREADS
    with fresh_database("PostgreSQL") as database, served(database, plan, threads=threads) as site:
        seconds = plan.seconds * _LONGER
        contenders: list[tuple[str, Callable[[], load.Load], int]] = [
            (f"batches of {BATCH:,}, {BATCH_CONNECTIONS} connections", lambda: site.batches(seconds), BATCH),
            (f"single posts, {CONNECTIONS} connections", lambda: site.singles(seconds), 1),
            (f"bare Flask and one INSERT, {CONNECTIONS} connections", lambda: site.bare(seconds), 1),
        ]
        for _, deed, _ in contenders:
            deed()  # rules, statements and connections of every worker
        analyze(database)
        rounds: list[list[float]] = []
        quantiles: dict[str, list[float]] = {"p50": [], "p99": []}
        for _ in range(plan.rounds):
            loads = [deed() for _, deed, _ in contenders]
            rounds.append([one.rate * size for one, (_, _, size) in zip(loads, contenders, strict=True)])
            quantiles["p50"].append(loads[1].quantile_ms(0.50))
            quantiles["p99"].append(loads[1].quantile_ms(0.99))
        figures = compared(SECTION, [(name, "events/s") for name, _, _ in contenders], rounds)
        for name, values in quantiles.items():
            what = f"{name} of a single post, {CONNECTIONS} connections"
            figures.append(single(SECTION, what, "ms", sorted(values)[len(values) // 2]))
        return figures


class Site:
    """The service and the bare view, both up. Each load checks that every answer was a success."""

    def __init__(self, city: City, token: str, ports: Mapping[str, int]) -> None:
        self.city = city
        self._token = token
        self._ports = ports

    def singles(self, seconds: float, *, connections: int = CONNECTIONS) -> load.Load:
        """One event a request, each with an answer of its own."""

        def make() -> bytes:
            (event,) = self.city.payloads(1)
            return load.post("/v1/events", orjson.dumps(event), token=self._token)

        return self._run("service", connections, seconds, make)

    def batches(
        self, seconds: float, *, size: int = BATCH, connections: int = BATCH_CONNECTIONS
    ) -> load.Load:
        """`size` events a request."""

        def make() -> bytes:
            body = orjson.dumps(self.city.payloads(size))
            return load.post("/v1/events/batch", body, token=self._token)

        return self._run("service", connections, seconds, make)

    def bare(self, seconds: float, *, connections: int = CONNECTIONS) -> load.Load:
        """The same bodies to the bare view."""

        def make() -> bytes:
            (event,) = self.city.payloads(1)
            return load.post("/bare", orjson.dumps(event), token=self._token)

        return self._run("bare", connections, seconds, make)

    def _run(self, which: str, connections: int, seconds: float, make: Callable[[], bytes]) -> load.Load:
        found = load.run(self._ports[which], connections=connections, seconds=seconds, make=make)
        if set(found.statuses) != {200}:
            raise AssertionError(f"not every answer was a success: {found.statuses}")
        return found


@contextmanager
def served(
    database: Database, plan: Plan, *, workers: int = WORKERS, threads: int = THREADS
) -> Iterator[Site]:
    """The service on `database` with a city's people in it, and the bare view beside it."""
    city = City(database, plan.people)
    token = access(database, city.partner)
    with database.engine.connect() as connection:
        connection.exec_driver_sql(BARE_TABLE)
        connection.commit()
    applications = {"service": SERVICE, "bare": "bench.http:bare_app()"}
    with up(database.settings, applications, workers=workers, threads=threads) as ports:
        yield Site(city, token, ports)


@contextmanager
def up(
    settings: Settings, applications: Mapping[str, str], *, workers: int = WORKERS, threads: int = THREADS
) -> Iterator[Mapping[str, int]]:
    """These applications on the database of `settings`, each under a gunicorn of its own; their ports."""
    environ = {"DATABASE_URL": settings.database_url, "CARBON_CREDIT_VAR": str(settings.var_dir)}
    started: list[subprocess.Popen[bytes]] = []
    try:
        ports = {}
        for name, application in applications.items():
            ports[name] = _free_port()
            started.append(_start(application, ports[name], environ, workers, threads))
        for name, port in ports.items():
            _await(port, "/healthz" if name == "service" else "/bare")
        yield ports
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(timeout=_START_S)


def bare_app() -> Flask:
    """A view that reads JSON, inserts it as one row, commits and answers; nothing else."""
    app = Flask("bare")
    local = threading.local()
    url = os.environ["DATABASE_URL"].replace("postgresql+psycopg://", "postgresql://")

    @app.post("/bare")
    def insert() -> Response:
        connection = getattr(local, "connection", None)
        if connection is None:
            connection = local.connection = _connected(url)
        event = orjson.loads(request.get_data())
        row_id = uuid.uuid4()
        connection.execute(_INSERT, (row_id, orjson.dumps(event).decode()))
        connection.commit()
        return Response(orjson.dumps({"id": str(row_id)}), mimetype="application/json")

    return app


def _connected(url: str) -> psycopg.Connection:
    """A connection, as soon as the server has one to give: others may use it too."""
    end = time.monotonic() + _START_S
    while True:
        try:
            return psycopg.connect(url)
        except psycopg.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def _start(
    application: str, port: int, environ: Mapping[str, str], workers: int, threads: int
) -> subprocess.Popen[bytes]:
    command = gunicorn(application, host="127.0.0.1", port=port, workers=workers, threads=threads)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CARBON_CREDIT")}
    inherited |= {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"}
    # The log level keeps gunicorn's start out of the report; what goes wrong is still printed.
    return subprocess.Popen([*command, "--log-level", "warning"], env={**inherited, **environ})


def _await(port: int, path: str) -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            connection.getresponse().read()
        except OSError:
            time.sleep(0.1)
        else:
            return
        finally:
            connection.close()
    raise RuntimeError(f"no server answers on port {port}")


def access(database: Database, partner: uuid.UUID, *, programme: str = PROGRAMME) -> str:
    """A token of the partner's."""
    settings = database.settings
    issued = transact(database, lambda session: issue_credential(session, party_id=partner, now=now()))
    tokens = Tokens(
        TokenKeys(settings.keys.token_private_pem),
        issuer=settings.token_issuer,
        audience=settings.token_audience,
    )
    return tokens.issue(
        subject_id=partner,
        role="partner",
        programme=programme,
        scopes=("events:write", "events:read"),
        client_id=issued.client_id,
        now=now(),
        ttl_s=3600,
    )


def _free_port() -> int:
    with socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
