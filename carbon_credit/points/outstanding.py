"""The points outstanding at the end of a month, what moved them, and what is likely to become of them.

A month is an interval of recording, in the programme's time zone: what is recorded later changes no month
that is over. What is on hold for a voucher is still the citizen's, so it is outstanding.

Breakage, what expires unspent, is expected by one rule: of lots whose last day lay before the month, the
share that expired of all that was spent or expired. Points in lots that are over expire for certain. Where
no such lot was spent or expired there is no history, and nothing is expected of anything.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import time_zone
from carbon_credit.kernel.clock import day_bounds
from carbon_credit.ledger.outstanding import LOTS, OWED, Flow, Stored, flows_of_points, stored_points
from carbon_credit.redemption.worth import Worth, bought, offered

# What the codes of the chart do to lots and to what is owed, as the report calls it.
_OF_LOTS = {
    "points.grant": "granted",
    "points.bonus": "granted",
    "points.refund": "refunded",
    "points.redeem": "spent",
    "points.donate": "spent",
    "points.expire": "expired",
    "points.revoke": "taken_back",
}
_OF_DEBTS = {"points.due": "fell_due", "points.recover": "recovered", "points.writeoff": "written_off"}
_YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Movements:
    """What a month did, each above zero. `recovered`: granted, and kept for what was owed."""

    granted: int = 0
    refunded: int = 0
    spent: int = 0
    expired: int = 0
    taken_back: int = 0
    fell_due: int = 0
    recovered: int = 0
    written_off: int = 0

    @property
    def of_lots(self) -> int:
        """What they add to the points outstanding."""
        return self.granted + self.refunded - self.spent - self.expired - self.taken_back

    @property
    def of_debts(self) -> int:
        """What they add to the points owed."""
        return self.fell_due - self.recovered - self.written_off


@dataclass(frozen=True, slots=True)
class YearOfExpiry:
    """The points in lots whose last day lies in `year`; `held` of them are held for vouchers."""

    year: int
    outstanding: int
    held: int


@dataclass(frozen=True, slots=True)
class History:
    """The inputs of the rule of breakage: points of lots whose last day was `until` or earlier."""

    until: date
    spent: int
    expired: int

    def breakage(self, points: int) -> int:
        """What of so many points expires, if it goes on as it went: rounded down."""
        return points * self.expired // (self.spent + self.expired)


@dataclass(frozen=True, slots=True)
class Check:
    """Two sums that must be equal."""

    name: str
    told: int
    found: int

    @property
    def difference(self) -> int:
        """Zero, or the books differ."""
        return self.told - self.found


@dataclass(frozen=True, slots=True)
class Outstanding:
    """The report. `over`: available in lots whose last day has come, which expire next. `worth`: what was
    bought with points in the twelve months to the end; `offers`: the least and the most that open offers
    give. `expected_use`, `expected_breakage`: None without history."""

    programme: str
    first: date
    last: date
    ended: bool
    opening: int
    movements: Movements
    outstanding: int
    held: int
    over: int
    owed_before: int
    owed: int
    years: tuple[YearOfExpiry, ...]
    history: History | None
    worth: Worth | None
    offers: tuple[Worth, Worth] | None
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        """Whether every difference that must be zero is."""
        return all(check.difference == 0 for check in self.checks)

    @property
    def expected_breakage(self) -> int | None:
        """By the rule above."""
        if self.history is None:
            return None
        return self.over + self.history.breakage(self.outstanding - self.over)

    @property
    def expected_use(self) -> int | None:
        """The rest."""
        breakage = self.expected_breakage
        return None if breakage is None else self.outstanding - breakage

    def value_fen(self, points: int | None) -> int | None:
        """What so many points are worth by what was bought; None where nothing was, or of nothing known."""
        return None if self.worth is None or points is None else self.worth.of(points)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able. Points are whole, money is in fen."""
        return {
            "programme": self.programme,
            "starts_on": self.first.isoformat(),
            "ends_on": self.last.isoformat(),
            "ended": self.ended,
            "holds": self.holds,
            "opening": self.opening,
            **asdict(self.movements),
            "outstanding": self.outstanding,
            "held": self.held,
            "over": self.over,
            "owed_before": self.owed_before,
            "owed": self.owed,
            "years": [asdict(one) for one in self.years],
            "history": self.history and {**asdict(self.history), "until": self.history.until.isoformat()},
            "expected_use": self.expected_use,
            "expected_breakage": self.expected_breakage,
            "worth": self.worth and asdict(self.worth),
            "offers": [asdict(one) for one in self.offers or ()],
            "value_fen": self.value_fen(self.outstanding),
            "expected_use_fen": self.value_fen(self.expected_use),
            "checks": [{**asdict(one), "difference": one.difference} for one in self.checks],
        }


def outstanding_of(session: Session, *, programme: str, month: date, now: datetime) -> Outstanding:
    """The report of the month that the day `month` lies in; so far, where it is not over `now`.

    Raises ProgrammeNotFound.
    """
    zone = time_zone(session, programme=programme)
    first = month.replace(day=1)
    last = (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    start, end = day_bounds(first, zone)[0], day_bounds(last, zone)[1]
    flows = flows_of_points(session, programme=programme, start=start, end=end)
    known = [one for one in flows if one.when != "after"]
    posted, held = _posted(known), _held(known)
    movements = _movements(flows)
    opening = sum(_posted([one for one in flows if one.when == "before"]).values())
    owed_before = -sum(one.posted for one in flows if one.kind == OWED and one.when == "before")
    owed = -sum(one.posted for one in known if one.kind == OWED)
    outstanding = sum(posted.values())
    return Outstanding(
        programme=programme,
        first=first,
        last=last,
        ended=end <= now,
        opening=opening,
        movements=movements,
        outstanding=outstanding,
        held=sum(held.values()),
        over=sum(posted[lot] - held[lot] for lot in posted if lot <= last.isoformat()),
        owed_before=owed_before,
        owed=owed,
        years=_years(posted, held),
        history=_history(known, until=first - timedelta(days=1)),
        worth=bought(session, programme=programme, since=end - _YEAR, before=end),
        offers=offered(session, programme=programme, at=end - timedelta(microseconds=1)),
        checks=(
            Check("movements", opening + movements.of_lots, outstanding),
            Check("debts", owed_before + movements.of_debts, owed),
            *_against(stored_points(session, programme=programme), flows),
        ),
    )


def _posted(flows: Sequence[Flow]) -> Counter[str]:
    """By lot."""
    found: Counter[str] = Counter()
    for one in flows:
        if one.kind == LOTS:
            found[one.lot] += one.posted
    return found


def _held(flows: Sequence[Flow]) -> Counter[str]:
    found: Counter[str] = Counter()
    for one in flows:
        if one.kind == LOTS:
            found[one.lot] += one.held
    return found


def _movements(flows: Sequence[Flow]) -> Movements:
    """By the names of the report. A code that it does not know shows as a difference in the checks."""
    sums: Counter[str] = Counter()
    for one in flows:
        names: Mapping[str, str] = _OF_LOTS if one.kind == LOTS else _OF_DEBTS
        if one.when == "within" and one.code in names:
            sums[names[one.code]] += abs(one.posted)
    return Movements(**sums)


def _years(posted: Counter[str], held: Counter[str]) -> tuple[YearOfExpiry, ...]:
    years: dict[int, tuple[int, int]] = {}
    for lot in posted:
        there = years.get(int(lot[:4]), (0, 0))
        years[int(lot[:4])] = (there[0] + posted[lot], there[1] + held[lot])
    return tuple(YearOfExpiry(year, *sums) for year, sums in sorted(years.items()) if any(sums))


def _history(known: Sequence[Flow], until: date) -> History | None:
    sums: Counter[str] = Counter()
    for one in known:
        if one.kind == LOTS and one.lot <= until.isoformat() and one.code in _OF_LOTS:
            sums[_OF_LOTS[one.code]] += abs(one.posted)
    spent, expired = sums["spent"] - sums["refunded"], sums["expired"]
    return History(until, spent, expired) if spent + expired > 0 else None


def _against(stored: Sequence[Stored], flows: Sequence[Flow]) -> list[Check]:
    """The balances that the ledger keeps, against all that was ever posted; holds as well."""

    def told(kind: str, part: str) -> int:
        return sum(getattr(one, part) for one in flows if one.kind == kind)

    def found(kind: str, part: str) -> int:
        return sum(getattr(one, part) for one in stored if one.kind == kind)

    lots = {(one.lot, one.posted, one.held) for one in stored if one.kind == LOTS}
    by_lot, held = _posted(flows), _held(flows)
    differ = lots ^ {(lot, by_lot[lot], held[lot]) for lot in by_lot}
    return [
        Check("balances", told(LOTS, "posted"), found(LOTS, "posted")),
        Check("balances-held", told(LOTS, "held"), found(LOTS, "held")),
        Check("balances-owed", told(OWED, "posted"), found(OWED, "posted")),
        Check("lots-that-differ", len({lot for lot, *sums in differ if any(sums)}), 0),
    ]
