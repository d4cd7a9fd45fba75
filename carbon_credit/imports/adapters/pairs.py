"""Rows of gates to rides: swipes are set aside on disk, brought in order by card and time, and paired.

Memory stays flat however many there are, and what comes out does not depend on their order in the file.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from zoneinfo import ZoneInfo

from carbon_credit.imports.adapters.mapping import Mapping, Moment, PairingSpec
from carbon_credit.imports.adapters.places import Measure
from carbon_credit.imports.adapters.reading import Places, Values, field_reader, ride_id
from carbon_credit.imports.adapters.refusal import RowRefused
from carbon_credit.imports.adapters.times import EPOCH, in_zone, time_reader
from carbon_credit.imports.pairing import Pair, Swipe, pair_in_order
from carbon_credit.imports.rows import Item, Ride, RowOutcome
from carbon_credit.imports.spill import Spilled, SwipeSpill
from carbon_credit.methodology.network import station_key

EXIT, ENTRY, IGNORED = 0, 1, 2  # from IGNORED on: the rules of the mapping, in their order
PUT_AT_ONCE = 5_000
MICROSECOND = timedelta(microseconds=1)
BETWEEN = "\x1f"  # between the columns that name a card


class Pairs:
    """The pairing of one file. `take` every row, then ask for `items`."""

    def __init__(self, mapping: Mapping, pairing: PairingSpec, at: Places, measure: Measure) -> None:
        moment = mapping.occurred_at
        moment = Moment(column=moment) if isinstance(moment, str) else moment
        self._mapping = mapping
        self._measure = measure
        self._zone = ZoneInfo(mapping.time.zone)
        self._window = timedelta(seconds=pairing.window_s)
        self._by = [at[name] for name in pairing.by]
        self._card = pairing.by.index(mapping.citizen.column or "")
        self._kind, self._place = at[pairing.kind], at[pairing.place]
        self._time = at[moment.column]
        formats = moment.formats or mapping.time.formats
        self._moment = time_reader(formats, zone=mapping.time.zone, ambiguous=mapping.time.ambiguous)
        self._kinds = dict.fromkeys(pairing.leave, EXIT) | dict.fromkeys(pairing.enter, ENTRY)
        self._rules = [(at[rule.column], rule) for rule in mapping.ignore]
        self._data = {name: field_reader(name, spec, at)(()) for name, spec in mapping.data.items()}
        self._latest = EPOCH
        self._spill = SwipeSpill()
        self._pending: list[Spilled] = []

    def take(self, line: int, values: Values, now: datetime) -> None:
        """Set one row aside. Raises `RowRefused` where it cannot be used."""
        card = BETWEEN.join([values[place] for place in self._by])
        if not values[self._by[self._card]]:
            raise RowRefused("card-missing")
        kind = self._kind_of(values)
        at = self._moment(values[self._time])
        if at > now:
            raise RowRefused("time-in-future")
        self._latest = max(self._latest, at)
        station = values[self._place]
        swipe = (card, (at - EPOCH) // MICROSECOND, kind, station_key(station), station, line)
        self._pending.append(swipe)
        if len(self._pending) == PUT_AT_ONCE:
            self._spill.put(self._pending)
            self._pending.clear()

    def items(self) -> Iterator[Item]:
        """The rows set aside, by card and time: repeated, left out, unpaired, or as rides."""
        self._spill.put(self._pending)
        self._pending.clear()
        for card, rows in groupby(self._spill.in_order(), key=itemgetter(0)):
            swipes = self._swipes(rows)
            for found in pair_in_order(swipes, window=self._window, latest=self._latest):
                if isinstance(found, RowOutcome):
                    yield found
                else:
                    yield from self._ride(card, found)

    def close(self) -> None:
        """Forget every swipe."""
        self._spill.close()

    def _kind_of(self, values: Values) -> int:
        for number, (place, rule) in enumerate(self._rules):
            said = values[place]
            if rule.values is not None:
                fits = said in rule.values
            else:
                fits = said not in rule.other_than if rule.other_than is not None else not said
            if fits:
                return IGNORED + number
        kind = self._kinds.get(values[self._kind])
        if kind is None:
            raise RowRefused("type-unknown")
        return kind

    def _swipes(self, rows: Iterator[Spilled]) -> Iterator[Swipe | RowOutcome]:
        """The swipes of one card in order, and the outcomes of rows that are none."""
        before: tuple[object, ...] = ()
        for _, at, kind, place, station, line in rows:
            same = (at, kind, place)
            if same == before:
                yield RowOutcome(line, "duplicate", "row-repeated")
                continue
            before = same
            if kind >= IGNORED:
                rule = self._rules[kind - IGNORED][1]
                yield RowOutcome(line, rule.status, rule.reason)
                continue
            yield Swipe(EPOCH + at * MICROSECOND, kind == ENTRY, place, station, line)

    def _ride(self, card: str, found: Pair) -> Iterator[Item]:
        lines = (found[0].line, found[1].line)
        try:
            measured = self._measure(found[0].station, found[1].station)
        except RowRefused as refused:
            for line in lines:
                yield RowOutcome(line, refused.status, refused.reason)
            return
        by = card.split(BETWEEN)
        entry, exit_ = (in_zone(swipe.at, self._zone).isoformat() for swipe in found)
        # What the two rows say, freed of spelling: another export of the same swipes gives the same id.
        rows = [[*by, at, swipe.entry, swipe.place] for at, swipe in zip((entry, exit_), found, strict=True)]
        event: dict[str, object] = {
            "id": ride_id(self._mapping.name, *rows),
            "revision": 1,
            "type": self._mapping.type,
            "occurred_at": entry,
            "ended_at": exit_,
            "citizen": {"link": {"kind": self._mapping.citizen.kind, "value": by[self._card]}},
            "data": measured | self._data,
        }
        yield Ride(event, by[self._card], lines)
