"""Hosts that are networks of their own: namespaces on a bridge, each with its own address."""

import contextlib
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.conftest import missing

PREFIX = "10.213.47"


@dataclass(frozen=True, slots=True)
class Host:
    """A network namespace. `prefix` comes before a command that is to run there."""

    name: str
    address: str

    @property
    def prefix(self) -> tuple[str, ...]:
        """Runs what follows on this host."""
        return ("ip", "netns", "exec", self.name)


@dataclass(frozen=True, slots=True)
class Network:
    """A bridge with an address, and the hosts behind it. They reach it and each other, and nothing else."""

    address: str
    hosts: tuple[Host, ...]


@contextmanager
def network(names: Sequence[str]) -> Iterator[Network]:
    """So many hosts, gone afterwards."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        missing("network namespaces need root and the program ip")
    mark = uuid.uuid4().hex[:5]
    bridge, made = f"ccbr{mark}", []
    hosts = tuple(Host(f"cc-{mark}-{name}", f"{PREFIX}.{place}") for place, name in enumerate(names, start=2))
    try:
        _ip("link", "add", bridge, "type", "bridge")
        _ip("address", "add", f"{PREFIX}.1/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        for place, host in enumerate(hosts):
            _ip("netns", "add", host.name)
            made.append(host.name)
            outer, inner = f"cco{mark}{place}", f"cci{mark}{place}"
            _ip("link", "add", outer, "type", "veth", "peer", "name", inner)
            _ip("link", "set", inner, "netns", host.name)
            _ip("link", "set", outer, "master", bridge, "up")
            _ip("-n", host.name, "address", "add", f"{host.address}/24", "dev", inner)
            for device in (inner, "lo"):
                _ip("-n", host.name, "link", "set", device, "up")
    except subprocess.CalledProcessError as error:
        _forget(bridge, made)
        missing(f"no network namespaces here ({error.stderr.strip()})")
    try:
        yield Network(f"{PREFIX}.1", hosts)
    finally:
        _forget(bridge, made)


def _forget(bridge: str, made: Sequence[str]) -> None:
    with contextlib.suppress(subprocess.CalledProcessError):
        for name in made:
            _ip("netns", "delete", name)
        _ip("link", "delete", bridge)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True)
