"""Columns in PostgreSQL's binary form: what is written is what is read, and all our types are known."""

import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql

from carbon_credit import tables
from carbon_credit.kernel import wire
from carbon_credit.kernel.bulk import append_rows
from carbon_credit.kernel.db import Base, Database
from carbon_credit.kernel.ids import id_of
from carbon_credit.kernel.unit_of_work import unit_of_work
from tests.kernel.conftest import SHELF, empty

KINDS: dict[str, st.SearchStrategy[Any]] = {
    "uuid": st.uuids(),
    "varchar": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
    "text": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
    "smallint": st.integers(-(2**15), 2**15 - 1),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "boolean": st.booleans(),
    "timestamp with time zone": st.integers(-(2**51), 2**53).map(
        lambda number: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=number)
    ),
    "date": st.dates(date(1900, 1, 1), date(2400, 1, 1)),
    "bytea": st.binary(max_size=12),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_comes_back_as_it_was_sent(module_postgresql: Database, kind: str) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.one_of(st.none(), KINDS[kind]), min_size=1, max_size=9), st.booleans())
    def comes_back(column: list[Any], constant: bool) -> None:
        sent = [column[0]] * len(column) if constant else column
        cast = wire.cast_name(kind)
        connection = module_postgresql.engine.raw_connection()
        try:
            driver = connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            statement = f"SELECT value FROM unnest(%b::{cast}[]) WITH ORDINALITY AS u (value, at) ORDER BY at"
            with driver.cursor(binary=True) as cursor:
                found = cursor.execute(statement, (wire.array(kind, sent),)).fetchall()
                assert [row[0] for row in found] == sent
                cursor.execute(f"CREATE TEMP TABLE sent (value {cast}) ON COMMIT DROP")
                with cursor.copy("COPY sent FROM STDIN (FORMAT BINARY)") as copy:
                    copy.write(wire.copied([kind], [sent]))
                found = cursor.execute("SELECT value FROM sent ORDER BY ctid").fetchall()
                assert [row[0] for row in found] == sent
        finally:
            connection.rollback()
            connection.close()

    comes_back()


def test_every_column_of_every_table_has_a_form() -> None:
    assert tables.__doc__
    for table in Base.metadata.tables.values():
        for column in table.columns:
            kind = column.type.compile(postgresql.dialect()).lower().split("(")[0]  # type: ignore[no-untyped-call]
            assert wire.cast_name(kind), (table.name, column.name)


@given(st.integers(0, 2**128 - 1))
def test_an_id_made_of_a_number_is_the_one_of_the_standard_library(number: int) -> None:
    made, known = id_of(number), uuid.UUID(int=number)
    assert (made, hash(made), str(made), made.is_safe) == (known, hash(known), str(known), known.is_safe)


@pytest.mark.parametrize("count", [1, 200])
def test_too_long_a_text_is_an_error_and_not_cut(module_postgresql: Database, count: int) -> None:
    empty(module_postgresql)
    rows = [(uuid.UUID(int=n), "x" * 41, 0, 0, False) for n in range(count)]
    with pytest.raises((sa.exc.DBAPIError, psycopg.Error)), unit_of_work(module_postgresql) as session:
        append_rows(session, SHELF, ("id", "name", "pieces", "grams", "open"), rows)
