"""The operator's report of a day, month or year: what came, what was credited, what the ledger holds."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import time_zone
from carbon_credit.events.queries import Received, received_between
from carbon_credit.identity.queries import parties
from carbon_credit.imports.jobs.delivered import delivered_between
from carbon_credit.imports.jobs.records import Counts
from carbon_credit.kernel.clock import day_bounds
from carbon_credit.quantification.turnover import Turnover, turnover

_MOST_PARTNERS = 10_000


@dataclass(frozen=True, slots=True)
class PeriodReport:
    """`partners`: names by id. `received`: events by partner and outcome, by the time of their claim;
    `delivered`: the rows of files, which also tell of duplicates. Both by instants of the period, while
    `turnover` goes by accounting days."""

    turnover: Turnover
    partners: Mapping[UUID, str]
    received: tuple[Received, ...]
    delivered: Mapping[UUID, Counts]

    @property
    def holds(self) -> bool:
        """Whether every difference that must be zero is."""
        return all(check.difference == 0 for check in self.turnover.checks)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able. Grams in milligrams."""
        of = self.turnover
        return {
            "programme": of.programme,
            "kind": of.kind,
            "starts_on": of.first.isoformat(),
            "ends_on": of.last.isoformat(),
            "closed": of.closed,
            "holds": self.holds,
            "lines": [
                {
                    "scene": one.scene,
                    "partner_id": str(one.partner_id),
                    "partner": self.name(one.partner_id),
                    "methodology": one.methodology_id,
                    "use": one.use,
                    "events": one.events,
                    "gross_mg": one.gross_mg,
                    "capped_mg": one.capped_mg,
                    "counted_mg": one.counted_mg,
                    "settled_mg": one.settled_mg,
                    "corrected_mg": one.corrected_mg,
                    "earlier_mg": one.earlier_mg,
                    "total_mg": one.total_mg,
                }
                for one in of.lines
            ],
            "adjustments": [asdict(one) for one in of.adjusted],
            "points": [{"rule": rule, "points": points} for rule, points in of.points],
            "received": [
                {
                    "partner_id": str(one.partner_id),
                    "partner": self.name(one.partner_id),
                    "outcome": one.outcome,
                    "reason": one.reason,
                    "events": one.events,
                }
                for one in self.received
            ],
            "delivered": [
                {"partner_id": str(partner_id), "partner": self.name(partner_id), **asdict(counts)}
                for partner_id, counts in sorted(self.delivered.items())
            ],
            "checks": [{**asdict(one), "difference": one.difference} for one in of.checks],
        }

    def name(self, partner_id: UUID) -> str:
        """The partner's name, or its id where it is unknown here."""
        return self.partners.get(partner_id, str(partner_id))


def report_of(session: Session, *, programme: str, kind: str, day: date) -> PeriodReport:
    """The report of the day, month or year (`kind`) that `day` lies in. Raises ProgrammeNotFound."""
    zone = time_zone(session, programme=programme)
    found = turnover(session, programme=programme, kind=kind, day=day)
    start, end = day_bounds(found.first, zone)[0], day_bounds(found.last, zone)[1]
    partners = {
        one.id: one.name
        for one in parties(session, programme=programme, role="partner", after=None, limit=_MOST_PARTNERS)
    }
    return PeriodReport(
        turnover=found,
        partners=partners,
        received=tuple(received_between(session, partner_ids=list(partners), start=start, end=end)),
        delivered=delivered_between(session, programme=programme, start=start, end=end),
    )
