"""Partitions by month: they are like their table, made in time, and rows are where they belong."""

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from carbon_credit.kernel import clock, schema
from carbon_credit.kernel.bulk import later_than, one_of
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.errors import Busy
from carbon_credit.kernel.ids import first_id_at, made_at, made_since, new_id
from carbon_credit.kernel.partitions import (
    AHEAD,
    divided_tables,
    make_months,
    month_after,
    partition_name,
    partitions,
)
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.tables import metadata
from tests.flows.conftest import findings
from tests.world import World, metro

TABLES = {"event", "event_detail", "reduction", "reduction_adjustment", "transfer"}


THIS_MONTH = clock.now().date().replace(day=1)
IN_SIX_MONTHS = partition_name("transfer", month_after(THIS_MONTH, 6))


def within(months: int) -> datetime:
    """The last day but one of the month that lies `months` ahead."""
    return clock.first_instant(month_after(THIS_MONTH, months + 1)) - timedelta(hours=36)


def ask(database: Database, statement: str) -> list[Any]:
    with database.engine.connect() as connection:
        return list(connection.exec_driver_sql(statement).all())


def refused(database: Database, statement: str) -> str:
    """What the database says against `statement`."""
    with pytest.raises(DBAPIError) as told, database.engine.begin() as connection:
        connection.exec_driver_sql(statement)
    return str(told.value.orig)


def add_transfer(database: Database, row_id: uuid.UUID) -> None:
    """A transfer between two accounts, with this id."""
    row = {column.name: None for column in metadata.tables["transfer"].columns}
    row |= {
        "id": row_id,
        "programme": "x-a",
        "asset": "points",
        "code": "none",
        "phase": "posted",
        "debit_account": uuid.UUID(int=1),
        "credit_account": uuid.UUID(int=2),
        "amount": 1,
        "effective_at": clock.now(),
        "recorded_at": clock.now(),
        "mac": b"-",
    }
    with database.engine.begin() as connection:
        connection.execute(metadata.tables["transfer"].insert(), row)


def where(database: Database, row_id: uuid.UUID) -> str:
    """The partition that holds the transfer."""
    return str(ask(database, f"SELECT tableoid::regclass FROM transfer WHERE id = '{row_id}'")[0][0])


def make(database: Database, at: datetime) -> int:
    return transact(database, lambda session: make_months(session, now=at))


def shape(database: Database, table: str) -> dict[str, set[str]]:
    """Columns, constraints, indexes and triggers, without the names that PostgreSQL gives on its own."""
    columns = (
        "SELECT concat_ws(' ', column_name, data_type, character_maximum_length, is_nullable) "
        f"FROM information_schema.columns WHERE table_name = '{table}'"
    )
    checks = f"SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = '{table}'::regclass"
    indexes = f"SELECT indexdef FROM pg_indexes WHERE tablename = '{table}'"
    triggers = (
        f"SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = '{table}'::regclass "
        "AND tgtype & 1 = {}"
    )
    found = {
        "columns": ask(database, columns),
        "checks": ask(database, checks),
        "indexes": ask(database, indexes),
        "row triggers": ask(database, triggers.format(1)),
        "statement triggers": ask(database, triggers.format(0)),
    }
    return {
        kind: {
            re.sub(r"INDEX \w+ ON (ONLY )?", "INDEX ", row[0]).replace(f".{table} ", ".it ") for row in rows
        }
        for kind, rows in found.items()
    }


def test_every_partition_is_like_its_table(postgresql_database: Database) -> None:
    make(postgresql_database, within(4))
    with unit_of_work(postgresql_database) as session:
        tables, found = divided_tables(session), partitions(session)
    assert set(tables) == TABLES
    for one in found:
        assert shape(postgresql_database, one.name) == shape(postgresql_database, one.table), one.name


def test_months_are_there_before_their_first_row_and_without_a_gap(postgresql_database: Database) -> None:
    for at, last in ((clock.now(), AHEAD), (within(13), 13 + AHEAD)):
        make(postgresql_database, at)
        assert make(postgresql_database, at) == 0
        with unit_of_work(postgresql_database) as session:
            found = partitions(session)
        for table in TABLES:
            mine = [one for one in found if one.table == table]
            months = [one.month for one in mine if one.month is not None]
            expected = [month_after(THIS_MONTH, n) for n in range(len(months))]
            assert months == expected
            assert months[-1] == month_after(THIS_MONTH, last)
            assert [one.is_first for one in mine] == [True] + [False] * len(months)
            assert [mine[-1].name, mine[-1].month] == [f"{table}_default", None]


def test_a_row_is_in_the_month_of_its_id(postgresql_database: Database) -> None:
    make(postgresql_database, clock.now())
    month = month_after(THIS_MONTH)
    begins = first_id_at(clock.first_instant(month))
    last_before = uuid.UUID(int=begins.int - 1)
    expected = {
        uuid.UUID(int=1): partition_name("transfer", month_after(month, -1)),
        last_before: partition_name("transfer", month_after(month, -1)),
        begins: partition_name("transfer", month),
        new_id(): partition_name("transfer", month_after(month, -1)),
        uuid.UUID(int=2**128 - 1): "transfer_default",
    }
    for row_id in expected:
        add_transfer(postgresql_database, row_id)
    assert {row_id: where(postgresql_database, row_id) for row_id in expected} == expected


def test_rows_that_came_before_their_partition_are_moved_into_it(postgresql_database: Database) -> None:
    at = within(6)
    early, never = first_id_at(at), uuid.UUID(int=2**128 - 1)
    for row_id in (early, never):
        add_transfer(postgresql_database, row_id)
        assert where(postgresql_database, row_id) == "transfer_default"
    make(postgresql_database, at)
    assert where(postgresql_database, early) == IN_SIX_MONTHS
    assert where(postgresql_database, never) == "transfer_default"
    assert shape(postgresql_database, "transfer_default") == shape(postgresql_database, "transfer")
    assert ask(postgresql_database, "SELECT count(*) FROM transfer") == [(2,)]


@pytest.mark.parametrize("name", [IN_SIX_MONTHS, "transfer_default"])
def test_a_partition_is_as_append_only_as_its_table(name: str, postgresql_database: Database) -> None:
    at = within(6)
    make(postgresql_database, at)
    add_transfer(
        postgresql_database, first_id_at(at) if name != "transfer_default" else uuid.UUID(int=2**128 - 1)
    )
    for statement in (f"UPDATE {name} SET amount = 2", f"DELETE FROM {name}", f"TRUNCATE {name}"):
        assert "append-only" in refused(postgresql_database, statement), statement
    assert "append-only" in refused(postgresql_database, "TRUNCATE transfer")


def test_a_key_is_unique_where_its_month_begins(postgresql_database: Database) -> None:
    begins = first_id_at(clock.first_instant(month_after(THIS_MONTH)))
    add_transfer(postgresql_database, begins)
    with pytest.raises(DBAPIError, match="duplicate key"):
        add_transfer(postgresql_database, begins)


def test_writers_go_on_while_months_are_made(postgresql_database: Database) -> None:
    with postgresql_database.engine.begin() as writer:
        writer.exec_driver_sql(
            f"INSERT INTO event_detail (event_id, body, delete_after) VALUES ('{new_id()}', '', '2030-01-01')"
        )
        assert make(postgresql_database, within(3)) > 0


def test_who_reads_everything_is_waited_for_only_a_moment(postgresql_database: Database) -> None:
    """Behind a waiting lock others would wait too."""
    at = within(3)
    with postgresql_database.engine.begin() as reader:
        reader.exec_driver_sql("SELECT count(*) FROM event")
        with pytest.raises(Busy):
            make(postgresql_database, at)
    assert make(postgresql_database, at) > 0


def test_what_a_cause_made_is_looked_for_in_its_month_and_later_ones(postgresql_database: Database) -> None:
    make(postgresql_database, within(4))
    table = metadata.tables["transfer"]
    cause = first_id_at(within(3)).int | 7 << 76
    read: dict[bool, set[str]] = {}
    with unit_of_work(postgresql_database, read_only=True) as session:
        for told in (False, True):
            wanted = [one_of(session, table.c.reference, [uuid.UUID(int=cause)])]
            wanted += [later_than(table.c.id, [uuid.UUID(int=cause)])] if told else []
            statement = sa.select(table.c.id).where(*wanted)
            plan = session.execute(sa.text("EXPLAIN " + _spelt(session, statement))).scalars()
            read[told] = set(re.findall(r"\b(transfer_\w+) transfer", "\n".join(plan)))
    all_months = {partition_name("transfer", month_after(THIS_MONTH, n)) for n in range(4 + AHEAD + 1)}
    assert read[False] == {*all_months, "transfer_default"}
    later = {partition_name("transfer", month_after(THIS_MONTH, n)) for n in range(3, 4 + AHEAD + 1)}
    assert read[True] == {*later, "transfer_default"}


def _spelt(session: Session, statement: sa.Select[Any]) -> str:
    """With its values in the text, as the planner of a statement that runs once sees them."""
    return str(statement.compile(session.get_bind(), compile_kwargs={"literal_binds": True}))


def test_rows_of_before_keep_their_place_and_come_back(postgresql_database: Database) -> None:
    world = World(postgresql_database)
    world.credit(metro("M-1"), metro("M-2"))
    schema.downgrade(postgresql_database, "0010")
    before, files = _kept(postgresql_database), _files(postgresql_database, "event")
    assert len(before["transfer"]) >= 2
    schema.upgrade(postgresql_database, "0011")
    assert _kept(postgresql_database) == before
    first = _files(postgresql_database, partition_name("event", THIS_MONTH))
    assert first == files, "the rows were written anew"
    schema.downgrade(postgresql_database, "0010")
    assert _kept(postgresql_database) == before
    schema.upgrade(postgresql_database)
    world.credit(metro("M-2"), metro("M-3"))
    assert findings(postgresql_database) == []


def _kept(database: Database) -> dict[str, list[str]]:
    return {name: sorted(map(repr, ask(database, f"SELECT * FROM {name}"))) for name in TABLES}


def _files(database: Database, name: str) -> list[Any]:
    return ask(database, f"SELECT relfilenode FROM pg_class WHERE relname = '{name}'")


def test_sqlite_has_no_partitions(sqlite_database: Database) -> None:
    assert make(sqlite_database, clock.now()) == 0
    with unit_of_work(sqlite_database) as session:
        assert divided_tables(session) == {}
        assert partitions(session) == []


def test_whatever_was_made_because_of_a_row_is_later() -> None:
    ids = [new_id() for _ in range(50)]
    since = made_since(ids)
    assert since is not None
    assert timedelta(hours=23) < made_at(min(ids)) - made_at(since) < timedelta(hours=25)
    assert made_since([]) is None
    assert made_since([*ids, uuid.uuid4()]) is None


def test_an_id_tells_when_it_was_made() -> None:
    at = datetime(2026, 12, 1, tzinfo=UTC)
    assert made_at(first_id_at(at)) == at
    before, row_id, after = clock.now(), new_id(), clock.now()
    assert before.replace(microsecond=before.microsecond // 1000 * 1000) <= made_at(row_id) <= after
    assert first_id_at(made_at(row_id)) <= row_id
