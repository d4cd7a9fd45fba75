"""The MACs of many entries are those that each has alone."""

import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.ledger.entries import Entry, entry_mac, entry_macs

KEY = b"k" * 32
WORDS = st.sampled_from(["x-gd-sz", "points", "co2e_mg", "reduction.credit", "posted", "碳"])
INSTANTS = st.integers(0, 2**52).map(
    lambda number: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=number)
)
IDS = st.uuids()
ENTRIES = st.builds(
    Entry,
    IDS,
    WORDS,
    WORDS,
    WORDS,
    WORDS,
    IDS,
    IDS,
    st.integers(1, 2**60),
    st.none() | IDS,
    st.none() | IDS,
    st.none() | INSTANTS,
    INSTANTS,
    st.sampled_from([datetime(2026, 11, 21, tzinfo=UTC)]),
    st.none() | IDS,
)


@given(st.lists(ENTRIES, max_size=8))
def test_many_entries_have_the_macs_that_each_has_alone(entries: list[Entry]) -> None:
    assert entry_macs(KEY, entries) == [entry_mac(KEY, one) for one in entries]


def test_no_two_different_entries_share_a_mac() -> None:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    one = Entry(
        uuid.UUID(int=1),
        "a",
        "b",
        "c",
        "d",
        uuid.UUID(int=2),
        uuid.UUID(int=3),
        4,
        None,
        None,
        None,
        at,
        at,
        None,
    )
    changed = [one, one._replace(programme="ab", asset=""), one._replace(pending_id=uuid.UUID(int=5))]
    changed += [one._replace(reverses_id=uuid.UUID(int=5)), one._replace(reference=uuid.UUID(int=5))]
    assert len(set(entry_macs(KEY, changed))) == len(changed)
