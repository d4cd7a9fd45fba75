"""A dated metro network, and the shortest track between two of its stations in whole metres.

Between two gates nobody sees which way a passenger went, so the distance is the shortest path over
the tracks: never more than was ridden, which is the conservative side for a reduction factor per
kilometre. Stations of one name are one node, so a change of line inside the gates costs 0 m.
Segments whose published length is 0 are kept as published: they shorten paths, never lengthen them.
"""

import csv
import hashlib
import heapq
import io
import unicodedata
from collections.abc import Iterator, Mapping

from carbon_credit.kernel.errors import Invalid

REQUIRED_COLUMNS = ("from_station", "to_station", "metres")
MAX_SEGMENTS = 100_000
MAX_SEGMENT_M = 500_000


class NetworkUnreadable(Invalid):
    code = "network-unreadable"
    en = "Line {line} of the network is not usable: {why}. Correct the file and load it again."
    zh = "线网文件第 {line} 行无法使用：{why}。请更正文件后重新加载。"


class StationUnknown(Invalid):
    code = "station-unknown"
    en = "The network has no station “{station}”. Check the spelling, or load the network of that date."
    zh = "线网中没有“{station}”站。请核对站名，或加载相应日期的线网。"


class StationsSame(Invalid):
    code = "stations-same"
    en = "The ride begins and ends at “{station}”, so it covers no distance. Report two different stations."
    zh = "进站与出站均为“{station}”，没有乘车距离。请报送两个不同的站点。"


class StationUnreachable(Invalid):
    code = "station-unreachable"
    en = "No track of this network joins “{origin}” and “{destination}”. Load a network that has the link."
    zh = "线网中“{origin}”与“{destination}”之间没有轨道相连。请加载包含该连接的线网。"


def station_key(name: str) -> str:
    """The name as it is compared: NFKC (full width to half), no white space, one 站 at the end dropped."""
    key = "".join(unicodedata.normalize("NFKC", name).split())
    return key[:-1] if len(key) > 1 and key.endswith("站") else key


class Network:
    """An undirected graph of stations. Immutable; remembers the distances that it has computed.

    `digest` is the SHA-256 (hex) of the bytes that it was read from, so that a trace can name it.
    """

    def __init__(
        self, *, digest: str, names: Mapping[str, str], tracks: Mapping[str, Mapping[str, int]]
    ) -> None:
        self.digest = digest
        self._names = dict(names)  # station key -> the name as the network writes it
        self.stations = tuple(sorted(self._names.values()))  # as the network writes them
        self._tracks = {key: dict(near) for key, near in tracks.items()}
        self._distances: dict[str, dict[str, int]] = {}  # origin key -> metres to every reachable key

    @classmethod
    def from_csv(cls, data: bytes, *, city: str | None = None) -> "Network":
        """UTF-8 CSV with `from_station,to_station,metres`, any order; other columns are ignored.

        With `city`, only the rows of that city in the column `city`. A pair of stations joined by two
        tracks keeps the shorter. Raises `NetworkUnreadable` with the line at fault.
        """
        names: dict[str, str] = {}
        tracks: dict[str, dict[str, int]] = {}
        for line, origin, destination, metres in _segments(data, city):
            here, there = station_key(origin), station_key(destination)
            if not here or not there or here == there:
                raise NetworkUnreadable(line=line, why="a segment needs two different station names")
            names.setdefault(here, origin.strip())
            names.setdefault(there, destination.strip())
            shorter = min(metres, tracks.get(here, {}).get(there, metres))
            tracks.setdefault(here, {})[there] = shorter
            tracks.setdefault(there, {})[here] = shorter
        if not tracks:
            raise NetworkUnreadable(line=1, why="no segment" + (f" of the city {city!r}" if city else ""))
        return cls(digest=hashlib.sha256(data).hexdigest(), names=names, tracks=tracks)

    def __contains__(self, station: str) -> bool:
        return station_key(station) in self._names

    def station(self, name: str) -> str:
        """The network's own way to write `name`. Raises `StationUnknown`."""
        return self._names[self._key(name)]

    def shortest_m(self, origin: str, destination: str) -> int:
        """Metres of the shortest track. Raises `StationUnknown`, `StationsSame`, `StationUnreachable`."""
        start, end = self._key(origin), self._key(destination)
        if start == end:
            raise StationsSame(station=origin)
        distances = self._distances.get(start)
        if distances is None:
            distances = self._distances[start] = self._from(start)
        if end not in distances:
            raise StationUnreachable(origin=origin, destination=destination)
        return distances[end]

    def _key(self, name: str) -> str:
        key = station_key(name)
        if key not in self._names:
            raise StationUnknown(station=name)
        return key

    def _from(self, start: str) -> dict[str, int]:
        """Dijkstra in integers: metres from `start` to every station that can be reached."""
        settled: dict[str, int] = {}
        frontier = [(0, start)]
        while frontier:
            metres, here = heapq.heappop(frontier)
            if here in settled:
                continue
            settled[here] = metres
            for there, step in self._tracks[here].items():
                if there not in settled:
                    heapq.heappush(frontier, (metres + step, there))
        return settled


def _segments(data: bytes, city: str | None) -> Iterator[tuple[int, str, str, int]]:
    """(line, from, to, metres) of every row that counts."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise NetworkUnreadable(line=line, why=f"byte {error.start} is not UTF-8") from None
    reader = csv.DictReader(io.StringIO(text, newline=""))
    required = REQUIRED_COLUMNS + (("city",) if city else ())
    missing = [column for column in required if column not in (reader.fieldnames or ())]
    if missing:
        raise NetworkUnreadable(line=1, why=f"the columns {', '.join(missing)} are missing")
    try:
        for count, row in enumerate(reader):
            if count >= MAX_SEGMENTS:
                raise NetworkUnreadable(line=reader.line_num, why=f"more than {MAX_SEGMENTS} segments")
            if city and row["city"] != city:
                continue
            metres = _metres(row["metres"] or "", reader.line_num)
            yield reader.line_num, row["from_station"] or "", row["to_station"] or "", metres
    except csv.Error as error:
        raise NetworkUnreadable(line=reader.line_num, why=str(error)) from None


def _metres(text: str, line: int) -> int:
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 9 or int(digits) > MAX_SEGMENT_M:
        raise NetworkUnreadable(line=line, why=f"metres must be a whole number from 0 to {MAX_SEGMENT_M}")
    return int(digits)
