"""Where events may be fetched from: only hosts that the installation names, so that an address in the
database cannot make it ask its own insides."""

from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

from carbon_credit.sources.errors import SourceAddressRefused

SCHEMES = {"poll": ("http", "https"), "rabbitmq": ("amqp", "amqps")}


def allowed(address: str, *, kind: str, hosts: Collection[str]) -> SplitResult:
    """The parts of the address. Raises SourceAddressRefused."""
    try:
        parts = urlsplit(address)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise SourceAddressRefused(why="it cannot be read as an address") from error
    schemes = SCHEMES[kind]
    if parts.scheme not in schemes or not host:
        raise SourceAddressRefused(why=f"it does not begin with {' or '.join(f'{s}://' for s in schemes)}")
    if parts.username is not None or parts.password is not None:
        raise SourceAddressRefused(
            why="it holds a user or password; name an environment variable for the secret instead"
        )
    if parts.fragment or any(ord(letter) <= 32 for letter in address):
        raise SourceAddressRefused(why="it has a fragment, spaces or control characters")
    if host not in hosts:
        raise SourceAddressRefused(why=f"SOURCE_HOSTS does not name {host}")
    return parts
