"""Servers of a test's own, which it may stop, starve and empty: PostgreSQL and Redis."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from tests.conftest import missing

WAIT_S = 60
_UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class OwnPostgreSQL:
    """A cluster in a folder of its own, run by somebody who may do nothing else."""

    def __init__(self, folder: Path, *, address: str = "127.0.0.1") -> None:
        self.folder = folder
        self.address = address
        self.port = free_port()
        self._as = ("runuser", "-u", _UNPRIVILEGED, "--") if os.geteuid() == 0 else ()
        self._data = folder / "data"
        if os.geteuid() == 0:
            shutil.chown(folder, _UNPRIVILEGED)
        self._run("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C")
        settings = {
            "port": self.port,
            "listen_addresses": f"'{address}'",
            "unix_socket_directories": f"'{folder}'",
            "max_connections": 60,
            "wal_keep_size": 0,
            "min_wal_size": "32MB",
            "max_wal_size": "64MB",
        }
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in settings.items())
        with (self._data / "pg_hba.conf").open("a") as file:
            file.write("host all all 0.0.0.0/0 trust\n")  # nobody else is on these addresses

    def url(self, name: str = "postgres") -> str:
        """The address of a database, as SQLAlchemy takes it."""
        return f"postgresql+psycopg://postgres@{self.address}:{self.port}/{name}"

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._run("pg_ctl", "--wait", f"--log={self.folder / 'log.txt'}", "start")

    def stop(self, how: str = "immediate") -> None:
        """`immediate`: as when the machine goes down; what was committed must come back from the log."""
        self._run("pg_ctl", "--wait", f"--mode={how}", "stop")

    def add_tablespace(self, name: str) -> None:
        """A tablespace in a folder beside the data, as on another disk."""
        folder = self.folder / name
        folder.mkdir()
        if os.geteuid() == 0:
            shutil.chown(folder, _UNPRIVILEGED)
        with psycopg.connect(self.url().replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(f"CREATE TABLESPACE {name} LOCATION '{folder}'")

    def is_up(self) -> bool:
        """Whether it answers."""
        with suppress(psycopg.OperationalError):
            psycopg.connect(self.url().replace("+psycopg", ""), connect_timeout=2).close()
            return True
        return False

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as, _found(program), f"--pgdata={self._data}", *arguments]
        ran = subprocess.run(
            command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, timeout=WAIT_S, check=False,
        )  # fmt: skip
        if ran.returncode:
            raise RuntimeError(f"{program}: {ran.stderr}")


@contextmanager
def own_folder() -> Iterator[Path]:
    """A folder that others may enter: those of pytest are for its user alone."""
    folder = Path(tempfile.mkdtemp(prefix="carbon-credit-chaos-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def own_postgresql(*, address: str = "127.0.0.1", folder: Path | None = None) -> Iterator[OwnPostgreSQL]:
    """A running cluster, gone afterwards. `folder`: where its files are to lie, e.g. on a small disk."""
    for program in ("initdb", "pg_ctl"):
        _found(program)
    if os.geteuid() == 0 and shutil.which("runuser") is None:
        missing("PostgreSQL does not run as root, and there is no runuser")
    with own_folder() as own:
        server = OwnPostgreSQL(folder or own, address=address)
        server.start()
        try:
            yield server
        finally:
            with suppress(RuntimeError):
                server.stop()


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A folder on a file system of so many megabytes."""
    with own_folder() as folder:
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "small", str(folder)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            missing(f"a small file system cannot be mounted here ({ran.stderr.strip()})")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def own_redis(*, address: str = "127.0.0.1", prefix: Sequence[str] = ()) -> Iterator[str]:
    """The address of a Redis that holds nothing yet."""
    program = shutil.which("redis-server")
    if program is None:
        missing("no redis-server is installed")
    port = free_port()
    with own_folder() as folder:
        command = [
            *prefix,
            program,
            "--port",
            str(port),
            "--bind",
            address,
            "--save",
            "",
            "--dir",
            str(folder),
        ]
        process = subprocess.Popen([*command, "--protected-mode", "no"], stdout=subprocess.DEVNULL)
        try:
            _await(address, port)
            yield f"redis://{address}:{port}/0"
        finally:
            process.terminate()
            process.wait(WAIT_S)


def _await(address: str, port: int) -> None:
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection((address, port), timeout=1):
            return
        time.sleep(0.05)
    pytest.fail(f"nothing listens on {address}:{port}")


def _found(program: str) -> str:
    """Where a program of PostgreSQL is: distributions keep the server's own out of the PATH."""
    found = shutil.which(program)
    if found is None:
        homes = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
        found = str(homes[-1]) if homes else None
    if found is None:
        missing(f"{program} of PostgreSQL is not installed")
    return found
