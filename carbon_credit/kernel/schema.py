"""Bringing the database to the newest migration, and asking where it is."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.errors import Misconfigured
from carbon_credit.kernel.settings import REPOSITORY

MIGRATIONS = REPOSITORY / "migrations"


class SchemaBehind(Misconfigured):
    code = "schema-behind"
    en = "The database is at migration {found}, this version needs {needed}. Run: carbon-credit db upgrade"
    zh = "数据库迁移版本为 {found}，本版本需要 {needed}。请运行：carbon-credit db upgrade"


def upgrade(database: Database, revision: str = "head") -> None:
    """Run all migrations up to `revision`. Two processes may start at once: one waits."""
    with database.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(727274)")
        command.upgrade(_config(connection), revision)


def downgrade(database: Database, revision: str) -> None:
    """Run migrations down to `revision`; "base" empties the database."""
    with database.engine.begin() as connection:
        command.downgrade(_config(connection), revision)


def new_migration(name: str) -> Path:
    """Write the next numbered migration, empty, and move HEAD to it."""
    last = (MIGRATIONS / "HEAD").read_text().strip()
    number = f"{int(last) + 1:04d}"
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    command.revision(config, message=name, rev_id=number, head=last)
    (MIGRATIONS / "HEAD").write_text(f"{number}\n")
    return MIGRATIONS / "versions" / f"{number}_{name}.py"


def require_head(database: Database) -> None:
    """Raises SchemaBehind unless the newest migration has run."""
    needed = (MIGRATIONS / "HEAD").read_text().strip()
    with database.read_engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found != needed:
        raise SchemaBehind(found=found or "none", needed=needed)


def _config(connection: object) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(MIGRATIONS)))
    config.attributes["connection"] = connection
    return config
