"""Who gets what of a statement: pure. What a merchant owes from before is paid back first, then what it has
to give back now, then the fee; the rest is payable. What does not suffice is owed on.

So a claw-back never touches what earlier statements promised to pay, and no account goes below zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Flows:
    """What moves, in fen; every amount above zero.

    `accrued`, by offer: from its budget to the merchant. `returned`, by offer: back from the merchant.
    `owed`, by offer: what could not be returned. `recovered`: of what was owed before; `reclaimed`, by
    offer: where that goes. `fee`, `fee_owed`: paid and not paid; `fee_back`: given back.
    """

    accrued: dict[UUID, int] = field(default_factory=dict)
    returned: dict[UUID, int] = field(default_factory=dict)
    owed: dict[UUID, int] = field(default_factory=dict)
    recovered: int = 0
    reclaimed: dict[UUID, int] = field(default_factory=dict)
    fee: int = 0
    fee_owed: int = 0
    fee_back: int = 0
    payable: int = 0
    carried: int = 0


def flows(
    *,
    net: Mapping[UUID, int],
    granted: int,
    fee: int,
    owed_before: int,
    reclaims: Mapping[UUID, int],
) -> Flows:
    """`net` by offer and `fee` may be below zero; `granted` comes beside them. `owed_before` is what the
    merchant owes, of which `reclaims`, by offer, are to go back to where they came from."""
    accrued = {offer: fen for offer, fen in sorted(net.items()) if fen > 0}
    fee_back = max(-fee, 0)
    left = sum(accrued.values()) + granted + fee_back
    recovered = min(owed_before, left)
    left -= recovered
    reclaimed = {}
    rest = recovered
    for offer, fen in sorted(reclaims.items()):
        part = min(fen, rest)
        rest -= part
        if part > 0:
            reclaimed[offer] = part
    returned, owed = {}, {}
    for offer, fen in sorted(net.items()):
        back = min(max(-fen, 0), left)
        left -= back
        if back > 0:
            returned[offer] = back
        if -fen > back:
            owed[offer] = -fen - back
    paid_fee = min(max(fee, 0), left)
    fee_owed = max(fee, 0) - paid_fee
    return Flows(
        accrued=accrued,
        returned=returned,
        owed=owed,
        recovered=recovered,
        reclaimed=reclaimed,
        fee=paid_fee,
        fee_owed=fee_owed,
        fee_back=fee_back,
        payable=left - paid_fee,
        carried=owed_before - recovered + sum(owed.values()) + fee_owed,
    )
