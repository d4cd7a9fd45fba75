"""One frozen `Settings`, read from the environment at start and passed down.

With no configuration everything lives in `var/`: SQLite, generated development keys, tasks in
process. In production (`CARBON_CREDIT_ENV=production`) nothing is generated: what is missing is
listed, all of it at once, and the start is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm

from carbon_credit.kernel.errors import Misconfigured
from carbon_credit.kernel.keys import (
    DEVELOPMENT_MARK,
    Keys,
    development_keys,
    is_token_key,
    private_key,
    public_key,
)

_PACKAGE = Path(__file__).resolve().parents[1]
# In a checkout migrations/ and methodologies/ stand beside the package, in a wheel inside it.
HOME = _PACKAGE / "data" if (_PACKAGE / "data").is_dir() else _PACKAGE.parent

LOOPBACK = ("127.0.0.1", "localhost", "::1")

REQUIRED_IN_PRODUCTION = {
    "DATABASE_URL": "PostgreSQL, e.g. postgresql+psycopg://user@host/carbon",
    "REDIS_URL": "rate limits, e.g. redis://host:6379/0",
    "CELERY_BROKER_URL": "the task queue, e.g. amqp://user:password@host//",
    "MAC_KEY": "32 random bytes in hexadecimal; seals each ledger row",
    "LINK_KEY": "32 random bytes in hexadecimal; keys the digests of cards and phones",
    "VOUCHER_KEY": "32 random bytes in hexadecimal; derives voucher codes",
    "WEBHOOK_KEY": "32 random bytes in hexadecimal; encrypts the secrets of webhook endpoints",
    "TOKEN_PRIVATE_KEY": "PEM of an Ed25519 or P-256 key; signs access tokens",
    "DOSSIER_PRIVATE_KEY": "PEM of an Ed25519 key; signs dossiers",
    "VOUCHER_PRIVATE_KEY": "PEM of an Ed25519 key; signs the QR codes of vouchers",
}


class SecretsMissing(Misconfigured):
    code = "secrets-missing"
    en = "The service cannot start in production. Missing or unusable: {names}"
    zh = "生产模式无法启动。缺少或不可用的配置：{names}"


class SettingUnusable(Misconfigured):
    code = "setting-unusable"
    en = "The service cannot start: the environment variable {name} {why}."
    zh = "服务无法启动：环境变量 {name} 不可用（{why}）。"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the installation decides. Times end in `_s` (seconds), sizes in `_bytes`."""

    production: bool
    database_url: str = field(repr=False)  # the three addresses may hold passwords
    redis_url: str | None = field(repr=False)
    celery_broker_url: str | None = field(repr=False)
    var_dir: Path
    methodologies_dir: Path
    keys: Keys
    celery_queue: str = "carbon-credit"
    token_issuer: str = "carbon-credit"  # noqa: S105  a name, no secret
    token_audience: str = "carbon-credit-api"  # noqa: S105  a name, no secret
    token_ttl_s: int = 3600
    max_body_bytes: int = 8 * 1024 * 1024
    max_batch_events: int = 10_000
    lock_timeout_s: int = 5
    source_hosts: tuple[str, ...] = LOOPBACK
    webhook_hosts: tuple[str, ...] = ()

    @property
    def embedded(self) -> bool:
        """True where the database is the SQLite file of the embedded default."""
        return self.database_url.startswith("sqlite")


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Settings from `environ`. Raises SettingUnusable; SecretsMissing in production, naming all at once."""
    production = _mode(environ) == "production"
    var_dir = Path(environ.get("CARBON_CREDIT_VAR") or "var").absolute()
    keys = _production_keys(environ) if production else _development_keys(var_dir)
    methodologies = environ.get("METHODOLOGIES_DIR") or str(HOME / "methodologies")
    return Settings(
        production=production,
        database_url=_database_url(environ, var_dir),
        redis_url=_redis_url(environ),
        celery_broker_url=environ.get("CELERY_BROKER_URL") or None,
        var_dir=var_dir,
        methodologies_dir=Path(methodologies).absolute(),
        keys=keys,
        celery_queue=environ.get("CELERY_QUEUE") or "carbon-credit",
        token_issuer=environ.get("TOKEN_ISSUER") or "carbon-credit",
        token_audience=environ.get("TOKEN_AUDIENCE") or "carbon-credit-api",
        token_ttl_s=_number(environ, "TOKEN_TTL_S", 3600),
        max_body_bytes=_number(environ, "MAX_BODY_BYTES", 8 * 1024 * 1024),
        max_batch_events=_number(environ, "MAX_BATCH_EVENTS", 10_000),
        lock_timeout_s=_number(environ, "LOCK_TIMEOUT_S", 5),
        source_hosts=source_hosts(environ),
        webhook_hosts=webhook_hosts(environ),
    )


def _mode(environ: Mapping[str, str]) -> str:
    # A misspelt "production" must not start with development keys.
    mode = environ.get("CARBON_CREDIT_ENV") or "development"
    if mode not in ("development", "production"):
        raise SettingUnusable(name="CARBON_CREDIT_ENV", why="is neither development nor production")
    return mode


def _development_keys(var_dir: Path) -> Keys:
    try:
        return development_keys(var_dir / "keys")
    except OSError as error:
        why = f"names {var_dir}, which cannot be used ({error.strerror})"
        raise SettingUnusable(name="CARBON_CREDIT_VAR", why=why) from error


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise SettingUnusable(name=name, why="is not a whole number above zero")
    return int(text)


def source_hosts(environ: Mapping[str, str]) -> tuple[str, ...]:
    """From where events may be fetched: names without port, separated by commas."""
    return _hosts(environ, "SOURCE_HOSTS") or LOOPBACK


def webhook_hosts(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Hosts of the installation's own network that messages may be sent to: in production none by itself."""
    default = () if environ.get("CARBON_CREDIT_ENV") == "production" else LOOPBACK
    return _hosts(environ, "WEBHOOK_HOSTS") or default


def _hosts(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    named = [one.strip().lower() for one in environ.get(name, "").split(",")]
    return tuple(filter(None, named))


def _database_url(environ: Mapping[str, str], var_dir: Path) -> str:
    url = environ.get("DATABASE_URL") or f"sqlite:///{var_dir / 'carbon-credit.db'}"
    # Plain postgresql:// means whichever driver the library likes today; name ours.
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            url = "postgresql+psycopg://" + url[len(prefix) :]
    if not url.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise SettingUnusable(
            name="DATABASE_URL", why="names neither PostgreSQL (through psycopg) nor SQLite"
        )
    return url


def _redis_url(environ: Mapping[str, str]) -> str | None:
    url = environ.get("REDIS_URL") or None
    if url and not url.startswith(("redis://", "rediss://", "unix://")):
        raise SettingUnusable(name="REDIS_URL", why="does not begin with redis://, rediss:// or unix://")
    return url


def _production_keys(environ: Mapping[str, str]) -> Keys:
    problems = [
        f"{name} ({meaning})" for name, meaning in REQUIRED_IN_PRODUCTION.items() if not environ.get(name)
    ]
    for name in (
        "MAC_KEY",
        "LINK_KEY",
        "LINK_KEY_PREVIOUS",
        "VOUCHER_KEY",
        "WEBHOOK_KEY",
        "WEBHOOK_KEY_PREVIOUS",
    ):
        if environ.get(name) and not _is_key(environ[name]):
            problems.append(f"{name} (is not 64 or more hexadecimal digits)")
    for name in ("TOKEN_PRIVATE_KEY", "DOSSIER_PRIVATE_KEY", "VOUCHER_PRIVATE_KEY"):
        if DEVELOPMENT_MARK in environ.get(name, ""):
            problems.append(f"{name} (is a development key; make one of your own)")
    if environ.get("TOKEN_PRIVATE_KEY") and not is_token_key(environ["TOKEN_PRIVATE_KEY"].encode()):
        problems.append("TOKEN_PRIVATE_KEY (is not the PEM of an Ed25519 or P-256 private key)")
    for name in ("DOSSIER_PRIVATE_KEY", "VOUCHER_PRIVATE_KEY"):
        if environ.get(name) and not _is_ours(environ[name], private_key):
            problems.append(f"{name} (is not the PEM of an Ed25519 private key)")
    former_voucher = environ.get("VOUCHER_PUBLIC_KEY_PREVIOUS")
    if former_voucher and not _is_ours(former_voucher, public_key):
        problems.append("VOUCHER_PUBLIC_KEY_PREVIOUS (is not the PEM of an Ed25519 public key)")
    if environ.get("DATABASE_URL", "").startswith("sqlite"):
        problems.append("DATABASE_URL (names SQLite; production is PostgreSQL)")
    if problems:
        raise SecretsMissing(names="; ".join(problems))
    previous = environ.get("LINK_KEY_PREVIOUS")
    webhook_previous = environ.get("WEBHOOK_KEY_PREVIOUS")
    former = environ.get("TOKEN_PUBLIC_KEY_PREVIOUS")
    return Keys(
        mac=bytes.fromhex(environ["MAC_KEY"]),
        link=bytes.fromhex(environ["LINK_KEY"]),
        link_previous=bytes.fromhex(previous) if previous else None,
        voucher=bytes.fromhex(environ["VOUCHER_KEY"]),
        webhook=bytes.fromhex(environ["WEBHOOK_KEY"]),
        webhook_previous=bytes.fromhex(webhook_previous) if webhook_previous else None,
        token_private_pem=environ["TOKEN_PRIVATE_KEY"].encode(),
        dossier_private_pem=environ["DOSSIER_PRIVATE_KEY"].encode(),
        token_previous_public_pem=former.encode() if former else None,
        voucher_private_pem=environ["VOUCHER_PRIVATE_KEY"].encode(),
        voucher_previous_public_pem=former_voucher.encode() if former_voucher else None,
    )


def _is_key(text: str) -> bool:
    try:
        return len(bytes.fromhex(text)) >= 32
    except ValueError:
        return False


def _is_ours(pem: str, read: Callable[[bytes], object]) -> bool:
    try:
        read(pem.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True
