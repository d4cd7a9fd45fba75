"""Where the fund's money came from: exact for any additions and uses, whatever comes in later."""

from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.reach.origin import OTHERS, SALES, Origin, in_proportion, origin_of, shared_out

FEN = st.integers(0, 10**12)
CAME = st.lists(st.tuples(st.sampled_from([SALES, OTHERS]), FEN), max_size=12)


def test_the_first_fen_that_came_in_is_the_first_that_is_used() -> None:
    came = [(OTHERS, 100), (SALES, 50), (OTHERS, 10)]
    assert origin_of(came, used_before=0, used=80) == Origin(others=80)
    assert origin_of(came, used_before=80, used=40) == Origin(sales=20, others=20)
    assert origin_of(came, used_before=120, used=60) == Origin(sales=30, others=10, uncovered=20)


@given(CAME, st.lists(FEN, max_size=8))
def test_every_fen_has_one_origin_however_it_is_cut_into_months(
    came: list[tuple[str, int]], months: list[int]
) -> None:
    parts, before = [], 0
    for used in months:
        parts.append(origin_of(came, used_before=before, used=used))
        assert parts[-1].total == used
        before += used
    whole = origin_of(came, used_before=0, used=before)
    for name in ("sales", "others", "uncovered"):
        assert sum(getattr(one, name) for one in parts) == getattr(whole, name)
    assert whole.sales <= sum(amount for origin, amount in came if origin == SALES)
    assert whole.uncovered == max(before - sum(amount for _, amount in came), 0)


@given(CAME, CAME, FEN, FEN)
def test_what_comes_in_later_moves_nothing_that_was_covered(
    came: list[tuple[str, int]], later: list[tuple[str, int]], before: int, used: int
) -> None:
    first = origin_of(came, used_before=before, used=used)
    second = origin_of(came + later, used_before=before, used=used)
    assert (second.sales >= first.sales, second.others >= first.others) == (True, True)
    if first.uncovered == 0:
        assert second == first


@given(st.lists(FEN, min_size=1, max_size=10), st.data())
def test_offers_share_the_origins_and_each_gets_its_own_sum(weights: list[int], data: st.DataObject) -> None:
    total = sum(weights)
    sales = data.draw(st.integers(0, total))
    others = data.draw(st.integers(0, total - sales))
    whole = Origin(sales, others, total - sales - others)
    parts = shared_out(whole, weights)
    assert [one.total for one in parts] == weights
    for name in ("sales", "others", "uncovered"):
        assert sum(getattr(one, name) for one in parts) == getattr(whole, name)
        assert all(getattr(one, name) >= 0 for one in parts)


@given(st.integers(-(10**9), 10**9), FEN, FEN, FEN)
def test_points_follow_their_fen(points: int, sales: int, others: int, uncovered: int) -> None:
    fen = Origin(sales, others, uncovered)
    found = in_proportion(points, fen)
    assert found.total == points
    if fen.total:
        for name in ("sales", "others", "uncovered"):
            exact = points * getattr(fen, name)
            assert abs(getattr(found, name) * fen.total - exact) < fen.total
            assert getattr(found, name) == 0 or getattr(fen, name) > 0
