"""Migrations: up, down and up again on both databases, and then exactly what the models say."""

import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from carbon_credit.kernel import schema
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.partitions import partitions
from carbon_credit.kernel.schema import SchemaAhead, SchemaBehind
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.tables import metadata
from tests.conftest import SERVER, missing

NUMBERS = [path.name[:4] for path in sorted((schema.MIGRATIONS / "versions").glob("*.py"))]
AT = datetime(2026, 11, 21, tzinfo=UTC)
# What each row needs beyond any value of the right type.
APPEND_ONLY: dict[str, dict[str, Any]] = {
    "profile": {},
    "network_version": {},
    "methodology_text": {},
    "methodology_approval": {"act": "publish", "programme": "x-a"},
    "value_confirmation": {"programme": "x-a"},
    "transfer": {
        "phase": "posted",
        "amount": 1,
        "credit_account": uuid.UUID(int=9),
        "pending_id": None,
        "expires_at": None,
    },
    "pending_resolution": {"outcome": "settled"},
    "account_opening": {},
    "seal_block": {},
    "event": {},
    "reduction": {"use": "credit", "grade": "published", "gross_mg": 2, "credited_mg": 1},
    "reduction_adjustment": {"reason": "cap"},
    "reduction_end": {"reason": "withdrawn"},
    "reduction_revision": {"use": "credit", "grade": "published", "reason": "settled"},
    "reduction_part": {"starts_on": AT.date(), "ends_before": date(2026, 12, 1)},
    "period": {"kind": "day"},
    "batch_step": {},
    "merchant_terms": {},
    "statement": {
        "closing_fen": 0,
        "opening_fen": 0,
        "used_fen": 0,
        "undone_fen": 0,
        "adjusted_fen": 0,
        "fee_fen": 0,
        "paid_fen": 0,
        "carried_fen": 0,
    },
    "statement_line": {},
    "statement_fee": {},
    "statement_item": {"kind": "use"},
    "statement_step": {},
    "statement_adjustment": {},
    "statement_loss": {},
    "payment_file": {},
    "citizen_retirement": {"grade": "published"},
    "till_scan": {"outcome": "refused", "borne_by": "merchant", "consumption_id": None},
}


@pytest.fixture(params=["sqlite", "postgresql"])
def nothing(request: pytest.FixtureRequest, base_settings: Settings, tmp_path: Path) -> Iterator[Database]:
    """An empty database, not even migrated."""
    if request.param == "sqlite":
        database = Database(replace(base_settings, database_url=f"sqlite:///{tmp_path}/nothing.db"))
        yield database
        database.dispose()
        return
    try:
        server = psycopg.connect(SERVER, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError:
        missing("no PostgreSQL server at TEST_POSTGRESQL_URL")
    name = f"cc_test_{uuid.uuid4().hex[:12]}"
    with server:
        server.execute(f"CREATE DATABASE {name}")
        address = SERVER.replace("postgresql://", "postgresql+psycopg://").rsplit("/", 1)[0]
        database = Database(replace(base_settings, database_url=f"{address}/{name}"))
        yield database
        database.dispose()
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def look(database: Database) -> dict[str, str]:
    """Everything that the database holds but rows: name -> definition."""
    with database.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            rows = connection.execute(sa.text("SELECT type || ' ' || name, sql FROM sqlite_master"))
            return {name: _squeezed(sql or "") for name, sql in rows if "alembic" not in name}
        found = {}
        for statement in (
            "SELECT 'column ' || table_name || '.' || column_name, concat_ws(' ', data_type, "
            "character_maximum_length, is_nullable, column_default) FROM information_schema.columns "
            "WHERE table_schema = 'public'",
            "SELECT 'constraint ' || conrelid::regclass || '.' || conname, pg_get_constraintdef(oid) "
            "FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid <> 0",
            "SELECT 'index ' || indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
            "SELECT 'trigger ' || tgrelid::regclass || '.' || tgname, pg_get_triggerdef(oid) "
            "FROM pg_trigger WHERE NOT tgisinternal",
            "SELECT 'function ' || proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
            "SELECT 'options ' || relname, reloptions::text FROM pg_class "
            "WHERE relnamespace = 'public'::regnamespace AND reloptions IS NOT NULL",
        ):
            found |= {row[0]: row[1] for row in connection.execute(sa.text(statement))}
        return {name: told for name, told in found.items() if "alembic" not in name}


def _squeezed(sql: str) -> str:
    return re.sub(r"\s+", " ", sql).strip()


def partitions_of(database: Database) -> set[str]:
    """The names of all partitions, which the models know nothing of; empty on SQLite."""
    with unit_of_work(database, read_only=True) as session:
        return {one.name for one in partitions(session)}


def whole(found: dict[str, str], parts: set[str]) -> dict[str, str]:
    """What `look` found but what stands on a partition, which `test_partitions` compares with its table."""
    told = {
        name: sql.replace(" ON ONLY ", " ON ")
        for name, sql in found.items()
        if name.partition(" ")[2].partition(".")[0] not in parts
    }
    return {
        name: sql for name, sql in told.items() if not re.search(rf" ON public\.({'|'.join(parts)}) ", sql)
    }


def parts_of(sql: str) -> list[str]:
    """The columns and constraints of a CREATE TABLE, whatever their order."""
    if not sql.startswith("CREATE TABLE"):
        return [sql]
    head, _, body = sql.partition("(")
    parts, depth = [""], 0
    for sign in body.rpartition(")")[0]:
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [head.strip(), *sorted(part.strip() for part in parts)]


def test_numbers_are_unbroken_and_head_names_the_newest() -> None:
    assert [f"{n:04d}" for n in range(1, len(NUMBERS) + 1)] == NUMBERS
    assert (schema.MIGRATIONS / "HEAD").read_text().strip() == NUMBERS[-1]
    scripts = ScriptDirectory(str(schema.MIGRATIONS))
    assert scripts.get_heads() == [NUMBERS[-1]]
    chain = {one.revision: one.down_revision for one in scripts.walk_revisions()}
    assert chain == dict(zip(NUMBERS, [None, *NUMBERS], strict=False))


def test_up_from_nothing_down_to_nothing_and_up_again(nothing: Database) -> None:
    schema.upgrade(nothing)
    first = look(nothing)
    schema.require_head(nothing)
    schema.downgrade(nothing, "base")
    assert look(nothing) == {}
    schema.upgrade(nothing)
    assert look(nothing) == first


def test_each_step_back_leaves_what_was_there_before_it(nothing: Database) -> None:
    seen = [look(nothing)]
    for number in NUMBERS:
        schema.upgrade(nothing, number)
        seen.append(look(nothing))
    for number, before in zip(["base", *NUMBERS[:-1]][::-1], seen[:-1][::-1], strict=True):
        schema.downgrade(nothing, number)
        now = look(nothing)
        assert now == before, f"back to {number}: {sorted(set(now) ^ set(before))}"


def test_upgrading_again_changes_nothing(database: Database) -> None:
    before = look(database)
    schema.upgrade(database)
    assert look(database) == before


def test_alembic_finds_no_difference_between_models_and_migrations(database: Database) -> None:
    with database.engine.connect() as connection:
        parts = partitions_of(database)
        options = {
            "compare_type": True,
            "compare_server_default": True,
            "include_name": lambda name, kind, _parents: kind != "table" or name not in parts,
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_every_constraint_is_the_same_in_models_and_migrations(
    nothing: Database, request: pytest.FixtureRequest
) -> None:
    kind = nothing.engine.dialect.name
    migrated: Database = request.getfixturevalue(f"{kind}_database")
    with nothing.engine.begin() as connection:
        metadata.create_all(connection)
    written, modelled = look(migrated), look(nothing)
    if parts := partitions_of(migrated):
        written = whole(written, parts)
    only_migrated = ("trigger ", "function ")
    kept = {name: parts_of(sql) for name, sql in written.items() if not name.startswith(only_migrated)}
    assert kept == {name: parts_of(sql) for name, sql in modelled.items()}


def test_a_database_behind_or_ahead_is_refused_in_words(database: Database) -> None:
    schema.require_head(database)
    schema.downgrade(database, NUMBERS[-2])
    with pytest.raises(SchemaBehind, match=f"at migration {NUMBERS[-2]}.* needs {NUMBERS[-1]}"):
        schema.require_head(database)
    schema.upgrade(database)
    with unit_of_work(database) as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaAhead, match="9999"):
        schema.require_head(database)
    with pytest.raises(SchemaAhead, match="9999"):
        schema.upgrade(database)


def test_an_empty_database_is_behind(nothing: Database) -> None:
    with pytest.raises(SchemaBehind, match="none"):
        schema.require_head(nothing)


def test_processes_that_upgrade_at_once_take_turns(nothing: Database, tmp_path: Path) -> None:
    url = nothing.engine.url.render_as_string(hide_password=False)
    environ = {"DATABASE_URL": url, "CARBON_CREDIT_VAR": str(tmp_path)}
    command = [sys.executable, "-m", "carbon_credit.cli.main", "db", "upgrade"]
    code = "import sys; from carbon_credit.cli.main import main; sys.argv[1:] = ['db', 'upgrade']; main()"
    command = [sys.executable, "-c", code]
    started = [subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=120)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], told
    schema.require_head(nothing)


def test_the_next_migration_is_numbered_and_becomes_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "migrations"
    shutil.copytree(schema.MIGRATIONS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(schema, "MIGRATIONS", copy)
    path = schema.new_migration("households")
    number = f"{int(NUMBERS[-1]) + 1:04d}"
    assert path.name == f"{number}_households.py"
    assert f'down_revision = "{NUMBERS[-1]}"' in path.read_text()
    assert (copy / "HEAD").read_text() == f"{number}\n"


def test_every_table_with_a_mac_is_append_only() -> None:
    sealed = {table.name for table in metadata.tables.values() if "mac" in table.columns}
    assert sealed <= set(APPEND_ONLY)


def test_the_list_of_append_only_tables_is_whole(database: Database) -> None:
    pattern = r"^trigger (?:(\w+)\.\1_append_only|(\w+)_no_update)$"
    guarded = {
        next(filter(None, found.groups())) for name in look(database) if (found := re.match(pattern, name))
    }
    assert guarded == set(APPEND_ONLY)


@pytest.mark.parametrize("name", sorted(APPEND_ONLY))
def test_a_row_of_an_append_only_table_stays_as_it_is(
    name: str, kind: str, request: pytest.FixtureRequest
) -> None:
    database: Database = request.getfixturevalue(kind)
    table = metadata.tables[name]
    put = "INSERT OR REPLACE INTO {0} SELECT * FROM {0}"
    statements = [f"UPDATE {name} SET {table.columns.keys()[-1]} = {table.columns.keys()[-1]}"]
    statements += [f"DELETE FROM {name}"]
    statements += [put.format(name) if database.settings.embedded else f"TRUNCATE {name} CASCADE"]
    for statement in statements:
        with unit_of_work(database, read_only=True) as session:
            _insert_anything(session, table)
            with pytest.raises(DBAPIError, match="append-only"):
                session.execute(sa.text(statement))


@pytest.mark.parametrize("name", ["reduction", "reduction_adjustment"])
def test_rows_survive_where_a_check_is_replaced(name: str, nothing: Database) -> None:
    """On SQLite the whole table is made anew; its rows and triggers are there afterwards."""
    schema.upgrade(nothing, "0008")
    table = metadata.tables[name]
    with nothing.write_session() as session:
        _insert_anything(session, table)
        session.commit()
    with nothing.engine.connect() as connection:
        before = connection.execute(table.select()).all()
    for number in ("0009", "0008", "0009"):
        (schema.upgrade if number == "0009" else schema.downgrade)(nothing, number)
        with nothing.engine.connect() as connection:
            assert connection.execute(table.select()).all() == before
        for statement in (f"UPDATE {name} SET programme = programme", f"DELETE FROM {name}"):
            with nothing.write_session() as session, pytest.raises(DBAPIError, match="append-only"):
                session.execute(sa.text(statement))
    items = {one: told for one, told in look(nothing).items() if "batch_item" in one and "trigger" in one}
    assert len(items) >= 4
    text = " ".join(look(nothing).values())
    assert "LEFT JOIN reduction_revision v" in text


def test_who_stands_on_a_board_has_stated_a_district_before_offers_ask_for_it(nothing: Database) -> None:
    (number,) = (one.name[:4] for one in (schema.MIGRATIONS / "versions").glob("*_districts.py"))
    schema.upgrade(nothing, f"{int(number) - 1:04d}")
    row = {"c": uuid.UUID(int=1).hex, "p": "x-a", "t": AT, "d": "440304"}
    with unit_of_work(nothing) as session:
        for statement in (
            "INSERT INTO profile (digest, programme, body, loaded_at) VALUES (:d, :p, '', :t)",
            "INSERT INTO programme (code, rehearsal, phase, time_zone, profile_digest) "
            "VALUES (:p, true, 'pilot', 'Asia/Shanghai', :d)",
            "INSERT INTO citizen (id, programme, status, created_at) VALUES (:c, :p, 'active', :t)",
            "INSERT INTO board_member (citizen_id, programme, district, nickname, joined_at) "
            "VALUES (:c, :p, :d, 'x', :t)",
        ):
            session.execute(sa.text(statement), row)
    schema.upgrade(nothing, number)
    found = sa.select(metadata.tables["citizen_district"])
    with unit_of_work(nothing, read_only=True) as session:
        assert session.execute(found).all() == [(uuid.UUID(int=1), "x-a", "440304", AT)]
    schema.downgrade(nothing, f"{int(number) - 1:04d}")
    with unit_of_work(nothing, read_only=True) as session:
        assert session.scalar(sa.text("SELECT count(*) FROM board_member")) == 1


@pytest.fixture(params=["one_sqlite", "module_postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """The name of the fixture of a database that is kept for the file: nothing here is committed."""
    return str(request.param)


@pytest.fixture(scope="module")
def one_sqlite(
    base_settings: Settings, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """One SQLite file for the tests that commit nothing."""
    path = tmp_path_factory.mktemp("kept") / "carbon-credit.db"
    shutil.copyfile(sqlite_template, path)
    database = Database(replace(base_settings, database_url=f"sqlite:///{path}"))
    yield database
    database.dispose()


def _insert_anything(session: Any, table: sa.Table) -> None:
    by_type: dict[type, Any] = {
        uuid.UUID: uuid.UUID(int=1),
        str: "x",
        int: 1,
        bytes: b"x",
        date: AT.date(),
        datetime: AT,
        bool: True,
    }
    types = {column.name: getattr(column.type, "impl_instance", column.type) for column in table.columns}
    row = {name: by_type[kind.python_type] for name, kind in types.items()}
    # What the row points at is not there, and need not be.
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text("SET LOCAL session_replication_role = replica"))
    else:
        session.execute(sa.text("PRAGMA defer_foreign_keys = ON"))
    session.execute(table.insert(), row | APPEND_ONLY[table.name])
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text("SET LOCAL session_replication_role = origin"))
