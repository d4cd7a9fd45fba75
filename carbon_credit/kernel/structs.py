"""Structs that msgspec has to know before threads use them.

It learns a struct the first time that it reads one, and two threads that make it learn the same one at once
can crash the process (seen with msgspec 0.22). So each kind is learned alone, before its first use.
"""

from threading import Lock
from typing import TypeVar

import msgspec

T = TypeVar("T")

_LEARNING = Lock()
_known: set[object] = set()


def learned(kind: type[T]) -> type[T]:
    """The kind (a struct, or a container of structs), known to msgspec with all that it holds."""
    if kind not in _known:
        with _LEARNING:
            msgspec.json.Decoder(kind)
            _known.add(kind)
    return kind
