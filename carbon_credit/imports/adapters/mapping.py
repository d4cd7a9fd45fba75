"""A mapping: what an operator's file means, as data. The words of the YAML file, as frozen structs.

docs/adapters.md explains every key. What can be wrong with a mapping is told by file, line and key, here by
its structs and in `soundness` by what its parts must agree on.
"""

from typing import Annotated, Literal

from msgspec import Meta

from carbon_credit.imports.formats import FORMATS
from carbon_credit.methodology.words import Code, Name, NumberText, Record, ShortText, Slug, Texts

Word = Annotated[str, Meta(min_length=1, max_length=128)]
Format = Literal["csv", "tsv", "ndjson", "json", "xlsx", "parquet"]
Rounding = Literal["half-up", "down", "up"]
Status = Literal["rejected", "held"]


class FileSpec(Record, frozen=True, kw_only=True):
    """How the file is written."""

    formats: Annotated[tuple[Format, ...], Meta(min_length=1)] = FORMATS  # type: ignore[assignment]
    encoding: Word = "utf-8"
    delimiter: Annotated[str, Meta(min_length=1, max_length=3)] | None = None
    skip_rows: Annotated[int, Meta(ge=0, le=1000)] = 0
    names: Annotated[tuple[ShortText, ...], Meta(min_length=1, max_length=1000)] | None = None
    sheet: ShortText | None = None
    items: ShortText | None = None


class ColumnSpec(Record, frozen=True, kw_only=True):
    """Where a column is in the file: any of `names`. Not required: it may be absent, always empty then."""

    names: Annotated[tuple[ShortText, ...], Meta(min_length=1, max_length=32)]
    required: bool = True


class TimeSpec(Record, frozen=True, kw_only=True):
    """`zone` holds for times that name none. `formats` are tried in this order."""

    zone: Word
    formats: Annotated[tuple[Word, ...], Meta(min_length=1, max_length=8)] = ("iso",)
    ambiguous: Literal["refuse", "earlier", "later"] = "refuse"


class Words(Record, frozen=True, kw_only=True):
    """A word of ours for each word of the file. Several columns are joined by one space.

    `empty`: the word where the columns are empty; `otherwise`: where they say anything else.
    """

    column: Name | None = None
    columns: tuple[Name, ...] = ()
    words: Annotated[dict[str, Word], Meta(min_length=1, max_length=500)]
    empty: Word | None = None
    otherwise: Word | None = None


class Amount(Record, frozen=True, kw_only=True):
    """A quantity of the column, in `unit`, rounded to a whole number."""

    column: Name
    unit: Word = "1"
    rounding: Rounding = "half-up"


class Ignored(Record, frozen=True, kw_only=True):
    """Rows that become no event, and why. Exactly one of `values`, `other_than`, `empty` says which."""

    column: Name
    values: tuple[str, ...] | None = None
    other_than: tuple[str, ...] | None = None
    empty: bool | None = None
    status: Status = "rejected"
    reason: Slug


class IdSpec(Record, frozen=True, kw_only=True):
    """The id of an event: a column, or a digest of what these columns say, freed of spelling.

    `rider`: whose trip it was belongs to the digest, where the riders file says it: the columns alone do not
    tell two trips apart.
    """

    column: Name | None = None
    digest: Annotated[tuple[Name, ...], Meta(max_length=32)] = ()
    rider: bool = False


class Moment(Record, frozen=True, kw_only=True):
    """A time of the column; `formats` instead of those of `time`."""

    column: Name
    formats: tuple[Word, ...] = ()


class EndSpec(Record, frozen=True, kw_only=True):
    """When it ended: a time, a duration after the beginning, or a calendar `day` or `month` after it.

    `whole_day`: the column names the last day, and all of it belongs to the period.
    """

    column: Name | None = None
    formats: tuple[Word, ...] = ()
    whole_day: bool = False
    duration: Amount | None = None
    after: Literal["day", "month"] | None = None


class CitizenSpec(Record, frozen=True, kw_only=True):
    """Whose it is: the kind of the link, and the column of its value; `riders`: from the riders file."""

    kind: Words | Slug
    column: Name | None = None
    riders: bool = False


class PairingSpec(Record, frozen=True, kw_only=True):
    """Two rows make one ride: an entry and the next exit of the same `by` within `window_s`."""

    by: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=8)]
    kind: Name
    enter: Annotated[tuple[str, ...], Meta(min_length=1)]
    leave: Annotated[tuple[str, ...], Meta(min_length=1)]
    place: Name
    window_s: Annotated[int, Meta(ge=60, le=172_800)]


class DistanceSpec(Record, frozen=True, kw_only=True):
    """Where `distance_m` comes from when no column says it. `origin`, `destination`: columns of places.

    `network`: the shortest track between two stations. `great-circle`: the straight line between two
    stations, times `detour`. `source` is the `distance_source` of the event.
    """

    rule: Literal["network", "great-circle"]
    origin: Name | None = None
    destination: Name | None = None
    detour: NumberText = "1"
    source: Slug = "gates"


class DataSpec(Record, frozen=True, kw_only=True):
    """One field of the event's data: `column` a quantity, `text` as it stands, `words` from a list.

    The field says by its name what a quantity is converted to: `_m` metres, `_s` seconds, `_wh` watt-hours …
    An empty column leaves the field out. `types`: only events of these types have it.
    """

    column: Name | None = None
    columns: tuple[Name, ...] = ()
    types: tuple[Code, ...] | None = None
    unit: Word | None = None
    rounding: Rounding = "half-up"
    text: Name | None = None
    words: dict[str, Word] | None = None
    empty: Word | None = None
    otherwise: Word | None = None


class Mapping(Record, frozen=True, kw_only=True):
    """The whole of it."""

    name: Slug
    title: Texts
    about: Texts | None = None
    rehearsal_only: bool = False
    file: FileSpec = FileSpec()
    columns: Annotated[dict[Name, ColumnSpec | ShortText], Meta(min_length=1, max_length=200)]
    time: TimeSpec
    ignore: Annotated[tuple[Ignored, ...], Meta(max_length=50)] = ()
    type: Words | Code
    id: IdSpec | None = None
    revision: Name | None = None
    occurred_at: Moment | Name
    ended_at: EndSpec | Name | None = None
    citizen: CitizenSpec
    data: Annotated[dict[Name, DataSpec | ShortText], Meta(max_length=32)] = {}  # noqa: RUF012 copied for each
    pairing: PairingSpec | None = None
    distance: DistanceSpec | None = None
    control: Annotated[tuple[Name, ...], Meta(max_length=16)] = ()
