"""The terms of an offer on the wire: as they are proposed, and as everybody reads them."""

from collections.abc import Mapping
from typing import Any

import msgspec
from marshmallow import fields

from carbon_credit.api.errors import language
from carbon_credit.api.fields import Flag, Id, Instant, Text, Whole, Word
from carbon_credit.api.schemas import SCENE, Answer, Strict
from carbon_credit.kernel.structs import learned
from carbon_credit.redemption.errors import OfferInvalid
from carbon_credit.redemption.queries import OfferRecord
from carbon_credit.redemption.terms.districts import MAX_DISTRICTS
from carbon_credit.redemption.terms.hours import MAX_OPENINGS, Opening
from carbon_credit.redemption.terms.offer import FUNDINGS, KINDS, MAX_PIECES, MAX_TTL_S, MIN_TTL_S, OfferTerms
from carbon_credit.redemption.terms.rules import MAX_RULES, Rule

CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"
DISTRICT = r"^[1-9][0-9]{5}$"
_KIND = {
    "description": "coupon, transit and goods are taken at a till; code_pool gives a third party's "
    "code; subsidy, donation and neutralise are asked for under /v1/me.",
    "example": "coupon",
}
_PERCENT = {"description": "Of the bill; `value_fen` is the ceiling.", "example": None}
_STOCKED = {"description": "Given by the piece.", "example": True}


class OpeningHours(Strict):
    """Open on one day of the week, in the programme's time."""

    day = Whole(minimum=1, maximum=7, required=True, metadata={"description": "1: Monday.", "example": 6})
    opens = Text(longest=5, pattern=CLOCK, required=True, metadata={"example": "09:00"})
    closes = Text(
        longest=5,
        pattern=CLOCK,
        required=True,
        metadata={"description": "24:00 is the end of the day.", "example": "21:00"},
    )


class EligibilityRule(Strict):
    """One condition; all of an offer's must hold. Which members it has follows from `rule`."""

    rule = Word("events", "grams", "first", required=True, metadata={"example": "events"})
    scene = Text(longest=32, pattern=SCENE, metadata={"example": "metro"})
    events = Whole(minimum=1, metadata={"example": 10})
    co2e_mg = Whole(minimum=1, metadata={"description": "Milligrams; of `grams` only."})
    days = Whole(
        minimum=1,
        maximum=366,
        metadata={"description": "The last so many days, today included.", "example": 30},
    )


class OfferIn(Strict):
    """The terms of an offer. They never change once it is approved."""

    kind = Word(*KINDS, load_default="coupon", metadata=_KIND)
    title_zh = Text(longest=80, required=True, metadata={"example": "五元茶饮券"})
    title_en = Text(longest=160, required=True, metadata={"example": "Tea coupon, 5 yuan"})
    note_zh = Text(longest=400, metadata={"description": "How it is used.", "example": "到店自提。"})
    note_en = Text(longest=400, metadata={"example": "To be picked up in the shop."})
    points_price = Whole(required=True, metadata={"description": "0: neutralise, subsidy.", "example": 100})
    value_fen = Whole(
        required=True, metadata={"description": "What it is worth at the till, at most.", "example": 500}
    )
    percent_off = Whole(minimum=1, maximum=99, metadata=_PERCENT | {"example": 20})
    min_spend_fen = Whole(load_default=0, metadata={"description": "The least bill.", "example": 0})
    partial_use = Flag(
        load_default=False,
        metadata={
            "description": "A voucher may be used several times until its value is used up. The points are "
            "spent at the first use; what is left at the voucher's end lapses.",
            "example": False,
        },
    )
    stocked = Flag(load_default=True, metadata=_STOCKED)
    funding = Word(
        *FUNDINGS,
        load_default="merchant",
        metadata={
            "description": "Who pays. What a fund or a subsidy pays for is set aside with each piece.",
            "example": "merchant",
        },
    )
    budget_id = Id(metadata={"description": "Of a subsidy: its budget."})
    per_citizen_limit = Whole(minimum=1, maximum=MAX_PIECES, metadata={"example": 2})
    per_day_limit = Whole(minimum=1, maximum=MAX_PIECES, metadata={"example": 1})
    per_month_limit = Whole(minimum=1, maximum=MAX_PIECES, metadata={"example": 2})
    voucher_ttl_s = Whole(
        minimum=MIN_TTL_S,
        maximum=MAX_TTL_S,
        required=True,
        metadata={"description": "How long a voucher lives, in seconds.", "example": 86400},
    )
    opens_at = Instant(required=True, metadata={"example": "2026-11-01T00:00:00+08:00"})
    closes_at = Instant(required=True, metadata={"example": "2099-12-31T00:00:00+08:00"})
    hours = fields.List(
        fields.Nested(OpeningHours), load_default=list, metadata={"maxItems": MAX_OPENINGS, "example": []}
    )
    districts = fields.List(
        Text(longest=6, pattern=DISTRICT),
        load_default=list,
        metadata={
            "description": "Codes of GB/T 2260; 440100 covers its districts. None: everywhere.",
            "maxItems": MAX_DISTRICTS,
            "example": ["440100"],
        },
    )
    eligibility = fields.List(
        fields.Nested(EligibilityRule), load_default=list, metadata={"maxItems": MAX_RULES, "example": []}
    )
    replenish_pieces = Whole(
        minimum=1,
        maximum=MAX_PIECES,
        metadata={"description": "Filled up to so many on each month's first day.", "example": 100},
    )


class Offer(Answer):
    """What points can be given for."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"})
    merchant_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d40"})
    kind = Word(*KINDS, required=True, metadata=_KIND)
    title = fields.String(required=True, metadata={"example": "Tea coupon, 5 yuan"})
    title_zh = fields.String(required=True, metadata={"example": "五元茶饮券"})
    title_en = fields.String(required=True, metadata={"example": "Tea coupon, 5 yuan"})
    note = fields.String(required=True, allow_none=True, metadata={"example": None})
    points_price = Whole(required=True, metadata={"example": 100})
    value_fen = Whole(
        required=True, metadata={"description": "What it is worth at the till, at most.", "example": 500}
    )
    percent_off = Whole(required=True, allow_none=True, metadata=_PERCENT)
    min_spend_fen = Whole(required=True, metadata={"description": "The least bill.", "example": 0})
    per_citizen_limit = Whole(required=True, allow_none=True, metadata={"example": 2})
    per_day_limit = Whole(required=True, allow_none=True, metadata={"example": None})
    per_month_limit = Whole(required=True, allow_none=True, metadata={"example": None})
    voucher_ttl_s = Whole(required=True, metadata={"description": "Seconds.", "example": 86400})
    partial_use = fields.Boolean(
        required=True, metadata={"description": "It may be used several times.", "example": False}
    )
    stocked = fields.Boolean(required=True, metadata=_STOCKED)
    opens_at = Instant(required=True, metadata={"example": "2026-11-01T00:00:00Z"})
    closes_at = Instant(required=True, metadata={"example": "2026-12-31T16:00:00Z"})
    hours = fields.List(fields.Nested(OpeningHours), required=True, metadata={"example": []})
    districts = fields.List(fields.String(), required=True, metadata={"example": []})
    eligibility = fields.List(fields.Nested(EligibilityRule), required=True, metadata={"example": []})
    conditions = fields.List(
        fields.String(), required=True, metadata={"description": "`eligibility` in words.", "example": []}
    )
    replenish_pieces = Whole(required=True, allow_none=True, metadata={"example": None})
    left = Whole(required=True, metadata={"description": "Pieces that can be had.", "example": 40})


def terms_of(told: Mapping[str, Any]) -> OfferTerms:
    """The terms in a body that `OfferIn` has read. Raises OfferInvalid."""
    try:
        hours = msgspec.convert(told["hours"], learned(tuple[Opening, ...]))
        eligibility = msgspec.convert(told["eligibility"], learned(tuple[Rule, ...]))
    except msgspec.ValidationError as error:
        raise OfferInvalid(why=str(error)) from error
    plain = {name: value for name, value in told.items() if name not in ("hours", "eligibility")}
    return OfferTerms(**plain | {"districts": tuple(told["districts"])}, hours=hours, eligibility=eligibility)


def offer_shown(row: OfferRecord) -> dict[str, Any]:
    """An offer's members, with the title in the language of the request."""
    chinese = language() == "zh"
    names = [name for name in OfferRecord.__dataclass_fields__ if name != "programme"]
    return {
        **{name: getattr(row, name) for name in names},
        "title": row.title_zh if chinese else row.title_en,
        "note": row.note_zh if chinese else row.note_en,
        "hours": msgspec.to_builtins(row.hours),
        "eligibility": msgspec.to_builtins(row.eligibility),
        "conditions": [rule.said()[0 if chinese else 1] for rule in row.eligibility],
    }
