"""Whole tonnes out of any stream of milligrams: exact, in order, nothing lost."""

from datetime import UTC, date, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.offsets.allocation import whole_tonnes
from carbon_credit.offsets.selection import Free
from carbon_credit.quantification.selection import Candidate

TONNE = 10**9
amounts = st.lists(
    st.one_of(st.integers(1, 3 * TONNE), st.integers(1, 50), st.sampled_from([TONNE, TONNE - 1, TONNE + 1])),
    max_size=25,
)


def _free(number: int, mg: int, start: int = 0) -> Free:
    candidate = Candidate(
        id=UUID(int=number),
        citizen_id=UUID(int=0),
        partner_id=UUID(int=0),
        activity_type="metro.ride",
        occurred_at=datetime(2026, 10, 1, tzinfo=UTC),
        business_day=date(2026, 10, 1),
        vintage=2026,
        methodology_id="m",
        methodology_version="v1",
        version_digest="",
        profile_digest="",
        inputs="{}",
        tier="measured",
        grade="official",
        gross_mg=mg,
        credited_mg=mg,
        net_mg=mg,
        cap_code=None,
        mandate_id=None,
        consent_id=UUID(int=0),
        ended=False,
    )
    return Free(candidate, start, start + mg, stored=False)


@given(amounts, st.none() | st.integers(0, 9))
def test_exactly_the_whole_tonnes_are_taken_in_order(sizes: list[int], most: int | None) -> None:
    ranges = [_free(number, mg, start=number) for number, mg in enumerate(sizes)]
    taken = list(whole_tonnes(iter(ranges), most_tonnes=most))
    possible = sum(sizes) // TONNE
    expected = possible if most is None else min(possible, most)
    assert sum(one.free.mg for one in taken) == expected * TONNE
    assert [one.free.candidate.id for one in taken] == [free.candidate.id for free in ranges[: len(taken)]]
    for one, whole in zip(taken[:-1], ranges, strict=False):
        assert (one.free, one.rest_to_mg) == (whole, None)
    if taken:
        last, whole = taken[-1], ranges[len(taken) - 1]
        assert last.free.from_mg == whole.from_mg < last.free.to_mg
        assert whole.to_mg == (last.free.to_mg if last.rest_to_mg is None else last.rest_to_mg)
        assert last.rest_to_mg is None or last.rest_to_mg > last.free.to_mg


def test_worked_by_hand() -> None:
    taken = list(whole_tonnes([_free(1, 1_999_999_999)]))
    assert [(one.free.from_mg, one.free.to_mg, one.rest_to_mg) for one in taken] == [
        (0, TONNE, 1_999_999_999)
    ]
    assert list(whole_tonnes([_free(1, TONNE - 1)])) == []
    [exact] = whole_tonnes([_free(1, TONNE)])
    assert exact.rest_to_mg is None
