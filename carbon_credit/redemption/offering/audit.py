"""Proof that offers hold: their money covers what they promise, their codes are their pieces."""

from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from carbon_credit.ledger.audit import Finding
from carbon_credit.ledger.queries import balances
from carbon_credit.redemption.models import Offer, Redemption
from carbon_credit.redemption.offering import money
from carbon_credit.redemption.offering.models import OfferCode, Subsidy
from carbon_credit.redemption.offering.stock import owed_fen
from carbon_credit.redemption.queries import stock_key

# After every voucher's time: of one used in part only what was used is owed for certain.
_AFTER_ALL = datetime(9999, 1, 1, tzinfo=UTC)


def audit_offers(session: Session) -> Iterator[Finding]:
    """Every finding, naming table and row."""
    yield from _budgets(session)
    yield from _pools(session)
    yield from _given_codes(session)
    yield from _subsidies(session)


def _budgets(session: Session) -> Iterator[Finding]:
    """What is set aside covers what is in stock, held, and consumed but not settled."""
    funded = select(Offer).where(Offer.funding != "merchant").order_by(Offer.id)
    for offer in session.scalars(funded.execution_options(populate_existing=True)):
        budget, stock = money.budget_key(offer), stock_key(offer.programme, offer.id)
        found = balances(session, keys=[budget, stock])
        needed = found[stock].available * offer.value_fen
        needed += owed_fen(session, offer=offer, now=_AFTER_ALL)
        if offer.wound_up_at is None and found[budget].available < needed:
            detail = f"{found[budget].available} fen are set aside, {needed} are promised"
            yield Finding("offer-budget", "offer", str(offer.id), detail)


def _pools(session: Session) -> Iterator[Finding]:
    """A pool has as many codes that nobody has seen as it has pieces, in stock and held."""
    seen_by_nobody = func.count(OfferCode.id)
    statement = (
        select(Offer.programme, Offer.id, seen_by_nobody)
        .outerjoin(
            OfferCode,
            and_(
                OfferCode.offer_id == Offer.id,
                OfferCode.redemption_id.is_(None),
                OfferCode.withdrawn_at.is_(None),
            ),
        )
        .where(Offer.kind == "code_pool")
        .group_by(Offer.programme, Offer.id)
        .order_by(Offer.id)
    )
    for programme, offer_id, codes in session.execute(statement):
        key = stock_key(programme, offer_id)
        pieces = balances(session, keys=[key])[key].posted
        if pieces != codes:
            yield Finding("pool-codes", "offer", str(offer_id), f"{codes} codes for {pieces} pieces")


def _given_codes(session: Session) -> Iterator[Finding]:
    """A code that was shown belongs to a consumed redemption of its offer, and each such one has a code."""
    statement = (
        select(OfferCode.id)
        .outerjoin(Redemption, Redemption.id == OfferCode.redemption_id)
        .where(
            OfferCode.redemption_id.is_not(None),
            or_(
                Redemption.id.is_(None),
                Redemption.state != "consumed",
                Redemption.offer_id != OfferCode.offer_id,
            ),
        )
    )
    for code_id in session.scalars(statement):
        yield Finding("code-given", "offer_code", str(code_id), "it was shown for no redemption of its offer")
    without = (
        select(Redemption.id)
        .join(Offer, Offer.id == Redemption.offer_id)
        .outerjoin(OfferCode, OfferCode.redemption_id == Redemption.id)
        .where(Offer.kind == "code_pool", Redemption.state == "consumed", OfferCode.id.is_(None))
    )
    for redemption_id in session.scalars(without):
        yield Finding("code-given", "redemption", str(redemption_id), "it was consumed without a code")


def _subsidies(session: Session) -> Iterator[Finding]:
    """A subsidy is granted where its redemption is consumed, and nowhere else."""
    statement = (
        select(Redemption.id, Redemption.state, Subsidy.granted_on)
        .join(Offer, Offer.id == Redemption.offer_id)
        .outerjoin(Subsidy, Subsidy.redemption_id == Redemption.id)
        .where(
            Offer.kind == "subsidy",
            or_(
                Subsidy.redemption_id.is_(None),
                and_(Redemption.state == "consumed", Subsidy.granted_on.is_(None)),
                and_(Redemption.state != "consumed", Subsidy.granted_on.is_not(None)),
            ),
        )
    )
    for redemption_id, state, granted_on in session.execute(statement):
        detail = f"its redemption is {state}, it was granted on {granted_on}"
        yield Finding("subsidy-grant", "subsidy", str(redemption_id), detail)
