"""Settings: nothing needed for the embedded default, everything in production, and no half-way start."""

import re
import secrets
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from carbon_credit.kernel import settings
from carbon_credit.kernel.keys import development_keys, private_key
from carbon_credit.kernel.settings import (
    HOME,
    LOOPBACK,
    REQUIRED_IN_PRODUCTION,
    SecretsMissing,
    SettingUnusable,
    read_settings,
)
from carbon_credit.sweeps import SWEEPS


def pem(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | None = None) -> str:
    key = key or ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def production(**changes: str) -> dict[str, str]:
    """An environment with all that production needs."""
    return {
        "CARBON_CREDIT_ENV": "production",
        "DATABASE_URL": "postgresql://carbon:s3cret@db/carbon",
        "REDIS_URL": "redis://cache:6379/0",
        "CELERY_BROKER_URL": "amqp://carbon:s3cret@queue//",
        "MAC_KEY": secrets.token_hex(32),
        "LINK_KEY": secrets.token_hex(32),
        "VOUCHER_KEY": secrets.token_hex(32),
        "WEBHOOK_KEY": secrets.token_hex(32),
        "TOKEN_PRIVATE_KEY": pem(),
        "DOSSIER_PRIVATE_KEY": pem(),
        "VOUCHER_PRIVATE_KEY": pem(),
        **changes,
    }


def test_with_no_configuration_everything_lives_in_var(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = read_settings({})
    assert found.embedded
    assert not found.production
    assert found.database_url == f"sqlite:///{tmp_path}/var/carbon-credit.db"
    assert (found.redis_url, found.celery_broker_url) == (None, None)
    assert sorted(path.name for path in (tmp_path / "var" / "keys").iterdir()) == [
        "dossier.pem",
        "link.hex",
        "mac.hex",
        "token.pem",
        "voucher.hex",
        "voucher.pem",
        "webhook.hex",
    ]
    assert (found.methodologies_dir / "activities.yaml").is_file()


def test_empty_variables_are_variables_that_are_not_set(tmp_path: Path) -> None:
    names = ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "CARBON_CREDIT_ENV", "TOKEN_TTL_S")
    found = read_settings({"CARBON_CREDIT_VAR": str(tmp_path), **dict.fromkeys(names, "")})
    assert found.embedded
    assert found.redis_url is None
    assert found.token_ttl_s == 3600
    assert found.webhook_hosts == LOOPBACK


def test_production_with_nothing_set_names_all_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SecretsMissing) as refused:
        read_settings({"CARBON_CREDIT_ENV": "production", "CARBON_CREDIT_VAR": str(tmp_path)})
    for language in ("en", "zh"):
        message = refused.value.message(language)
        assert [name for name in REQUIRED_IN_PRODUCTION if name not in message] == []
    assert list(tmp_path.iterdir()) == [], "nothing may be generated in production"


@pytest.mark.parametrize("name", sorted(REQUIRED_IN_PRODUCTION))
def test_production_names_the_one_that_is_missing(name: str) -> None:
    with pytest.raises(SecretsMissing) as refused:
        read_settings(production(**{name: ""}))
    named = [one for one in REQUIRED_IN_PRODUCTION if one in refused.value.message("en")]
    assert named == [name]


def test_production_with_everything_reads_keys_and_names_our_driver() -> None:
    given = production(LINK_KEY_PREVIOUS=secrets.token_hex(32), WEBHOOK_KEY_PREVIOUS=secrets.token_hex(32))
    found = read_settings(given)
    assert found.production
    assert not found.embedded
    assert found.database_url == "postgresql+psycopg://carbon:s3cret@db/carbon"
    assert found.keys.mac.hex() == given["MAC_KEY"]
    assert found.keys.link_previous is not None
    assert found.keys.webhook_previous is not None
    assert found.webhook_hosts == (), "nothing inside is let out by itself"
    private_key(found.keys.token_private_pem)


@pytest.mark.parametrize("prefix", ["postgresql://", "postgres://", "postgresql+psycopg://"])
def test_every_spelling_of_postgresql_becomes_psycopg(tmp_path: Path, prefix: str) -> None:
    found = read_settings({"CARBON_CREDIT_VAR": str(tmp_path), "DATABASE_URL": f"{prefix}u@h:5432/d?a=b"})
    assert found.database_url == "postgresql+psycopg://u@h:5432/d?a=b"


@pytest.mark.parametrize(
    "name", ["MAC_KEY", "LINK_KEY", "VOUCHER_KEY", "WEBHOOK_KEY", "LINK_KEY_PREVIOUS", "WEBHOOK_KEY_PREVIOUS"]
)
@pytest.mark.parametrize("value", ["abcd", "z" * 64, "0" * 63, "secret secret secret secret"])
def test_a_key_that_is_not_32_bytes_of_hexadecimal_is_refused(name: str, value: str) -> None:
    with pytest.raises(SecretsMissing, match=f"{name} \\(is not 64 or more hexadecimal digits"):
        read_settings(production(**{name: value}))


@pytest.mark.parametrize("name", ["TOKEN_PRIVATE_KEY", "DOSSIER_PRIVATE_KEY", "VOUCHER_PRIVATE_KEY"])
def test_a_development_key_is_refused_in_production(tmp_path: Path, name: str) -> None:
    made = development_keys(tmp_path)
    with pytest.raises(SecretsMissing, match=f"{name} \\(is a development key"):
        read_settings(production(**{name: made.token_private_pem.decode()}))


@pytest.mark.parametrize("name", ["TOKEN_PRIVATE_KEY", "DOSSIER_PRIVATE_KEY", "VOUCHER_PRIVATE_KEY"])
def test_a_private_key_of_another_kind_is_refused(name: str) -> None:
    for value in ("no pem", pem(ec.generate_private_key(ec.SECP384R1())), pem()[:60]):
        with pytest.raises(SecretsMissing, match=f"{name} \\(is not the PEM of an Ed25519"):
            read_settings(production(**{name: value}))


def test_tokens_may_also_be_signed_with_p256_and_dossiers_not() -> None:
    p256 = pem(ec.generate_private_key(ec.SECP256R1()))
    assert read_settings(production(TOKEN_PRIVATE_KEY=p256)).keys.token_private_pem == p256.encode()
    with pytest.raises(SecretsMissing, match="DOSSIER_PRIVATE_KEY"):
        read_settings(production(DOSSIER_PRIVATE_KEY=p256))


def test_sqlite_is_refused_in_production(tmp_path: Path) -> None:
    with pytest.raises(SecretsMissing, match="DATABASE_URL \\(names SQLite"):
        read_settings(production(DATABASE_URL=f"sqlite:///{tmp_path}/x.db"))


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(SecretsMissing) as refused:
        read_settings(production(MAC_KEY="short", REDIS_URL="", TOKEN_PRIVATE_KEY="no pem"))
    for name in ("MAC_KEY", "REDIS_URL", "TOKEN_PRIVATE_KEY"):
        assert name in refused.value.message("en")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CARBON_CREDIT_ENV", "prod"),
        ("CARBON_CREDIT_ENV", "Production"),
        ("TOKEN_TTL_S", "an hour"),
        ("TOKEN_TTL_S", "-1"),
        ("TOKEN_TTL_S", "0"),
        ("LOCK_TIMEOUT_S", "2.5"),
        ("MAX_BODY_BYTES", "٣"),
        ("DATABASE_URL", "mysql://h/d"),
        ("DATABASE_URL", "postgresql+asyncpg://h/d"),
        ("REDIS_URL", "memcached://h"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingUnusable) as refused:
        read_settings({"CARBON_CREDIT_VAR": str(tmp_path), name: value})
    assert refused.value.details["name"] == name
    assert refused.value.message("zh")


def test_settings_are_frozen_and_print_no_secret() -> None:
    given = production()
    found = read_settings(given)
    with pytest.raises(FrozenInstanceError):
        found.production = False  # type: ignore[misc]
    printed = repr(found)
    assert "s3cret" not in printed
    assert given["MAC_KEY"] not in printed
    assert repr(bytes.fromhex(given["MAC_KEY"])) not in printed
    assert "PRIVATE KEY" not in printed


def test_every_setting_is_in_the_operations_guide() -> None:
    source = Path(settings.__file__).read_text(encoding="utf-8")
    names = set(re.findall(r'"([A-Z][A-Z_]{5,})"', source))
    assert {"DATABASE_URL", "LOCK_TIMEOUT_S", "CELERY_QUEUE", "TOKEN_PUBLIC_KEY_PREVIOUS"} <= names
    guide = (HOME / "docs" / "operations.md").read_text(encoding="utf-8")
    assert sorted(name for name in names if f"`{name}`" not in guide) == []


def test_every_sweep_is_in_the_operations_guide() -> None:
    guide = (HOME / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = {name: f"| `{name}` | {sweep.every_s} s |" for name, sweep in SWEEPS.items()}
    assert [name for name, row in rows.items() if row not in guide] == []
