from itertools import product

import pytest

from carbon_credit.methodology.definition import Grade, Tier, grade_of, worst, worst_tier


def test_grades_are_ordered_from_official_to_assumed() -> None:
    assert [grade.rank for grade in Grade] == [0, 1, 2, 3]
    assert [grade.is_sandbox for grade in Grade] == [False, False, True, True]
    assert worst([Grade.PUBLISHED, Grade.ASSUMED, Grade.OFFICIAL]) is Grade.ASSUMED
    assert worst([]) is Grade.OFFICIAL


@pytest.mark.parametrize(("result", "tier"), list(product(Grade, Tier)))
def test_an_input_never_improves_a_result(result: Grade, tier: Tier) -> None:
    assert grade_of(result, tier).rank >= result.rank


def test_what_inputs_do_to_a_grade() -> None:
    assert grade_of(Grade.PUBLISHED, Tier.MEASURED) is Grade.PUBLISHED
    assert grade_of(Grade.OFFICIAL, Tier.DERIVED) is Grade.OFFICIAL
    assert grade_of(Grade.OFFICIAL, Tier.DECLARED) is Grade.SECONDARY
    assert grade_of(Grade.PUBLISHED, Tier.ASSUMED) is Grade.ASSUMED
    assert worst_tier(Tier.MEASURED, Tier.DECLARED, Tier.DERIVED) is Tier.DECLARED
