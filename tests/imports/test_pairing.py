"""Entry and exit to a ride: told as stories, and as invariants over any set of swipes."""

from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.imports.pairing import Pair, Swipe, pair
from carbon_credit.imports.rows import RowOutcome

START = datetime(2018, 9, 1, tzinfo=UTC)
WINDOW = timedelta(minutes=60)


def swipes(*steps: str) -> list[Swipe]:
    """ "+5A": an entry at minute 5 at station A; "-9B": an exit. Lines count from 2."""
    return [
        Swipe(START + timedelta(minutes=int(step[1:-1])), step[0] == "+", step[-1], step[-1], line)
        for line, step in enumerate(steps, start=2)
    ]


def paired(latest: int, *steps: str) -> list[tuple[int, int] | tuple[int, str]]:
    result: list[tuple[int, int] | tuple[int, str]] = []
    for found in pair(swipes(*steps), window=WINDOW, latest=START + timedelta(minutes=latest)):
        result.append((found.line, found.reason) if isinstance(found, RowOutcome) else _lines(found))
    return result


def _lines(found: Pair) -> tuple[int, int]:
    return found[0].line, found[1].line


def test_one_ride() -> None:
    assert paired(90, "+0A", "-30B") == [(2, 3)]
    assert paired(90, "-30B", "+0A") == [(3, 2)]


def test_two_rides_and_the_window_is_inclusive() -> None:
    assert paired(200, "+0A", "-60B", "+70B", "-131A") == [(2, 3), (5, "no-entry"), (4, "no-exit")]


def test_an_exit_belongs_to_the_latest_entry() -> None:
    assert paired(90, "+0A", "+10B", "-20C") == [(2, "no-exit"), (3, 4)]


def test_an_entry_waits_while_its_window_is_open() -> None:
    assert paired(60, "+0A") == [(2, "awaiting-exit")]
    assert paired(61, "+0A") == [(2, "no-exit")]
    assert paired(30, "+0A", "+10B", "-20C") == [(2, "awaiting-exit"), (3, 4)]


def test_exits_come_first_within_a_second() -> None:
    assert paired(90, "+0A", "+30B", "-30B", "-50C") == [(2, 4), (3, 5)]
    assert paired(0, "+0A", "-0A") == [(3, "no-entry"), (2, "awaiting-exit")]


STEPS = st.lists(
    st.tuples(st.integers(0, 300), st.booleans(), st.sampled_from("ABCD")), max_size=30, unique=True
)


@given(STEPS, st.randoms(use_true_random=False))
def test_each_swipe_once_and_the_order_of_rows_is_nothing(
    steps: list[tuple[int, bool, str]], shuffler: Random
) -> None:
    rows = [
        Swipe(START + timedelta(minutes=minute), entry, place, place, line)
        for line, (minute, entry, place) in enumerate(steps, start=2)
    ]
    latest = max((row.at for row in rows), default=START)
    found = list(pair(rows, window=WINDOW, latest=latest))
    lines: list[int] = []
    for item in found:
        if isinstance(item, RowOutcome):
            lines.append(item.line)
            row = rows[item.line - 2]
            assert row.entry == (item.reason != "no-entry")
            assert (item.status == "held") == (row.entry and latest - row.at <= WINDOW)
        else:
            entry, exit_ = item
            lines += [entry.line, exit_.line]
            assert entry.entry
            assert not exit_.entry
            assert timedelta(0) < exit_.at - entry.at <= WINDOW
            # Nothing of this card lies between the two gates.
            assert not any(entry.at < row.at < exit_.at for row in rows)
    assert sorted(lines) == [row.line for row in rows]

    shuffled = list(rows)
    shuffler.shuffle(shuffled)
    assert list(pair(shuffled, window=WINDOW, latest=latest)) == found
