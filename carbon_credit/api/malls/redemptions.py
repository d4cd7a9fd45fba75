"""A partner's own mall: it holds, cancels and uses for a citizen that it brought a link of."""

import uuid
from typing import Any

from carbon_credit.api.auth import access
from carbon_credit.api.citizens.redemptions import REFUSALS, RedemptionIn, RedemptionOut, voucher_shown
from carbon_credit.api.fields import Id
from carbon_credit.api.merchants.vouchers import ConsumptionIn, ConsumptionOut, use_shown
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.identity.scopes import PARTNER
from carbon_credit.redemption.errors import (
    PartialUseRefused,
    RedemptionNotFound,
    VoucherCancelled,
    VoucherConsumed,
    VoucherExpired,
    VoucherLapsed,
    VoucherTooSmall,
)
from carbon_credit.redemption.partners import cancel_for, consume_for, held_by, hold_for

_SPEND = access(PARTNER, scope="redemptions:write")


class PartnerRedemptionIn(RedemptionIn):
    """One piece of an offer, for a citizen."""

    citizen_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d70"})


@writes(
    allowed=_SPEND,
    takes=PartnerRedemptionIn,
    answer=RedemptionOut,
    status=201,
    raises=REFUSALS,
)
def redeem_for_citizen(call: Call) -> dict[str, Any]:
    """Redeem for a citizen: hold one piece and its price."""
    return voucher_shown(hold_for(call.session, **_whose(call), **call.body, now=call.now))


@reads(allowed=_SPEND, answer=RedemptionOut, raises=(RedemptionNotFound,))
def get_redemption(call: Call, redemption_id: uuid.UUID) -> dict[str, Any]:
    """Read a redemption that this partner held."""
    return voucher_shown(held_by(call.session, **_whose(call), redemption_id=redemption_id, now=call.now))


@writes(
    allowed=_SPEND,
    answer=RedemptionOut,
    raises=(RedemptionNotFound, VoucherConsumed, VoucherCancelled, VoucherExpired),
)
def cancel_for_citizen(call: Call, redemption_id: uuid.UUID) -> dict[str, Any]:
    """Give back what this partner held; the points return to the lots that they came from."""
    return voucher_shown(cancel_for(call.session, **_whose(call), redemption_id=redemption_id, now=call.now))


@writes(
    allowed=_SPEND,
    takes=ConsumptionIn,
    bare=True,
    answer=ConsumptionOut,
    raises=(
        RedemptionNotFound,
        VoucherConsumed,
        VoucherCancelled,
        VoucherExpired,
        VoucherLapsed,
        VoucherTooSmall,
        PartialUseRefused,
    ),
)
def consume_for_citizen(call: Call, redemption_id: uuid.UUID) -> dict[str, Any]:
    """Use what this partner held, in its own mall, for the offer's merchant."""
    used = consume_for(
        call.session,
        **_whose(call),
        redemption_id=redemption_id,
        now=call.now,
        value_fen=call.body.get("value_fen"),
    )
    return use_shown(used)


def _whose(call: Call) -> dict[str, Any]:
    return {"programme": call.caller.programme, "partner_id": call.caller.id}
