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
