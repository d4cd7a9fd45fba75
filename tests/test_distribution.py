"""Could the schema be distributed by citizen? The decision record says so of each table, key and join;
this holds it against the models and against the statements that the hot paths really send."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger.accounts import CO2E, AccountKey
from carbon_credit.ledger.queries import balances, statement
from carbon_credit.quantification.explaining import explain
from carbon_credit.quantification.queries import citizen_totals, reductions_of
from carbon_credit.tables import metadata
from tests.flows.conftest import hold_a_voucher
from tests.world import World, metro

RECORD = Path(__file__).parent.parent / "docs" / "decisions" / "0008-distribution-by-citizen.md"
KINDS = {"citizen", "own", "reference", "local"}


def table_under(heading: str) -> list[list[str]]:
    """The cells of the table under a heading of the record, without backticks."""
    text = RECORD.read_text(encoding="utf-8").split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


def places() -> dict[str, tuple[str, str]]:
    """Of each table: its kind and its distribution column."""
    return {name: (kind, column) for name, kind, column, _why in table_under("Where each table would be")}


def distributed() -> dict[str, tuple[str, str]]:
    return {name: place for name, place in places().items() if place[0] in ("citizen", "own")}


def keys_of(table: sa.Table) -> Iterator[tuple[str, ...]]:
    """The columns of each unique key."""
    yield tuple(column.name for column in table.primary_key.columns)
    for one in table.constraints:
        if isinstance(one, sa.UniqueConstraint):
            yield tuple(column.name for column in one.columns)
    for index in table.indexes:
        if index.unique:
            yield tuple(column.name for column in index.columns)


def test_every_table_has_a_place() -> None:
    assert set(places()) == set(metadata.tables)
    assert {kind for kind, _column in places().values()} <= KINDS
    for name, (kind, column) in places().items():
        assert bool(column) == (kind in ("citizen", "own")), name


def test_every_unique_key_carries_the_column_or_is_argued() -> None:
    argued = {(name, key) for name, key, _how in table_under("Unique keys that lack the column")}
    lacking = {
        (name, ", ".join(key))
        for name, (_kind, column) in distributed().items()
        for key in keys_of(metadata.tables[name])
        if column not in key
    }
    assert lacking == argued


def test_every_foreign_key_can_be_kept_or_is_argued() -> None:
    """One shard can check what lies on it and what every node has."""
    argued = {(name, target) for name, target, _how in table_under("Foreign keys that would go")}
    found = places()
    lost = set()
    for name, (kind, column) in found.items():
        for key in metadata.tables[name].foreign_key_constraints:
            target, columns = key.referred_table.name, key.column_keys
            target_kind, target_column = found[target]
            together = kind == target_kind and (kind != "own" or name == target) and column in columns
            if kind == "citizen" and target == "citizen":
                together = column in key.column_keys and target_column in [
                    e.column.name for e in key.elements
                ]
            kept = target_kind == "reference" or (kind == target_kind == "local") or together
            if not kept:
                lost.add((name, target))
    assert lost == argued


@contextmanager
def statements_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Whatever PostgreSQL is sent meanwhile, by whichever way: some statements go past SQLAlchemy."""
    sent: list[str] = []
    execute = psycopg.Cursor.execute

    def listening(self: Any, query: Any, *rest: Any, **more: Any) -> Any:
        sent.append(query.decode() if isinstance(query, bytes) else str(query))
        return execute(self, query, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Cursor, "execute", listening)
        yield sent


def named_in(text: str, words: str) -> set[str]:
    """The distributed tables that a statement names after one of the words."""
    # A join of joins stands in brackets.
    return set(re.findall(rf"(?:{words})\s+\(?(\w+)", text)) & set(distributed())


def hot_paths(world: World) -> None:
    """Events, alone and many, twice, corrected and taken back; what a citizen reads; a voucher."""
    world.credit(metro("M-0"))
    world.credit(*(metro(f"M-{n}", person=n % 2) for n in range(60)))
    world.credit(metro("M-0"), metro("M-1", person=1), metro("M-2", revision=2, distance_m=9000))
    world.withdraw("M-3")
    citizen = world.citizens[0]
    with unit_of_work(world.database, read_only=True) as session:
        found = reductions_of(session, programme=world.programme, citizen_id=citizen, before=None, limit=20)
        explain(session, reduction_id=found[0].id, programme=world.programme)
        citizen_totals(session, programme=world.programme, citizen_id=citizen)
        grams = AccountKey(world.programme, CO2E, "citizen.reductions", citizen)
        balances(session, keys=[grams])
        statement(session, keys=[grams], limit=20)
    hold_a_voucher(world, points=2, ttl_s=3600)


def test_every_join_of_the_hot_paths_is_argued(
    postgresql_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(postgresql_database)
    with statements_of(monkeypatch) as sent:
        hot_paths(world)
    joined = {tuple(sorted(pair)) for text in sent for pair in combinations(named_in(text, "FROM|JOIN"), 2)}
    argued = {tuple(sorted(pair.split(" + "))) for pair, _how in table_under("Joins of the hot paths")}
    assert joined == argued
    written = {table for text in sent if len(tables := named_in(text, "INTO|UPDATE")) > 1 for table in tables}
    assert written == {name for name, _how in table_under("Written together in one statement")}
