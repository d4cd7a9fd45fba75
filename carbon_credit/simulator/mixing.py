"""Reproducible draws from integers: the finaliser of SplitMix64 (Steele, Lea and Flood, 2014).

`random.Random` costs ten microseconds to seed; one draw for each person and day has to cost far less.
"""

import hashlib

_MASK = (1 << 64) - 1


def key_of(*parts: str | int) -> int:
    """64 bits that stand for `parts`."""
    told = "/".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest(), "big")


def mix(number: int) -> int:
    """64 bits that follow from `number` and look like nothing."""
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)
