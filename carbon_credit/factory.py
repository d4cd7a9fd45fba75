"""create_app(settings): the only place that knows every room."""

import os

from flask import Flask

from carbon_credit import api
from carbon_credit.api.runtime import Runtime
from carbon_credit.api.standing import Standings
from carbon_credit.identity.tokens import TokenKeys, Tokens
from carbon_credit.kernel import schema
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import Settings, read_settings


def create_app(settings: Settings | None = None) -> Flask:
    """The application, ready to serve.

    The embedded default brings its database up to date by itself. A server's database is only looked
    at: raises SchemaBehind where a migration is missing, SecretsMissing where a secret is.
    """
    settings = settings or read_settings(os.environ)
    database = Database(settings)
    if settings.embedded:
        schema.upgrade(database)
    else:
        schema.require_head(database)
    return application(settings, database)


def application(settings: Settings, database: Database) -> Flask:
    """The application on a database that is known to be at the newest migration."""
    keys = TokenKeys(settings.keys.token_private_pem)
    tokens = Tokens(keys, issuer=settings.token_issuer, audience=settings.token_audience)
    app = Flask("carbon_credit", static_folder=None)
    runtime = Runtime(settings=settings, database=database, tokens=tokens, standings=Standings(database))
    api.register(app, runtime)
    return app
