"""Adapters: one mapping file for each kind of operator file, and the reader that they all share.

The mappings beside this file come with the program; any other is given by its path.
"""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Table
from datetime import datetime
from decimal import Context, Decimal
from pathlib import Path

from carbon_credit.imports.adapters.loading import LoadedMapping, load_mapping, names
from carbon_credit.imports.adapters.mapping import ColumnSpec, Mapping
from carbon_credit.imports.adapters.measures import MAX_DIGITS, exact
from carbon_credit.imports.adapters.pairs import Pairs
from carbon_credit.imports.adapters.places import Measure, measure_by
from carbon_credit.imports.adapters.reading import RowReader, row_reader
from carbon_credit.imports.adapters.refusal import RowRefused
from carbon_credit.imports.errors import AdapterRehearsalOnly, FormatRefused
from carbon_credit.imports.formats import Column, Layout, Record, RowSource
from carbon_credit.imports.formats.delimited import DelimitedFile, Portion, records_of
from carbon_credit.imports.riders import Riders
from carbon_credit.imports.rows import Item, RowOutcome
from carbon_credit.imports.stations import Stations
from carbon_credit.methodology.network import Network

__all__ = ["Adapter", "load_mapping", "make_adapter", "names"]

REHEARSAL_PREFIX = "x-"
_EXACT = Context(prec=60)  # a total stays exact, however long the file


class Adapter:
    """Reads one kind of file.

    `digest`: SHA-256 (hex) of the mapping. `link_kind`: the kind of link that it names citizens by, None
    where a column says it. `spelt`: how a control column may be called in a file -> its name in the mapping.
    `totals` after reading: `rows`, and the exact sum of each control column. `uses`: which of the files
    `riders` and `stations` it can make something of.
    """

    def __init__(self, loaded: LoadedMapping, *, measure: Measure, riders: Path | None) -> None:
        mapping = loaded.mapping
        self.loaded = loaded
        self.name = mapping.name
        self.digest = loaded.digest
        self.rehearsal_only = mapping.rehearsal_only
        self.link_kind = mapping.citizen.kind if isinstance(mapping.citizen.kind, str) else None
        self.uses = frozenset(_used(mapping))
        self.totals: dict[str, int | str] = {}
        self._mapping = mapping
        self._measure = measure
        self._riders = riders
        self.spelt = _spellings(mapping.columns, mapping.control)
        self._columns = [_column(spec) for spec in mapping.columns.values()]
        self._at = {name: place for place, name in enumerate(mapping.columns)}
        self._layout = _layout(loaded)

    def check_programme(self, programme: str) -> None:
        """Raises `AdapterRehearsalOnly` where its events may not be credited in this programme."""
        if self.rehearsal_only and not programme.startswith(REHEARSAL_PREFIX):
            raise AdapterRehearsalOnly(adapter=self.name, programme=programme)

    def items(self, source: RowSource, *, now: datetime) -> Iterator[Item]:
        """Every data row once, alone or as part of a ride, always in the same order.

        A file that fails as a whole may do so after its first rides. Raises its errors.
        """
        self._check_format(source)
        if self._mapping.pairing is not None:
            yield from self._paired(source, now)
        else:
            yield from self._single(source, now)

    @property
    def row_by_row(self) -> bool:
        """Whether the mapping alone says what becomes of a row: no other row, no list and no network does."""
        return self._mapping.pairing is None and self._mapping.distance is None and self._riders is None

    def portions(self, source: DelimitedFile) -> Iterator[Portion]:
        """The lines of a file, not read yet. Raises what `items` does where a file fails as a whole."""
        self._check_format(source)
        return source.portions(self._columns, self._layout)

    def read(self, portion: Portion, *, now: datetime) -> tuple[list[Item], "Sums", int]:
        """What becomes of the rows of a portion, their control totals, and how many they are."""
        assert self.row_by_row  # noqa: S101 the caller has looked
        sums = Sums(self._mapping.control, self._at)
        read = row_reader(self._mapping, self._at, measure=self._measure, riders=None)
        records = list(records_of(portion))
        return list(_items(records, read, sums, now)), sums, len(records)

    def sums(self) -> "Sums":
        """Control totals of nothing yet."""
        return Sums(self._mapping.control, self._at)

    def _check_format(self, source: RowSource) -> None:
        if _kin(source.format) not in map(_kin, self._layout.formats):
            known = ", ".join(self._layout.formats)
            raise FormatRefused(file=source.name, found=source.format, known=known)

    def _single(self, source: RowSource, now: datetime) -> Iterator[Item]:
        riders = Riders(self._riders) if self._riders is not None else None
        sums = self.sums()
        try:
            read = row_reader(self._mapping, self._at, measure=self._measure, riders=riders)
            yield from _items(source.records(self._columns, self._layout), read, sums, now)
        finally:
            if riders is not None:
                riders.close()
        self.totals = {"rows": source.rows, **sums.told()}

    def _paired(self, source: RowSource, now: datetime) -> Iterator[Item]:
        assert self._mapping.pairing is not None  # noqa: S101 the caller has looked
        sums = self.sums()
        pairs = Pairs(self._mapping, self._mapping.pairing, self._at, self._measure)
        try:
            for line, values in source.records(self._columns, self._layout):
                if values is None:
                    yield RowOutcome(line, "rejected", "row-malformed")
                    continue
                sums.add(values)
                try:
                    pairs.take(line, values, now)
                except RowRefused as refused:
                    yield RowOutcome(line, refused.status, refused.reason)
            self.totals = {"rows": source.rows, **sums.told()}
            yield from pairs.items()
        finally:
            pairs.close()


def make_adapter(
    mapping: str | LoadedMapping,
    *,
    network: Network | None = None,
    riders: Path | None = None,
    stations: Stations | None = None,
) -> Adapter:
    """The adapter of that name, of the mapping file at that path, or of a mapping that was read.

    `riders` is opened when rows are read. Raises `AdapterUnknown`, a DataError naming file, line and key,
    and `AdapterNeeds` where distances need a network or stations that are not given.
    """
    loaded = load_mapping(mapping) if isinstance(mapping, str) else mapping
    by_list = loaded.mapping.citizen.riders
    if by_list and riders is None:  # every row will be `no-citizen`: nothing to measure
        return Adapter(loaded, measure=lambda _origin, _destination: {}, riders=None)
    measure = measure_by(loaded.mapping, network=network, stations=stations)
    return Adapter(loaded, measure=measure, riders=riders if by_list else None)


def _items(records: Iterable[Record], read: RowReader, sums: "Sums", now: datetime) -> Iterator[Item]:
    for line, values in records:
        if values is None:
            yield RowOutcome(line, "rejected", "row-malformed")
            continue
        sums.add(values)
        try:
            yield read(line, values, now)
        except RowRefused as refused:
            yield RowOutcome(line, refused.status, refused.reason)


class Sums:
    """Control totals. What is no number counts nothing: the total then tells."""

    def __init__(self, control: tuple[str, ...], at: dict[str, int]) -> None:
        self._places = [(name, at[name]) for name in control]
        self._whole = dict.fromkeys(control, 0)
        self._parts = {name: Decimal() for name in control}

    def add(self, values: tuple[str, ...]) -> None:
        """Count one row."""
        for name, place in self._places:
            text = values[place]
            if text.isdigit() and text.isascii() and len(text) <= MAX_DIGITS:
                self._whole[name] += int(text)
                continue
            try:
                self._parts[name] = _EXACT.add(self._parts[name], exact(text))
            except RowRefused:
                continue

    def join(self, other: "Sums") -> None:
        """Count what the other has counted, too."""
        for name in self._whole:
            self._whole[name] += other._whole[name]
            self._parts[name] = _EXACT.add(self._parts[name], other._parts[name])

    def told(self) -> dict[str, int | str]:
        """The exact total of each control column: a whole number, or its text."""
        return {name: self._told(name) for name in self._whole}

    def _told(self, name: str) -> int | str:
        part = self._parts[name]
        if part == part.to_integral_value():
            return self._whole[name] + int(part)
        return format(_EXACT.normalize(_EXACT.add(part, self._whole[name])), "f")


def _used(mapping: Mapping) -> Iterator[str]:
    if mapping.citizen.riders:
        yield "riders"
    if mapping.distance is not None and mapping.distance.rule == "great-circle":
        yield "stations"


def _kin(format: str) -> str:
    """Comma or tab, lines or a list, is no other kind of file."""
    return {"tsv": "csv", "json": "ndjson"}.get(format, format)


def _column(spec: ColumnSpec | str) -> Column:
    return Column((spec,)) if isinstance(spec, str) else Column(spec.names, spec.required)


def _spellings(columns: Table[str, ColumnSpec | str], control: Sequence[str]) -> dict[str, str]:
    return {name: key for key in control for name in (key, *_column(columns[key]).names)}


def _layout(loaded: LoadedMapping) -> Layout:
    file = loaded.mapping.file
    return Layout(
        formats=file.formats,
        encoding=file.encoding,
        delimiter="\t" if file.delimiter == "tab" else file.delimiter,
        skip_rows=file.skip_rows,
        names=file.names,
        sheet=file.sheet,
        items=file.items,
    )
