"""Applying verdicts: what counts and earns points under the day's lock, then rows and postings, at once."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from msgspec import Struct
from sqlalchemy.orm import Session

from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.events import operations as events
from carbon_credit.events.incoming import IncomingEvent
from carbon_credit.events.operations import Claim, NewEvent
from carbon_credit.kernel.bulk import Row, together
from carbon_credit.kernel.clock import business_day
from carbon_credit.kernel.digest import typed_json
from carbon_credit.kernel.ids import new_ids
from carbon_credit.quantification.arriving import Arrival, Arrivals, Counted, arrival
from carbon_credit.quantification.caps import is_counted
from carbon_credit.quantification.exclusive import OVERLAP
from carbon_credit.quantification.grams import (
    Movement,
    Platforms,
    held_by_partner,
    taken_back,
    transfers_of,
)
from carbon_credit.quantification.outcomes import Outcome
from carbon_credit.quantification.parts import Part, append_parts, quantities_of_each
from carbon_credit.quantification.periods import closed_days, closed_months, first_of_month, lock_days
from carbon_credit.quantification.queries import Standing, standing_by_event
from carbon_credit.quantification.recording import append_adjustments, append_ends, append_reductions
from carbon_credit.quantification.rewards import Rewards, basis_of, reward_keys
from carbon_credit.quantification.sums import RunningSums, member_of
from carbon_credit.quantification.tallies import TallyKey
from carbon_credit.quantification.verdicts import Accepted, Quantified

_MANY = 50  # for fewer events one statement more costs more than half the writing


class Fresh(Struct, frozen=True, gc=False):
    """A newly claimed event, or one part of it, that is to be credited.

    `place`: where the event stood in the call. Parts of one event share place, claim, `accepted`
    and event id, and differ in `quantified`.
    """

    place: int
    event: IncomingEvent
    claim: Claim
    accepted: Accepted
    quantified: Quantified
    event_id: UUID


class Credit:
    """One pass of crediting: gathers rows and postings, then writes each kind once."""

    def __init__(
        self,
        session: Session,
        rules: ProgrammeRules,
        *,
        partner_id: UUID,
        now: datetime,
        received: Mapping[UUID, datetime] | None = None,
    ) -> None:
        """`received`: by claim, when what has waited was received; all else was received `now`."""
        self._session = session
        self._rules = rules
        self._code, self._profile_digest = rules.code, rules.digest
        self._partner_id = partner_id
        self._now = now
        self._received = received or {}
        self._today = business_day(now, rules.time_zone)
        self._delete_detail_after = self._today + timedelta(days=rules.detail_days)
        self._reductions: list[Row] = []
        self._events: dict[int, NewEvent] = {}  # by the number of the id, for parts of one event
        self._parts: list[Part] = []
        self._movements: list[Movement] = []
        self._platforms = Platforms(session, rules)
        self._sums = RunningSums(session, rules, self._platforms)

    def apply(
        self, *, fresh: Sequence[Fresh], ended: Mapping[UUID, str], closed: Collection[date] | None = None
    ) -> dict[int, Outcome]:
        """Credit `fresh`, take back `ended` (event id -> reason). Outcomes by place.

        `closed`: which of the days of `fresh` were found closed under their lock; else it is asked here.
        """
        if not fresh and not ended:
            return {}
        leaving = standing_by_event(self._session, event_ids=list(ended))
        if leaving:
            lock_days(self._session, self._rules.code, {one.business_day for one in leaving})
            # Until now they could be closed or re-quantified: what counts is how they stand under the lock.
            leaving = standing_by_event(self._session, event_ids=list(ended))
        days = {one.quantified.business_day for one in fresh}
        self._closed = closed_days(self._session, self._rules.code, days) if closed is None else closed
        ordered = [
            (one, arrival(one.event, one.quantified, partner_id=self._partner_id))
            for one in sorted(fresh, key=lambda one: (one.quantified.occurred_at, one.place))
        ]
        self._arrivals = Arrivals(self._session, self._rules, self._sums, [place for _, place in ordered])
        members = [place.member for _, place in ordered]
        members += [member_of(self._session, one) for one in leaving]
        more = [*self._arrivals.reaches(), *self._reward_keys(leaving)]
        # What is counted while nothing is locked must depend on these sums alone, and not on one that all
        # share: it would have changed each time.
        budgets = any(self._rules.points_budgets(day) for day in days)
        ahead = len(fresh) >= _MANY and not leaving and self._arrivals.alone and not budgets
        self._sums.lock(members, more, ahead=ahead)
        self._rewards = Rewards(self._session, self._rules, self._sums.tallies, now=self._now)

        self._take_back(leaving, ended)
        self._arrivals.look_around()
        outcomes = self._count_all(ordered)
        if ahead and not self._sums.tallies.hold():
            self._reductions, self._events, self._parts, self._movements = [], {}, [], []
            self._rewards = Rewards(self._session, self._rules, self._sums.tallies, now=self._now)
            outcomes = self._count_all(ordered)
        with together(self._session):
            events.record(self._session, events=list(self._events.values()), now=self._now)
            append_reductions(self._session, self._reductions)
            append_parts(self._session, self._parts)
            self._rewards.post(beside=transfers_of(self._rules.code, self._movements, now=self._now))
            self._sums.tallies.write()
        return outcomes

    def _count_all(self, ordered: Sequence[tuple[Fresh, Arrival]]) -> dict[int, Outcome]:
        """What each of them counts and earns, one after the other. Outcomes by place."""
        ids = new_ids(len(ordered))
        if len({one.place for one, _ in ordered}) == len(ordered):  # mostly: no event has parts
            return {
                one.place: self._count_in(one, place, number)
                for (one, place), number in zip(ordered, ids, strict=True)
            }
        told: dict[int, list[Outcome]] = defaultdict(list)
        for (one, place), number in zip(ordered, ids, strict=True):
            told[one.place].append(self._count_in(one, place, number))
        return {place: Outcome.joined(parts) for place, parts in told.items()}

    def _count_in(self, one: Fresh, place: Arrival, reduction_id: UUID) -> Outcome:
        quantified = one.quantified
        binding, day = quantified.binding, quantified.business_day
        counted = self._arrivals.count(place)
        points, withheld = self._reward(quantified, counted)
        self._record(one, reduction_id, counted.mg, counted.cap_code)
        if binding.use == "credit" and counted.mg:
            self._movements.append(
                Movement(
                    reduction_id=reduction_id,
                    citizen_id=quantified.citizen_id,
                    partner_id=self._partner_id,
                    effective_at=quantified.occurred_at,
                    citizen_mg=counted.mg - counted.partner_mg,
                    partner_mg=counted.partner_mg,
                )
            )
        return Outcome(
            id=one.event.id,
            status="credited",
            revision=one.claim.revision,
            reduction_id=reduction_id,
            gross_mg=quantified.gross_mg,
            co2e_mg=counted.mg,
            points=points,
            points_withheld=withheld,
            use=binding.use,
            grade=quantified.grade._value_,  # `value` is looked up by Python code
            sandbox=quantified.grade.is_sandbox,
            cap_code=counted.cap_code,
            methodology=f"{binding.methodology_id}/{binding.version}",
            digest=binding.digest,
            starts_on=day,
            ends_before=quantified.ends_before,
        )

    def _reward(self, quantified: Quantified, counted: Counted) -> tuple[int, int]:
        """Points granted, and those that the programme's budget has no room for."""
        if quantified.binding.use == "display":
            return 0, 0
        kind, day = quantified.activity.code, quantified.business_day
        granted = withheld = 0
        for rule in self._rules.points_rules(kind, day):
            basis = basis_of(rule, counted.mg, counted.cap_code, quantified.quantities)
            given, kept = self._rewards.count(
                rule, citizen_id=quantified.citizen_id, day=day, activity_type=kind, basis=basis, events=1
            )
            granted, withheld = granted + given, withheld + kept
        return granted, withheld

    def _record(self, one: Fresh, reduction_id: UUID, counted: int, cap_code: str | None) -> None:
        quantified, event = one.quantified, one.event
        binding, day = quantified.binding, quantified.business_day
        # An event that comes after its day was closed is final with the day on which it came.
        accounting_day = self._today if day in self._closed else day
        accepted = one.accepted
        detail = typed_json(accepted.details).decode() if accepted.details else None
        self._events[one.event_id.int] = NewEvent(
            id=one.event_id,
            programme=self._code,
            partner_id=self._partner_id,
            claim_key=one.claim.claim_key,
            revision=one.claim.revision,
            activity_type=event.type,
            citizen_id=accepted.citizen_id,
            occurred_at=event.occurred_at,
            ended_at=event.ended_at,
            received_at=self._received.get(one.claim.claim_key, self._now),
            business_day=accepted.business_day,
            quantities=typed_json(accepted.quantities).decode(),
            tier=accepted.tier,
            declared_mg=event.declared_mg,
            content_digest=one.claim.content_digest,
            detail=detail,
            delete_detail_after=self._delete_detail_after,
        )
        if quantified.divided:
            part = Part(
                reduction_id,
                one.event_id,
                quantified.citizen_id,
                event.type,
                day,
                quantified.ends_before,
                typed_json(quantified.quantities).decode(),
            )
            self._parts.append(part)
        self._reductions.append(
            (
                reduction_id,
                one.event_id,
                self._code,
                self._partner_id,
                quantified.citizen_id,
                event.type,
                quantified.activity.scene,
                quantified.occurred_at,
                day,
                accounting_day,
                day.year,
                binding.methodology_id,
                binding.version,
                binding.digest,
                self._profile_digest,
                binding.use,
                quantified.inputs,
                quantified.tier,
                quantified.grade._value_,
                quantified.gross_mg,
                counted,
                cap_code,
                quantified.consent_id,
                quantified.mandate_id,
                self._now,
            )
        )

    def _take_back(self, leaving: Sequence[Standing], ended: Mapping[UUID, str]) -> None:
        if not leaving:
            return
        held = held_by_partner(self._session, self._rules.code, self._shared(leaving))
        self._count_out(leaving, held)
        final = closed_months(self._session, self._rules.code, [one.accounting_day for one in leaving])
        by_reason: dict[str, list[Standing]] = defaultdict(list)
        for one in leaving:
            by_reason[ended[one.event_id]].append(one)
        for reason, those in by_reason.items():
            append_ends(
                self._session, ended=[one.reduction_id for one in those], reason=reason, now=self._now
            )
            # Grams of a closed month may lie in a batch already: the sweep of the offsets decides
            # between taking them back and a claw-back. Those of an open month cannot.
            open_ones = [one for one in those if first_of_month(one.accounting_day) not in final]
            append_adjustments(
                self._session,
                programme=self._rules.code,
                changes=[(one.reduction_id, -one.net_mg, reason) for one in open_ones],
                accounting_day=self._today,
                now=self._now,
            )
            amounts = {one.reduction_id: one.net_mg for one in open_ones if one.use == "credit"}
            credited = [one for one in open_ones if one.reduction_id in amounts]
            self._movements += taken_back(credited, amounts, held, now=self._now)

    def _count_out(self, leaving: Sequence[Standing], held: Mapping[UUID, int]) -> None:
        """Take them out of the sums and of the day's points."""
        quantities = quantities_of_each(self._session, leaving)
        for one in leaving:
            if one.use != "display":
                self._sums.add(
                    member_of(self._session, one),
                    events=-int(is_counted(one.net_mg, one.cap_code)),
                    gross_mg=-(one.net_mg if one.cap_code == OVERLAP else one.gross_mg),
                    mg=-one.net_mg,
                    partner_mg=-held.get(one.reduction_id, 0),
                )
            if one.recorded_use != "display":
                for rule in self._rules.points_rules(one.activity_type, one.business_day):
                    basis = basis_of(rule, one.points_mg, one.points_cap_code, quantities[one.reduction_id])
                    self._rewards.count(
                        rule,
                        citizen_id=one.citizen_id,
                        day=one.business_day,
                        activity_type=one.activity_type,
                        basis=-basis,
                        events=-1,
                    )

    def _reward_keys(self, leaving: Sequence[Standing]) -> Iterator[TallyKey]:
        """Points stay with the use under which a reduction was recorded, whatever it is now."""
        for one in leaving:
            if one.recorded_use != "display":
                yield from reward_keys(self._rules, one.citizen_id, one.business_day, one.activity_type)

    def _shared(self, standing: Sequence[Standing]) -> list[Standing]:
        """Those of which a partner may hold a part."""
        rules = self._rules
        return [one for one in standing if rules.overflow(one.activity_type, one.business_day) is not None]
