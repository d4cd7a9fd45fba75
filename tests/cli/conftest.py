"""The command line, run in process through its own door, on an embedded default of the test's own."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from carbon_credit.cli.main import main
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import Settings


@dataclass(frozen=True)
class Told:
    """How a command ended and what it said."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one line of JSON on stdout: exactly one."""
        assert self.out.endswith("\n"), self.err
        assert self.out.count("\n") == 1, self.out
        found: dict[str, Any] = orjson.loads(self.out)
        return found

    def refused(self, word: str) -> None:
        """One sentence that names `word`, status 2, no traceback and nothing on stdout."""
        assert (self.status, self.out) == (2, ""), self
        assert word in self.err, self.err
        assert "Traceback" not in self.err


Run = Callable[..., Told]


@pytest.fixture
def var(tmp_path: Path, base_settings: Settings, sqlite_template: Path) -> Path:
    """A var/ folder with a migrated database and development keys."""
    folder = tmp_path / "var"
    shutil.copytree(base_settings.var_dir / "keys", folder / "keys")
    shutil.copyfile(sqlite_template, folder / "carbon-credit.db")
    return folder


@pytest.fixture
def embedded(var: Path, base_settings: Settings) -> Database:
    """The same database, for looking and preparing."""
    return Database(replace(base_settings, var_dir=var, database_url=f"sqlite:///{var / 'carbon-credit.db'}"))


@pytest.fixture
def run(var: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """`carbon-credit ARGS` with the environment given by name."""
    for name in ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "CARBON_CREDIT_ENV", "CARBON_CREDIT_AS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CARBON_CREDIT_VAR", str(var))
    # Rich and click would fold what they write to the width of a terminal.
    monkeypatch.setenv("COLUMNS", "400")

    def run(*arguments: str, **environ: str) -> Told:
        capfd.readouterr()
        with monkeypatch.context() as here:
            for name, value in environ.items():
                here.setenv(name, value)
            here.setattr("sys.argv", ["carbon-credit", *arguments])
            try:
                main()
                status = 0
            except SystemExit as ended:
                status = int(ended.code or 0)
        said = capfd.readouterr()
        return Told(status, said.out, said.err)

    return run


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, run: Run, monkeypatch: pytest.MonkeyPatch) -> tuple[Run, Database]:
    """`carbon-credit ARGS` and its database: the embedded one, and a server's."""
    if request.param == "sqlite":
        found: Database = request.getfixturevalue("embedded")
        return run, found
    found = request.getfixturevalue("postgresql_database")
    # The commands run in this process: each with a pool of its own, they would leave connections open.
    monkeypatch.setattr("carbon_credit.cli.context.open_database", lambda _settings: found)
    return partial(run, DATABASE_URL=found.engine.url.render_as_string(hide_password=False)), found


def operator(run: Run, name: str = "Office") -> str:
    """A new credential of an operator, as `--as` takes it."""
    told = run("party", "add", "--programme", "x-gd-sz", "--role", "operator", "--name", name, "--json").json
    return f"{told['client_id']}:{told['client_secret']}"
