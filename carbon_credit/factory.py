"""create_app(settings): the only place that knows every room."""

import os

from flask import Flask

from carbon_credit import api
from carbon_credit.api.gate import Gate
from carbon_credit.api.grouping import Groups
from carbon_credit.api.runtime import Runtime
from carbon_credit.api.standing import Standings
from carbon_credit.catalogue.operations import seed
from carbon_credit.identity.tokens import TokenKeys, Tokens
from carbon_credit.kernel import clock, schema
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.limits import Limiter
from carbon_credit.kernel.process import settle
from carbon_credit.kernel.redis import open_shared_counts
from carbon_credit.kernel.settings import Settings, read_settings
from carbon_credit.kernel.unit_of_work import transact

BATCHES_AT_ONCE = 4  # in one process


def create_app(settings: Settings | None = None) -> Flask:
    """The application, ready to serve. Raises what `open_database` does, SecretsMissing."""
    settings = settings or read_settings(os.environ)
    app = application(settings, open_database(settings))
    settle()
    return app


def open_database(settings: Settings) -> Database:
    """The installation's database, at the newest migration and holding what `methodologies/` holds.

    The embedded default is brought up to date. A server's database is only looked at: raises
    SchemaBehind where a migration is missing, PublishedDigestDiffers where a published methodology is
    not the one in the folder.
    """
    database = Database(settings)
    try:
        if settings.embedded:
            schema.upgrade(database)
        else:
            schema.require_head(database)
        now = clock.now()
        transact(database, lambda session: seed(session, root=settings.methodologies_dir, now=now))
    except BaseException:
        database.dispose()
        raise
    return database


def application(settings: Settings, database: Database) -> Flask:
    """The application on a database that is known to be at the newest migration."""
    former = settings.keys.token_previous_public_pem
    keys = TokenKeys(settings.keys.token_private_pem, [former] if former else [])
    tokens = Tokens(keys, issuer=settings.token_issuer, audience=settings.token_audience)
    app = Flask("carbon_credit", static_folder=None)
    runtime = Runtime(
        settings=settings,
        database=database,
        tokens=tokens,
        standings=Standings(database),
        limiter=Limiter(open_shared_counts(settings.redis_url)),
        groups=Groups(database),
        batches=Gate(BATCHES_AT_ONCE),
    )
    api.register(app, runtime)
    return app
