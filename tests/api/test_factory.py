"""The start: the embedded default needs nothing, production refuses to begin with anything missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from carbon_credit.factory import create_app
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.keys import development_keys
from carbon_credit.kernel.schema import SchemaBehind, downgrade
from carbon_credit.kernel.settings import REQUIRED_IN_PRODUCTION, SecretsMissing, read_settings

ROOT = Path(__file__).parents[2]


def test_the_embedded_default_starts_with_nothing(tmp_path: Path) -> None:
    app = create_app(read_settings({"CARBON_CREDIT_VAR": str(tmp_path)}))
    client = app.test_client()
    assert client.get("/readyz").json == {"status": "ready"}
    totals = client.get("/v1/public/programmes/gd-sz/totals")
    assert totals.json["co2e_mg"] == 0
    app.extensions["carbon-credit"].database.dispose()


def test_production_names_all_that_is_missing() -> None:
    with pytest.raises(SecretsMissing) as error:
        read_settings({"CARBON_CREDIT_ENV": "production"})
    assert all(name in str(error.value) for name in REQUIRED_IN_PRODUCTION)


def test_production_refuses_a_development_key(tmp_path: Path) -> None:
    keys = development_keys(tmp_path)
    environ = {
        "CARBON_CREDIT_ENV": "production",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1/none",
        "REDIS_URL": "redis://127.0.0.1:6379/0",
        "CELERY_BROKER_URL": "amqp://127.0.0.1//",
        "MAC_KEY": keys.mac.hex(),
        "LINK_KEY": keys.link.hex(),
        "VOUCHER_KEY": keys.voucher.hex(),
        "WEBHOOK_KEY": keys.webhook.hex(),
        "TOKEN_PRIVATE_KEY": keys.token_private_pem.decode(),
        "DOSSIER_PRIVATE_KEY": keys.dossier_private_pem.decode(),
        "VOUCHER_PRIVATE_KEY": keys.voucher_private_pem.decode(),
    }
    with pytest.raises(SecretsMissing) as error:
        read_settings(environ)
    assert "TOKEN_PRIVATE_KEY" in str(error.value)
    assert "development key" in str(error.value)


def test_a_servers_database_must_be_at_the_newest_migration(postgresql_database: Database) -> None:
    downgrade(postgresql_database, "0001")
    with pytest.raises(SchemaBehind):
        create_app(postgresql_database.settings)


def test_the_door_makes_the_application_when_it_is_asked_for(tmp_path: Path) -> None:
    code = (
        "import app; assert 'flask' not in __import__('sys').modules;"
        "print(app.app.test_client().get('/healthz').json['status'])"
    )
    environ = {**os.environ, "CARBON_CREDIT_VAR": str(tmp_path), "DATABASE_URL": ""}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == "ok", done.stderr
