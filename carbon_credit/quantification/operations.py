"""From reported events to credits: claim, quantify, cap, reward and post, in the caller's transaction.

The verb takes a list; a single event is a list of one. Locks are always taken in the same order
(days, claims, tallies, accounts; within each by key), so that batches in any order cannot deadlock.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.events import operations as events
from carbon_credit.events.errors import EventConflict, EventInvalid
from carbon_credit.events.incoming import IncomingEvent, claim_key, claim_keys, content_digest, read_event
from carbon_credit.events.operations import Claim, Claimed, Standing
from carbon_credit.identity import queries as identity
from carbon_credit.kernel.clock import business_day
from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.ids import new_ids
from carbon_credit.kernel.process import uncollected
from carbon_credit.quantification import waiting
from carbon_credit.quantification.crediting import Credit, Fresh
from carbon_credit.quantification.gathering import facts_for
from carbon_credit.quantification.history import Reading
from carbon_credit.quantification.judging import Facts, judge
from carbon_credit.quantification.outcomes import Outcome
from carbon_credit.quantification.parts import parts_of, present_parts
from carbon_credit.quantification.periods import lock_and_see
from carbon_credit.quantification.queries import present_by_event
from carbon_credit.quantification.verdicts import Verdict

_SINCE_EVER = UUID(int=0)
_MANY = 100  # events from which on the collector's passes cost more than they can ever find


def credit(
    session: Session,
    *,
    programme: str,
    partner_id: UUID,
    payloads: Sequence[object],
    now: datetime,
    backfill: bool = False,
    corrects: UUID | None = None,
) -> list[Outcome]:
    """One outcome for each payload (decoded JSON of an event, or the event that was read from it), in the
    same order.

    `backfill` lifts the programme's limit of age, for operators' files, and credits at once what would
    otherwise wait (T+n). `corrects`: the payloads say how it is now; the id of the delivery that replaces
    another. A known id with other content, or one that was withdrawn, is a revision one higher than the
    known one, and not a conflict, unless it was recorded since that delivery began: of one id with two
    contents in one delivery the second is a conflict. Nothing raises for a single item: what is wrong
    with it is its outcome.
    """
    rules = programme_rules(session, programme=programme)
    with uncollected(many=len(payloads) >= _MANY):
        return _credit(
            session,
            rules,
            partner_id=partner_id,
            payloads=payloads,
            now=now,
            backfill=backfill,
            corrects=corrects,
        )


def _credit(
    session: Session,
    rules: ProgrammeRules,
    *,
    partner_id: UUID,
    payloads: Sequence[object],
    now: datetime,
    backfill: bool,
    corrects: UUID | None,
) -> list[Outcome]:
    outcomes: dict[int, Outcome] = {}
    read: list[tuple[int, IncomingEvent]] = []
    for place, payload in enumerate(payloads):
        try:
            event = payload if isinstance(payload, IncomingEvent) else read_event(payload)
            read.append((place, event))
        except EventInvalid as error:
            outcomes[place] = Outcome.invalid(payload, error)
    facts = facts_for(
        session,
        rules,
        partner_id=partner_id,
        read=[event for _, event in read],
        now=now,
        backfill=backfill,
    )
    for part in _rounds(read):
        outcomes |= _credit_round(session, rules, partner_id, part, facts, corrects=corrects)
        corrects = corrects and _SINCE_EVER  # the first of several rows stands
    return [outcomes[place] for place in range(len(payloads))]


def withdraw(
    session: Session, *, programme: str, partner_id: UUID, external_id: str, now: datetime
) -> Outcome:
    """Take a credited event back: its grams and points are reversed, the claim stays.

    One that only waits to be credited never will be. Raises EventNotFound, EventNotWithdrawable.
    """
    rules = programme_rules(session, programme=programme)
    key = claim_key(keys_of(session).mac, partner_id=partner_id, event_id=external_id)
    event_id = events.withdraw(session, claim_key=key, external_id=external_id)
    if event_id is not None:
        work = Credit(session, rules, partner_id=partner_id, now=now)
        work.apply(fresh=[], ended={event_id: "withdrawn"})
    return Outcome(id=external_id, status="withdrawn")


def withdraw_known(
    session: Session, *, programme: str, partner_id: UUID, claim_keys: Collection[UUID], now: datetime
) -> int:
    """Take back those of the partner's events, by claim key, that are credited or wait to be; how
    many. Others are passed over. Any number of them in the same few statements. Raises PartyNotFound."""
    rules = programme_rules(session, programme=programme)
    identity.party(session, party_id=partner_id, programme=programme)
    event_ids, waited = events.withdraw_known(session, partner_id=partner_id, claim_keys=claim_keys)
    work = Credit(session, rules, partner_id=partner_id, now=now)
    work.apply(fresh=[], ended=dict.fromkeys(event_ids, "withdrawn"))
    return len(event_ids) + waited


def _rounds(read: Sequence[tuple[int, IncomingEvent]]) -> list[list[tuple[int, IncomingEvent]]]:
    # The same id twice in one call: the second is handled after the first, as if sent later.
    if read and len({event.id for _, event in read}) == len(read):
        return [list(read)]
    rounds: list[list[tuple[int, IncomingEvent]]] = []
    seen: dict[str, int] = {}
    for place, event in read:
        turn = seen.get(event.id, 0)
        seen[event.id] = turn + 1
        if turn == len(rounds):
            rounds.append([])
        rounds[turn].append((place, event))
    return rounds


def _credit_round(
    session: Session,
    rules: ProgrammeRules,
    partner_id: UUID,
    part: Sequence[tuple[int, IncomingEvent]],
    facts: Facts,
    *,
    corrects: UUID | None,
) -> dict[int, Outcome]:
    """One pass over events with distinct ids."""
    outcomes: dict[int, Outcome] = {}
    judged: list[tuple[int, IncomingEvent, Verdict]] = []
    claims: list[Claim] = []
    # In the order in which it happened: what is read before in this call is history for what is read after.
    ordered = sorted(part, key=lambda one: (one[1].occurred_at, one[0]))
    key, ids = keys_of(session).mac, new_ids(len(ordered))
    keys = claim_keys(key, partner_id=partner_id, event_ids=[event.id for _, event in ordered])
    for (place, event), number, event_id in zip(ordered, keys, ids, strict=True):
        try:
            claim, verdict = _judged(key, partner_id, event, facts, claim_key=number, event_id=event_id)
        except EventInvalid as error:
            outcomes[place] = Outcome.of_error(event, error)
            continue
        judged.append((place, event, verdict))
        claims.append(claim)
    days = {one.business_day for _, _, verdict in judged for one in verdict.quantified}
    for _, event, verdict in judged:
        accepted = verdict.accepted
        days.add(accepted.business_day if accepted else business_day(event.occurred_at, rules.time_zone))
    closed = lock_and_see(session, rules.code, days)
    claimed = events.claim(session, claims=claims, now=facts.now, corrects=corrects)
    received: dict[UUID, datetime] = {}
    if any(one.before is not None for one in claimed.values()):
        by_key = {claim.claim_key: one for claim, one in zip(claims, judged, strict=True)}
        outcomes |= _replays(session, by_key, claimed)
        received = waiting.woken(session, claimed)
    waits: list[waiting.Accepted] = []
    fresh = []
    for claim, (place, event, verdict) in zip(claims, judged, strict=True):
        met = claimed[claim.claim_key]
        recorded = met.recorded
        if recorded is None:
            continue
        if verdict.reason is not None:
            outcomes[place] = Outcome.refused(event, recorded.revision, verdict.refused[0])
        elif recorded.outcome == waiting.WAITING:
            waits.append(waiting.Accepted(event, verdict, met))
            due_at = waiting.due_at(event, verdict, facts)
            outcomes[place] = Outcome.accepted(event, recorded.revision, due_at)
        elif recorded.event_id is not None and verdict.accepted is not None:
            accepted, event_id = verdict.accepted, recorded.event_id
            fresh += [Fresh(place, event, recorded, accepted, one, event_id) for one in verdict.quantified]
    waiting.keep(session, rules, waits, facts=facts, received=received)
    work = Credit(session, rules, partner_id=partner_id, now=facts.now, received=received)
    told = work.apply(fresh=fresh, ended=_superseded(claimed), closed=closed)
    for place, _event, verdict in judged:
        if verdict.refused and place in told:
            told[place] = told[place].with_refused_parts(verdict.refused)
    return outcomes | told


def _judged(
    key: bytes, partner_id: UUID, event: IncomingEvent, facts: Facts, *, claim_key: UUID, event_id: UUID
) -> tuple[Claim, Verdict]:
    """The verdict on an event and the claim that goes with it; its quantities become history."""
    remembers = event.type in facts.remembered
    if remembers:
        facts.history.forget(claim_key)
    verdict = judge(event, facts)
    waits = waiting.due_at(event, verdict, facts) is not None
    for part in verdict.quantified if remembers and not waits else ():
        reading = Reading(claim_key, part.business_day, part.quantities)
        facts.history.add(part.citizen_id, event.type, reading)
    credited = bool(verdict.quantified) and not waits
    claim = Claim(
        claim_key,
        partner_id,
        event.revision,
        content_digest(key, event),
        waiting.WAITING if waits else "credited" if credited else "rejected",
        verdict.reason,
        # What waits is claimed again with the same content: by the sweep, or by whoever sends it again.
        verdict.retryable or waits,
        event_id if credited else None,
    )
    return claim, verdict


def _superseded(claimed: dict[UUID, Claimed]) -> dict[UUID, str]:
    """Events whose revision has been replaced, and that were credited until now."""
    return {
        one.before.event_id: "superseded"
        for one in claimed.values()
        if one.standing is Standing.SUPERSEDES
        and one.before is not None
        and one.before.outcome == "credited"
        and one.before.event_id is not None
    }


def _replays(
    session: Session,
    judged: dict[UUID, tuple[int, IncomingEvent, Verdict]],
    claimed: dict[UUID, Claimed],
) -> dict[int, Outcome]:
    """Outcomes of events that were known before."""
    known = [one.before for one in claimed.values() if one.before is not None]
    event_ids = [one.event_id for one in known if one.event_id]
    present = present_by_event(session, event_ids=event_ids)
    parts = parts_of(session, event_ids=event_ids)
    outcomes: dict[int, Outcome] = {}
    for one, standing in claimed.items():
        place, event, verdict = judged[one]
        before = standing.before
        if before is None:
            continue
        if standing.standing is Standing.CONFLICT:
            outcomes[place] = Outcome.of_error(event, EventConflict(id=event.id))
        elif standing.standing in (Standing.REPLAY, Standing.STALE):
            status = "duplicate" if standing.standing is Standing.REPLAY else "stale"
            reductions = present.get(before.event_id, ()) if before.event_id else ()
            told = Outcome.known(event, status, before, reductions)
            told = told.with_parts(present_parts(reductions, parts))
            # The reason is remembered; which condition it was follows from judging again.
            again = next((found for found in verdict.refused if found.reason == before.reason), None)
            outcomes[place] = told.because(again) if again else told
    return outcomes
