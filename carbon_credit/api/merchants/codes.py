"""Code pools (券码池): a merchant hands in third-party codes, which only those who redeem are shown."""

import uuid
from collections.abc import Mapping
from typing import Any

from carbon_credit.api import body
from carbon_credit.api.auth import access
from carbon_credit.api.fields import Whole
from carbon_credit.api.merchants.offers import OwnOffer, StockIn, one_offer
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.schemas import Answer
from carbon_credit.identity.scopes import MERCHANT
from carbon_credit.ledger.errors import InsufficientBalance
from carbon_credit.redemption.errors import OfferInvalid, OfferNotFound, OfferState
from carbon_credit.redemption.offering.code_files import CSV, JSON, NDJSON, read_codes
from carbon_credit.redemption.offering.codes import add_codes, pool, withdraw_codes
from carbon_credit.redemption.offering.errors import BudgetExhausted, CodeFileUnreadable, CodesRefused
from carbon_credit.redemption.queries import offer

_OFFERS = access(MERCHANT, scope="offers:write")
_CODES: Mapping[str, Any] = {
    JSON: {"schema": {"type": "array", "items": {"type": "string"}}, "example": ["TEA-0001", "TEA-0002"]},
    NDJSON: {"schema": {"type": "string", "description": 'One `{"code": …}` or one text on each line.'}},
    CSV: {"schema": {"type": "string", "description": "The column `code`, or the first one."}},
}


class PoolOut(Answer):
    """How many codes a pool has."""

    unused = Whole(required=True, metadata={"description": "Seen by nobody.", "example": 98})
    given = Whole(required=True, metadata={"description": "Shown to who redeemed.", "example": 2})
    withdrawn = Whole(required=True, metadata={"description": "Taken out, unused.", "example": 0})


@writes(
    allowed=_OFFERS,
    content=_CODES,
    answer=PoolOut,
    status=201,
    raises=(OfferNotFound, OfferState, OfferInvalid, BudgetExhausted, CodesRefused, CodeFileUnreadable),
)
def add_own_codes(call: Call, offer_id: uuid.UUID) -> dict[str, Any]:
    """Add codes to a pool of this merchant: all of them, or none where one is there already or is no code."""
    add_codes(
        call.session,
        programme=call.caller.programme,
        offer_id=offer_id,
        codes=read_codes(call.body, media_type=body.media_type()),
        now=call.now,
        merchant_id=call.caller.id,
    )
    return _pool(call, offer_id)


@reads(allowed=_OFFERS, answer=PoolOut, raises=(OfferNotFound,))
def get_own_pool(call: Call, offer_id: uuid.UUID) -> dict[str, Any]:
    """Read how many codes a pool of this merchant has. The codes themselves are never shown again."""
    if offer(call.session, programme=call.caller.programme, offer_id=offer_id).merchant_id != call.caller.id:
        raise OfferNotFound
    return _pool(call, offer_id)


@writes(
    allowed=_OFFERS,
    takes=StockIn,
    answer=OwnOffer,
    raises=(OfferNotFound, OfferState, OfferInvalid, InsufficientBalance),
)
def withdraw_own_codes(call: Call, offer_id: uuid.UUID) -> dict[str, Any]:
    """Take codes out of a pool that nobody holds, the newest first. They are never given."""
    withdraw_codes(
        call.session,
        programme=call.caller.programme,
        offer_id=offer_id,
        pieces=call.body["pieces"],
        now=call.now,
        merchant_id=call.caller.id,
    )
    return one_offer(call, offer_id)


def _pool(call: Call, offer_id: uuid.UUID) -> dict[str, Any]:
    found = pool(call.session, offer_id=offer_id)
    return {"unused": found.unused, "given": found.given, "withdrawn": found.withdrawn}
