"""What is settled when a day is closed: its reductions in canonical order, which no arrival can change."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.events.queries import claim_keys_of
from carbon_credit.kernel.bulk import one_of
from carbon_credit.methodology.definition import Tier
from carbon_credit.quantification.models import Reduction, ReductionEnd
from carbon_credit.quantification.present import Standing, loaded
from carbon_credit.quantification.recording import Revision
from carbon_credit.quantification.sums import Member, member_of

TIER_ORDER = {tier.value: place for place, tier in enumerate(Tier)}


@dataclass(slots=True)
class Case:
    """One reduction while it is settled: what it was, and what it becomes.

    `gross_mg` and `revision` change where its history is known better now; `mg` is what counts and
    `code` what took the rest; `partner_mg` is the partner's part, None where no partner has one.
    """

    standing: Standing
    member: Member
    claim_key: UUID
    gross_mg: int
    mg: int
    code: str | None = None
    revision: Revision | None = None
    partner_mg: int | None = None

    @property
    def canonical(self) -> tuple[datetime, int, UUID, UUID, date]:
        """Its place among those of the same citizen, and of the whole programme."""
        one = self.standing
        return one.occurred_at, TIER_ORDER[one.tier], one.partner_id, self.claim_key, one.business_day

    @property
    def evidence(self) -> tuple[int, datetime, UUID, UUID]:
        """Its place among records of one trip, the best first."""
        one = self.standing
        return TIER_ORDER[one.tier], one.occurred_at, one.partner_id, self.claim_key

    @property
    def delta_mg(self) -> int:
        """What changes."""
        return self.mg - self.standing.net_mg

    @property
    def changed(self) -> bool:
        """Whether there is anything to post or to count."""
        return bool(self.delta_mg) or self.code != self.standing.cap_code or self.revision is not None


def cases_of_day(session: Session, *, programme: str, day: date, citizens: Collection[UUID]) -> list[Case]:
    """All that counts of these citizens on one business day, by citizen and in canonical order.

    What is only shown is not among them.
    """
    standing = [
        one.standing()
        for one in loaded(
            session,
            one_of(session, Reduction.citizen_id, citizens),
            Reduction.programme == programme,
            Reduction.business_day == day,
            ReductionEnd.reduction_id.is_(None),
        )
    ]
    return in_order(session, [one for one in standing if one.use != "display"])


def in_order(session: Session, standing: Sequence[Standing]) -> list[Case]:
    """As they stand, by citizen and in canonical order."""
    claim_keys = claim_keys_of(session, event_ids={one.event_id for one in standing})
    cases = [
        Case(
            standing=one,
            member=member_of(session, one),
            claim_key=claim_keys[one.event_id],
            gross_mg=one.gross_mg,
            mg=one.net_mg,
            code=one.cap_code,
        )
        for one in standing
    ]
    return sorted(cases, key=lambda one: (one.standing.citizen_id, one.canonical))


def by_citizen(cases: Sequence[Case]) -> Iterator[tuple[UUID, list[Case]]]:
    """Each citizen's cases, in the order in which they are given."""
    for citizen_id, those in groupby(cases, key=lambda one: one.standing.citizen_id):
        yield citizen_id, list(those)
