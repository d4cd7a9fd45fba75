"""How well something is known: grades of values and parts, tiers of inputs."""

from collections.abc import Iterable
from enum import StrEnum


class Grade(StrEnum):
    """How well a value is known, best first. Below `published` it is sandbox."""

    OFFICIAL = "official"
    PUBLISHED = "published"
    SECONDARY = "secondary"
    ASSUMED = "assumed"

    @property
    def rank(self) -> int:
        """0 is best."""
        return _RANK[self]

    @property
    def is_sandbox(self) -> bool:
        """True where a value may be rehearsed with, and not credited for real."""
        return self is not Grade.OFFICIAL and self is not Grade.PUBLISHED


_RANK = {grade: rank for rank, grade in enumerate(Grade)}


class Tier(StrEnum):
    """How an input was obtained, best first."""

    MEASURED = "measured"
    DERIVED = "derived"
    DECLARED = "declared"
    ASSUMED = "assumed"


# Measured data and data derived by a named rule (the shortest track between two gates) weaken
# nothing. What a person declares about themselves is sandbox, and what was assumed stays assumed.
_GRADE_OF_TIER = {
    Tier.MEASURED: Grade.OFFICIAL,
    Tier.DERIVED: Grade.OFFICIAL,
    Tier.DECLARED: Grade.SECONDARY,
    Tier.ASSUMED: Grade.ASSUMED,
}


def worst(grades: Iterable[Grade]) -> Grade:
    """The weakest of `grades`; official when there are none."""
    return max(grades, key=_RANK.__getitem__, default=Grade.OFFICIAL)


def grade_of(result: Grade, tier: Tier) -> Grade:
    """The grade of a reduction: the worst of its values (`result`) and its inputs (`tier`)."""
    of_tier = _GRADE_OF_TIER[tier]
    return result if of_tier is Grade.OFFICIAL else worst((result, of_tier))


def worst_tier(*tiers: Tier) -> Tier:
    """The weakest of `tiers` (at least one): an input is as good as its worst part."""
    return max(tiers, key=list(Tier).index)
