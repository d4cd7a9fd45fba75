"""Proof that each offer of neutralising that was taken up retired grams, and nothing was retired without."""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from carbon_credit.ledger.audit import Finding
from carbon_credit.offsets.retirement.queries import all_retirements, retirements_by_id
from carbon_credit.redemption.giving.neutralising import all_neutralised, neutralised_among

_AT_ONCE = 2_000


def audit(session: Session) -> list[Finding]:
    """Every finding, naming table and row; none where the two subjects agree. Read in portions."""
    return [*_taken_up(session), *_retired(session)]


def _taken_up(session: Session) -> Iterator[Finding]:
    for portion in all_neutralised(session, at_once=_AT_ONCE):
        found = retirements_by_id(session, ids=[one.id for one in portion])
        for one in portion:
            row = found.get(one.id)
            retired = None if row is None else (row.programme, row.citizen_id, row.retired_at)
            if retired != (one.programme, one.citizen_id, one.done_at):
                detail = "it was taken up, and its citizen retired nothing for it at that time"
                yield Finding("neutralised-retired", "redemption", str(one.id), detail)


def _retired(session: Session) -> Iterator[Finding]:
    for portion in all_retirements(session, at_once=_AT_ONCE):
        known = neutralised_among(session, ids=[row.id for row in portion])
        for row in portion:
            if row.id not in known:
                detail = "no offer was taken up for it"
                yield Finding("retired-neutralised", "citizen_retirement", str(row.id), detail)
