"""Where messages may be sent to: never to the insides of anybody's network.

Whoever registers an endpoint chooses what this installation connects to. So an address is judged twice:
what it says, when it is registered; and where it leads, each time it is used. A name is resolved once, every
address that it has must be public, and the connection goes to the very address that was judged. Whatever
the name says a moment later makes no difference (DNS rebinding), nor does an unusual spelling of a number.
"""

import re
import socket
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

from carbon_credit.webhooks.errors import WebhookUrlRefused

MAX_URL = 500
PORTS = frozenset((80, 443, 8443))
_NAME = re.compile(r"^(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$")
_WITHIN = (
    ".localhost",
    ".local",
    ".internal",
    ".intranet",
    ".lan",
    ".home.arpa",
    ".svc",
    ".test",
    ".invalid",
)

# The special-purpose registries of IANA (RFC 6890 and its updates), and a public address that is not.
_CLOSED_4 = [
    IPv4Network(one)
    for one in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; metadata of one cloud lies here
        "127.0.0.0/8",
        "168.63.129.16/32",  # the wire server of one cloud: a public number, answered within
        "169.254.0.0/16",  # link-local: metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
]
# Of IPv6 only what is handed out to the public, without what carries an IPv4 address inside: mapped
# (::ffff:0:0/96) and translated (64:ff9b::/96) ones lie outside of it, 6to4 and Teredo within.
_OPEN_6 = IPv6Network("2000::/3")
_CLOSED_6 = [
    IPv6Network(one) for one in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
]

Resolve: TypeAlias = Callable[[str, int], Sequence[str]]


def resolve(host: str, port: int) -> list[str]:
    """The numbers of a name, as the system finds them. OSError where it has none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


@dataclass(frozen=True, slots=True)
class Outlet:
    """What this installation lets out. `hosts`: names of its own network that may be sent to all the same, at
    any port, and without TLS outside of production."""

    production: bool
    hosts: Collection[str] = ()
    resolve: Resolve = resolve


def require_usable(url: str, outlet: Outlet) -> SplitResult:
    """The parts of an address that says nothing wrong. Raises WebhookUrlRefused."""
    parts, host, port = _parsed(url)
    trusted = host in outlet.hosts
    if parts.scheme != "https" and not (parts.scheme == "http" and trusted and not outlet.production):
        raise _refused("it does not begin with https://", "须以 https:// 开头")
    if parts.username is not None or parts.password is not None:
        raise _refused("it holds a user or password", "不得包含用户名或密码")
    if parts.fragment or "#" in url:
        raise _refused("it has a fragment", "不得包含片段（#）")
    if trusted:
        return parts
    if port is not None and port not in PORTS:
        raise _refused(f"its port is none of {_listed(PORTS)}", f"端口须为 {_listed(PORTS)} 之一")
    number = _number(host)
    if number is not None:
        if not is_public(number):
            raise _refused(f"{host} is not a public address", f"{host} 不是公网地址")
    elif not _NAME.match(host) or host.endswith(_WITHIN):
        raise _refused("its host is not a name of the public internet", "主机名不是公网域名")
    return parts


def reachable(host: str, port: int, outlet: Outlet) -> list[str]:
    """The numbers to connect to, at most three, all of them judged. Raises WebhookUrlRefused, OSError."""
    numbers = list(outlet.resolve(host, port))
    if not numbers:
        raise OSError(f"{host} has no address")
    if host not in outlet.hosts and not all(is_public(ip_address(one.partition("%")[0])) for one in numbers):
        # One bad number among good ones is no accident.
        raise _refused("its name leads into a private network", "域名指向内部网络")
    return numbers[:3]


def is_public(number: IPv4Address | IPv6Address) -> bool:
    """Whether it belongs to the public internet."""
    if isinstance(number, IPv4Address):
        return number.is_global and not any(number in net for net in _CLOSED_4)
    return number.is_global and number in _OPEN_6 and not any(number in net for net in _CLOSED_6)


def _parsed(url: str) -> tuple[SplitResult, str, int | None]:
    # urlsplit drops tabs and line breaks, and a backslash means a slash to some.
    if len(url) > MAX_URL or any(not 33 <= ord(letter) <= 126 or letter == "\\" for letter in url):
        raise _refused(
            f"it is longer than {MAX_URL} characters, or has others than visible ASCII",
            f"超过 {MAX_URL} 个字符，或含有可见 ASCII 以外的字符",
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _refused("it cannot be read as an address", "无法解析") from error
    if not host:
        raise _refused("it names no host", "缺少主机名")
    return parts, host, port


def _number(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _listed(ports: Collection[int]) -> str:
    return ", ".join(map(str, sorted(ports)))


def _refused(why: str, why_zh: str) -> WebhookUrlRefused:
    return WebhookUrlRefused(why=why, why_zh=why_zh)
