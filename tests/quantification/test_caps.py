"""What caps leave, purely: within every limit, as much as they leave room for, inner ones first."""

from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.catalogue.terms import Cap
from carbon_credit.methodology.definition import Grade
from carbon_credit.quantification.caps import (
    CAP_EVENTS,
    CAP_MG,
    CAP_PERSON,
    CAP_YEAR,
    Allowed,
    Used,
    allow_day,
    allow_through,
    count_in,
)

AMOUNTS = st.lists(st.integers(0, 1_000), max_size=20)
LIMIT = st.none() | st.integers(1, 3_000)
COUNT = st.none() | st.integers(1, 10)


def cap(scope: str, events: int | None, mg: int | None) -> Cap:
    return Cap(scope=scope, max_events=events, max_mg=mg, grade=Grade.ASSUMED, source=None)  # type: ignore[arg-type]


@given(AMOUNTS, COUNT, LIMIT)
def test_a_day_stays_within_its_cap_and_uses_it_up(
    amounts: list[int], events: int | None, mg: int | None
) -> None:
    allowed = allow_day(cap("activity-day", events, mg), amounts)
    counted = [one.mg for one in allowed]
    assert all(0 <= left <= gross for left, gross in zip(counted, amounts, strict=True))
    first = amounts if events is None else amounts[:events]
    if mg is None or sum(amounts) <= mg:
        assert sum(counted) == sum(first)
    else:
        assert sum(counted) <= mg
    for one, gross in zip(allowed, amounts, strict=True):
        assert one.cap_code in (None, CAP_EVENTS, CAP_MG)
        assert one.cap_code is not None or one.mg == gross


@given(AMOUNTS, LIMIT, LIMIT, LIMIT)
def test_every_cap_is_kept_at_once(
    amounts: list[int], day: int | None, person: int | None, year: int | None
) -> None:
    caps = [cap("activity-day", None, day), cap("person-day", None, person), cap("person-year", None, year)]
    sums = [Used() for _ in caps]
    for gross in amounts:
        one = allow_through(list(zip(caps, sums, strict=True)), gross)
        for used in sums:
            count_in(used, one.mg, one.cap_code)
    smallest = min([limit for limit in (day, person, year) if limit is not None], default=sum(amounts))
    assert sums[0].granted == min(sum(amounts), smallest)


def test_what_an_inner_cap_takes_uses_up_no_outer_one() -> None:
    inner, outer = Used(), Used()
    limits = [(cap("activity-day", 1, None), inner), (cap("person-day", 2, None), outer)]
    for gross in (10, 20):
        one = allow_through(limits, gross)
        for used in (inner, outer):
            count_in(used, one.mg, one.cap_code)
    other = allow_through([(None, Used()), (limits[1][0], outer)], 30)
    assert other == Allowed(30, None), "the ride that the inner cap refused is no second event"


def test_the_code_names_the_cap_that_took_last() -> None:
    limits = [
        (cap("activity-day", None, 50), Used()),
        (cap("person-day", None, 20), Used()),
        (cap("person-year", None, 100), Used()),
    ]
    assert allow_through(limits, 80) == Allowed(20, CAP_PERSON)
    full = [(cap("person-year", None, 100), Used(granted=100))]
    assert allow_through(full, 1) == Allowed(0, CAP_YEAR)
