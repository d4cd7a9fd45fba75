"""Who paid for the points that were spent in a month, offer by offer, held against the ledger."""

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import time_zone
from carbon_credit.identity.queries import parties
from carbon_credit.kernel.clock import day_bounds
from carbon_credit.ledger.accounts import FEN, AccountKey
from carbon_credit.ledger.turnover import (
    moved_by_code,
    moved_by_group,
    moved_by_owner,
    received,
    total_moved,
)
from carbon_credit.quantification.periods import next_month
from carbon_credit.reach.origin import OTHERS, SALES, Origin, in_proportion, origin_of, shared_out
from carbon_credit.redemption.spending import (
    Spent,
    given_by_offer,
    offers_of_report,
    redemptions_by_offer,
)

MERCHANT, FUND, SUBSIDY = "merchant", "fund", "subsidy"
_SPENT = ("points.redeem",), ("points.refund",)
_DONATED = ("points.donate",), ()
_PAYING = ("merchant.accrue", "merchant.unaccrue", "subsidy.grant")
_OWING = ("merchant.owe", "merchant.unaccrue")  # a merchant owes something back, and has given it back
_ORIGINS = {"sale.distribute": SALES, "fund.add": OTHERS}
_MOST_MERCHANTS = 10_000


@dataclass(frozen=True, slots=True)
class FundingLine:
    """An offer in the month. Points spent on it and donated; `vouchers` used and what they were worth in
    fen; of a fund's offers, `fen` and `covered` points by origin. `settled_fen`: what the month's settlements
    gave for the offer, less what they took back, paid back or owed; for uses of earlier months too.
    `owed_fen`: what the merchant owes back at the end of the month."""

    offer: Spent
    merchant: str | None
    points: int
    donated: int
    vouchers: int
    value_fen: int
    fen: Origin
    covered: Origin
    settled_fen: int
    owed_fen: int


@dataclass(frozen=True, slots=True)
class FundingCheck:
    """Two ways to one sum. The difference is zero, or the books are broken."""

    name: str
    told: int
    found: int

    @property
    def difference(self) -> int:
        """What must be zero."""
        return self.told - self.found


@dataclass(frozen=True, slots=True)
class FundingReport:
    """A month of a programme, by offer, most points first. `borne_fen`: what the fund has paid to merchants
    beside all offers, for scans without a connection of vouchers that were used elsewhere."""

    programme: str
    month: date
    lines: tuple[FundingLine, ...]
    borne_fen: int
    checks: tuple[FundingCheck, ...]

    @property
    def holds(self) -> bool:
        """Whether every difference that must be zero is."""
        return all(check.difference == 0 for check in self.checks)

    def sources(self) -> dict[str, tuple[int, int]]:
        """Points and fen by who paid: merchants, subsidies, and of the fund sales and others."""
        found = {"merchant": (0, 0), "subsidy": (0, 0), "fund-sales": (0, 0), "fund-others": (0, 0)}
        found["fund-uncovered"] = (0, 0)

        def add(name: str, points: int, fen: int) -> None:
            found[name] = (found[name][0] + points, found[name][1] + fen)

        for line in self.lines:
            if line.offer.funding == FUND:
                for origin in ("sales", "others", "uncovered"):
                    points, fen = getattr(line.covered, origin), getattr(line.fen, origin)
                    add(f"fund-{origin}", points, fen)
            else:
                add(line.offer.funding, line.points, line.value_fen)
        return found

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        sources = self.sources()
        return {
            "programme": self.programme,
            "month": self.month.isoformat(),
            "holds": self.holds,
            "points_spent": sum(line.points for line in self.lines),
            "points_donated": sum(line.donated for line in self.lines),
            "borne_fen": self.borne_fen,
            "sources": [
                {"source": name, "points": points, "fen": fen} for name, (points, fen) in sources.items()
            ],
            "lines": [_line(line) for line in self.lines],
            "checks": [{**asdict(one), "difference": one.difference} for one in self.checks],
        }


def funding_of(session: Session, *, programme: str, month: date) -> FundingReport:
    """The month that the day `month` lies in. A handful of statements, however much was spent.

    Raises ProgrammeNotFound.
    """
    zone = time_zone(session, programme=programme)
    first = month.replace(day=1)
    start, end = day_bounds(first, zone)[0], day_bounds(next_month(first), zone)[0]
    offers = offers_of_report(session, programme=programme)
    redemptions = redemptions_by_offer(programme)
    within: dict[str, Any] = {"programme": programme, "start": start, "end": end}
    points, donated = (
        moved_by_group(session, references=redemptions, gains=gains, losses=losses, **within)
        for gains, losses in (_SPENT, _DONATED)
    )
    settled = _settled(session, within)
    back = moved_by_owner(session, kind="offer.reclaim", codes=_OWING, **within | {"start": None})
    given = given_by_offer(session, programme=programme, start=start, end=end)
    concerned = sorted({*points, *donated, *settled, *back, *given}, key=lambda one: one.int)
    paid = _origins(session, programme, offers, given, concerned, start, end)
    names = {
        one.id: one.name
        for one in parties(session, programme=programme, role="merchant", after=None, limit=_MOST_MERCHANTS)
    }
    lines = []
    for offer_id in concerned:
        offer = offers[offer_id]
        vouchers, value_fen = given.get(offer_id, (0, 0))
        spent = points.get(offer_id, 0)
        fen = paid.get(offer_id, Origin())
        covered = in_proportion(spent, fen) if offer.funding == FUND else Origin()
        lines.append(
            FundingLine(
                offer=offer,
                merchant=names.get(offer.merchant_id) if offer.merchant_id else None,
                points=spent,
                donated=donated.get(offer_id, 0),
                vouchers=vouchers,
                value_fen=value_fen,
                fen=fen,
                covered=covered,
                settled_fen=settled.get(offer_id, 0),
                owed_fen=-back.get(offer_id, 0),
            )
        )
    lines.sort(key=lambda line: (-line.points, -line.value_fen, line.offer.offer_id.int))
    fund = [AccountKey(programme, FEN, "programme.fund")]
    borne = -moved_by_code(session, keys=fund, start=start, end=end).get("merchant.accrue", 0)
    return FundingReport(programme, first, tuple(lines), borne, _checks(session, lines, borne, within))


def _settled(session: Session, within: Mapping[str, Any]) -> dict[uuid.UUID, int]:
    """By offer: what left its budget for merchants and citizens, less what came back. What a merchant owes
    back counts as soon as it is owed, and not once more when it comes."""
    found: dict[uuid.UUID, int] = {}
    for kind, codes in (("offer.budget", _PAYING), ("offer.reclaim", _OWING)):
        for offer_id, fen in moved_by_owner(session, kind=kind, codes=codes, **within).items():
            found[offer_id] = found.get(offer_id, 0) + fen
    return {offer_id: fen for offer_id, fen in found.items() if fen}


def _origins(
    session: Session,
    programme: str,
    offers: Mapping[uuid.UUID, Spent],
    given: Mapping[uuid.UUID, tuple[int, int]],
    concerned: list[uuid.UUID],
    start: datetime,
    end: datetime,
) -> dict[uuid.UUID, Origin]:
    """Of each offer that the fund pays for: where the fen of the month came from."""
    mine = [offer_id for offer_id in concerned if offers[offer_id].funding == FUND]
    weights = [given.get(offer_id, (0, 0))[1] for offer_id in mine]
    before = given_by_offer(session, programme=programme, start=None, end=start)
    used_before = sum(fen for offer_id, (_, fen) in before.items() if offers[offer_id].funding == FUND)
    fund = AccountKey(programme, FEN, "programme.fund")
    came = received(session, key=fund, codes=tuple(_ORIGINS), end=end)
    whole = origin_of(
        [(_ORIGINS[code], amount) for code, amount in came], used_before=used_before, used=sum(weights)
    )
    return dict(zip(mine, shared_out(whole, weights), strict=True))


def _checks(
    session: Session, lines: list[FundingLine], borne: int, within: Mapping[str, Any]
) -> tuple[FundingCheck, ...]:
    """The same sums over the whole programme, without asking what they were for."""

    def check(name: str, told: int, gains: tuple[str, ...], losses: tuple[str, ...]) -> FundingCheck:
        return FundingCheck(name, told, total_moved(session, gains=gains, losses=losses, **within))

    # What went to merchants and citizens, seen from their side; a merchant's debt is less for it.
    other_side = (
        ("merchant.payable", ("merchant.accrue", "merchant.unaccrue")),
        ("merchant.due", ("merchant.owe",)),
        ("citizen.benefit", ("subsidy.grant",)),
    )
    got = -sum(
        sum(moved_by_owner(session, kind=kind, codes=codes, **within).values()) for kind, codes in other_side
    )
    fund_points = [line for line in lines if line.offer.funding == FUND]
    return (
        check("ledger-points-spent", sum(line.points for line in lines), *_SPENT),
        check("ledger-points-donated", sum(line.donated for line in lines), *_DONATED),
        FundingCheck("ledger-settled-fen", sum(line.settled_fen for line in lines) + borne, got),
        FundingCheck(
            "fund-points",
            sum(line.points for line in fund_points),
            sum(one.covered.total for one in fund_points),
        ),
        FundingCheck("fund-uncovered-fen", sum(line.fen.uncovered for line in lines), 0),
    )


def _line(line: FundingLine) -> dict[str, Any]:
    offer = line.offer
    return {
        "offer_id": str(offer.offer_id),
        "title_zh": offer.title_zh,
        "title_en": offer.title_en,
        "kind": offer.kind,
        "merchant_id": str(offer.merchant_id) if offer.merchant_id else None,
        "merchant": line.merchant,
        "funding": offer.funding,
        "budget": offer.budget,
        "points": line.points,
        "donated": line.donated,
        "vouchers": line.vouchers,
        "value_fen": line.value_fen,
        "sales_fen": line.fen.sales,
        "others_fen": line.fen.others,
        "sales_points": line.covered.sales,
        "others_points": line.covered.others,
        "settled_fen": line.settled_fen,
        "owed_fen": line.owed_fen,
    }
