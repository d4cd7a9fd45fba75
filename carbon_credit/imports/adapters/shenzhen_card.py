"""Card swipes as the Shenzhen open data platform publishes them (data set 29200_00403601).

One row is one swipe: 地铁入站 (metro entry), 地铁出站 (metro exit) or 巴士 (boarding a bus; alighting is not
recorded). Times are local, card numbers are pseudonyms. Only the four columns below are read.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from carbon_credit.imports.delimited import DelimitedFile, Record
from carbon_credit.imports.pairing import Pair, Swipe, pair
from carbon_credit.imports.rows import Item, Ride, RowOutcome
from carbon_credit.kernel.digest import canonical_json, sha256_hex
from carbon_credit.kernel.errors import CarbonError
from carbon_credit.methodology.network import Network, station_key

COLUMNS = ("card_no", "deal_date", "deal_type", "station")
ENTRY, EXIT, BUS = "地铁入站", "地铁出站", "巴士"
CHINA = timezone(timedelta(hours=8))  # no daylight saving since 1991
PAIRING_WINDOW = timedelta(hours=4)  # longer than any ride; the operator's own limit inside the gates is less
TIME_LENGTH = len("2018-09-01 07:57:33")
ID_HEX = 32  # 128 bits of the digest


class ShenzhenCard:
    """`network` gives the distance between two gates; an entry waits `pairing_window` for its exit."""

    name = "shenzhen-card"

    def __init__(self, *, network: Network, pairing_window: timedelta = PAIRING_WINDOW) -> None:
        self._network = network
        self._window = pairing_window

    def items(self, file: DelimitedFile, *, now: datetime) -> Iterator[Item]:
        """Rows that cannot be used, as they are read; then the unpaired; then rides in order of time."""
        cards: dict[str, list[Swipe]] = {}
        seen: set[tuple[str, datetime, str, str]] = set()
        latest = datetime.min.replace(tzinfo=CHINA)
        for record in file.records(COLUMNS):
            at, problem = _check(record, now)
            if at is None or record.values is None:
                yield RowOutcome(record.line, "rejected", problem)
                continue
            card, _, kind, station = record.values
            latest = max(latest, at)
            place = station_key(station)
            if (card, at, kind, place) in seen:
                yield RowOutcome(record.line, "duplicate", "row-repeated")
                continue
            seen.add((card, at, kind, place))
            if kind == BUS:
                yield RowOutcome(record.line, "rejected", "distance-unknown")
                continue
            cards.setdefault(card, []).append(Swipe(at, kind == ENTRY, place, station, record.line))
        del seen
        rides: list[tuple[datetime, str, Pair]] = []
        for card, swipes in cards.items():
            for found in pair(swipes, window=self._window, latest=latest):
                if isinstance(found, RowOutcome):
                    yield found
                else:
                    rides.append((found[0].at, card, found))
        rides.sort(key=lambda ride: ride[:2])
        for _, card, (entry, exit_) in rides:
            yield from self._ride(card, entry, exit_)

    def _ride(self, card: str, entry: Swipe, exit_: Swipe) -> Iterator[Item]:
        reason = _station_problem(entry.station) or _station_problem(exit_.station)
        if reason is None:
            try:
                distance_m = self._network.shortest_m(entry.station, exit_.station)
            except CarbonError as error:
                reason = error.code
        if reason is not None:
            yield RowOutcome(entry.line, "rejected", reason)
            yield RowOutcome(exit_.line, "rejected", reason)
            return
        event: dict[str, object] = {
            "id": _ride_id(card, entry, exit_),
            "revision": 1,
            "type": "metro.ride",
            "occurred_at": entry.at.isoformat(),
            "ended_at": exit_.at.isoformat(),
            "citizen": {"link": {"kind": "transit-card", "value": card}},
            "data": {
                "origin": self._network.station(entry.station),
                "destination": self._network.station(exit_.station),
                "distance_m": distance_m,
                "distance_source": "gates",
            },
        }
        yield Ride(event, card, (entry.line, exit_.line))


def _check(record: Record, now: datetime) -> tuple[datetime | None, str]:
    """The time of a usable row, or None and the reason why it is not usable."""
    if record.values is None:
        return None, "row-malformed"
    card, written, kind, _ = record.values
    if not card:
        return None, "card-missing"
    if kind not in (ENTRY, EXIT, BUS):
        return None, "type-unknown"
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        return None, "time-malformed"
    if at.tzinfo is not None or len(written) != TIME_LENGTH:
        return None, "time-malformed"
    at = at.replace(tzinfo=CHINA)
    if at > now:
        return None, "time-in-future"
    return at, ""


def _station_problem(station: str) -> str | None:
    """Why the name cannot be a station's, whatever the network: empty, or spoilt by a lost encoding."""
    if not any(letter.isalnum() for letter in station):
        return "station-missing"
    if "?" in station or not station.isprintable() or "\ufffd" in station:
        return "station-garbled"
    return None


def _ride_id(card: str, entry: Swipe, exit_: Swipe) -> str:
    # What the two rows say, freed of spelling: another export of the same swipes gives the same id.
    rows = [[card, swipe.at.isoformat(), swipe.entry, swipe.place] for swipe in (entry, exit_)]
    return sha256_hex(canonical_json([ShenzhenCard.name, *rows]))[:ID_HEX]
