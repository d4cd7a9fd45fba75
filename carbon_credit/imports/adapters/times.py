"""Times as files write them, to moments. What a clock showed twice or never is not guessed at.

A time that names its own offset is taken at its word. Others are local times of the zone. When clocks are
put forward an hour of times does not exist (`time-nonexistent`); when they are put back an hour comes twice:
`ambiguous` says whether the row is refused (`time-ambiguous`), or which of the two is meant.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import TypeAlias
from zoneinfo import ZoneInfo

from carbon_credit.imports.adapters.refusal import RowRefused

TimeReader: TypeAlias = Callable[[str], datetime]
Placer: TypeAlias = Callable[[datetime], datetime]

NAMED = ("iso", "epoch-s", "epoch-ms")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PARTS = {
    "%Y": r"(?P<Y>[0-9]{4})",
    "%m": r"(?P<m>[0-9]{1,2})",
    "%d": r"(?P<d>[0-9]{1,2})",
    "%H": r"(?P<H>[0-9]{1,2})",
    "%M": r"(?P<M>[0-9]{1,2})",
    "%S": r"(?P<S>[0-9]{1,2})",
    "%f": r"(?P<f>[0-9]{1,6})",
    "%z": r"(?P<z>Z|[+-][0-9]{2}:?[0-9]{2})",
}
_ISO = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d([.,]\d{1,9})?)? ?(Z|[+-]\d\d:?\d\d)?", re.ASCII)
_DIRECTIVE = re.compile(r"%.")
_REMEMBERED = 4_096


def time_reader(formats: Sequence[str], *, zone: str, ambiguous: str) -> TimeReader:
    """text -> a moment with a fixed offset. Refuses a row with one of the `time-…` reasons."""
    place = _placer(ZoneInfo(zone), ambiguous)
    readers = [_reader(one, place, ZoneInfo(zone)) for one in formats]
    if len(readers) == 1:
        return readers[0]

    tried, last = readers[:-1], readers[-1]

    def first(text: str) -> datetime:
        for read in tried:
            try:
                return read(text)
            except RowRefused as refused:
                if refused.reason != "time-malformed":
                    raise
        return last(text)

    return first


def in_zone(moment: datetime, zone: ZoneInfo) -> datetime:
    """The same moment, with the offset that the zone had then as a fixed one."""
    try:
        local = moment.astimezone(zone)
    except OverflowError:
        raise RowRefused("time-malformed") from None
    return local.replace(tzinfo=timezone(local.utcoffset() or timedelta()))


def pattern_of(written: str) -> re.Pattern[str]:
    """`%Y/%m/%d %H:%M` as an expression. Raises ValueError where it says no day, or an unknown thing."""
    parts: list[str] = []
    end = 0
    for found in _DIRECTIVE.finditer(written):
        if found.group() not in _PARTS:
            raise ValueError(f"{found.group()} is not known; {' '.join(_PARTS)} are")
        parts += [re.escape(written[end : found.start()]), _PARTS[found.group()]]
        end = found.end()
    said = _DIRECTIVE.findall(written)
    if len(set(said)) < len(said):
        raise ValueError("a part of the time is named twice; name it once")
    if not {"%Y", "%m", "%d"} <= set(said):
        raise ValueError(f"write {', '.join(NAMED)}, or a form with %Y, %m and %d")
    # Digits that touch have their full width: 202611210803 is read in one way only.
    text = "".join([*parts, re.escape(written[end:])])
    if re.search(r"%[A-Za-z]%[A-Za-z]", written):
        text = text.replace("{1,2}", "{2}")
    return re.compile(text, re.ASCII)


def _reader(written: str, place: Placer, zone: ZoneInfo) -> TimeReader:
    if written == "iso":
        return _iso(place, zone)
    if written in NAMED:
        return _epoch(1_000_000 if written == "epoch-s" else 1_000, zone)
    return _patterned(pattern_of(written), place, zone)


def _iso(place: Placer, zone: ZoneInfo) -> TimeReader:
    parse = datetime.fromisoformat
    # Minute -> its offset as text: of most rows one look-up and one parse are then all that is done.
    offsets: dict[str, str] = {}
    named: dict[str, str] = {}  # the same of rows that name the zone's offset themselves

    def read(text: str) -> datetime:
        if (
            len(text) == 25
            and named.get(text[:16]) == text[19:]
            and text[16] == ":"
            and text[17:19].isdigit()
        ):
            try:
                return parse(text)
            except ValueError:
                raise RowRefused("time-malformed") from None
        offset = offsets.get(text[:16])
        if offset is not None and len(text) == 19 and text[16] == ":" and text[17:].isdigit():
            try:
                return parse(text + offset)
            except ValueError:
                raise RowRefused("time-malformed") from None
        # The parser takes more than was agreed: 20261121T080311, 2026-W47-6, a stray letter before an offset.
        if not _ISO.fullmatch(text):
            raise RowRefused("time-malformed" if text else "time-missing")
        try:
            found = parse(text)
        except ValueError:
            raise RowRefused("time-malformed") from None
        if found.tzinfo is not None:
            moment = in_zone(found, zone)
            if len(text) == 25 and moment.utcoffset() == found.utcoffset():
                _remember(named, text[:16], text[19:])
            return moment
        placed = place(found)
        _remember(offsets, text[:16], placed.replace(microsecond=0).isoformat()[19:])
        return placed

    return read


def _remember(offsets: dict[str, str], minute: str, offset: str) -> None:
    if len(offsets) >= _REMEMBERED:
        offsets.clear()
    offsets[minute] = offset


def _epoch(microseconds: int, zone: ZoneInfo) -> TimeReader:
    def read(text: str) -> datetime:
        if not (text.isascii() and text.isdigit()) or len(text) > 15:
            raise RowRefused("time-malformed" if text else "time-missing")
        try:
            return in_zone(EPOCH + timedelta(microseconds=int(text) * microseconds), zone)
        except (OverflowError, ValueError):
            raise RowRefused("time-malformed") from None

    return read


def _patterned(pattern: re.Pattern[str], place: Placer, zone: ZoneInfo) -> TimeReader:
    def read(text: str) -> datetime:
        found = pattern.fullmatch(text)
        if found is None:
            raise RowRefused("time-malformed" if text else "time-missing")
        part = found.groupdict().get
        try:
            naive = datetime(  # noqa: DTZ001 the zone is looked up next
                int(part("Y") or 0),
                int(part("m") or 0),
                int(part("d") or 0),
                int(part("H") or 0),
                int(part("M") or 0),
                int(part("S") or 0),
                int((part("f") or "0").ljust(6, "0")),
            )
        except ValueError:
            raise RowRefused("time-malformed") from None
        offset = part("z")
        if offset is None:
            return place(naive)
        sign = -1 if offset[0] == "-" else 1
        digits = "0000" if offset == "Z" else offset[1:].replace(":", "")
        ahead = sign * timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        return in_zone(naive.replace(tzinfo=UTC) - ahead, zone)

    return read


def _placer(zone: ZoneInfo, ambiguous: str) -> Placer:
    """naive -> aware. Minutes are remembered: a day has few, and their offset is always the same."""
    known: dict[datetime, timezone | str] = {}

    def look_up(minute: datetime) -> timezone | str:
        if not 1 < minute.year < 9999:
            return "time-malformed"
        early = minute.replace(tzinfo=zone).utcoffset() or timedelta()
        late = minute.replace(tzinfo=zone, fold=1).utcoffset() or timedelta()
        if early < late:
            return "time-nonexistent"
        if early > late and ambiguous == "refuse":
            return "time-ambiguous"
        return timezone(late if ambiguous == "later" else early)

    def place(naive: datetime) -> datetime:
        minute = naive.replace(second=0, microsecond=0)
        found = known.get(minute)
        if found is None:
            if len(known) >= _REMEMBERED:
                known.clear()
            found = known[minute] = look_up(minute)
        if isinstance(found, str):
            raise RowRefused(found)
        return naive.replace(tzinfo=found)

    return place
