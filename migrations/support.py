"""What several migrations need: append-only tables and changed constraints, in both databases."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op


def on_postgresql() -> bool:
    """True where the migration runs on PostgreSQL."""
    return bool(op.get_bind().dialect.name == "postgresql")


def forbid_change(table: str) -> None:
    """Refuse UPDATE, DELETE (and TRUNCATE) on `table` from now on."""
    if on_postgresql():
        op.execute(
            """CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION '% is append-only: add a correcting row instead', TG_TABLE_NAME
                USING ERRCODE = 'restrict_violation'; END $$"""
        )
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        return
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} BEGIN "
            f"SELECT RAISE(ABORT, '{table} is append-only: add a correcting row instead'); END"
        )


def allow_change(table: str) -> None:
    """Take the triggers of `forbid_change` away, before the table is dropped."""
    if on_postgresql():
        op.execute(f"DROP TRIGGER IF EXISTS {table}_append_only ON {table}")
        op.execute(f"DROP TRIGGER IF EXISTS {table}_no_truncate ON {table}")
        return
    for verb in ("update", "delete"):
        op.execute(f"DROP TRIGGER IF EXISTS {table}_no_{verb}")


def change_check(table: str, name: str, before: str, after: str) -> None:
    """Replace what the check constraint `name` of `table` says, word for word `before`, by `after`."""
    if on_postgresql():
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_{name}")
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({after})")
        return
    make_again(table, f"CHECK ({before})", f"CHECK ({after})")


def make_again(table: str, before: str, after: str) -> None:
    """SQLite: replace a part of the statement that made `table`; it cannot change a constraint otherwise.

    The table is made again, with its rows, indexes and triggers. Triggers of other tables that name this
    one have to be taken away first.
    """
    found = "SELECT sql FROM sqlite_master WHERE {} AND sql IS NOT NULL"
    bind = op.get_bind()
    made = str(bind.exec_driver_sql(found.format(f"type = 'table' AND name = '{table}'")).scalar_one())
    if made.count(before) != 1:
        raise ValueError(f"{table} does not say: {before}")
    also = f"type IN ('index', 'trigger') AND tbl_name = '{table}'"
    others = [str(sql) for (sql,) in bind.exec_driver_sql(found.format(also)).all()]
    op.execute(f"ALTER TABLE {table} RENAME TO {table}_before")
    op.execute(made.replace(before, after))
    op.execute(f"INSERT INTO {table} SELECT * FROM {table}_before")
    op.execute(f"DROP TABLE {table}_before")
    for sql in others:
        op.execute(sql)


def change_function(name: str, before: str, after: str) -> None:
    """PostgreSQL: replace a part of what the trigger function `name` says, word for word."""
    found = f"SELECT pg_get_functiondef('{name}'::regproc)"
    made = str(op.get_bind().exec_driver_sql(found).scalar_one())
    if before not in made:
        raise ValueError(f"{name}() does not say: {before}")
    # Past the text() of `op.execute`, which would take a colon for a parameter.
    op.get_bind().exec_driver_sql(made.replace(before, after))


def triggers_of(table: str) -> list[str]:
    """SQLite: the statements that made the triggers of `table`, which are taken away."""
    bind = op.get_bind()
    found = f"SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = '{table}'"
    made = bind.exec_driver_sql(found).all()
    for name, _sql in made:
        op.execute(f"DROP TRIGGER {name}")
    return [str(sql) for _name, sql in made]


def change_constraints(table: str, changes: Sequence[tuple[str, str | None, str | None]]) -> None:
    """Of each (name, before, after): replace a constraint of `table` that says `before`, word for word;
    without `before` it is added, without `after` taken away.

    On SQLite the text of the table is changed where it stands, as its manual tells for changes that leave
    the rows alone (https://www.sqlite.org/lang_altertable.html#otheralter): so tables that refer to this
    one stay as they are.
    """
    if on_postgresql():
        for name, before, after in changes:
            if before is not None:
                op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
            if after is not None:
                op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {after}")
        return
    texts = []
    for name, before, after in changes:
        if before is None:
            texts.append(("\n)", f",\n\tCONSTRAINT {name} {after}\n)"))
        elif after is None:
            texts.append((f",\n\tCONSTRAINT {name} {before}", ""))
        else:
            texts.append((f"CONSTRAINT {name} {before}", f"CONSTRAINT {name} {after}"))
    rewrite(table, texts)


def rewrite(table: str, texts: Sequence[tuple[str, str]]) -> None:
    """SQLite: replace each text in what made `table` by another. It must be there, once, and the rows that
    are there must be rows of what it then says."""
    bind = op.get_bind()
    named = "type = 'table' AND name = :name"
    made = str(
        bind.execute(sa.text(f"SELECT sql FROM sqlite_master WHERE {named}"), {"name": table}).scalar()
    )
    for before, after in texts:
        squeezed = made.replace(", \n", ",\n")
        if squeezed.count(before) != 1:
            raise ValueError(f"{table} does not say once: {before}")
        made = squeezed.replace(before, after)
    version = bind.exec_driver_sql("PRAGMA schema_version").scalar_one()
    bind.exec_driver_sql("PRAGMA writable_schema = ON")
    bind.execute(sa.text(f"UPDATE sqlite_master SET sql = :sql WHERE {named}"), {"sql": made, "name": table})
    bind.exec_driver_sql(f"PRAGMA schema_version = {int(version) + 1}")
    bind.exec_driver_sql("PRAGMA writable_schema = OFF")
    wrong = bind.exec_driver_sql(f"PRAGMA quick_check({table})").scalar_one()
    if wrong != "ok":
        raise ValueError(f"{table}: {wrong}")
