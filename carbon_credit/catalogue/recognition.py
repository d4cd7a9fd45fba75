"""What a programme gives that is no money: medals, a place on a board, pictures for an amount of carbon."""

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta

from carbon_credit.catalogue.terms import Evidence, Positive, SceneCode
from carbon_credit.methodology.definition import Code, Slug, Texts, holds

MIN_PARTICIPANTS = 10

MedalRule = Literal["events", "co2e_mg", "days_in_row", "first"]


class Medal(Evidence, frozen=True, kw_only=True):
    """A medal for what happened in [effective_from, effective_to), counted when its day is closed.

    `target`: so many credited events, milligrams, or days in a row with a credited event; `first`: the
    first event of `activity_type`. Of everything, or of one scene or one activity type. Awarded once.
    """

    code: Slug
    title: Texts
    rule: MedalRule
    target: Positive = 1
    scene: SceneCode | None = None
    activity_type: Code | None = None
    effective_from: date
    effective_to: date | None

    def holds_on(self, day: date) -> bool:
        """Whether what happens on `day` counts for it."""
        return holds(self.effective_from, self.effective_to, day)


class Board(Evidence, frozen=True, kw_only=True):
    """The boards of districts. One with fewer than `min_participants` ranked in a month shows nothing."""

    min_participants: Annotated[int, Meta(ge=2, le=100_000)]


class Equivalent(Evidence, frozen=True, kw_only=True):
    """A picture for an amount of carbon: `mg_per_unit` milligrams of CO2e are one `unit`. `sentence` tells
    it, with {amount} where the number stands.

    It is somebody's figure, so unlike a rule it cannot be assumed. `data_year`: of the figure, or of the
    text that gives it where the figure's own year is not told.
    """

    code: Slug
    sentence: Texts
    unit: Texts
    mg_per_unit: Positive
    data_year: Annotated[int, Meta(ge=1990, le=2100)]

    def tenths(self, co2e_mg: int) -> int:
        """So many tenths of a unit are `co2e_mg`, rounded down: an equivalent never says more."""
        return co2e_mg * 10 // self.mg_per_unit
