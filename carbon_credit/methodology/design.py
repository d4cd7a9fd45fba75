"""The texts that a verifier reads first: the design of format 2, the prose of format 1."""

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta

from carbon_credit.methodology.words import Record, Texts


class Baseline(Record, frozen=True, kw_only=True):
    """What would have happened otherwise; the year of its data and when it is next brought up to date."""

    text: Texts
    reference_year: Annotated[int, Meta(ge=1990, le=2100)] | None
    next_update: date | None


class Monitoring(Record, frozen=True, kw_only=True):
    """The monitoring plan. null where the text was not found."""

    data: Texts | None
    instrument: Texts | None
    frequency: Texts | None
    quality: Texts | None
    retention: Texts | None


class CreditingPeriod(Record, frozen=True, kw_only=True):
    """How long reductions may be credited, and how that is renewed."""

    text: Texts
    years: Annotated[int, Meta(ge=1, le=100)] | None
    renewal: Texts | None


Within = Literal["inside", "outside", "partly", "unknown"]


class OtherMarkets(Record, frozen=True, kw_only=True):
    """Whether the project's emissions, or the grid electricity that it saves, lie inside an emission
    trading scheme, and whether the same reduction could be a CCER."""

    project_emissions_in_ets: Within
    grid_savings_in_ets: Within
    ccer: Within
    text: Texts


class Design(Record, frozen=True, kw_only=True):
    """What a verifier reads first (方法学设计文件). Every key is written; null says: not found."""

    applicability: Texts | None
    additionality: Texts | None
    boundary: Texts | None
    baseline: Baseline | None
    leakage: Texts | None
    uncertainty: Texts | None
    conservativeness: Texts | None
    monitoring: Monitoring
    crediting_period: CreditingPeriod | None
    other_markets: OtherMarkets
    double_claim: Texts | None


class Prose(Record, frozen=True, kw_only=True):
    """What a verifier reads first, as in format 1. null where the text was not found."""

    applicability: Texts | None
    additionality: Texts | None
    boundary: Texts | None
    baseline: Texts | None
    leakage: Texts | None
    uncertainty: Texts | None
    monitoring: Texts | None
    crediting_period: Texts | None
    other_mechanisms: Texts | None
