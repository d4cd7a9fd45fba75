"""What several migrations need: triggers that make a table append-only, in both databases."""

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
    """Replace what the check constraint `name` of `table` says, word for word `before`, by `after`.

    SQLite has no such statement: the table is made again, with its rows, indexes and triggers. Triggers
    of other tables that name this one have to be taken away first.
    """
    if on_postgresql():
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_{name}")
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({after})")
        return
    found = "SELECT sql FROM sqlite_master WHERE {} AND sql IS NOT NULL"
    bind = op.get_bind()
    made = str(bind.exec_driver_sql(found.format(f"type = 'table' AND name = '{table}'")).scalar_one())
    if made.count(f"CHECK ({before})") != 1:
        raise ValueError(f"{table} has no check that says: {before}")
    also = f"type IN ('index', 'trigger') AND tbl_name = '{table}'"
    others = [str(sql) for (sql,) in bind.exec_driver_sql(found.format(also)).all()]
    op.execute(f"ALTER TABLE {table} RENAME TO {table}_before")
    op.execute(made.replace(f"CHECK ({before})", f"CHECK ({after})"))
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
