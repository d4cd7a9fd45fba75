"""What the parts of a mapping must agree on, and what its events owe to their activity type."""

import codecs
from collections.abc import Iterator
from collections.abc import Mapping as Table
from decimal import Decimal
from zoneinfo import ZoneInfo

from carbon_credit.catalogue.activities import ActivityType
from carbon_credit.imports.adapters.mapping import DataSpec, Mapping, Moment, Words
from carbon_credit.imports.adapters.measures import UNITS, is_quantity, measured_by
from carbon_credit.imports.adapters.times import NAMED, pattern_of
from carbon_credit.imports.reasons import reason_known
from carbon_credit.methodology.document import Document
from carbon_credit.methodology.errors import DataError, NameUndefined, ValueWrong

_OF_PAIRS = ("origin", "destination", "distance_m", "distance_source")


def problems(document: Document, mapping: Mapping) -> Iterator[DataError]:
    """Everything that is wrong, in the order of the keys."""
    wrong = _Wrong(document, mapping)
    yield from wrong.file()
    yield from wrong.columns()
    yield from wrong.times()
    yield from wrong.ignored()
    yield from wrong.identity()
    yield from wrong.fields()
    yield from wrong.rules()


def activity_problems(
    document: Document, mapping: Mapping, activities: Table[str, ActivityType]
) -> Iterator[DataError]:
    """What the activity types of the library say against it: types, fields, words that they do not know."""
    codes = [(("type",), mapping.type)] if isinstance(mapping.type, str) else _words_of(mapping.type)
    given = set(mapping.data) | ({"distance_m", "distance_source"} if mapping.distance else set())
    for path, code in codes:
        activity = activities.get(code)
        if activity is None:
            yield document.refuse(NameUndefined, *path, key=code, known=", ".join(sorted(activities)))
            continue
        data = {name: spec for name, spec in mapping.data.items() if _belongs(spec, code)}
        for name in [name for name in data if name not in activity.fields]:
            known = ", ".join(activity.fields)
            yield document.refuse(NameUndefined, "data", name, key=name, known=f"{known} (of {code})")
        for name in [name for name in activity.required if name not in given]:
            yield document.refuse(ValueWrong, "data", what=f"{code} needs the field {name}")
        for name, spec in data.items():
            values = activity.fields[name].values if name in activity.fields else ()
            for word in _words_said(spec) if values else ():
                if word not in values:
                    what = f"{word} is no word of {code}; write one of {', '.join(values)}"
                    yield document.refuse(ValueWrong, "data", name, what=what)


def _belongs(spec: DataSpec | str, code: str) -> bool:
    return isinstance(spec, str) or spec.types is None or code in spec.types


def _words_of(words: Words) -> list[tuple[tuple[str, ...], str]]:
    found = [(("type", "words", said), code) for said, code in words.words.items()]
    more = [(("type", key), code) for key, code in (("empty", words.empty), ("otherwise", words.otherwise))]
    return found + [(path, code) for path, code in more if code is not None]


def _words_said(spec: DataSpec | str) -> list[str]:
    if isinstance(spec, str):
        return [spec]
    return [one for one in (*(spec.words or {}).values(), spec.empty, spec.otherwise) if one is not None]


def _whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


class _Wrong:
    """The checks, each over one part of the mapping."""

    def __init__(self, document: Document, mapping: Mapping) -> None:
        self._document = document
        self._mapping = mapping

    def file(self) -> Iterator[DataError]:
        try:
            "".encode(self._mapping.file.encoding)
            codecs.getincrementaldecoder(self._mapping.file.encoding)
        except (LookupError, ValueError):
            yield self._value("file", "encoding", what="this encoding is not known; write utf-8 or gb18030")
        if self._mapping.file.delimiter not in (None, ",", ";", "|", "\t", "tab"):
            yield self._value("file", "delimiter", what='write ",", ";", "|" or tab')

    def columns(self) -> Iterator[DataError]:
        owner: dict[str, str] = {}
        for name, spec in self._mapping.columns.items():
            for written in (spec,) if isinstance(spec, str) else spec.names:
                other = owner.setdefault(written.strip().lower(), name)
                if other != name:
                    what = f"{written} feeds {other} already; let both rules name {other}"
                    yield self._value("columns", name, what=what)

    def times(self) -> Iterator[DataError]:
        mapping = self._mapping
        try:
            ZoneInfo(mapping.time.zone)
        except (ValueError, OSError, KeyError):
            yield self._value("time", "zone", what="this zone is not known; write one like Asia/Shanghai")
        begun, ended = mapping.occurred_at, mapping.ended_at
        places = [(("time", "formats"), mapping.time.formats)]
        if isinstance(begun, Moment):
            places.append((("occurred_at", "formats"), begun.formats))
            yield from self._known(("occurred_at", "column"), begun.column)
        else:
            yield from self._known(("occurred_at",), begun)
        if isinstance(ended, str):
            yield from self._known(("ended_at",), ended)
        elif ended is not None:
            places.append((("ended_at", "formats"), ended.formats))
            if sum(one is not None for one in (ended.column, ended.duration, ended.after)) != 1:
                yield self._value("ended_at", what="say exactly one of column, duration and after")
            if ended.column:
                yield from self._known(("ended_at", "column"), ended.column)
            if ended.duration:
                yield from self._known(("ended_at", "duration", "column"), ended.duration.column)
                yield from self._unit(("ended_at", "duration", "unit"), ended.duration.unit, "time")
        for path, formats in places:
            for place, one in enumerate(formats):
                try:
                    if one not in NAMED:
                        pattern_of(one)
                except ValueError as error:
                    yield self._value(*path, place, what=str(error))

    def ignored(self) -> Iterator[DataError]:
        for place, rule in enumerate(self._mapping.ignore):
            yield from self._known(("ignore", place, "column"), rule.column)
            if sum(one is not None for one in (rule.values, rule.other_than, rule.empty)) != 1:
                yield self._value("ignore", place, what="say exactly one of values, other_than and empty")
            if not reason_known(rule.reason):
                what = f"the reason {rule.reason} is not on the list; see docs/adapters.md"
                yield self._value("ignore", place, "reason", what=what)

    def identity(self) -> Iterator[DataError]:
        mapping = self._mapping
        for path, words in ((("type",), mapping.type), (("citizen", "kind"), mapping.citizen.kind)):
            if isinstance(words, Words):
                yield from self._worded(path, words)
        who = mapping.citizen
        if (who.column is None) != who.riders:
            yield self._value("citizen", what="say either column or riders: true")
        if who.column:
            yield from self._known(("citizen", "column"), who.column)
        if mapping.revision:
            yield from self._known(("revision",), mapping.revision)
        if mapping.pairing is None:
            if mapping.id is None or (mapping.id.column is None) == (not mapping.id.digest):
                yield self._value("id", what="say either column or digest, a list of columns")
                return
            for place, name in enumerate(mapping.id.digest):
                yield from self._known(("id", "digest", place), name)
            if mapping.id.column:
                yield from self._known(("id", "column"), mapping.id.column)
            if mapping.id.rider and not (mapping.id.digest and who.riders):
                yield self._value("id", "rider", what="only with digest, and where citizen says riders: true")
            return
        said = [mapping.id, mapping.revision, mapping.ended_at, who.riders or None]
        worded = [one for one in (mapping.type, who.kind) if isinstance(one, Words)]
        if worded or any(one is not None for one in said):
            what = "the two rows say id and end; leave out id, revision, ended_at, riders and words"
            yield self._value("pairing", what=what)

    def fields(self) -> Iterator[DataError]:
        for name, spec in self._mapping.data.items():
            path = ("data", name)
            if isinstance(spec, str):
                if is_quantity(name) and not _whole(spec):
                    yield self._value(*path, what="a quantity that is always the same is a whole number")
                continue
            if self._mapping.pairing:
                yield self._value(*path, what="with pairing, a field of the data is a constant")
            if spec.words is not None:
                yield from self._worded(path, spec)
            elif (spec.column is None) == (spec.text is None):
                yield self._value(*path, what="say column (a quantity), text, or column and words")
            elif spec.text is not None:
                yield from self._known((*path, "text"), spec.text)
            else:
                yield from self._known((*path, "column"), spec.column or "")
                yield from self._unit((*path, "unit"), spec.unit or "1", measured_by(name))
        for place, name in enumerate(self._mapping.control):
            yield from self._known(("control", place), name)

    def rules(self) -> Iterator[DataError]:
        pairing, distance = self._mapping.pairing, self._mapping.distance
        if pairing:
            names = [("place", pairing.place), ("kind", pairing.kind)]
            for path, name in [(("pairing", key), name) for key, name in names]:
                yield from self._known(path, name)
            for place, name in enumerate(pairing.by):
                yield from self._known(("pairing", "by", place), name)
            if self._mapping.citizen.column not in pairing.by:
                yield self._value("pairing", "by", what="the column of the citizen belongs to it")
            for name in [name for name in _OF_PAIRS if name in self._mapping.data]:
                yield self._value("data", name, what="pairing and distance say this field")
            if distance is None:
                yield self._value("pairing", what="two gates need a rule of distance; write one")
        if distance is None:
            return
        if Decimal(distance.detour) < 1:
            yield self._value("distance", "detour", what="a way is never shorter than the straight line")
        if Decimal(distance.detour) > 1 and distance.source != "declared":
            what = "a detour above 1 is an assumption, so the distance is no better than source: declared"
            yield self._value("distance", "source", what=what)
        if distance.rule == "network" and Decimal(distance.detour) != 1:
            yield self._value("distance", "detour", what="tracks are as long as they are; leave it out")
        if pairing is None:
            for key, column in (("origin", distance.origin), ("destination", distance.destination)):
                if column is None:
                    yield self._value("distance", what=f"say {key}, the column of a place")
                else:
                    yield from self._known(("distance", key), column)
            if "distance_m" in self._mapping.data:
                yield self._value("data", "distance_m", what="the rule of distance says this field")

    def _worded(self, path: tuple[str | int, ...], words: Words | DataSpec) -> Iterator[DataError]:
        if (words.column is None) == (not words.columns):
            yield self._value(*path, what="say either column or columns beside words")
        for name in (words.column, *words.columns):
            if name is not None:
                yield from self._known(path, name)

    def _unit(self, path: tuple[str | int, ...], unit: str, measures: str) -> Iterator[DataError]:
        fitting = [one for one, (what, _) in UNITS.items() if what == measures]
        if unit not in fitting:
            what = f"the unit {unit} measures no {measures}; write one of {', '.join(fitting)}"
            yield self._value(*path, what=what)

    def _known(self, path: tuple[str | int, ...], name: str) -> Iterator[DataError]:
        if name not in self._mapping.columns:
            known = ", ".join(self._mapping.columns)
            yield self._document.refuse(NameUndefined, *path, key=name, known=known)

    def _value(self, *path: str | int, what: str) -> DataError:
        return self._document.refuse(ValueWrong, *path, what=what)
