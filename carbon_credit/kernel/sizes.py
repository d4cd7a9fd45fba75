"""How large the tables and their indexes are, partitions counted with their table."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from carbon_credit.kernel.db import is_postgresql

# A partition, or an index of one, counts for what it is a part of.
_TABLES = """SELECT coalesce(parent.relname, c.relname) AS name,
    sum(greatest(c.reltuples, 0))::bigint AS rows,
    sum(pg_table_size(c.oid))::bigint AS bytes
    FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
    LEFT JOIN pg_class parent ON parent.oid = i.inhparent
    WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace GROUP BY 1 ORDER BY 1"""
_INDEXES = """SELECT coalesce(parent.relname, t.relname) AS table, coalesce(whole.relname, c.relname) AS name,
    sum(pg_relation_size(c.oid))::bigint AS bytes
    FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
    LEFT JOIN pg_inherits i ON i.inhrelid = t.oid LEFT JOIN pg_class parent ON parent.oid = i.inhparent
    LEFT JOIN pg_inherits j ON j.inhrelid = c.oid LEFT JOIN pg_class whole ON whole.oid = j.inhparent
    WHERE t.relkind = 'r' AND t.relnamespace = current_schema()::regnamespace GROUP BY 1, 2 ORDER BY 1, 2"""


@dataclass(frozen=True, slots=True)
class TableSize:
    """One table. `rows` as last analysed; `bytes` of its rows, and of each index by its name."""

    table: str
    rows: int
    bytes: int
    indexes: dict[str, int]

    @property
    def total(self) -> int:
        """Bytes of rows and indexes."""
        return self.bytes + sum(self.indexes.values())


def table_sizes(session: Session) -> list[TableSize]:
    """Every table, the largest first; none on SQLite, which is one file."""
    if not is_postgresql(session):
        return []
    indexes: dict[str, dict[str, int]] = {}
    for row in session.execute(text(_INDEXES)):
        indexes.setdefault(row.table, {})[row.name] = int(row.bytes)
    found = [
        TableSize(row.name, int(row.rows), int(row.bytes), indexes.get(row.name, {}))
        for row in session.execute(text(_TABLES))
    ]
    return sorted(found, key=lambda one: (-one.total, one.table))


def log_position(session: Session) -> int:
    """Bytes of write-ahead log that the server has ever written, for all its databases."""
    if not is_postgresql(session):
        return 0
    return int(session.scalar(text("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")) or 0)
