"""Bringing the database to the newest migration, and asking where it is."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.errors import Misconfigured
from carbon_credit.kernel.settings import HOME
from carbon_credit.kernel.unit_of_work import plain_errors

MIGRATIONS = HOME / "migrations"
_LONGEST_S = 600


class SchemaBehind(Misconfigured):
    code = "schema-behind"
    en = "The database is at migration {found}, this version needs {needed}. Run: carbon-credit db upgrade"
    zh = "数据库迁移版本为 {found}，本版本需要 {needed}。请运行：carbon-credit db upgrade"


class SchemaAhead(Misconfigured):
    code = "schema-ahead"
    en = (
        "The database is at migration {found}; this version knows none after {needed}. Install the newer one."
    )
    zh = "数据库迁移版本为 {found}，高于本版本所知的 {needed}。请安装较新的版本。"


def upgrade(database: Database, revision: str = "head") -> None:
    """Run all migrations up to `revision`. Two processes may start at once: one waits.

    Raises SchemaAhead where a newer version of the program has been here.
    """
    found = _found(database)
    if found not in (None, *_known()):
        raise SchemaAhead(found=found, needed=_newest())
    if revision == "head" and found == _newest():
        return  # the usual start: takes no lock
    with plain_errors(), database.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            # Longer than a lock of everyday work: another process may be running a long migration.
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LONGEST_S}s'")
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(727274)")
            connection.exec_driver_sql("SET LOCAL lock_timeout TO DEFAULT")
        command.upgrade(_config(connection), revision)


def downgrade(database: Database, revision: str) -> None:
    """Run migrations down to `revision`; "base" empties the database."""
    with database.engine.begin() as connection:
        command.downgrade(_config(connection), revision)


def new_migration(name: str) -> Path:
    """Write the next numbered migration, empty, and move HEAD to it."""
    last = _newest()
    number = f"{int(last) + 1:04d}"
    config = Config()
    _locate(config)
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    command.revision(config, message=name, rev_id=number, head=last)
    (MIGRATIONS / "HEAD").write_text(f"{number}\n")
    return MIGRATIONS / "versions" / f"{number}_{name}.py"


def require_head(database: Database) -> None:
    """Raises SchemaBehind unless the newest migration has run, SchemaAhead where one has that this
    version does not know, DatabaseUnavailable."""
    found, needed = _found(database), _newest()
    if found == needed:
        return
    if found in (None, *_known()):
        raise SchemaBehind(found=found or "none", needed=needed)
    raise SchemaAhead(found=found, needed=needed)


def _found(database: Database) -> str | None:
    with plain_errors(), database.read_engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _newest() -> str:
    return (MIGRATIONS / "HEAD").read_text().strip()


def _known() -> list[str]:
    return [path.name.partition("_")[0] for path in sorted((MIGRATIONS / "versions").glob("0*.py"))]


def _config(connection: object) -> Config:
    config = Config()
    _locate(config)
    config.attributes["connection"] = connection
    return config


def _locate(config: Config) -> None:
    config.set_main_option("script_location", str(MIGRATIONS))
    # The migrations import what they share as `migrations.support`.
    config.set_main_option("prepend_sys_path", str(MIGRATIONS.parent))
    config.set_main_option("path_separator", "os")
