"""`methodologies/published.lock`: which packages of the folder are published, and with which digest.

One line for each: id, version, SHA-256 of the package. A line is added when a release publishes a version,
and never changes. What the folder holds beside it is a draft.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from carbon_credit.catalogue.errors import LockLineWrong

FILE = "published.lock"
HEAD = (
    "# What is published: id, version, SHA-256 of the package (methodology.yaml and its factor sets).",
    "# A line never changes. Add new ones with: carbon-credit methodology lock",
)

Key: TypeAlias = tuple[str, str]
Lock: TypeAlias = Mapping[Key, str]

_LINE = re.compile(r"([a-z0-9-]{1,64}) (v[0-9]{1,3}) ([0-9a-f]{64})")


def read_lock(root: Path) -> dict[Key, str]:
    """(id, version) -> digest. Empty where there is no such file. Raises LockLineWrong."""
    path = root / FILE
    if not path.is_file():
        return {}
    found: dict[Key, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("#") or not line.strip():
            continue
        match = _LINE.fullmatch(line)
        if match is None or (match[1], match[2]) in found:
            raise LockLineWrong(file=FILE, line=number, key=line[:80])
        found[match[1], match[2]] = match[3]
    return found


def write_lock(root: Path, entries: Lock) -> None:
    """Write the file anew, in order: the same entries are the same bytes."""
    lines = [f"{name} {version} {digest}" for (name, version), digest in sorted(entries.items(), key=_order)]
    (root / FILE).write_text("\n".join([*HEAD, *lines, ""]), encoding="utf-8")


def _order(entry: tuple[Key, str]) -> tuple[str, int]:
    (name, version), _ = entry
    return name, int(version[1:])
