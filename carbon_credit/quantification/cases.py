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
from carbon_credit.quantification.models import Reduction
from carbon_credit.quantification.present import Standing
from carbon_credit.quantification.recording import Revision
from carbon_credit.quantification.standing import standing_where
from carbon_credit.quantification.sums import Member, member_of

_ON_TIME = date.min
UNASKED = UUID(int=0)
TIER_ORDER = {tier.value: place for place, tier in enumerate(Tier)}


@dataclass(slots=True)
class Case:
    """One reduction while it is settled: what it was, and what it becomes.

    `gross_mg` and `revision` change where its history is known better now; `mg` is what counts and
    `code` what took the rest; `partner_mg` is the partner's part, None where no partner has one.
    `claim_key` is known where it decides the order.
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
        """Its place among those of the same citizen."""
        one = self.standing
        return one.occurred_at, TIER_ORDER[one.tier], one.partner_id, self.claim_key, one.business_day

    @property
    def came(self) -> date:
        """The day on which it came if it came late, and else before all days."""
        return self.standing.recorded_for if self.standing.is_late else _ON_TIME

    @property
    def turn(self) -> tuple[date, tuple[datetime, int, UUID, UUID, date]]:
        """When it is its turn on its day: late ones behind, those of one day as equals."""
        return self.came, self.canonical

    @property
    def evidence(self) -> tuple[date, tuple[int, datetime, UUID, UUID]]:
        """Its place among records of one trip, the best first; what came late is after what was settled."""
        one = self.standing
        better = TIER_ORDER[one.tier], one.occurred_at, one.partner_id, self.claim_key
        return self.came, better

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
    standing = standing_where(
        session,
        one_of(session, Reduction.citizen_id, citizens),
        Reduction.programme == programme,
        Reduction.business_day == day,
    )
    return in_order(session, [one for one in standing if one.use != "display"])


def in_order(session: Session, standing: Sequence[Standing]) -> list[Case]:
    """As they stand, by citizen and in canonical order. What came when its day was closed (or being
    closed) goes behind the others, by the day on which it came: it has what they leave."""
    claim_keys = claim_keys_of(session, event_ids=_tied(standing))
    cases = [
        Case(
            standing=one,
            member=member_of(session, one),
            claim_key=claim_keys.get(one.event_id, UNASKED),
            gross_mg=one.gross_mg,
            mg=one.net_mg,
            code=one.cap_code,
        )
        for one in standing
    ]
    return sorted(cases, key=lambda one: (one.standing.citizen_id.int, one.turn))


def _tied(standing: Sequence[Standing]) -> set[UUID]:
    """The events that nothing but their claims puts in order: few, and only theirs are read."""
    first: dict[tuple[UUID, datetime, str, UUID], UUID] = {}
    tied: set[UUID] = set()
    for one in standing:
        place = (one.citizen_id, one.occurred_at, one.tier, one.partner_id)
        other = first.setdefault(place, one.event_id)
        if other != one.event_id:
            tied |= {other, one.event_id}
    return tied


def by_citizen(cases: Sequence[Case]) -> Iterator[tuple[UUID, list[Case]]]:
    """Each citizen's cases, in the order in which they are given."""
    for citizen_id, those in groupby(cases, key=lambda one: one.standing.citizen_id):
        yield citizen_id, list(those)
