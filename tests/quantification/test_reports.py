"""The report of a change: sums, quantiles, and a digest that names exactly it."""

from dataclasses import replace
from datetime import date
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.quantification.portions import Row
from carbon_credit.quantification.reports import MOVERS, QUANTILES, Report


def row(number: int, who: int, old_mg: int, new_mg: int, **more: object) -> Row:
    plain = Row(
        reduction_id=UUID(int=number),
        citizen_id=UUID(int=who),
        activity_type="metro.ride",
        scene="metro" if who % 2 else "bus",
        business_day=date(2026, 10, 1 + who % 3),
        old_version="m/v1",
        new_version="m/v2",
        old_use="credit",
        new_use="credit",
        old_grade="secondary",
        new_grade="official",
        old_mg=old_mg,
        new_mg=new_mg,
    )
    return replace(plain, **more)  # type: ignore[arg-type]


amounts = st.integers(min_value=0, max_value=10**12)
many = st.lists(st.tuples(st.integers(0, 30), amounts, amounts), max_size=60).map(
    lambda made: [row(number, *one) for number, one in enumerate(made)]
)


def report(rows: list[Row], done: list[Row] | None = None, heading: bytes = b"") -> Report:
    found = Report(heading=heading)
    found.add(rows, done or [])
    return found


@given(many)
def test_scenes_and_citizens_add_up_to_the_whole(rows: list[Row]) -> None:
    found = report(rows)
    assert found.delta_mg == sum(one.delta_mg for one in rows)
    assert found.delta_mg == sum(one.delta_mg for one in found.scenes.values())
    assert found.delta_mg == sum(found.citizens.values())
    assert found.reductions == len(rows) == sum(one.reductions for one in found.scenes.values())


@given(many)
def test_quantiles_are_somebody_s_difference_in_order(rows: list[Row]) -> None:
    found = report(rows)
    quantiles = found.quantiles()
    if not rows:
        assert quantiles is None
        return
    assert quantiles is not None
    assert tuple(quantiles) == tuple(QUANTILES)
    assert list(quantiles.values()) == sorted(quantiles.values())
    assert set(quantiles.values()) <= set(found.citizens.values())
    assert (quantiles["min"], quantiles["max"]) == (
        min(found.citizens.values()),
        max(found.citizens.values()),
    )
    below = sum(mg <= quantiles["median"] for mg in found.citizens.values())
    assert 2 * below >= len(found.citizens)


@given(many)
def test_the_largest_movers_are_largest(rows: list[Row]) -> None:
    found = report(rows)
    movers = found.movers()
    named = {who for who, _ in movers}
    others = [abs(mg) for who, mg in found.citizens.items() if who not in named and mg]
    assert all(mg for _, mg in movers)
    assert not others or (len(movers) == MOVERS and max(others) <= min(abs(mg) for _, mg in movers))


@given(many, st.integers(0, 60))
def test_what_is_done_and_what_is_left_have_the_digest_of_the_whole(rows: list[Row], cut: int) -> None:
    """Portions are of one day, and their citizens are in order."""
    whole, half = Report(), Report()
    for day in sorted({one.business_day for one in rows}):
        of_day = [one for one in rows if one.business_day == day]
        whole.add(of_day)
        half.add(of_day[cut:], of_day[:cut])
    assert half.digest == whole.digest
    assert half.applied.delta_mg + half.delta_mg == whole.delta_mg


def test_the_digest_differs_wherever_anything_does() -> None:
    one = row(1, 1, 100, 90)
    others = [
        row(2, 1, 100, 90),
        row(1, 1, 100, 91),
        row(1, 1, 101, 90),
        row(1, 1, 100, 90, new_grade="published"),
        row(1, 1, 100, 90, new_use="display"),
        row(1, 1, 100, 90, new_version="m/v3"),
        row(1, 1, 100, 90, busy=True),
        row(1, 1, 100, 90, refusal="not-eligible"),
    ]
    digests = {report([one]).digest} | {report([other]).digest for other in others}
    assert len(digests) == 1 + len(others)
    assert report([one], heading=b"v2").digest != report([one], heading=b"v3").digest


def test_what_stays_is_listed_with_its_reason() -> None:
    told = report(
        [
            row(1, 1, 100, 90),
            row(2, 1, 50, 50, busy=True),
            row(3, 2, 30, 30, refusal="not-eligible"),
            row(4, 2, 0, 20, old_use="points", old_grade="official"),
        ]
    ).as_dict()
    assert told["left"] == [
        {"code": "in-batch", "reductions": 1, "co2e_mg": 50},
        {"code": "not-eligible", "reductions": 1, "co2e_mg": 30},
    ]
    assert told["grades"] == [{"old": "secondary", "new": "official", "reductions": 1}]
    assert told["uses"] == [{"old": "points", "new": "credit", "reductions": 1}]
    assert told["delta_mg"] == 10
