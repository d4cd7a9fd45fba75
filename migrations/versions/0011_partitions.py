"""Events, reductions and transfers in partitions by the month of their id (PostgreSQL).

Ids are UUIDv7: a month is a range of them, so the primary key stays what it is. The table that is there
becomes the partition of this month and of all before it; its rows stay where they are, and are only read
once to see that they fit. `default` takes what no month takes, so that an insert cannot fail for want of
one. Later months are made by `kernel.partitions`. SQLite keeps whole tables.

Revision: 0011
Follows: 0010
"""

import re
from datetime import date
from typing import NamedTuple

from alembic import op

from carbon_credit.kernel import clock
from carbon_credit.kernel.ids import first_id_at
from migrations.support import on_postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# Table -> its key, which begins with the time.
KEYS = {
    "event": "id",
    "event_detail": "event_id",
    "reduction": "id",
    "reduction_adjustment": "id",
    "transfer": "id",
}
AHEAD = 2
LIKE = "INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE"


class _Shape(NamedTuple):
    """What stands on a table beside its columns: statements that make it."""

    indexes: dict[str, str]
    row_triggers: list[str]
    statement_triggers: list[str]


def upgrade() -> None:
    if not on_postgresql():
        return
    this_month = clock.now().date().replace(day=1)
    for table, key in KEYS.items():
        _divide(table, key, this_month)


def downgrade() -> None:
    if not on_postgresql():
        return
    for table, key in KEYS.items():
        _join(table, key)


def _divide(table: str, key: str, this_month: date) -> None:
    shape = _shape_of(table)
    first = _named(table, this_month)
    _drop_triggers(table)
    op.execute(f"ALTER TABLE {table} RENAME TO {first}")
    op.execute(f"ALTER TABLE {first} RENAME CONSTRAINT pk_{table} TO pk_{first}")
    for name in shape.indexes:
        op.execute(f"ALTER INDEX {name} RENAME TO {name}_{this_month:%Y_%m}")
    op.execute(f"CREATE TABLE {table} (LIKE {first} {LIKE}) PARTITION BY RANGE ({key})")
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY ({key})")
    _run([*shape.indexes.values(), *shape.row_triggers, *shape.statement_triggers])
    lower, upper = "MINVALUE", _bound(_later(this_month, 1))
    op.execute(f"ALTER TABLE {table} ATTACH PARTITION {first} FOR VALUES FROM ({lower}) TO ({upper})")
    names = [first]
    for months in range(1, AHEAD + 1):
        names.append(_named(table, _later(this_month, months)))
        lower, upper = upper, _bound(_later(this_month, months + 1))
        op.execute(f"CREATE TABLE {names[-1]} PARTITION OF {table} FOR VALUES FROM ({lower}) TO ({upper})")
    names.append(f"{table}_default")
    op.execute(f"CREATE TABLE {names[-1]} PARTITION OF {table} DEFAULT")
    # Partitions inherit triggers for each row, and none for each statement: TRUNCATE has only such.
    _run(
        [sql.replace(f" ON public.{table} ", f" ON {n} ") for n in names for sql in shape.statement_triggers]
    )


def _join(table: str, key: str) -> None:
    shape = _shape_of(table)
    op.execute(f"ALTER TABLE {table} RENAME TO {table}_divided")
    op.execute(f"CREATE TABLE {table} (LIKE {table}_divided {LIKE})")
    op.execute(f"INSERT INTO {table} SELECT * FROM {table}_divided")
    op.execute(f"DROP TABLE {table}_divided")
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY ({key})")
    _run([*shape.indexes.values(), *shape.row_triggers, *shape.statement_triggers])


def _shape_of(table: str) -> _Shape:
    bind = op.get_bind()
    indexes = (
        f"SELECT c.relname, pg_get_indexdef(c.oid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        f"WHERE i.indrelid = '{table}'::regclass AND NOT i.indisprimary ORDER BY 1"
    )
    triggers = (
        f"SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = '{table}'::regclass "
        "AND NOT tgisinternal AND (tgtype & 1) = {} ORDER BY 1"
    )
    return _Shape(
        # Of a divided table they say "ON ONLY".
        {name: re.sub(" ON ONLY ", " ON ", sql) for name, sql in bind.exec_driver_sql(indexes)},
        list(bind.exec_driver_sql(triggers.format(1)).scalars()),
        list(bind.exec_driver_sql(triggers.format(0)).scalars()),
    )


def _drop_triggers(table: str) -> None:
    found = f"SELECT tgname FROM pg_trigger WHERE tgrelid = '{table}'::regclass AND NOT tgisinternal"
    for name in list(op.get_bind().exec_driver_sql(found).scalars()):
        op.execute(f"DROP TRIGGER {name} ON {table}")


def _run(statements: list[str]) -> None:
    for statement in statements:
        op.get_bind().exec_driver_sql(statement)


def _named(table: str, month: date) -> str:
    return f"{table}_{month:%Y_%m}"


def _later(month: date, months: int) -> date:
    years, place = divmod(month.month - 1 + months, 12)
    return date(month.year + years, place + 1, 1)


def _bound(month: date) -> str:
    return f"'{first_id_at(clock.first_instant(month))}'"
