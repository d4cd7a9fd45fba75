"""Serial ranges: splitting loses none and doubles none; what is written is read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.offsets.serials import Range, split, texts
from carbon_credit.verifier.serial import Serial, parse_serial, series_of

parts = st.lists(st.integers(1, 500), min_size=1, max_size=20)


def test_forty_and_sixty_of_a_hundred() -> None:
    assert split(Range(1, 100), [40, 60]) == [Range(1, 40), Range(41, 100)]


@given(st.integers(1, 10**8), parts)
def test_a_split_has_no_gap_and_no_overlap(first: int, sizes: list[int]) -> None:
    whole = Range(first, first + sum(sizes) - 1)
    found = split(whole, sizes)
    assert [len(one) for one in found] == sizes
    numbers = [number for one in found for number in range(one.first, one.last + 1)]
    assert numbers == list(range(whole.first, whole.last + 1))


@pytest.mark.parametrize("sizes", [[], [100, 0], [40, 61], [40, 59], [101], [-1, 101]])
def test_parts_that_do_not_make_up_the_whole_are_refused(sizes: list[int]) -> None:
    with pytest.raises(ValueError, match="do not make up"):
        split(Range(1, 100), sizes)


@pytest.mark.parametrize(("first", "last"), [(0, 5), (6, 5), (-3, -1)])
def test_a_range_has_a_first_and_a_last_number(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="no range"):
        Range(first, last)


@given(st.integers(1, 999_999_999), st.integers(2000, 2200))
def test_texts_are_read_back(number: int, vintage: int) -> None:
    serial = Serial(series_of("x-gd-sz", "bus-2"), vintage, number)
    assert parse_serial(str(serial)) == serial
    assert str(serial).startswith("X-GD-SZ-bus-2-")


def test_a_range_is_shown_by_its_ends() -> None:
    assert texts("GD-SZ-metro", 2026, Range(1, 12)) == (
        "GD-SZ-metro-2026-000000001",
        "GD-SZ-metro-2026-000000012",
    )


@pytest.mark.parametrize(
    "text", ["", "GD-SZ-metro-2026-1", "GD-SZ-metro-2026-000000000", "名-2026-000000001"]
)
def test_what_is_no_serial_is_none(text: str) -> None:
    assert parse_serial(text) is None
