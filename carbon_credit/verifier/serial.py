"""Serial numbers, one a tonne, within programme, project and vintage: `X-GD-SZ-metro-2026-000000001`."""

import re
from dataclasses import dataclass

MAX_NUMBER = 999_999_999
_SERIAL = re.compile(r"([A-Za-z0-9-]{1,80})-([0-9]{4})-([0-9]{9})\Z")


@dataclass(frozen=True, slots=True, order=True)
class Serial:
    """`series` is programme and project as they stand before the year."""

    series: str
    vintage: int
    number: int

    def __str__(self) -> str:
        return f"{self.series}-{self.vintage:04d}-{self.number:09d}"


def series_of(programme: str, project: str) -> str:
    """What the serials of a project begin with: `x-gd-sz`, `metro` -> `X-GD-SZ-metro`."""
    return f"{programme.upper()}-{project}"


def parse_serial(text: str) -> Serial | None:
    """The serial that `text` says; None where it isn't one."""
    match = _SERIAL.match(text)
    if match is None or int(match[3]) < 1:
        return None
    return Serial(match[1], int(match[2]), int(match[3]))
