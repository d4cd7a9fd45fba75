"""What the items of a statement come to: by offer and store, and the fee by the terms of each day.

The database adds up; what comes here is one row for each offer, store and version of the terms.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import BigInteger, case, cast, func, literal, select
from sqlalchemy.orm import Session

from carbon_credit.redemption.settling import uses_with_offers
from carbon_credit.settlement.models import StatementItem
from carbon_credit.settlement.months import instant_of
from carbon_credit.settlement.terms import TermsRecord, terms_of

OWN = "merchant"  # the funding of an offer that its merchant pays for itself


@dataclass(slots=True)
class Line:
    """One offer at one store. `store_id` None: not at a till of a store."""

    offer_id: UUID
    store_id: UUID | None
    title_zh: str
    title_en: str
    funding: str
    uses: int = 0
    used_fen: int = 0
    undos: int = 0
    undone_fen: int = 0
    points: int = 0

    @property
    def net_fen(self) -> int:
        """What the programme owes for it; nothing where the merchant pays itself."""
        return 0 if self.funding == OWN else self.used_fen - self.undone_fen


@dataclass(frozen=True, slots=True)
class Fee:
    """The fee under one version of the terms: on `base_fen`, for `uses` consumptions less those undone."""

    terms: TermsRecord
    uses: int
    base_fen: int
    fee_fen: int


@dataclass(slots=True)
class Sums:
    """Lines by offer and store, and fees by terms."""

    lines: list[Line] = field(default_factory=list)
    fees: list[Fee] = field(default_factory=list)

    def net_by_offer(self) -> dict[UUID, int]:
        """What the programme owes for each offer that it pays for; below zero where more was undone."""
        found: dict[UUID, int] = {}
        for line in self.lines:
            if line.funding != OWN:
                found[line.offer_id] = found.get(line.offer_id, 0) + line.net_fen
        return found

    @property
    def fee_fen(self) -> int:
        """All fees; below zero where more is given back."""
        return sum(fee.fee_fen for fee in self.fees)


def add_up(session: Session, *, programme: str, merchant_id: UUID, statement_id: UUID) -> Sums:
    """The lines and fees of a statement whose items are claimed."""
    terms = terms_of(session, merchant_id=merchant_id)
    starts = [instant_of(session, programme=programme, day=one.effective_from) for one in terms]
    used = uses_with_offers().c
    # Which terms were in force at the till: the number of those that had begun, less one.
    whens = [(used.consumed_at < start, literal(number - 1)) for number, start in enumerate(starts)]
    number = case(*whens, else_=literal(len(terms) - 1)) if whens else literal(-1)
    grouped = (
        *(used.offer_id, used.store_id, used.title_zh, used.title_en, used.funding),
        *(number.label("terms"), StatementItem.kind),
    )
    inner = (
        select(*grouped, used.value_fen, used.points)
        .join(StatementItem, StatementItem.consumption_id == used.consumption_id)
        .where(StatementItem.statement_id == statement_id)
        .subquery()
    )
    names = [inner.c[column.name] for column in grouped]
    statement = select(
        *names,
        func.count().label("times"),
        cast(func.sum(inner.c.value_fen), BigInteger).label("fen"),
        cast(func.sum(inner.c.points), BigInteger).label("points"),
    ).group_by(*names)
    found: dict[tuple[UUID, UUID | None], Line] = {}
    under: dict[int, list[int]] = {}
    for row in session.execute(statement):
        key = (row.offer_id, row.store_id)
        line = found.setdefault(key, Line(*key, row.title_zh, row.title_en, row.funding))
        sign = 1 if row.kind == "use" else -1
        if sign > 0:
            line.uses, line.used_fen = line.uses + row.times, line.used_fen + row.fen
        else:
            line.undos, line.undone_fen = line.undos + row.times, line.undone_fen + row.fen
        line.points += sign * row.points
        if row.funding != OWN and row.terms >= 0:
            base = under.setdefault(row.terms, [0, 0])
            base[0] += sign * row.times
            base[1] += sign * row.fen
    lines = sorted(found.values(), key=lambda line: (line.offer_id, line.store_id or UUID(int=0)))
    return Sums(lines, _fees(terms, under))


def _fees(terms: Sequence[TermsRecord], under: dict[int, list[int]]) -> list[Fee]:
    return [
        Fee(terms[number], uses, base_fen, fee_of(terms[number], uses=uses, base_fen=base_fen))
        for number, (uses, base_fen) in sorted(under.items())
    ]


def fee_of(terms: TermsRecord, *, uses: int, base_fen: int) -> int:
    """The fee in fen, rounded half up once over the whole of a statement's amount; what is given back is
    rounded like what was taken."""
    share = (abs(base_fen) * terms.fee_bps * 2 + 10_000) // 20_000
    return (share if base_fen >= 0 else -share) + uses * terms.fee_per_use_fen
