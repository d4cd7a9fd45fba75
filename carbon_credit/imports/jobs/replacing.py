"""`--replaces`: what the earlier delivery named and this one does not is withdrawn.

The claim keys of both are compared in passes, each over the keys that begin alike, so that memory stays
flat however many there are. Withdrawing what is withdrawn does nothing, so a pass that broke off is
simply made again.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from carbon_credit.imports.jobs.crediting import close
from carbon_credit.imports.jobs.records import JobRecord, job
from carbon_credit.imports.jobs.states import state_of
from carbon_credit.imports.models import ImportChunk, ImportJob
from carbon_credit.quantification.operations import withdraw_known

KEYS_A_PASS = 200_000
MAX_PASSES = 4096
WITHDRAWN_AT_ONCE = 5_000
_WIDTH = 16  # bytes of a claim key


def passes(session: Session, *, known: JobRecord) -> int:
    """In how many passes the keys of both jobs are compared: a power of two that depends on them only."""
    both = (known.id, known.replaces_id)
    statement = select(func.coalesce(func.sum(ImportChunk.events), 0)).where(ImportChunk.job_id.in_(both))
    events = int(session.scalar(statement) or 0)
    number = 1
    while number < MAX_PASSES and events > number * KEYS_A_PASS:
        number *= 2
    return number


def position(session: Session, *, job_id: UUID) -> int:
    """How many passes are done."""
    return int(session.scalars(select(ImportJob.position).where(ImportJob.id == job_id)).one())


def missing(session: Session, *, known: JobRecord, number: int, of: int) -> list[UUID]:
    """Claim keys of the replaced job that this one does not name, in the pass `number` (from 0)."""
    assert known.replaces_id is not None  # noqa: S101  only such a job withdraws
    named = set(_keys(session, known.id, number, of))
    return [UUID(bytes=key) for key in _keys(session, known.replaces_id, number, of) if key not in named]


def withdraw(session: Session, *, job_id: UUID, keys: Sequence[UUID], now: datetime) -> int:
    """Take back those that are credited, at most `WITHDRAWN_AT_ONCE` keys in one call; how many."""
    if state_of(session, job_id=job_id, lock=True) != "withdrawing":
        return 0
    known = job(session, job_id=job_id)
    done = withdraw_known(
        session, programme=known.programme, partner_id=known.partner_id, claim_keys=keys, now=now
    )
    session.execute(
        update(ImportJob)
        .where(ImportJob.id == job_id)
        .values(withdrawn=ImportJob.withdrawn + done, touched_at=now)
    )
    return done


def advance(session: Session, *, job_id: UUID, to: int, of: int, now: datetime) -> str:
    """Say that a pass is done, and end the job with the last one; its state. Raises ImportUnreconciled."""
    state = state_of(session, job_id=job_id, lock=True)
    if state != "withdrawing":
        return state
    session.execute(update(ImportJob).where(ImportJob.id == job_id).values(position=to, touched_at=now))
    return close(session, job_id=job_id, now=now) if to >= of else state


def keys_between(keys: bytes, number: int, of: int) -> Iterator[bytes]:
    """Those of sorted keys, one after the other, that belong to the pass `number` (from 0) of `of`."""
    first = _place(keys, number * 2**32 // of)
    last = _place(keys, (number + 1) * 2**32 // of)
    for place in range(first, last):
        yield keys[place * _WIDTH : (place + 1) * _WIDTH]


def _keys(session: Session, job_id: UUID, number: int, of: int) -> Iterator[bytes]:
    statement = select(ImportChunk.claim_keys).where(ImportChunk.job_id == job_id, ImportChunk.events > 0)
    for keys in session.scalars(statement.execution_options(yield_per=100)):
        yield from keys_between(keys, number, of)


def _place(keys: bytes, bound: int) -> int:
    """How many keys lie below the bound, which is compared with their first four bytes."""
    low, high = 0, len(keys) // _WIDTH
    while low < high:
        middle = (low + high) // 2
        if int.from_bytes(keys[middle * _WIDTH : middle * _WIDTH + 4], "big") < bound:
            low = middle + 1
        else:
            high = middle
    return low
