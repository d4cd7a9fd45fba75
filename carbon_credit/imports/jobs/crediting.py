"""Crediting a chunk: its events, its counts, its refused rows and its mark, in one transaction.

Whoever comes takes the next chunk that nobody holds. A worker that dies loses its open transaction and
nothing else, so a chunk counts exactly once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

import orjson
from sqlalchemy import Table, func, select, update
from sqlalchemy.orm import Session

from carbon_credit.events.incoming import IncomingEvent, claim_keys
from carbon_credit.identity.queries import known_links
from carbon_credit.imports.errors import ImportUnreconciled
from carbon_credit.imports.jobs.chunks import Payload, read_events
from carbon_credit.imports.jobs.records import counts, job, undone
from carbon_credit.imports.jobs.states import move, state_of
from carbon_credit.imports.models import ImportChunk, ImportJob, ImportReject
from carbon_credit.imports.rows import RowStatus
from carbon_credit.kernel.bulk import append_rows
from carbon_credit.kernel.db import keys_of
from carbon_credit.quantification.operations import credit
from carbon_credit.quantification.outcomes import Outcome

_REJECT = cast(Table, ImportReject.__table__)
_REJECT_COLUMNS = tuple(column.name for column in _REJECT.columns)


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What is needed of a chunk and its job to credit it."""

    number: int
    rows: int
    payload: bytes
    programme: str
    partner_id: UUID
    corrects: bool
    drops: bool


@dataclass(slots=True)
class _Tally:
    """What becomes of a chunk's rows."""

    credited_rows: int = 0
    held: int = 0
    rejected: int = 0
    duplicate: int = 0
    dropped: int = 0
    credited: int = 0
    revised: int = 0
    co2e_mg: int = 0

    def as_dict(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in self.__slots__}


def credit_next(session: Session, *, job_id: UUID, now: datetime) -> int:
    """Credit the next chunk of the job that nobody else works at; its rows, 0 where there is none."""
    chunk = _next(session, job_id)
    if chunk is None:
        return 0
    payloads, lines = read_events(chunk.payload)
    tally, refused, named = _Tally(), [], payloads
    if chunk.drops:
        payloads, lines, tally.dropped = _without_unknown(session, chunk.programme, payloads, lines)
        # Of these cards nothing is kept; only a file that replaces another has to say that it named them.
        named = named if chunk.corrects else payloads
    keys = _claim_keys(session, chunk, named)
    outcomes = credit(
        session,
        programme=chunk.programme,
        partner_id=chunk.partner_id,
        payloads=payloads,
        now=now,
        backfill=True,
        corrects=job_id if chunk.corrects else None,
    )
    if len(outcomes) != len(payloads):
        raise ImportUnreconciled(why=f"{len(payloads)} events were handed on, {len(outcomes)} came back")
    for event, its_lines, outcome in zip(payloads, lines, outcomes, strict=True):
        status, reason = row_outcome(outcome)
        _count(tally, status, len(its_lines))
        if status == "credited":
            tally.credited += 1
            tally.co2e_mg += outcome.co2e_mg
            tally.revised += isinstance(event, IncomingEvent) and outcome.revision != event.revision
        else:
            refused += [(job_id, line, status, reason) for line in its_lines]
    refused.sort(key=lambda row: row[1])
    append_rows(session, _REJECT, _REJECT_COLUMNS, refused)
    session.execute(
        update(ImportChunk)
        .where(ImportChunk.job_id == job_id, ImportChunk.number == chunk.number)
        .values(payload=None, done_at=now, claim_keys=keys, **tally.as_dict())
    )
    return chunk.rows


def finish(session: Session, *, job_id: UUID, now: datetime) -> str:
    """End the job if all its chunks are done and its rows add up; the state that it is in now.

    One that replaces another goes on to `withdrawing`. Raises ImportUnreconciled.
    """
    state = state_of(session, job_id=job_id, lock=True)
    if state != "crediting" or undone(session, job_id=job_id):
        return state
    if job(session, job_id=job_id).replaces_id is not None:
        move(session, job_id=job_id, to="withdrawing", now=now)
        return "withdrawing"
    return close(session, job_id=job_id, now=now)


def close(session: Session, *, job_id: UUID, now: datetime) -> str:
    """Reconcile a job that has done everything, and end it. Raises ImportUnreconciled."""
    known, told = job(session, job_id=job_id), counts(session, job_id=job_id)
    listed = session.scalar(select(func.count()).where(ImportReject.job_id == job_id))
    if not known.rows_total == told.rows == told.outcomes:
        raise ImportUnreconciled(why=f"{known.rows_total} rows were read, {told.outcomes} have an outcome")
    if listed != told.refused:
        raise ImportUnreconciled(why=f"{told.refused} rows were refused, {listed} are listed")
    move(session, job_id=job_id, to="done", now=now)
    return "done"


def row_outcome(outcome: Outcome) -> tuple[RowStatus, str]:
    """What an event's outcome means for each of its rows."""
    match outcome.status:
        case "credited":
            return "credited", ""
        case "duplicate":
            return "duplicate", "already-reported"
        case "held":
            return "held", outcome.reason or "held"
        case _:
            return "rejected", outcome.reason or outcome.status


def _next(session: Session, job_id: UUID) -> _Chunk | None:
    # The first of each lane only: those behind it wait until it is committed. Found in one pass over what is
    # left; asking each chunk for one before it takes seconds where a file has thousands and no statistics.
    mine = (ImportChunk.job_id == job_id, ImportChunk.done_at.is_(None))
    firsts = select(func.min(ImportChunk.number)).where(*mine).group_by(ImportChunk.lane)
    statement = (
        select(
            ImportChunk.number,
            ImportChunk.rows,
            ImportChunk.payload,
            ImportJob.programme,
            ImportJob.partner_id,
            ImportJob.replaces_id,
            ImportJob.options,
        )
        .join(ImportJob, ImportJob.id == ImportChunk.job_id)
        .where(*mine, ImportJob.state == "crediting", ImportChunk.number.in_(firsts))
        .order_by(ImportChunk.number)
        .limit(1)
        .with_for_update(skip_locked=True, of=ImportChunk)
    )
    row = session.execute(statement).one_or_none()
    if row is None or row.payload is None:
        return None
    drops = bool(orjson.loads(row.options).get("drop_unknown"))
    corrects = row.replaces_id is not None
    return _Chunk(row.number, row.rows, row.payload, row.programme, row.partner_id, corrects, drops)


def _without_unknown(
    session: Session, programme: str, payloads: list[IncomingEvent | Payload], lines: list[list[int]]
) -> tuple[list[IncomingEvent | Payload], list[list[int]], int]:
    """Events and lines without those of cards that nobody has, and how many rows these were."""
    links = [_link(one) for one in payloads]
    known = known_links(session, programme=programme, links={link for link in links if link is not None})
    kept = [place for place, link in enumerate(links) if link is None or link in known]
    dropped = sum(map(len, lines)) - sum(len(lines[place]) for place in kept)
    return [payloads[place] for place in kept], [lines[place] for place in kept], dropped


def _link(event: IncomingEvent | Payload) -> tuple[str, str] | None:
    if isinstance(event, IncomingEvent):
        named = event.citizen.link
        return (named.kind, named.value) if named else None
    link = event["citizen"].get("link")
    return (str(link["kind"]), str(link["value"])) if link else None


def _count(tally: _Tally, status: str, rows: int) -> None:
    name = "credited_rows" if status == "credited" else status
    setattr(tally, name, getattr(tally, name) + rows)


def _claim_keys(session: Session, chunk: _Chunk, payloads: Sequence[IncomingEvent | Payload]) -> bytes:
    ids = {one.id if isinstance(one, IncomingEvent) else str(one.get("id")) for one in payloads}
    found = claim_keys(keys_of(session).mac, partner_id=chunk.partner_id, event_ids=list(ids))
    return b"".join(sorted([one.int.to_bytes(16, "big") for one in found]))
