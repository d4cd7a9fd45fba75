"""A month goes to slow disk: nobody who reads or writes notices, and what is not settled stays."""

import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import copy
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from carbon_credit.archive.errors import (
    ArchiveNotFound,
    ArchiveNotProved,
    ArchiveOfAnotherMonth,
    MonthNotClosed,
    MonthNotOver,
    MonthWithinAnother,
    ShelvesNeedPostgreSQL,
    TablespaceForbidden,
    TablespaceNotFound,
)
from carbon_credit.archive.shelving import to_shelve
from carbon_credit.kernel import clock, schema, shelves
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.errors import Busy
from carbon_credit.kernel.partitions import Partition, make_months, month_after, partition_name, partitions
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.shelves import Moved, move_partition
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.ledger.accounts import CO2E, AccountKey
from carbon_credit.ledger.queries import statement
from carbon_credit.quantification.explaining import explain
from carbon_credit.quantification.queries import citizen_totals, reductions_of
from tests.archive.test_archive import Past, past
from tests.chaos.servers import OwnPostgreSQL, own_postgresql
from tests.flows.conftest import findings, rows
from tests.kernel.test_partitions import ask, shape
from tests.world import metro

TABLES = ("event", "event_detail", "reduction", "reduction_adjustment", "transfer")
SLOW = "slow"


@pytest.fixture(scope="module")
def server() -> Iterator[OwnPostgreSQL]:
    """A server of our own: a tablespace is the whole server's."""
    with own_postgresql() as found:
        found.add_tablespace(SLOW)
        yield found


@pytest.fixture(scope="module")
def settled(
    server: OwnPostgreSQL, base_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Past, Path]:
    """A closed month in the database `city`, and its archive."""
    run(server, "CREATE DATABASE city")
    database = Database(replace(base_settings, database_url=server.url("city")))
    schema.upgrade(database)
    transact(database, lambda session: make_months(session, now=clock.now()))
    found = past(database)
    archive = found.export(tmp_path_factory.mktemp("archives"))
    database.dispose()
    return found, archive


@pytest.fixture
def here(server: OwnPostgreSQL, settled: tuple[Past, Path]) -> Iterator[Past]:
    """A copy of it for the test."""
    with copied(server, settled[0]) as found:
        yield found


@pytest.fixture
def archive(settled: tuple[Past, Path]) -> Path:
    """The month's folder."""
    return settled[1]


@contextmanager
def copied(server: OwnPostgreSQL, original: Past) -> Iterator[Past]:
    name = f"c{uuid.uuid4().hex[:8]}"
    run(server, f"CREATE DATABASE {name} TEMPLATE city")
    database = Database(replace(original.database.settings, database_url=server.url(name)))
    world = copy(original.world)
    world.database = database
    try:
        yield replace(original, world=world)
    finally:
        database.dispose()
        run(server, f"DROP DATABASE {name} WITH (FORCE)")


def run(server: OwnPostgreSQL, sql: str) -> None:
    with psycopg.connect(server.url().replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(sql)  # type: ignore[arg-type]


def waiting(here: Past, archive: Path, tablespace: str = SLOW, **other: Any) -> list[Partition]:
    given = {"month": here.month, "now": here.after} | other
    with unit_of_work(here.database, read_only=True) as session:
        return to_shelve(session, tablespace=tablespace, archive=archive, **given)


def move(here: Past, one: Partition, tablespace: str = SLOW, **other: Any) -> Moved:
    opens: Callable[[], AbstractContextManager[Session]] = partial(
        unit_of_work, here.database, read_only=True
    )
    with unit_of_work(here.database) as session:
        return move_partition(
            session, **({"partition": one, "tablespace": tablespace, "open_reader": opens} | other)
        )


def places(database: Database) -> dict[str, str]:
    """Of each partition its tablespace, and those of its indexes where they are elsewhere."""
    with unit_of_work(database, read_only=True) as session:
        found = {one.name: one.tablespace for one in partitions(session)}
    split = ask(
        database,
        "SELECT tablename, indexname FROM pg_indexes i JOIN pg_tables t USING (schemaname, tablename) "
        "WHERE i.tablespace IS DISTINCT FROM t.tablespace AND schemaname = 'public'",
    )
    assert split == []
    return found


def told(here: Past) -> dict[str, Any]:
    """What citizens and the auditor read."""
    programme = here.world.programme
    read: dict[str, Any] = {"findings": findings(here.database), "rows": rows(here.database)}
    with unit_of_work(here.database, read_only=True) as session:
        for number, citizen in enumerate(here.world.citizens):
            mine = reductions_of(session, programme=programme, citizen_id=citizen, before=None, limit=100)
            key = AccountKey(programme, CO2E, "citizen.reductions", citizen)
            assert len(mine) >= 10
            read[f"citizen {number}"] = (
                mine,
                statement(session, keys=[key], limit=50),
                citizen_totals(session, programme=programme, citizen_id=citizen),
                [explain(session, reduction_id=one.id, programme=programme).text("en") for one in mine],
            )
    return read


def names(here: Past) -> set[str]:
    return {partition_name(table, here.month) for table in TABLES}


def test_what_is_read_is_the_same_and_lies_elsewhere(here: Past, archive: Path) -> None:
    before, other = told(here), names(here)
    assert before["findings"] == []
    stood = places(here.database)
    heard: list[int] = []
    moved = [move(here, one, progress=heard.append) for one in waiting(here, archive)]
    assert {one.partition for one in moved} == names(here)
    assert all(one.bytes_before > 0 and one.bytes_after > 0 for one in moved)
    assert sum(one.rows for one in moved) == sum(heard) >= 120
    assert places(here.database) == {name: SLOW if name in other else place for name, place in stood.items()}
    assert told(here) == before
    assert here.verify(archive).problems == ()
    for name in TABLES:
        part = partition_name(name, here.month)
        assert shape(here.database, part) == shape(here.database, name)
    assert waiting(here, archive) == []


def test_writing_goes_on_as_if_nothing_had_moved(
    server: OwnPostgreSQL, settled: tuple[Past, Path], here: Past, archive: Path
) -> None:
    for one in waiting(here, archive):
        move(here, one)
    at = ask(here.database, "SELECT max(occurred_at) FROM event")[0][0].isoformat()
    with copied(server, settled[0]) as unmoved:
        ended = []
        for past_one in (unmoved, here):
            world = past_one.world
            world.now = clock.now()
            again = [
                metro("M-3", person=0, at=at, distance_m=8303),
                metro("M-4", person=1, at=at, distance_m=9999),
                metro("N-1", person=2, at=at),
            ]
            outcomes = [(one.status, one.reason) for one in world.credit(*again)]
            taken = world.withdraw("M-5").status
            ended.append(
                (outcomes, taken, [world.grams(n) for n in range(3)], [world.points(n) for n in range(3)])
            )
            assert findings(past_one.database) == []
        assert ended[0] == ended[1]
        assert [status for status, _ in ended[0][0]] == ["duplicate", "invalid", "credited"]
        assert ended[0][0][1][1] == "event-conflict"
        assert ended[0][1] == "withdrawn"
    for statement_of in ("UPDATE {} SET programme = 'x'", "DELETE FROM {}", "TRUNCATE {}"):
        part = partition_name("transfer", here.month)
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), here.database.engine.begin() as writer:
            writer.exec_driver_sql(statement_of.format(part))


def test_who_began_to_read_before_finds_every_row_after(here: Past, archive: Path) -> None:
    with unit_of_work(here.database, read_only=True) as session:
        session.execute(sa.text("SELECT count(*) FROM citizen")).all()  # its moment is now
        before = {name: len(rows(here.database, name)[name]) for name in TABLES}
        for one in waiting(here, archive):
            move(here, one)
        for name, count in before.items():
            assert session.scalar(sa.text(f"SELECT count(*) FROM {name}")) == count, name
            key = "event_id" if name == "event_detail" else "id"
            ordered = sa.text(f"SELECT {key} FROM {name} ORDER BY {key}")
            session.execute(sa.text("SET LOCAL enable_seqscan = off"))
            assert len(session.execute(ordered).all()) == count, name
    assert before["transfer"] >= 30


def test_readers_go_on_while_rows_are_copied_and_writers_wait(here: Past, archive: Path) -> None:
    one = next(one for one in waiting(here, archive) if one.table == "transfer")
    read: list[Any] = []
    refused: list[bool] = []

    @contextmanager
    def opens() -> Iterator[Session]:
        with unit_of_work(here.database, read_only=True) as session:
            # In the middle of the move: somebody else reads all months, and writes into this one.
            read.append(ask(here.database, "SELECT count(*) FROM transfer")[0][0])
            with here.database.engine.begin() as writer, pytest.raises(sa.exc.OperationalError):
                writer.exec_driver_sql(f"LOCK TABLE {one.name} IN ROW EXCLUSIVE MODE NOWAIT")
            refused.append(True)
            yield session

    assert move(here, one, open_reader=opens).rows == read[0]
    assert refused == [True]


def test_a_move_that_is_broken_off_leaves_all_in_place_and_goes_again(here: Past, archive: Path) -> None:
    before, stood = rows(here.database), places(here.database)
    first, *others = waiting(here, archive)
    move(here, first)

    @contextmanager
    def breaks() -> Iterator[Session]:
        with unit_of_work(here.database, read_only=True) as session:
            yield session
            raise KeyboardInterrupt

    for one in others:
        with pytest.raises(KeyboardInterrupt):
            move(here, one, open_reader=breaks)
    assert places(here.database) == stood | {first.name: SLOW}
    assert [one.name for one in waiting(here, archive)] == [one.name for one in others]
    for one in others:
        move(here, one)
    assert rows(here.database) == before
    assert waiting(here, archive) == []


def test_a_long_reader_is_waited_for_and_holds_up_nobody(
    here: Past, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelves, "_LONG_S", 0)
    monkeypatch.setattr(shelves, "_PAUSE_S", 0.05)
    one = next(one for one in waiting(here, archive) if one.table == "reduction")
    stood = places(here.database)
    with unit_of_work(here.database, read_only=True) as reader:
        count = reader.scalar(sa.text("SELECT count(*) FROM reduction"))
        with monkeypatch.context() as briefly:
            briefly.setattr(shelves, "_ATTEMPTS", 3)
            with pytest.raises(Busy):
                move(here, one)
        assert places(here.database) == stood
        done = threading.Thread(target=move, args=(here, one))
        done.start()
        done.join(0.5)
        assert done.is_alive()
        assert ask(here.database, "SELECT count(*) FROM reduction") == [(count,)]  # nobody queues
    done.join(30)
    assert places(here.database) == stood | {one.name: SLOW}


def test_a_lock_that_is_not_had_is_tried_for_again(
    here: Past, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelves, "_PAUSE_S", 0.05)
    monkeypatch.setattr(shelves, "_WAIT_S", 1)
    one = next(one for one in waiting(here, archive) if one.table == "reduction")
    with unit_of_work(here.database, read_only=True) as reader:
        reader.scalar(sa.text("SELECT count(*) FROM reduction"))
        done = threading.Thread(target=move, args=(here, one))
        done.start()
        done.join(2.5)  # two attempts that came to nothing
        assert done.is_alive()
    done.join(30)
    assert places(here.database)[one.name] == SLOW


def test_it_can_come_back(here: Past, archive: Path) -> None:
    stood, before = places(here.database), rows(here.database)
    for one in waiting(here, archive):
        move(here, one)
    assert len(waiting(here, archive, "pg_default")) == len(TABLES)
    for one in waiting(here, archive, "pg_default"):
        move(here, one, "pg_default")
    assert places(here.database) == stood
    assert rows(here.database) == before


def test_what_is_not_settled_or_not_proved_stays(
    server: OwnPostgreSQL, here: Past, archive: Path, tmp_path: Path
) -> None:
    turn = clock.first_instant(month_after(here.month))
    for error, other in (
        (MonthNotOver, {"now": turn + timedelta(hours=23)}),
        (MonthWithinAnother, {"month": month_after(here.month, -1)}),
        (TablespaceNotFound, {"tablespace": "nowhere"}),
        (TablespaceNotFound, {"tablespace": "pg_global"}),
        (ArchiveNotFound, {"archive": tmp_path}),
    ):
        with pytest.raises(error):
            waiting(here, **({"archive": archive} | other))
    later = here.export(tmp_path, month=month_after(here.month), now=here.after + timedelta(days=40))
    with pytest.raises(ArchiveOfAnotherMonth, match=later.name):
        waiting(here, later)
    spoiled = tmp_path / "spoiled"
    spoiled.mkdir()
    for path in archive.iterdir():
        (spoiled / path.name).write_bytes(path.read_bytes()[: -1 if path.suffix == ".parquet" else None])
    with pytest.raises(ArchiveNotProved, match="changed"):
        waiting(here, spoiled)


def test_a_month_that_is_open_stays(server: OwnPostgreSQL, base_settings: Settings, archive: Path) -> None:
    run(server, "CREATE DATABASE ajar")
    database = Database(replace(base_settings, database_url=server.url("ajar")))
    schema.upgrade(database)
    ajar = past(database, closed=False)
    ajar.seal()
    with pytest.raises(MonthNotClosed):
        waiting(ajar, archive)
    database.dispose()


def test_whoever_may_not_use_the_tablespace_is_told(server: OwnPostgreSQL, here: Past, archive: Path) -> None:
    run(server, "CREATE ROLE clerk LOGIN")
    url = server.url(here.database.engine.url.database or "").replace("postgres@", "clerk@")
    clerk = Database(replace(here.database.settings, database_url=url))
    world = copy(here.world)
    world.database = clerk
    with pytest.raises(TablespaceForbidden, match="clerk"):
        waiting(replace(here, world=world), archive)
    clerk.dispose()


def test_sqlite_has_no_shelves(sqlite_database: Database, tmp_path: Path) -> None:
    month = clock.now().date().replace(day=1)
    with unit_of_work(sqlite_database) as session, pytest.raises(ShelvesNeedPostgreSQL):
        to_shelve(session, month=month, tablespace=SLOW, archive=tmp_path, now=clock.now())


def test_the_command_moves_shows_and_passes_over(here: Past, archive: Path) -> None:
    settings = here.database.settings
    environ = {
        "DATABASE_URL": settings.database_url.replace("+psycopg", ""),
        "CARBON_CREDIT_VAR": os.fspath(settings.var_dir),
        "PYTHONPATH": os.fspath(Path(__file__).parents[2]),
        "COLUMNS": "400",
    }
    # The month is over for the command, which reads the clock.
    door = (
        "from datetime import datetime\nfrom carbon_credit.kernel import clock\n"
        f"clock.now = lambda: datetime.fromisoformat('{here.after.isoformat()}')\n"
        "from carbon_credit.cli.main import main\nmain()"
    )

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            [sys.executable, "-c", door, *arguments],
            env=environ, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        return ended

    asked = ("--month", f"{here.month:%Y-%m}", "--tablespace", SLOW, "--archive", os.fspath(archive))
    before = rows(here.database)
    found = json.loads(command("archive", "shelve", *asked, "--json").stdout)
    assert {one["partition"] for one in found["moved"]} == names(here)
    assert json.loads(command("archive", "shelve", *asked, "--json").stdout)["moved"] == []
    assert "already" in command("archive", "shelve", *asked).stderr
    shown = json.loads(command("db", "partitions", "--json").stdout)["partitions"]
    assert {one["name"] for one in shown if one["tablespace"] == SLOW} == names(here)
    assert SLOW in command("db", "partitions").stdout
    assert rows(here.database) == before
