"""One row to one event, as the mapping says. All that can be is worked out before the first row."""

import unicodedata
from collections.abc import Callable
from collections.abc import Mapping as Table
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol, TypeAlias
from zoneinfo import ZoneInfo

from carbon_credit.imports.adapters.mapping import DataSpec, EndSpec, Mapping, Moment, Words
from carbon_credit.imports.adapters.measures import amount_reader, exact, is_quantity
from carbon_credit.imports.adapters.places import Measure
from carbon_credit.imports.adapters.refusal import RowRefused
from carbon_credit.imports.adapters.times import TimeReader, in_zone, time_reader
from carbon_credit.imports.rows import Ride
from carbon_credit.kernel.digest import canonical_json, sha256_hex
from carbon_credit.methodology.network import station_key

ID_HEX = 32  # 128 bits of the digest

Values: TypeAlias = tuple[str, ...]
Places: TypeAlias = Table[str, int]
"""Column of the mapping -> where its value stands in a row."""


class RiderList(Protocol):
    """Whose trips they were."""

    def of_trip(self, trip: str) -> str | None: ...
    def of_line(self, line: int) -> str | None: ...


RowReader: TypeAlias = Callable[[int, Values, datetime], Ride]
"""(line, values, now) -> the ride. Raises `RowRefused`."""


def row_reader(mapping: Mapping, at: Places, *, measure: Measure, riders: RiderList | None) -> RowReader:
    """The function that reads one row after the other."""
    refuse = refuser(mapping, at)
    type_of = word_reader(mapping.type, at, unknown="type-unknown")
    kind_of = word_reader(mapping.citizen.kind, at, unknown="value-unknown")
    begun = _begin_reader(mapping, at)
    ended = _end_reader(mapping, at)
    id_of = _id_reader(mapping, at)
    told_by_rider = mapping.id is not None and mapping.id.rider
    rider_of = _rider_reader(riders, by_line=told_by_rider)
    revision = at[mapping.revision] if mapping.revision else None
    revision_of = amount_reader("1", "down")
    card = at[mapping.citizen.column] if mapping.citizen.column else None
    fields = [
        (name, field_reader(name, spec, at), None if isinstance(spec, str) else spec.types)
        for name, spec in mapping.data.items()
    ]
    origin = at[mapping.distance.origin] if mapping.distance and mapping.distance.origin else 0
    destination = at[mapping.distance.destination] if mapping.distance and mapping.distance.destination else 0
    measured = mapping.distance is not None

    def read(line: int, values: Values, now: datetime) -> Ride:
        refuse(values)
        trip = id_of(values)
        if card is not None:
            citizen = values[card]
            if not citizen:
                raise RowRefused("card-missing")
        else:
            found = rider_of(trip, line)
            if found is None:
                raise RowRefused("no-citizen")
            citizen = found
        kind = type_of(values)
        start = begun(values)
        end = ended(values, start)
        if start > now or (end is not None and end > now):
            raise RowRefused("time-in-future")
        if end is not None and end < start:
            raise RowRefused("end-before-start")
        data: dict[str, object] = measure(values[origin], values[destination]) if measured else {}
        for name, value_of, types in fields:
            if types is not None and kind not in types:
                continue
            value = value_of(values)
            if value is not None:
                data[name] = value
        event: dict[str, object] = {
            "id": ride_id(mapping.name, trip, citizen) if told_by_rider else trip,
            "revision": 1 if revision is None or not values[revision] else revision_of(values[revision]),
            "type": kind,
            "occurred_at": start.isoformat(),
            "citizen": {"link": {"kind": kind_of(values), "value": citizen}},
            "data": data,
        }
        if end is not None:
            event["ended_at"] = end.isoformat()
        return Ride(event, citizen, (line,))

    return read


def refuser(mapping: Mapping, at: Places) -> Callable[[Values], None]:
    """Raises `RowRefused` for the rows that the mapping leaves out."""
    rules = []
    for rule in mapping.ignore:
        said = rule.values if rule.values is not None else rule.other_than
        words = frozenset(said if said is not None else ("",))
        rules.append((at[rule.column], words, rule.values is not None or rule.empty is True, rule))

    def refuse(values: Values) -> None:
        for place, words, among, rule in rules:
            if (values[place] in words) == among:
                raise RowRefused(rule.reason, rule.status)

    return refuse


def word_reader(spec: Words | str, at: Places, *, unknown: str) -> Callable[[Values], str]:
    """The word of ours, or the constant. Refuses with `unknown`."""
    if isinstance(spec, str):
        constant = spec
        return lambda _values: constant
    places = [at[name] for name in ((spec.column,) if spec.column else spec.columns) if name]
    words, empty, otherwise = spec.words, spec.empty, spec.otherwise
    only = places[0] if len(places) == 1 else None

    def read(values: Values) -> str:
        said = values[only] if only is not None else " ".join([values[place] for place in places])
        word = words.get(said)
        if word is None:
            word = empty if not said.strip() and empty is not None else otherwise
            if word is None:
                raise RowRefused(unknown)
        return word

    return read


def field_reader(name: str, spec: DataSpec | str, at: Places) -> Callable[[Values], int | str | None]:
    """One field of the data; None leaves it out."""
    if isinstance(spec, str):
        constant = int(spec) if is_quantity(name) else spec
        return lambda _values: constant
    if spec.words is not None:
        words = Words(
            column=spec.column,
            columns=spec.columns,
            words=spec.words,
            empty=spec.empty,
            otherwise=spec.otherwise,
        )
        worded = word_reader(words, at, unknown="value-unknown")
        places = [at[one] for one in ((spec.column,) if spec.column else spec.columns) if one]
        if spec.empty is not None:
            return worded
        return lambda values: worded(values) if any(values[place] for place in places) else None
    if spec.text is not None:
        place = at[spec.text]
        return lambda values: values[place] or None
    place = at[spec.column or ""]
    amount = amount_reader(spec.unit or "1", spec.rounding)

    def read(values: Values) -> int | None:
        text = values[place]
        return amount(text) if text else None

    return read


def ride_id(adapter: str, *said: object) -> str:
    """The id of an event that has none: another export of the same rows gives the same."""
    return sha256_hex(canonical_json([adapter, *said]))[:ID_HEX]


def _rider_reader(riders: RiderList | None, *, by_line: bool) -> Callable[[str, int], str | None]:
    """Whose the trip with this id on this line was. `by_line`: several trips may have this id."""
    if riders is None:
        return lambda _trip, _line: None
    if by_line:
        return lambda _trip, line: riders.of_line(line)
    return lambda trip, line: riders.of_trip(trip) or riders.of_line(line)


def _begin_reader(mapping: Mapping, at: Places) -> Callable[[Values], datetime]:
    moment = mapping.occurred_at
    moment = Moment(column=moment) if isinstance(moment, str) else moment
    place, read = at[moment.column], _time_reader(mapping, moment.formats)
    return lambda values: read(values[place])


def _end_reader(mapping: Mapping, at: Places) -> Callable[[Values, datetime], datetime | None]:
    spec = mapping.ended_at
    spec = EndSpec(column=spec) if isinstance(spec, str) else spec
    if spec is None:
        return lambda _values, _start: None
    zone = ZoneInfo(mapping.time.zone)
    if spec.after is not None:
        step = _next_day if spec.after == "day" else _next_month
        return lambda _values, start: step(start, zone)
    if spec.duration is not None:
        lasted = at[spec.duration.column]
        seconds = amount_reader(spec.duration.unit, spec.duration.rounding)

        def after(values: Values, start: datetime) -> datetime:
            try:
                return start + timedelta(seconds=seconds(values[lasted]))
            except OverflowError:
                raise RowRefused("number-malformed") from None

        return after
    place, read, whole_day = at[spec.column or ""], _time_reader(mapping, spec.formats), spec.whole_day

    def until(values: Values, _start: datetime) -> datetime | None:
        if not values[place]:
            return None
        end = read(values[place])
        return _next_day(end, zone) if whole_day else end

    return until


def _next_day(moment: datetime, zone: ZoneInfo) -> datetime:
    return _midnight(moment.astimezone(zone).date() + timedelta(days=1), zone)


def _next_month(moment: datetime, zone: ZoneInfo) -> datetime:
    day = moment.astimezone(zone).date()
    return _midnight(date(day.year + day.month // 12, day.month % 12 + 1, 1), zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return in_zone(datetime.combine(day, time(), zone), zone)


def _time_reader(mapping: Mapping, formats: tuple[str, ...]) -> TimeReader:
    chosen = formats or mapping.time.formats
    return time_reader(chosen, zone=mapping.time.zone, ambiguous=mapping.time.ambiguous)


def _id_reader(mapping: Mapping, at: Places) -> Callable[[Values], str]:
    """The id as the columns alone say it."""
    rule = mapping.id
    if rule is None or rule.column is not None:
        place = at[rule.column or ""] if rule else 0

        def given(values: Values) -> str:
            if not values[place]:
                raise RowRefused("id-missing")
            return values[place]

        return given
    adapter = mapping.name
    parts = [(at[name], _freed(mapping, name)) for name in rule.digest]
    return lambda values: ride_id(adapter, *[freed(values[place]) for place, freed in parts])


def _freed(mapping: Mapping, column: str) -> Callable[[str], str]:
    """What a column says, freed of how it is written: moments, amounts, stations and words by themselves."""
    for spec in (mapping.occurred_at, mapping.ended_at):
        spec = Moment(column=spec) if isinstance(spec, str) else spec
        if spec is not None and spec.column == column:
            read = _time_reader(mapping, spec.formats)
            return lambda text: read(text).astimezone(UTC).isoformat() if text else ""
        if isinstance(spec, EndSpec) and spec.duration and spec.duration.column == column:
            return _number
    if mapping.distance and column in (mapping.distance.origin, mapping.distance.destination):
        return station_key
    amounts = [spec for spec in mapping.data.values() if isinstance(spec, DataSpec) and not spec.words]
    if any(spec.column == column for spec in amounts):
        return _number
    return lambda text: " ".join(unicodedata.normalize("NFKC", text).split())


def _number(text: str) -> str:
    return format(exact(text).normalize(), "f") if text else ""
