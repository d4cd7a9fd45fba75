"""From reported events to credits: claim, quantify, cap, reward and post, in the caller's transaction.

The verb takes a list; a single event is a list of one. Locks are always taken in the same order
(days, claims, tallies, accounts; within each by key), so that batches in any order cannot deadlock.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.events import operations as events
from carbon_credit.events.errors import EventConflict, EventInvalid
from carbon_credit.events.incoming import IncomingEvent, claim_key, content_digest, read_event
from carbon_credit.events.operations import Claim, Claimed, Standing
from carbon_credit.identity import queries as identity
from carbon_credit.kernel.clock import business_day
from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.ids import new_id
from carbon_credit.quantification.crediting import Credit, Fresh
from carbon_credit.quantification.judging import Facts, Verdict, judge
from carbon_credit.quantification.outcomes import Outcome
from carbon_credit.quantification.periods import lock_days
from carbon_credit.quantification.queries import present_by_event


def credit(
    session: Session,
    *,
    programme: str,
    partner_id: UUID,
    payloads: Sequence[object],
    now: datetime,
    backfill: bool = False,
) -> list[Outcome]:
    """One outcome for each payload (decoded JSON of an event), in the same order.

    `backfill` lifts the programme's limit of age, for operators' files. Nothing raises for a single
    item: what is wrong with it is its outcome.
    """
    rules = programme_rules(session, programme=programme)
    outcomes: dict[int, Outcome] = {}
    read: list[tuple[int, IncomingEvent]] = []
    for place, payload in enumerate(payloads):
        try:
            read.append((place, read_event(payload)))
        except EventInvalid as error:
            outcomes[place] = Outcome.invalid(payload, error)
    facts = _facts(session, rules, partner_id, [event for _, event in read], now=now, backfill=backfill)
    for part in _rounds(read):
        outcomes |= _credit_round(session, rules, partner_id, part, facts)
    return [outcomes[place] for place in range(len(payloads))]


def withdraw(
    session: Session, *, programme: str, partner_id: UUID, external_id: str, now: datetime
) -> Outcome:
    """Take a credited event back: its grams and points are reversed, the claim stays.

    Raises EventNotFound, EventNotWithdrawable.
    """
    rules = programme_rules(session, programme=programme)
    key = claim_key(keys_of(session).mac, partner_id=partner_id, event_id=external_id)
    event_id = events.withdraw(session, claim_key=key, external_id=external_id)
    work = Credit(session, rules, partner_id=partner_id, now=now)
    work.apply(fresh=[], ended={event_id: "withdrawn"})
    return Outcome(id=external_id, status="withdrawn")


def _rounds(read: Sequence[tuple[int, IncomingEvent]]) -> list[list[tuple[int, IncomingEvent]]]:
    # The same id twice in one call: the second is handled after the first, as if sent later.
    rounds: list[list[tuple[int, IncomingEvent]]] = []
    seen: dict[str, int] = {}
    for place, event in read:
        turn = seen.get(event.id, 0)
        seen[event.id] = turn + 1
        if turn == len(rounds):
            rounds.append([])
        rounds[turn].append((place, event))
    return rounds


def _facts(
    session: Session,
    rules: ProgrammeRules,
    partner_id: UUID,
    read: Sequence[IncomingEvent],
    *,
    now: datetime,
    backfill: bool,
) -> Facts:
    partner = identity.party(session, party_id=partner_id, programme=rules.code)
    named = {(event.citizen.link.kind, event.citizen.link.value) for event in read if event.citizen.link}
    links = identity.resolve_links(session, programme=rules.code, links=named)
    ids = {event.citizen.id for event in read if event.citizen.id}
    citizens = identity.citizens_by_id(session, programme=rules.code, ids=ids)
    everyone = {linked.citizen_id for linked in links.values()} | set(citizens)
    known = {event.type for event in read} & rules.activities.keys()
    scenes = {rules.activities[kind].scene for kind in known}
    return Facts(
        rules=rules,
        partner_active=partner.active,
        links=links,
        citizens=citizens,
        consents=identity.consents_of(session, citizen_ids=everyone, partner_id=partner_id, scenes=scenes),
        mandates=identity.mandates_of(session, citizen_ids=everyone),
        now=now,
        backfill=backfill,
    )


def _credit_round(
    session: Session,
    rules: ProgrammeRules,
    partner_id: UUID,
    part: Sequence[tuple[int, IncomingEvent]],
    facts: Facts,
) -> dict[int, Outcome]:
    """One pass over events with distinct ids."""
    key = keys_of(session).mac
    outcomes: dict[int, Outcome] = {}
    judged: dict[UUID, tuple[int, IncomingEvent, Verdict]] = {}
    claims: list[Claim] = []
    for place, event in part:
        try:
            verdict = judge(event, facts)
        except EventInvalid as error:
            outcomes[place] = Outcome.of_error(event, error)
            continue
        one = claim_key(key, partner_id=partner_id, event_id=event.id)
        judged[one] = (place, event, verdict)
        claims.append(
            Claim(
                claim_key=one,
                partner_id=partner_id,
                revision=event.revision,
                content_digest=content_digest(key, event),
                outcome="credited" if verdict.quantified else "rejected",
                reason=verdict.reason,
                retryable=verdict.retryable,
                event_id=new_id() if verdict.quantified else None,
            )
        )
    lock_days(session, rules.code, {business_day(event.occurred_at, rules.time_zone) for _, event in part})
    claimed = events.claim(session, claims=claims, now=facts.now)
    outcomes |= _replays(session, judged, claimed)

    fresh = []
    for claim in claims:
        place, event, verdict = judged[claim.claim_key]
        if place in outcomes:
            continue
        if verdict.quantified is None:
            outcomes[place] = Outcome.refused(event, verdict.reason or "")
        elif claim.event_id is not None:
            fresh.append(Fresh(place, event, claim, verdict.quantified, claim.event_id))
    work = Credit(session, rules, partner_id=partner_id, now=facts.now)
    return outcomes | work.apply(fresh=fresh, ended=_superseded(claimed))


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
    present = present_by_event(session, event_ids=[one.event_id for one in known if one.event_id])
    outcomes: dict[int, Outcome] = {}
    for one, standing in claimed.items():
        place, event, _ = judged[one]
        if standing.before is None:
            continue
        if standing.standing is Standing.CONFLICT:
            outcomes[place] = Outcome.of_error(event, EventConflict(id=event.id))
        elif standing.standing in (Standing.REPLAY, Standing.STALE):
            status = "duplicate" if standing.standing is Standing.REPLAY else "stale"
            before = standing.before
            reduction = present.get(before.event_id) if before.event_id else None
            outcomes[place] = Outcome.known(event, status, before, reduction)
    return outcomes
