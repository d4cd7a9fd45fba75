"""Applying verdicts: caps and points under the day's lock, then rows and postings, all at once."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.catalogue.terms import PointsRule
from carbon_credit.events import operations as events
from carbon_credit.events.incoming import IncomingEvent
from carbon_credit.events.operations import Claim, NewEvent
from carbon_credit.events.queries import quantities_of
from carbon_credit.kernel.bulk import Row
from carbon_credit.kernel.clock import business_day
from carbon_credit.kernel.digest import canonical_json
from carbon_credit.kernel.ids import new_id
from carbon_credit.ledger import operations as ledger
from carbon_credit.ledger.accounts import CO2E, AccountKey
from carbon_credit.ledger.entries import Transfer
from carbon_credit.ledger.points import PointsGrant, PointsTakeBack, grants, take_backs
from carbon_credit.quantification.caps import CAP_EVENTS, allow
from carbon_credit.quantification.judging import Quantified
from carbon_credit.quantification.outcomes import Outcome
from carbon_credit.quantification.periods import closed_days, closed_months, first_of_month, lock_days
from carbon_credit.quantification.queries import Standing, standing_by_event
from carbon_credit.quantification.recording import append_adjustments, append_ends, append_reductions
from carbon_credit.quantification.tallies import Tallies, TallyKey


@dataclass(frozen=True, slots=True)
class Fresh:
    """A newly claimed event that is to be credited. `place`: where it stood in the call."""

    place: int
    event: IncomingEvent
    claim: Claim
    quantified: Quantified
    event_id: UUID


class Credit:
    """One pass of crediting: gathers rows and postings, then writes each kind once."""

    def __init__(self, session: Session, rules: ProgrammeRules, *, partner_id: UUID, now: datetime) -> None:
        self._session = session
        self._rules = rules
        self._partner_id = partner_id
        self._now = now
        self._today = business_day(now, rules.time_zone)
        self._reductions: list[Row] = []
        self._events: list[NewEvent] = []
        self._transfers: list[Transfer] = []

    def apply(self, *, fresh: Sequence[Fresh], ended: Mapping[UUID, str]) -> dict[int, Outcome]:
        """Credit `fresh`, take back `ended` (event id -> reason). Outcomes by place."""
        if not fresh and not ended:
            return {}
        leaving = standing_by_event(self._session, event_ids=list(ended))
        lock_days(self._session, self._rules.code, {one.business_day for one in leaving})
        days = {one.quantified.business_day for one in fresh}
        self._closed = closed_days(self._session, self._rules.code, days)
        ordered = sorted(fresh, key=lambda one: (one.event.occurred_at, one.place))
        wanted = [key for one in ordered for key in self._keys_of_fresh(one.quantified)]
        wanted += [key for one in leaving for key in self._keys_of_leaving(one)]
        tallies = Tallies(self._session, programme=self._rules.code, keys=wanted)

        self._take_back(leaving, ended, tallies)
        outcomes = {one.place: self._count_in(one, tallies) for one in ordered}
        events.record(self._session, events=self._events, now=self._now)
        append_reductions(self._session, self._reductions)
        ledger.post(self._session, transfers=self._transfers, now=self._now)
        rewards = {key for key in wanted if key.scope.startswith("points:")}
        post_points(self._session, self._rules, tallies, rewards, now=self._now)
        tallies.write()
        return outcomes

    def _count_in(self, one: Fresh, tallies: Tallies) -> Outcome:
        quantified = one.quantified
        binding, day = quantified.binding, quantified.business_day
        cap = self._rules.cap(one.event.type, day)
        counted, cap_code, points = 0, None, 0
        if binding.use != "display":
            tally = tallies[cap_key(quantified.citizen_id, day, one.event.type)]
            allowed = allow(
                cap, gross_mg=quantified.gross_mg, events_before=tally.events, mg_before=tally.granted
            )
            counted, cap_code = allowed.mg, allowed.cap_code
            tally.add(events=1, capped=cap_code is not None, amount=quantified.gross_mg, granted=counted)
            for rule in self._rules.points_rules(one.event.type, day):
                basis = basis_of(rule, counted, cap_code, quantified.quantities)
                row = tallies[points_key(quantified.citizen_id, day, rule)]
                points += rule.due(row.amount + basis) - rule.due(row.amount)
                row.add(events=1, amount=basis)
        reduction_id = new_id()
        self._record(one, reduction_id, counted, cap_code)
        if binding.use == "credit" and counted:
            self._transfers.append(self._credit_transfer(one, reduction_id, counted))
        return Outcome(
            id=one.event.id,
            status="credited",
            revision=one.event.revision,
            reduction_id=reduction_id,
            gross_mg=quantified.gross_mg,
            co2e_mg=counted,
            points=points,
            use=binding.use,
            grade=quantified.grade.value,
            sandbox=quantified.grade.is_sandbox,
            cap_code=cap_code,
            methodology=f"{binding.methodology_id}/{binding.version}",
            digest=binding.digest,
        )

    def _record(self, one: Fresh, reduction_id: UUID, counted: int, cap_code: str | None) -> None:
        quantified, event = one.quantified, one.event
        binding, day = quantified.binding, quantified.business_day
        # An event that comes after its day was closed is final with the day on which it came.
        accounting_day = self._today if day in self._closed else day
        detail = canonical_json(quantified.details).decode() if quantified.details else None
        self._events.append(
            NewEvent(
                id=one.event_id,
                programme=self._rules.code,
                partner_id=self._partner_id,
                claim_key=one.claim.claim_key,
                revision=event.revision,
                activity_type=event.type,
                citizen_id=quantified.citizen_id,
                occurred_at=event.occurred_at,
                ended_at=event.ended_at,
                received_at=self._now,
                business_day=day,
                quantities=canonical_json(quantified.quantities).decode(),
                tier=quantified.tier,
                declared_mg=event.declared_mg,
                content_digest=one.claim.content_digest,
                detail=detail,
                delete_detail_after=self._today + timedelta(days=self._rules.detail_days),
            )
        )
        self._reductions.append(
            (
                reduction_id,
                one.event_id,
                self._rules.code,
                self._partner_id,
                quantified.citizen_id,
                event.type,
                quantified.activity.scene,
                event.occurred_at,
                day,
                accounting_day,
                day.year,
                binding.methodology_id,
                binding.version,
                binding.digest,
                self._rules.digest,
                binding.use,
                quantified.inputs,
                quantified.tier,
                quantified.grade.value,
                quantified.gross_mg,
                counted,
                cap_code,
                quantified.consent_id,
                quantified.mandate_id,
                self._now,
            )
        )

    def _take_back(self, leaving: Sequence[Standing], ended: Mapping[UUID, str], tallies: Tallies) -> None:
        quantities = quantities_of(self._session, event_ids=[one.event_id for one in leaving])
        final = closed_months(self._session, self._rules.code, [one.accounting_day for one in leaving])
        by_reason: dict[str, list[Standing]] = defaultdict(list)
        for one in leaving:
            by_reason[ended[one.event_id]].append(one)
            if one.use == "display":
                continue
            tallies[cap_key(one.citizen_id, one.business_day, one.activity_type)].add(
                events=-1, amount=-one.gross_mg, granted=-one.net_mg
            )
            for rule in self._rules.points_rules(one.activity_type, one.business_day):
                basis = basis_of(rule, one.net_mg, one.cap_code, quantities[one.event_id])
                tallies[points_key(one.citizen_id, one.business_day, rule)].add(events=-1, amount=-basis)
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
            self._transfers += [
                self._revoke_transfer(one) for one in open_ones if one.use == "credit" and one.net_mg
            ]

    def _credit_transfer(self, one: Fresh, reduction_id: UUID, amount_mg: int) -> Transfer:
        return Transfer(
            id=new_id(),
            code="reduction.credit",
            debit=AccountKey(self._rules.code, CO2E, "programme.source"),
            credit=AccountKey(self._rules.code, CO2E, "citizen.reductions", one.quantified.citizen_id),
            amount=amount_mg,
            effective_at=one.event.occurred_at,
            reference=reduction_id,
        )

    def _revoke_transfer(self, one: Standing) -> Transfer:
        return Transfer(
            id=new_id(),
            code="reduction.revoke",
            debit=AccountKey(self._rules.code, CO2E, "citizen.reductions", one.citizen_id),
            credit=AccountKey(self._rules.code, CO2E, "programme.source"),
            amount=one.net_mg,
            effective_at=self._now,
            reference=one.reduction_id,
        )

    def _keys_of_fresh(self, quantified: Quantified) -> list[TallyKey]:
        if quantified.binding.use == "display":
            return []
        return self._keys(quantified.citizen_id, quantified.business_day, quantified.activity.code)

    def _keys_of_leaving(self, one: Standing) -> list[TallyKey]:
        return [] if one.use == "display" else self._keys(one.citizen_id, one.business_day, one.activity_type)

    def _keys(self, citizen_id: UUID, day: date, activity_type: str) -> list[TallyKey]:
        rules = self._rules.points_rules(activity_type, day)
        return [
            cap_key(citizen_id, day, activity_type),
            *(points_key(citizen_id, day, rule) for rule in rules),
        ]


def post_points(
    session: Session, rules: ProgrammeRules, tallies: Tallies, keys: set[TallyKey], *, now: datetime
) -> None:
    """Grant, or take back, what the tallies of points rules say beyond what was granted before."""
    given, taken = [], []
    for key in sorted(keys, key=tallies.id_of):
        tally = tallies[key]
        delta = rules.points_rule(key.scope.removeprefix("points:")).due(tally.amount) - tally.granted
        tally.add(granted=delta)
        if delta > 0:
            lot = rules.points_lot(key.business_day)
            given.append(PointsGrant(key.citizen_id, delta, lot, tallies.id_of(key), now))
        elif delta < 0:
            lot = rules.points_lot(key.business_day)
            taken.append(PointsTakeBack(key.citizen_id, -delta, tallies.id_of(key), now, lot))
    grants(session, items=given, programme=rules.code, now=now)
    take_backs(session, items=taken, programme=rules.code, now=now)


def basis_of(
    rule: PointsRule, counted_mg: int, cap_code: str | None, quantities: Mapping[str, int | str]
) -> int:
    """What an event adds to the basis of a points rule, after caps."""
    if rule.basis == CO2E:
        return counted_mg
    value = quantities.get(rule.basis, 0)
    return value if cap_code != CAP_EVENTS and isinstance(value, int) else 0


def cap_key(citizen_id: UUID, day: date, activity_type: str) -> TallyKey:
    """The tally of an activity type on a citizen's day."""
    return TallyKey(citizen_id, day, f"cap:{activity_type}")


def points_key(citizen_id: UUID, day: date, rule: PointsRule) -> TallyKey:
    """The tally of a points rule on a citizen's day."""
    return TallyKey(citizen_id, day, f"points:{rule.code}")
