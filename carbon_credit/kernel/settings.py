"""One frozen `Settings`, read from the environment at start and passed down.

With no configuration everything lives in `var/`: SQLite, generated development keys, tasks in
process. In production (`CARBON_CREDIT_ENV=production`) nothing is generated: what is missing is
listed, all of it at once, and the start is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from carbon_credit.kernel.errors import Misconfigured
from carbon_credit.kernel.keys import DEVELOPMENT_MARK, Keys, development_keys

REPOSITORY = Path(__file__).resolve().parents[2]

REQUIRED_IN_PRODUCTION = {
    "DATABASE_URL": "PostgreSQL, e.g. postgresql+psycopg://user@host/carbon",
    "REDIS_URL": "rate limits and caches, e.g. redis://host:6379/0",
    "CELERY_BROKER_URL": "the task queue, e.g. amqp://user:password@host//",
    "MAC_KEY": "32 random bytes in hexadecimal; seals each ledger row",
    "LINK_KEY": "32 random bytes in hexadecimal; keys the digests of cards and phones",
    "VOUCHER_KEY": "32 random bytes in hexadecimal; derives voucher codes",
    "TOKEN_PRIVATE_KEY": "PEM of an Ed25519 key; signs access tokens",
    "DOSSIER_PRIVATE_KEY": "PEM of an Ed25519 key; signs dossiers",
}


class SecretsMissing(Misconfigured):
    code = "secrets-missing"
    en = "The service cannot start in production. Missing or unusable: {names}"
    zh = "生产模式无法启动。缺少或不可用的配置：{names}"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the installation decides. Times end in `_s` (seconds), sizes in `_bytes`."""

    production: bool
    database_url: str
    redis_url: str | None
    celery_broker_url: str | None
    var_dir: Path
    methodologies_dir: Path
    keys: Keys
    token_issuer: str = "carbon-credit"  # noqa: S105  a name, no secret
    token_audience: str = "carbon-credit-api"  # noqa: S105  a name, no secret
    token_ttl_s: int = 3600
    max_body_bytes: int = 8 * 1024 * 1024
    max_batch_events: int = 10_000
    lock_timeout_s: int = 5

    @property
    def embedded(self) -> bool:
        """True where the database is the SQLite file of the embedded default."""
        return self.database_url.startswith("sqlite")


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Settings from `environ`. Raises SecretsMissing in production when anything is not given."""
    production = environ.get("CARBON_CREDIT_ENV", "development") == "production"
    var_dir = Path(environ.get("CARBON_CREDIT_VAR", "var")).absolute()
    keys = _production_keys(environ) if production else development_keys(var_dir / "keys")
    return Settings(
        production=production,
        database_url=_driver(environ.get("DATABASE_URL") or f"sqlite:///{var_dir / 'carbon-credit.db'}"),
        redis_url=environ.get("REDIS_URL") or None,
        celery_broker_url=environ.get("CELERY_BROKER_URL") or None,
        var_dir=var_dir,
        methodologies_dir=Path(
            environ.get("METHODOLOGIES_DIR", str(REPOSITORY / "methodologies"))
        ).absolute(),
        keys=keys,
        token_issuer=environ.get("TOKEN_ISSUER", "carbon-credit"),
        token_audience=environ.get("TOKEN_AUDIENCE", "carbon-credit-api"),
        token_ttl_s=int(environ.get("TOKEN_TTL_S", "3600")),
        max_body_bytes=int(environ.get("MAX_BODY_BYTES", str(8 * 1024 * 1024))),
        max_batch_events=int(environ.get("MAX_BATCH_EVENTS", "10000")),
        lock_timeout_s=int(environ.get("LOCK_TIMEOUT_S", "5")),
    )


def _production_keys(environ: Mapping[str, str]) -> Keys:
    problems = [
        f"{name} ({meaning})" for name, meaning in REQUIRED_IN_PRODUCTION.items() if not environ.get(name)
    ]
    for name in ("MAC_KEY", "LINK_KEY", "VOUCHER_KEY"):
        if environ.get(name) and not _is_key(environ[name]):
            problems.append(f"{name} (is not 64 or more hexadecimal digits)")
    for name in ("TOKEN_PRIVATE_KEY", "DOSSIER_PRIVATE_KEY"):
        if DEVELOPMENT_MARK in environ.get(name, ""):
            problems.append(f"{name} (is a development key; make one of your own)")
    if environ.get("DATABASE_URL", "").startswith("sqlite"):
        problems.append("DATABASE_URL (names SQLite; production is PostgreSQL)")
    if problems:
        raise SecretsMissing(names="; ".join(problems))
    previous = environ.get("LINK_KEY_PREVIOUS")
    return Keys(
        mac=bytes.fromhex(environ["MAC_KEY"]),
        link=bytes.fromhex(environ["LINK_KEY"]),
        link_previous=bytes.fromhex(previous) if previous else None,
        voucher=bytes.fromhex(environ["VOUCHER_KEY"]),
        token_private_pem=environ["TOKEN_PRIVATE_KEY"].encode(),
        dossier_private_pem=environ["DOSSIER_PRIVATE_KEY"].encode(),
    )


def _is_key(text: str) -> bool:
    try:
        return len(bytes.fromhex(text)) >= 32
    except ValueError:
        return False


def _driver(url: str) -> str:
    # Plain postgresql:// means whichever driver the library likes today; name ours.
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url[len(prefix) :]
    return url
