"""The closed chart of accounts: which kinds exist, and which code may move what between them.

A transfer goes from its debit account to its credit account. Sides:

    guarded   belongs to someone; available (credits - debits - held debits) is never below zero
    debt      what someone owes; debits >= credits, so it is never paid back twice
    derived   the programme's own end of a posting; its row is never updated, so writers do not queue
              behind it, and its balance is computed from its transfers
"""

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Literal, TypeAlias

from carbon_credit.ledger.accounts import CO2E, FEN, POINTS, AccountKey
from carbon_credit.ledger.errors import OutsideChart

Side: TypeAlias = Literal["guarded", "debt", "derived"]

UNIT = "unit"  # stands for every asset `unit:<offer>`
_UNIT_ASSET = re.compile(r"unit:[0-9a-z-]{1,40}")
_PROGRAMME = re.compile(r"[a-z0-9-]{1,16}")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of account. `owned`: an owner is demanded (else forbidden). `lot`: an expiry date is."""

    asset: str
    side: Side
    owned: bool = True
    lot: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """What a code may do. `two_phase`: it may be held first and settled later. `back_only`: it goes back
    the way that a transfer came, names it, and takes back no more than that moved."""

    asset: str
    debit: frozenset[str]
    credit: frozenset[str]
    two_phase: bool = False
    back_only: bool = False


KINDS: dict[str, Kind] = {
    "programme.source": Kind(CO2E, "derived", owned=False),
    "citizen.reductions": Kind(CO2E, "guarded"),
    "partner.reductions": Kind(CO2E, "guarded"),
    "batch.frozen": Kind(CO2E, "guarded"),
    "batch.issued": Kind(CO2E, "guarded"),
    "batch.deducted": Kind(CO2E, "derived"),
    "buyer.holding": Kind(CO2E, "guarded"),
    "retired": Kind(CO2E, "derived"),
    "programme.points": Kind(POINTS, "derived", owned=False),
    "citizen.points": Kind(POINTS, "guarded", lot=True),
    "citizen.points_due": Kind(POINTS, "debt"),
    "merchant.points": Kind(POINTS, "guarded"),
    "donation.points": Kind(POINTS, "guarded"),
    "programme.settled": Kind(POINTS, "derived", owned=False),
    "programme.expired": Kind(POINTS, "derived", owned=False),
    "programme.points_loss": Kind(POINTS, "derived", owned=False),
    "offer.supply": Kind(UNIT, "derived"),
    "offer.stock": Kind(UNIT, "guarded"),
    "offer.given": Kind(UNIT, "guarded"),
    "bank": Kind(FEN, "derived", owned=False),
    "programme.fund": Kind(FEN, "guarded", owned=False),
    "subsidy.budget": Kind(FEN, "guarded"),
    "offer.budget": Kind(FEN, "guarded"),
    "sale.receivable": Kind(FEN, "debt"),
    "sale.proceeds": Kind(FEN, "guarded"),
    "citizen.benefit": Kind(FEN, "guarded"),
    "merchant.payable": Kind(FEN, "guarded"),
    "merchant.paid": Kind(FEN, "derived"),
    "merchant.due": Kind(FEN, "debt"),
    "offer.reclaim": Kind(FEN, "guarded"),
    "fee": Kind(FEN, "derived", owned=False),
    "tax.payable": Kind(FEN, "guarded", owned=False),
}

# Rows that many want at one moment: they are locked after all others.
SHARED = frozenset({"offer.stock", "offer.given", "merchant.points", "donation.points"})


def _rule(asset: str, debit: str, credit: str, *, two_phase: bool = False, back_only: bool = False) -> Rule:
    return Rule(asset, frozenset(debit.split()), frozenset(credit.split()), two_phase, back_only)


CODES: dict[str, Rule] = {
    # Reductions: quantified, pooled, issued, sold, retired. Nothing leaves `retired`.
    "reduction.credit": _rule(CO2E, "programme.source", "citizen.reductions partner.reductions"),
    "reduction.revoke": _rule(CO2E, "citizen.reductions partner.reductions", "programme.source"),
    "batch.freeze": _rule(CO2E, "citizen.reductions partner.reductions", "batch.frozen"),
    "batch.release": _rule(CO2E, "batch.frozen", "citizen.reductions partner.reductions"),
    "batch.deduct": _rule(CO2E, "batch.frozen", "batch.deducted"),
    "batch.issue": _rule(CO2E, "batch.frozen", "batch.issued"),
    "sale.deliver": _rule(CO2E, "batch.issued", "buyer.holding"),
    "sale.return": _rule(CO2E, "buyer.holding", "batch.issued"),
    "retire.batch": _rule(CO2E, "batch.issued", "retired"),
    "retire.buyer": _rule(CO2E, "buyer.holding", "retired"),
    "retire.citizen": _rule(CO2E, "citizen.reductions", "retired"),
    # Points: granted into lots, spent, settled; what was spent before it was taken back is owed. No code
    # goes from citizen to citizen, and a refund only back to who paid: points are nobody's to pass on.
    "points.grant": _rule(POINTS, "programme.points", "citizen.points"),
    "points.bonus": _rule(POINTS, "programme.points", "citizen.points"),
    "points.revoke": _rule(POINTS, "citizen.points", "programme.points"),
    "points.due": _rule(POINTS, "citizen.points_due", "programme.points"),
    "points.recover": _rule(POINTS, "programme.points", "citizen.points_due"),
    "points.writeoff": _rule(POINTS, "programme.points_loss", "citizen.points_due"),
    "points.redeem": _rule(POINTS, "citizen.points", "merchant.points", two_phase=True),
    "points.refund": _rule(POINTS, "merchant.points", "citizen.points", back_only=True),
    "points.donate": _rule(POINTS, "citizen.points", "donation.points", two_phase=True),
    "points.expire": _rule(POINTS, "citizen.points", "programme.expired"),
    "points.settle": _rule(POINTS, "merchant.points donation.points", "programme.settled"),
    # Pieces of an offer.
    "stock.add": _rule(UNIT, "offer.supply", "offer.stock"),
    "stock.remove": _rule(UNIT, "offer.stock", "offer.supply"),
    "stock.take": _rule(UNIT, "offer.stock", "offer.given", two_phase=True),
    "stock.return": _rule(UNIT, "offer.given", "offer.stock"),
    # Money: what a sale brings in and where it goes. `bank` is the world outside.
    "fund.add": _rule(FEN, "bank", "programme.fund"),
    "subsidy.add": _rule(FEN, "bank", "subsidy.budget"),
    "subsidy.return": _rule(FEN, "subsidy.budget", "bank"),
    # What an offer promises is set aside when pieces are added, and what is left of it returns.
    "offer.reserve": _rule(FEN, "programme.fund subsidy.budget", "offer.budget"),
    "offer.unreserve": _rule(FEN, "offer.budget", "programme.fund subsidy.budget"),
    # What the answer to a dispute gives: by way of the budget, so that all money of an offer is seen there.
    "offer.adjust": _rule(FEN, "programme.fund subsidy.budget", "offer.budget", two_phase=True),
    "subsidy.grant": _rule(FEN, "offer.budget", "citizen.benefit"),
    "sale.book": _rule(FEN, "sale.receivable", "sale.proceeds"),
    "sale.unbook": _rule(FEN, "sale.proceeds", "sale.receivable"),
    "sale.receive": _rule(FEN, "bank", "sale.receivable"),
    "sale.distribute": _rule(FEN, "sale.proceeds", "programme.fund citizen.benefit fee tax.payable"),
    "benefit.pay": _rule(FEN, "citizen.benefit", "bank"),
    # What merchants are owed, month by month; what they owe is set against the months that follow.
    "merchant.accrue": _rule(
        FEN, "offer.budget programme.fund subsidy.budget", "merchant.payable", two_phase=True
    ),
    "merchant.unaccrue": _rule(
        FEN, "merchant.payable offer.reclaim", "offer.budget programme.fund subsidy.budget"
    ),
    "merchant.owe": _rule(FEN, "merchant.due", "offer.reclaim"),
    "merchant.recover": _rule(FEN, "merchant.payable", "merchant.due"),
    "merchant.fee": _rule(FEN, "merchant.payable merchant.due", "fee"),
    "merchant.unfee": _rule(FEN, "fee", "merchant.payable"),
    "merchant.pay": _rule(FEN, "merchant.payable", "merchant.paid"),
    "tax.pay": _rule(FEN, "tax.payable", "bank"),
}

BACK_ONLY = frozenset(code for code, rule in CODES.items() if rule.back_only)


def side_of(kind: str) -> Side:
    """On which side accounts of this kind stand. Raises OutsideChart for a kind that is not there."""
    return _kind(kind).side


def check_account(key: AccountKey) -> None:
    """Raises OutsideChart unless the chart has this kind with such an asset, owner and lot."""
    _check_form(key.programme, key.asset, key.kind, key.owner is not None, key.lot)


@lru_cache(maxsize=10_000)  # the same few forms for every account of a city; a refusal is not remembered
def _check_form(programme: str, asset: str, name: str, owned: bool, lot: str) -> None:
    kind = _kind(name)
    if not _PROGRAMME.fullmatch(programme):
        raise OutsideChart(why="the programme code is not of lower-case letters, digits and hyphens")
    if kind.asset != asset_family(asset):
        raise OutsideChart(why=f"{name} does not hold {asset}")
    if kind.owned != owned:
        raise OutsideChart(why=f"{name} {'needs an' if kind.owned else 'has no'} owner")
    if kind.lot != bool(lot):
        raise OutsideChart(why=f"{name} {'needs a' if kind.lot else 'has no'} lot")
    if lot and not _is_date(lot):
        raise OutsideChart(why="a lot is an expiry date, written YYYY-MM-DD")


def check_transfer(code: str, debit: AccountKey, credit: AccountKey, *, pending: bool) -> None:
    """Raises OutsideChart unless `code` may move this asset from `debit` to `credit` in this phase."""
    why = problem_of(code, debit.kind, credit.kind, pending=pending)
    if why is None and debit.programme != credit.programme:
        why = "the two accounts belong to different programmes"
    if why is None and debit.asset != credit.asset:
        why = "the two accounts hold different assets"
    if why is not None:
        raise OutsideChart(why=why)


@lru_cache(maxsize=10_000)
def problem_of(code: str, debit_kind: str, credit_kind: str, *, pending: bool) -> str | None:
    """Why the chart does not allow it, or None."""
    rule = CODES.get(code)
    if rule is None:
        return f"there is no code {code}"
    if debit_kind not in rule.debit or credit_kind not in rule.credit:
        return f"{code} does not go from {debit_kind} to {credit_kind}"
    if pending and not rule.two_phase:
        return f"{code} cannot be held"
    return None


def asset_family(asset: str) -> str:
    """The asset as the chart names it: every `unit:<offer>` is one family. "" for what is no asset."""
    if asset in (CO2E, POINTS, FEN):
        return asset
    return UNIT if _UNIT_ASSET.fullmatch(asset) else ""


def _kind(kind: str) -> Kind:
    found = KINDS.get(kind)
    if found is None:
        raise OutsideChart(why=f"there is no kind of account {kind}")
    return found


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
