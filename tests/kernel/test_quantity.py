"""Exact quantities: rounding down, texts for people, splits that add up."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.kernel.quantity import floor_to_int, grams_text, split_by_weights

AMOUNTS = st.integers(0, 10**18)
WEIGHTS = st.lists(st.integers(0, 10**12), min_size=1, max_size=30).filter(any)


@given(AMOUNTS, WEIGHTS)
def test_a_split_adds_up_and_no_part_is_off_by_a_whole_unit(total: int, weights: list[int]) -> None:
    parts = split_by_weights(total, weights)
    assert sum(parts) == total
    whole = sum(weights)
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part * whole - total * weight) < whole
        assert weight or not part, "who has no weight gets nothing"


@given(AMOUNTS, WEIGHTS)
def test_a_split_is_the_same_each_time_and_heavier_never_gets_less(total: int, weights: list[int]) -> None:
    parts = split_by_weights(total, weights)
    assert parts == split_by_weights(total, weights)
    by_weight = sorted(zip(weights, parts, strict=True))
    assert all(one[1] <= other[1] for one, other in pairwise(by_weight) if one[0] < other[0])


def test_what_is_left_goes_to_the_largest_remainders_first_come() -> None:
    assert split_by_weights(100, [1, 1, 1]) == [34, 33, 33]
    assert split_by_weights(10, [3, 3, 4]) == [3, 3, 4]
    assert split_by_weights(2, [1, 5, 1, 1]) == [1, 1, 0, 0]
    assert split_by_weights(0, [1, 2]) == [0, 0]
    assert split_by_weights(7, [9]) == [7]


@pytest.mark.parametrize(("total", "weights"), [(-1, [1]), (1, []), (1, [0, 0]), (1, [2, -1])])
def test_a_split_without_sense_is_refused(total: int, weights: list[int]) -> None:
    with pytest.raises(ValueError, match="a split needs"):
        split_by_weights(total, weights)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=6))
def test_floor_is_the_greatest_integer_not_above(value: Decimal) -> None:
    floored = floor_to_int(value)
    assert floored <= value < floored + 1


@pytest.mark.parametrize(
    ("mg", "text"),
    [(388_440, "388.44"), (0, "0"), (1, "0.001"), (-1, "-0.001"), (1_000, "1"), (-388_440, "-388.44")],
)
def test_grams_for_people(mg: int, text: str) -> None:
    assert grams_text(mg) == text


@given(st.integers(-(10**18), 10**18))
def test_grams_for_people_are_exact(mg: int) -> None:
    assert Decimal(grams_text(mg)) * 1000 == mg
