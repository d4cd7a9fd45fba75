"""Crediting some days after (T+n): which events wait, what keeps their day open, and what is due.

An event is judged when it comes, and one that is refused is refused at once, so of people who are
unknown or do not consent nothing is kept. One that would be credited waits where its programme says so,
and is judged again, by the same verb, when its time has come. An operator's file does not wait: it says
itself that its days are complete.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from msgspec import structs
from sqlalchemy.orm import Session

from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.events import waiting as events
from carbon_credit.events.incoming import IncomingEvent
from carbon_credit.events.operations import Claimed
from carbon_credit.quantification.errors import EventsWaiting
from carbon_credit.quantification.judging import Facts
from carbon_credit.quantification.pending import expect
from carbon_credit.quantification.verdicts import Verdict

WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Accepted:
    """An event that is claimed and waits, with the claim as it was recorded."""

    event: IncomingEvent
    verdict: Verdict
    claimed: Claimed


def due_at(event: IncomingEvent, verdict: Verdict, facts: Facts) -> datetime | None:
    """When the event is to be credited; None where that is now, or never."""
    if facts.backfill or not verdict.quantified:
        return None
    place = (event.type, _last_day(verdict))
    if place not in facts.dues:
        facts.dues[place] = facts.rules.due_at(*place)
    due = facts.dues[place]
    return due if due is not None and facts.now < due else None


def woken(session: Session, claimed: Mapping[UUID, Claimed]) -> dict[UUID, datetime]:
    """Of the events that waited until now and are written anew, when they were received first.

    What was kept of them is deleted; a new revision was received now.
    """
    waited = {
        key: one
        for key, one in claimed.items()
        if one.recorded is not None and one.before is not None and one.before.outcome == WAITING
    }
    same = [key for key, one in waited.items() if one.before and one.recorded and _says_the_same(one)]
    received = events.received_at(session, claim_keys=same)
    events.forget(session, claim_keys=list(waited))
    return received


def keep(
    session: Session,
    rules: ProgrammeRules,
    accepted: Sequence[Accepted],
    *,
    facts: Facts,
    received: Mapping[UUID, datetime],
) -> None:
    """Keep what was reported until it is due, and what points it will give."""
    rows, expected = [], []
    for one in accepted:
        recorded, due = one.claimed.recorded, due_at(one.event, one.verdict, facts)
        if recorded is None or due is None:
            raise LookupError("only what was claimed to wait can be kept")
        rows.append(
            events.Waiting(
                claim_key=recorded.claim_key,
                programme=rules.code,
                partner_id=recorded.partner_id,
                first_day=min(part.business_day for part in one.verdict.quantified),
                last_day=_last_day(one.verdict),
                due_at=due,
                received_at=received.get(recorded.claim_key, facts.now),
                # A correction may have been given a higher revision than it came with.
                event=structs.replace(one.event, revision=recorded.revision),
            )
        )
        expected.append((recorded.claim_key, one.verdict, due))
    events.keep(session, waiting=rows)
    expect(session, rules, waiting=expected)


def require_none_waiting(session: Session, rules: ProgrammeRules, day: date) -> None:
    """A day on which events wait cannot be closed: they would come late to it. Raises EventsWaiting.

    The day is held alone by the caller, so that no event can begin to wait meanwhile.
    """
    count, last = events.waiting_on(session, programme=rules.code, day=day)
    if last is not None:
        raise EventsWaiting(period=day.isoformat(), count=count, due=last.isoformat())


def is_awaited(session: Session, programme: str, day: date) -> bool:
    """Whether events wait that will count on the day: it is not time to close it."""
    return events.waiting_on(session, programme=programme, day=day)[1] is not None


def _last_day(verdict: Verdict) -> date:
    parts = verdict.quantified
    return parts[0].business_day if len(parts) == 1 else max(part.business_day for part in parts)


def _says_the_same(one: Claimed) -> bool:
    return (
        one.before is not None
        and one.recorded is not None
        and one.before.content_digest == one.recorded.content_digest
    )
