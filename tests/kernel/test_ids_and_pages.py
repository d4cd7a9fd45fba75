"""Ids that sort by time, ids that tell nothing, and cursors that cannot be bent."""

import uuid
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.kernel.ids import new_id, new_ids, random_id
from carbon_credit.kernel.paging import CursorInvalid, cursor, cut, id_position, position


def test_new_ids_sort_as_they_were_made() -> None:
    made = [new_id() for _ in range(5_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {one.version for one in made} == {7}


def test_ids_made_at_once_lie_between_those_made_before_and_after() -> None:
    made = [new_id()]
    for count in (0, 1, 5_000, 3):
        at_once = new_ids(count)
        assert len(at_once) == count
        made += [*at_once, new_id()]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {one.version for one in made} == {7}
    assert {one.variant for one in made} == {uuid.RFC_4122}


def test_processes_never_make_the_same_ids() -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        made = [one for ids in pool.map(new_ids, [2_000] * 20) for one in ids]
    assert len(set(made)) == 40_000


def test_random_ids_tell_nothing() -> None:
    made = [random_id() for _ in range(1_000)]
    assert len(set(made)) == len(made)
    assert {one.version for one in made} == {4}
    assert made != sorted(made)


@given(st.text(max_size=40), st.integers(-(2**53), 2**53))
def test_a_position_comes_back(text: str, number: int) -> None:
    assert position(cursor(text, number), str, int) == (text, number)


@given(st.text(max_size=60))
def test_any_other_text_is_refused_in_words(text: str) -> None:
    try:
        found = position(text, str, int)
    except CursorInvalid:
        return
    assert [type(part) for part in found] == [str, int]


@pytest.mark.parametrize(
    "text", ["", "!", cursor(1, 2), cursor("a"), cursor("a", 1, 2), "eyJhIjoxfQ", cursor("a", 1) + "=x"]
)
def test_a_cursor_of_another_list_is_refused(text: str) -> None:
    with pytest.raises(CursorInvalid):
        position(text, str, int)


def test_an_id_in_a_cursor() -> None:
    one = uuid.UUID(int=7)
    assert id_position(None) is None
    assert id_position(cursor(str(one))) == one
    with pytest.raises(CursorInvalid):
        id_position(cursor("no id"))


@pytest.mark.parametrize(("count", "kept", "more"), [(0, 0, False), (3, 3, False), (4, 3, True)])
def test_a_page_has_a_next_one_only_where_there_is_more(count: int, kept: int, more: bool) -> None:
    page = cut(list(range(count)), 3, lambda row: (row,))
    assert len(page.items) == kept
    assert (page.next_cursor == cursor(2)) if more else (page.next_cursor is None)
