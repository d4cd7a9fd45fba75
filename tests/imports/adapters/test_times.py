"""Local times, their zones, and the hours that clocks showed twice or never."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.imports.adapters.refusal import RowRefused
from carbon_credit.imports.adapters.times import pattern_of, time_reader

NEW_YORK = "America/New_York"


def read(text: str, *formats: str, zone: str = "Asia/Shanghai", ambiguous: str = "refuse") -> str:
    """The moment in UTC, or the reason why there is none."""
    try:
        found = time_reader(formats or ("iso",), zone=zone, ambiguous=ambiguous)(text)
    except RowRefused as refused:
        return refused.reason
    return found.astimezone(UTC).isoformat().removesuffix("+00:00")


@pytest.mark.parametrize(
    ("written", "form", "utc"),
    [
        ("2026-11-21 08:03:11", "iso", "2026-11-21T00:03:11"),
        ("2026-11-21T08:03", "iso", "2026-11-21T00:03:00"),
        ("2026-11-21 08:03:11.250000000", "iso", "2026-11-21T00:03:11.250000"),
        ("2026-11-21T08:03:11Z", "iso", "2026-11-21T08:03:11"),
        ("2026-11-21T08:03:11-05:00", "iso", "2026-11-21T13:03:11"),
        ("2026/1/5 8:03", "%Y/%m/%d %H:%M", "2026-01-05T00:03:00"),
        ("20261121080311", "%Y%m%d%H%M%S", "2026-11-21T00:03:11"),
        ("21.11.2026 08:03 +0200", "%d.%m.%Y %H:%M %z", "2026-11-21T06:03:00"),
        ("2026-11-21", "%Y-%m-%d", "2026-11-20T16:00:00"),
        ("1795219391", "epoch-s", "2026-11-21T00:03:11"),
        ("1795219391250", "epoch-ms", "2026-11-21T00:03:11.250000"),
    ],
)
def test_forms_of_a_time(written: str, form: str, utc: str) -> None:
    assert read(written, form) == utc


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("2026-11-21", "iso"),
        ("20261121T080311", "iso"),
        ("2026-W47-6T08:03:11", "iso"),
        ("2026-13-21 08:03:11", "iso"),
        ("0001-01-01 00:00:00+14:00", "iso"),
        ("9999-12-31 23:59:59", "iso"),
        ("2026-11-21 08:03:11 ", "iso"),
        ("2026/11/31 08:03", "%Y/%m/%d %H:%M"),
        ("2026/11/21 25:03", "%Y/%m/%d %H:%M"),
        ("２０２６/11/21 08:03", "%Y/%m/%d %H:%M"),
        ("-5", "epoch-s"),
        ("1e9", "epoch-s"),
        ("999999999999999", "epoch-s"),
    ],
)
def test_what_is_no_time(written: str, form: str) -> None:
    assert read(written, form) == "time-malformed"
    assert read("", form) == "time-missing"


def test_forms_are_tried_in_their_order() -> None:
    both = ("iso", "%Y/%m/%d %H:%M")
    assert read("2026/11/21 08:03", *both) == read("2026-11-21 08:03", *both) == "2026-11-21T00:03:00"
    assert read("21.11.2026", *both) == "time-malformed"


def test_an_hour_that_never_was_is_refused() -> None:
    assert read("2026-03-08 01:59:59", zone=NEW_YORK) == "2026-03-08T06:59:59"
    assert read("2026-03-08 02:30:00", zone=NEW_YORK) == "time-nonexistent"
    assert read("2026-03-08 03:00:00", zone=NEW_YORK) == "2026-03-08T07:00:00"


@pytest.mark.parametrize(
    ("ambiguous", "utc"),
    [
        ("refuse", "time-ambiguous"),
        ("earlier", "2026-11-01T05:30:00"),
        ("later", "2026-11-01T06:30:00"),
    ],
)
def test_an_hour_that_came_twice_is_as_the_mapping_says(ambiguous: str, utc: str) -> None:
    assert read("2026-11-01 01:30:00", zone=NEW_YORK, ambiguous=ambiguous) == utc
    assert read("2026-11-01 01:30:00-04:00", zone=NEW_YORK, ambiguous=ambiguous) == "2026-11-01T05:30:00"


def test_the_second_row_of_a_minute_is_judged_as_the_first() -> None:
    reader = time_reader(("iso",), zone=NEW_YORK, ambiguous="refuse")
    first = reader("2026-11-21 08:03:11")
    assert reader("2026-11-21 08:03:11") == first
    assert reader("2026-11-21 08:03:12") - first == timedelta(seconds=1)
    assert reader("2026-11-21 08:03:11+00:00") == datetime(2026, 11, 21, 8, 3, 11, tzinfo=UTC)
    for bad in ("2026-11-21 08:03:61", "2026-11-21 08:03x", "2026-11-21 08:03:11x", "2026-11-21 08:03:1²"):
        with pytest.raises(RowRefused, match="time-malformed"):
            reader(bad)


def test_a_row_that_names_its_offset_says_nothing_of_those_that_do_not() -> None:
    reader = time_reader(("iso",), zone=NEW_YORK, ambiguous="refuse")
    for text in ("2026-11-01 01:30:00-04:00", "2026-11-01 01:30:00-05:00", "2026-11-01 01:30:00-04:00") * 2:
        again = reader(text)
        assert again == datetime.fromisoformat(text)
        assert again.isoformat(" ") == text  # in that zone it was both
    with pytest.raises(RowRefused, match="time-ambiguous"):
        reader("2026-11-01 01:30:00")
    for bad in ("2026-11-01 01:30:61-04:00", "2026-11-01 01:30:1²-04:00", "2026-11-01 01:30.00-04:00"):
        with pytest.raises(RowRefused, match="time-malformed"):
            reader(bad)


@given(st.datetimes(datetime(1971, 1, 1), datetime(2037, 1, 1)), st.sampled_from([NEW_YORK, "Asia/Shanghai"]))  # noqa: DTZ001
def test_what_a_zone_shows_is_read_back(moment: datetime, zone: str) -> None:
    local = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    written = local.replace(tzinfo=None).isoformat(" ")
    kind = "later" if local.fold else "earlier"
    assert read(written, zone=zone, ambiguous=kind) == moment.isoformat()


@pytest.mark.parametrize("form", ["%H:%M", "%q", "iso8601", "%y-%m-%d"])
def test_a_form_that_says_no_day_is_refused(form: str) -> None:
    with pytest.raises(ValueError, match="%"):
        pattern_of(form)
