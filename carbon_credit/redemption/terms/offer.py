"""What is offered, as its merchant or an operator proposes it, and what is wrong with that."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from carbon_credit.kernel.quantity import MAX_QUANTITY
from carbon_credit.redemption.terms.districts import MAX_DISTRICTS, is_district
from carbon_credit.redemption.terms.hours import Opening, problem_of_hours
from carbon_credit.redemption.terms.rules import MAX_RULES, Rule

MAX_PIECES = 10_000_000
MAX_TTL_S = 366 * 86_400
MIN_TTL_S = 60
KINDS = ("coupon", "transit", "goods", "code_pool", "subsidy", "donation", "neutralise")
# What an operator may offer itself; all else is a merchant's.
OF_OPERATORS = frozenset({"subsidy", "donation", "neutralise"})
OF_OPERATORS_ONLY = frozenset({"subsidy", "neutralise"})
# What a till takes, and what is held like it: a code is given when it is shown.
AT_TILLS = ("coupon", "transit", "goods")
HELD = (*AT_TILLS, "code_pool")
# Everything else is asked for elsewhere.
OTHER_WAYS = {
    "donation": "/v1/me/donations",
    "subsidy": "/v1/me/subsidies",
    "neutralise": "/v1/me/retirements",
}
FUNDINGS = ("merchant", "fund", "subsidy")


@dataclass(frozen=True, slots=True)
class OfferTerms:
    """What is offered. `points_price` in points, `value_fen` in fen, `voucher_ttl_s` in seconds.

    Open in [opens_at, closes_at) and the weekly `hours`; a voucher taken at the last moment still lives
    `voucher_ttl_s`. `value_fen`: what a piece is worth at most; with `percent_off` the ceiling.
    `min_spend_fen`: the least bill that it is good for. `funding`: who pays, with the `budget_id` of a
    subsidy. `stocked`: given by the piece; without, `points_price` is the least that can be donated.
    `districts`: GB/T 2260 codes, none for everywhere. `replenish_pieces`: filled up to so many each month.
    """

    title_zh: str
    title_en: str
    points_price: int
    value_fen: int
    opens_at: datetime
    closes_at: datetime
    voucher_ttl_s: int
    per_citizen_limit: int | None = None
    kind: str = "coupon"
    note_zh: str | None = None
    note_en: str | None = None
    percent_off: int | None = None
    min_spend_fen: int = 0
    partial_use: bool = False
    stocked: bool = True
    funding: str = "merchant"
    budget_id: uuid.UUID | None = None
    per_day_limit: int | None = None
    per_month_limit: int | None = None
    districts: tuple[str, ...] = ()
    hours: tuple[Opening, ...] = ()
    eligibility: tuple[Rule, ...] = ()
    replenish_pieces: int | None = None


def problem_of(terms: OfferTerms, *, now: datetime) -> str | None:
    """The first thing for which the terms cannot be kept, or None."""
    return next((why for why in _problems(terms, now) if why is not None), None)


def _problems(terms: OfferTerms, now: datetime) -> Iterator[str | None]:
    if terms.kind not in KINDS:
        yield f"the kind is none of {', '.join(KINDS)}"
    if not 0 < len(terms.title_zh.strip()) <= 80 or not 0 < len(terms.title_en.strip()) <= 160:
        yield "a title is empty or too long (80 characters in Chinese, 160 in English)"
    if not MIN_TTL_S <= terms.voucher_ttl_s <= MAX_TTL_S:
        yield f"a voucher must live between {MIN_TTL_S} and {MAX_TTL_S} seconds"
    if terms.closes_at <= max(terms.opens_at, now):
        yield "it must close after it opens, and in the future"
    for limit in (terms.per_citizen_limit, terms.per_day_limit, terms.per_month_limit):
        if limit is not None and not 0 < limit <= MAX_PIECES:
            yield "the limit for one citizen must be above zero, or absent for none"
    yield _problem_of_price(terms)
    yield _problem_of_discount(terms)
    yield _problem_of_funding(terms)
    if len(terms.districts) > MAX_DISTRICTS or not all(map(is_district, terms.districts)):
        yield f"districts are at most {MAX_DISTRICTS} codes of six digits (GB/T 2260)"
    yield problem_of_hours(terms.hours)
    if len(terms.eligibility) > MAX_RULES:
        yield f"there are more than {MAX_RULES} rules of eligibility"
    yield _problem_of_replenishment(terms)


def _problem_of_price(terms: OfferTerms) -> str | None:
    if not 0 <= terms.points_price <= MAX_QUANTITY or not 0 <= terms.value_fen <= MAX_QUANTITY:
        return "the price in points and the value in fen must not be below zero"
    if terms.kind == "neutralise":
        fits = terms.points_price == terms.value_fen == 0 and not terms.stocked
        return None if fits else "neutralising takes grams: it has no price in points, value or stock"
    if terms.points_price == 0 and terms.kind != "subsidy":
        return "the price in points and the value in fen must be above zero"
    if terms.value_fen == 0 and terms.kind != "donation":
        return "the price in points and the value in fen must be above zero"
    if not terms.stocked and (terms.kind != "donation" or terms.value_fen):
        return "only a donation that is worth no fen can be without stock"
    return None


def _problem_of_discount(terms: OfferTerms) -> str | None:
    if terms.percent_off is not None and (terms.kind != "coupon" or not 1 <= terms.percent_off <= 99):
        return "a percentage is between 1 and 99, and of a coupon"
    if not 0 <= terms.min_spend_fen <= MAX_QUANTITY:
        return "the minimum spend must not be below zero"
    if terms.partial_use and (terms.kind not in ("coupon", "transit") or terms.percent_off is not None):
        return "only a coupon or a transit coupon of a fixed amount can be used in parts"
    return None


def _problem_of_funding(terms: OfferTerms) -> str | None:
    if terms.funding not in FUNDINGS:
        return f"the funding is none of {', '.join(FUNDINGS)}"
    if (terms.funding == "subsidy") != (terms.budget_id is not None):
        return "a subsidy needs the budget that pays for it, and nothing else has one"
    if terms.kind == "subsidy" and terms.funding != "subsidy":
        return "a subsidy is paid from the budget of a subsidy"
    if terms.funding != "merchant" and (not terms.stocked or terms.value_fen == 0):
        return "what others pay for has pieces, and each is worth something"
    return None


def _problem_of_replenishment(terms: OfferTerms) -> str | None:
    if terms.replenish_pieces is None:
        return None
    if not terms.stocked or terms.kind == "code_pool":
        return "codes and what has no stock cannot be replenished"
    if not 0 < terms.replenish_pieces <= MAX_PIECES:
        return f"pieces must be between 1 and {MAX_PIECES}"
    return None
