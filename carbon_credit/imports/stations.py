"""Stations with coordinates, and the straight line between two of them in whole metres.

The line over the ground is never longer than what was ridden: the conservative side for a reduction per
kilometre. Computed in decimals, so that every machine gives the same metre.
"""

import csv
import io
from decimal import ROUND_FLOOR, Decimal, localcontext
from functools import lru_cache
from typing import TypeAlias

from carbon_credit.imports.errors import StationsUnreadable
from carbon_credit.kernel.digest import sha256_hex
from carbon_credit.methodology.network import StationsSame, StationUnknown, station_key

COLUMNS = ("station_id", "latitude", "longitude")
MAX_STATIONS = 200_000
# Mean radius of the Earth, IUGG (Moritz 2000): 6,371,008.8 m.
RADIUS_M = Decimal("6371008.8")
_PI = Decimal("3.14159265358979323846264338327950288")
_DIGITS = 34

Place: TypeAlias = tuple[Decimal, Decimal]
Point: TypeAlias = tuple[Decimal, Decimal, Decimal]


class Stations:
    """Immutable. `digest` is the SHA-256 (hex) of the bytes that they were read from.

    `places`: latitude and longitude in degrees. What is computed of them, is when it is first needed: a
    tenth of a millisecond for each station.
    """

    def __init__(self, *, digest: str, places: dict[str, Place]) -> None:
        self.digest = digest
        self._places = places
        self._point = lru_cache(maxsize=None)(self._computed)
        self._line = lru_cache(maxsize=65_536)(self._measured)

    @classmethod
    def from_csv(cls, data: bytes) -> "Stations":
        """UTF-8 CSV with `station_id,latitude,longitude` in degrees; other columns are ignored.

        Raises `StationsUnreadable` with the line at fault.
        """
        places: dict[str, Place] = {}
        for line, name, latitude, longitude in _rows(data):
            key = station_key(name)
            if not key or key in places:
                raise StationsUnreadable(line=line, why="a station needs an id of its own")
            places[key] = (_degrees(latitude, 90, line), _degrees(longitude, 180, line))
        if not places:
            raise StationsUnreadable(line=1, why="it names no station")
        return cls(digest=sha256_hex(data), places=places)

    def line_m(self, origin: str, destination: str, detour: Decimal) -> int:
        """Metres over the ground times `detour`, rounded down. Raises `StationUnknown`, `StationsSame`."""
        start, end = station_key(origin), station_key(destination)
        for key, written in ((start, origin), (end, destination)):
            if key not in self._places:
                raise StationUnknown(station=written)
        if start == end:
            raise StationsSame(station=origin)
        near, far = sorted((start, end))
        return int((self._line(near, far) * detour).to_integral_value(rounding=ROUND_FLOOR))

    def _measured(self, near: str, far: str) -> Decimal:
        with localcontext() as context:
            context.prec = _DIGITS
            steps = [(a - b) for a, b in zip(self._point(near), self._point(far), strict=True)]
            half = sum((step * step for step in steps), Decimal()).sqrt() / 2
            return 2 * RADIUS_M * _arcsine(half)

    def _computed(self, key: str) -> Point:
        return _point(*self._places[key])


def _rows(data: bytes) -> list[tuple[int, str, str, str]]:
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise StationsUnreadable(line=line, why=f"byte {error.start} is not UTF-8") from None
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise StationsUnreadable(line=1, why=f"the columns {', '.join(missing)} are missing")
    rows: list[tuple[int, str, str, str]] = []
    for row in reader:
        if len(rows) >= MAX_STATIONS:
            raise StationsUnreadable(line=reader.line_num, why=f"more than {MAX_STATIONS} stations")
        name, latitude, longitude = (row[column] or "" for column in COLUMNS)
        rows.append((reader.line_num, name, latitude, longitude))
    return rows


def _degrees(text: str, limit: int, line: int) -> Decimal:
    whole, _, part = text.strip().removeprefix("-").partition(".")
    if not (whole + part).isdigit() or not (whole + part).isascii() or len(text) > 40:
        raise StationsUnreadable(line=line, why="coordinates are degrees in plain digits, like 40.7673")
    degrees = Decimal(text.strip())
    if abs(degrees) > limit:
        raise StationsUnreadable(line=line, why=f"a coordinate lies beyond {limit} degrees")
    return degrees


def _point(latitude: Decimal, longitude: Decimal) -> Point:
    """On the unit sphere."""
    with localcontext() as context:
        context.prec = _DIGITS
        up, across = latitude * _PI / 180, longitude * _PI / 180
        return _cosine(up) * _cosine(across), _cosine(up) * _sine(across), _sine(up)


def _sine(angle: Decimal) -> Decimal:
    return _series(angle, angle, 1)


def _cosine(angle: Decimal) -> Decimal:
    return _series(angle, Decimal(1), 0)


def _series(angle: Decimal, term: Decimal, step: int) -> Decimal:
    total, square = Decimal(), angle * angle
    while abs(term) > Decimal(10) ** -_DIGITS:
        total += term
        term = -term * square / ((step + 1) * (step + 2))
        step += 2
    return total


def _arcsine(value: Decimal) -> Decimal:
    """For 0 <= value <= 1. Halved until it is small: the series is slow near 1."""
    times = 1
    while value > Decimal("0.1"):
        value = value / ((2 * (1 + (1 - min(value, Decimal(1)) ** 2).sqrt())).sqrt())
        times *= 2
    total, power, step = Decimal(), value, 1
    while power > Decimal(10) ** -_DIGITS:
        total += power / step
        power = power * value * value * step / (step + 1)
        step += 2
    return total * times
