"""What an event counts on arrival: provisional, under the locks of the sums that it stands under.

Closing settles the same in canonical order (`settling`). Until then nothing is counted twice and no sum
is lifted above its limit, whatever comes first.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

from msgspec import Struct
from sqlalchemy.orm import Session

from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.events.incoming import IncomingEvent
from carbon_credit.quantification.caps import allow_through, is_counted
from carbon_credit.quantification.exclusive import OVERLAP, Record, left_beside
from carbon_credit.quantification.netting import NETTING, hand_out
from carbon_credit.quantification.scopes import cap_key
from carbon_credit.quantification.sharing import partner_parts
from carbon_credit.quantification.sums import Member, RunningSums
from carbon_credit.quantification.tallies import TallyKey
from carbon_credit.quantification.trips import Trip, Trips, reach_of, trips_of
from carbon_credit.quantification.verdicts import Quantified


class Arrival(Struct, frozen=True, gc=False):
    """A part of an event that is to count, as a member of sums."""

    event: IncomingEvent
    quantified: Quantified
    member: Member

    @property
    def record(self) -> Record:
        """When the event says that it was."""
        return Record(self.event.occurred_at, self.event.ended_at or self.event.occurred_at)

    @property
    def whose(self) -> tuple[UUID, str]:
        """Whose trips it may be one of."""
        return self.member.citizen_id, self.member.activity_type


class Counted(Struct, frozen=True, gc=False):
    """Milligrams that count, of which `partner_mg` are the partner's, and what took the rest."""

    mg: int
    cap_code: str | None
    partner_mg: int = 0


def arrival(event: IncomingEvent, quantified: Quantified, *, partner_id: UUID) -> Arrival:
    """`quantified` of `event`, as a member of sums."""
    binding = quantified.binding
    return Arrival(
        event,
        quantified,
        Member(
            quantified.citizen_id,
            partner_id,
            event.type,
            quantified.business_day,
            binding.compiled,
            binding.use,
        ),
    )


class Arrivals:
    """Counts arrivals one after the other. The sums are locked before, with the keys of `reaches`."""

    def __init__(
        self, session: Session, rules: ProgrammeRules, sums: RunningSums, arrivals: Sequence[Arrival]
    ) -> None:
        self._session = session
        self._rules = rules
        self._sums = sums
        self._exclusive = [
            (one, within_s)
            for one in arrivals
            if (within_s := one.member.within_s) is not None and one.member.use != "display"
        ]
        self._trips = Trips()

    @property
    def alone(self) -> bool:
        """True where no other record of a trip can take anything from one of them."""
        return not self._exclusive

    def reaches(self) -> Iterable[TallyKey]:
        """Sums of days in which another record of the same trip may be: locked, nobody else adds one."""
        for one, within_s in self._exclusive:
            for day in reach_of(one.record, within_s=within_s, time_zone=self._rules.time_zone):
                yield cap_key(one.member.citizen_id, day, one.member.activity_type)

    def look_around(self) -> None:
        """Read what records there are of the trips, after what leaves has left."""
        days = set()
        for one, within_s in self._exclusive:
            reach = reach_of(one.record, within_s=within_s, time_zone=self._rules.time_zone)
            days |= {reach[0].fromordinal(reach[0].toordinal() - 1), *reach}
        whose = {one.whose for one, _ in self._exclusive}
        self._trips = trips_of(self._session, programme=self._rules.code, whose=whose, days=days)

    def count(self, one: Arrival) -> Counted:
        """What it counts, counted into every sum."""
        member, gross_mg = one.member, one.quantified.gross_mg
        if member.use == "display":
            return Counted(0, None)
        own_mg, code = self._beside_others(one)
        # Of a trip that has counted already, only what is left is a result of this citizen's.
        result_mg = gross_mg if code is None else own_mg
        under = self._sums.under(member)
        mg = max(own_mg, 0)
        if under.netted is not None:
            [mg] = hand_out([own_mg], sum_before=under.netted.amount, counted_before=under.netted.granted)
            code = NETTING if mg < own_mg else code
        allowed = allow_through(under.limits, mg)
        mg, code = allowed.mg, allowed.cap_code or code
        counted = is_counted(mg, code)
        partner_mg = 0
        if under.share is not None and under.shared is not None:
            threshold_mg, held_mg = under.share.threshold_mg, under.shared.granted
            [partner_mg] = partner_parts([mg], threshold_mg=threshold_mg, held_before_mg=held_mg)
        under.add(events=int(counted), gross_mg=result_mg, mg=mg, partner_mg=partner_mg)
        under.mark(gross_mg=gross_mg, mg=mg, cap_code=code, partner_mg=partner_mg)
        if member.within_s is not None:
            self._trips.add(one.whose, Trip(one.record, member.day, mg, code != OVERLAP))
        return Counted(mg, code, partner_mg)

    def _beside_others(self, one: Arrival) -> tuple[int, str | None]:
        """What is left of its result beside other records of the trip; which is best, closing will say."""
        member, gross_mg = one.member, one.quantified.gross_mg
        if not self._exclusive or member.within_s is None:
            return gross_mg, None
        beside = self._trips.beside(one.whose, one.record, within_s=member.within_s)
        if not beside:
            return gross_mg, None
        for day in {member.day, *(other.day for other in beside if other.day > member.day)}:
            self._sums.tallies[cap_key(member.citizen_id, day, member.activity_type)].add(capped=1)
        own_mg = left_beside(gross_mg, [other.mg for other in beside])
        return own_mg, OVERLAP if own_mg < gross_mg else None
