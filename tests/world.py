"""A small world for tests: a seeded programme, a partner, citizens with consent and mandate."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from carbon_credit.catalogue.operations import seed
from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.cli.enrolment import enrol_people
from carbon_credit.identity.operations import create_party
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.ledger.accounts import CO2E, POINTS, AccountKey
from carbon_credit.ledger.queries import balances, lots
from carbon_credit.quantification.annual import close_year, open_months
from carbon_credit.quantification.closing import close_day, close_month, open_days
from carbon_credit.quantification.operations import credit, withdraw
from carbon_credit.quantification.outcomes import Outcome

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)  # noon in Shanghai


@dataclass
class World:
    """Everything is done through the same verbs that the API and the commands use."""

    database: Database
    programme: str = "x-gd-sz"
    people: int = 2
    now: datetime = NOW
    partner: UUID = field(init=False)
    citizens: list[UUID] = field(init=False)

    def __post_init__(self) -> None:
        root = self.database.settings.methodologies_dir
        with unit_of_work(self.database) as session:
            seed(session, root=root, now=self.now)
            self.partner = create_party(
                session, programme=self.programme, role="partner", name="metro", now=self.now
            ).id
            scenes = [s.code for s in programme_rules(session, programme=self.programme).profile.scenes]
            self.citizens = enrol_people(
                session,
                programme=self.programme,
                partners=[self.partner],
                links_of=[[("transit-card", f"CARD-{number}")] for number in range(self.people)],
                scenes=scenes,
                tier="measured",
                without_mandate=0,
                given_at=LONG_AGO,
                now=self.now,
            )

    def party(self, role: str, name: str) -> UUID:
        """Another organisation of the programme."""
        return transact(
            self.database,
            lambda session: (
                create_party(session, programme=self.programme, role=role, name=name, now=self.now).id
            ),
        )

    def credit(self, *events: Any, backfill: bool = False, partner: UUID | None = None) -> list[Outcome]:
        """Post events in one call."""
        return transact(
            self.database,
            lambda session: credit(
                session,
                programme=self.programme,
                partner_id=partner or self.partner,
                payloads=list(events),
                now=self.now,
                backfill=backfill,
            ),
        )

    def withdraw(self, event_id: str) -> Outcome:
        """Take a credited event back."""
        return transact(
            self.database,
            lambda session: withdraw(
                session,
                programme=self.programme,
                partner_id=self.partner,
                external_id=event_id,
                now=self.now,
            ),
        )

    def close(self, *days: date) -> None:
        """Close business days."""
        for day in days:
            transact(
                self.database,
                lambda session, day=day: close_day(
                    session, programme=self.programme, day=day, now=self.now, closed_by="test"
                ),
            )

    def close_month(self, month: date) -> None:
        """Close all open days of a month, then the month."""
        with unit_of_work(self.database, read_only=True) as session:
            days = open_days(session, programme=self.programme, month=month)
        self.close(*days)
        self.close_only_month(month)

    def close_only_month(self, month: date) -> None:
        """Close the month itself."""
        transact(
            self.database,
            lambda session: close_month(
                session, programme=self.programme, month=month, now=self.now, closed_by="test"
            ),
        )

    def close_year(self, year: date) -> None:
        """Close all open months of a year, then the year."""
        with unit_of_work(self.database, read_only=True) as session:
            months = open_months(session, programme=self.programme, year=year)
        for month in months:
            self.close_month(month)
        self.close_only_year(year)

    def close_only_year(self, year: date) -> None:
        """Close the year itself."""
        transact(
            self.database,
            lambda session: close_year(
                session, programme=self.programme, year=year, now=self.now, closed_by="test"
            ),
        )

    def grams(self, person: int = 0) -> int:
        """Milligrams on the citizen's account."""
        key = AccountKey(self.programme, CO2E, "citizen.reductions", self.citizens[person])
        with unit_of_work(self.database, read_only=True) as session:
            found = balances(session, keys=[key])
        return found[key].posted if key in found else 0

    def points(self, person: int = 0) -> int:
        """Points that the citizen can spend, less what is owed."""
        due = AccountKey(self.programme, POINTS, "citizen.points_due", self.citizens[person])
        with unit_of_work(self.database, read_only=True) as session:
            spendable = sum(
                lot.available
                for lot in lots(session, programme=self.programme, citizen_id=self.citizens[person])
            )
            found = balances(session, keys=[due])
        return spendable + (found[due].posted if due in found else 0)


def metro(
    event_id: str,
    *,
    person: int = 0,
    at: str = "2026-11-20T08:00:00+08:00",
    distance_m: int = 8300,
    revision: int = 1,
    **more: Any,
) -> dict[str, Any]:
    """A metro ride as a partner sends it. 8,300 m in Shenzhen are 388,440 mg."""
    return {
        "id": event_id,
        "revision": revision,
        "type": "metro.ride",
        "occurred_at": at,
        "citizen": {"link": {"kind": "transit-card", "value": f"CARD-{person}"}},
        "data": {"distance_m": distance_m, "distance_source": "gates"},
        **more,
    }


def statuses(outcomes: Sequence[Outcome]) -> list[str]:
    """The outcomes' statuses, in order."""
    return [outcome.status for outcome in outcomes]
