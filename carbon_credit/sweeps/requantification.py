"""Re-quantification as it is run: portion by portion, leaving alone what lies in a batch or is retired.

`carbon_credit.quantification.revising` computes; here it learns which reductions these are, and nothing is
batched or retired while a portion is revised.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.offsets.filling import lock_filling
from carbon_credit.offsets.queries import spoken_for
from carbon_credit.quantification import revising
from carbon_credit.quantification.portions import Portion, Row, Span, methodologies_in


def plan(session: Session, *, span: Span) -> Iterator[tuple[Portion, list[Row]]]:
    """What would become of each reduction that is governed otherwise, or would be by the span's draft.

    Nothing is written. `portions.count` says how many reductions are looked at in all; each portion, how
    many of them were its own.
    """
    return revising.plan(session, span=span, busy=lambda ids: spoken_for(session, reduction_ids=ids))


def apply(session: Session, *, span: Span, portion: Portion, now: datetime) -> list[Row]:
    """Revise one portion in the caller's unit of work; one for each, so that others get their turn.

    What was revised before is not again: a run that was broken off is run again as a whole.
    """

    def busy(ids: Collection[UUID]) -> set[UUID]:
        return spoken_for(session, reduction_ids=ids)

    # Before the locks of the day: a batch that is being filled waits for nothing that we hold.
    for methodology_id in methodologies_in(session, span=span, portion=portion):
        lock_filling(session, programme=span.programme, methodology_id=methodology_id)
    return revising.apply(session, span=span, portion=portion, busy=busy, now=now)
