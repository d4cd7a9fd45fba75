"""Taking back the grams of reductions that were withdrawn after their month was closed.

What no batch holds is taken off the citizen's account. What a batch holds stays: a frozen set does
not change, and a sold tonne is replaced, not undone. So does what its citizen retired: nothing leaves
`retired`, and the certificate says how much of it was withdrawn.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.offsets.filling import lock_filling
from carbon_credit.offsets.queries import spoken_for
from carbon_credit.quantification.ended import ended_with_grams, take_back


def take_back_ended(session: Session, *, now: datetime, limit: int) -> int:
    """Take back the grams of up to `limit` ended reductions that nobody has taken; how many."""
    after: UUID | None = None
    while portion := ended_with_grams(session, after=after, limit=limit):
        # Nothing is batched or retired while we look at which milligrams are free.
        for programme, methodology_id in sorted({(one.programme, one.methodology_id) for one in portion}):
            lock_filling(session, programme=programme, methodology_id=methodology_id)
        taken = spoken_for(session, reduction_ids=[one.reduction_id for one in portion])
        free = [one for one in portion if one.reduction_id not in taken]
        if free:
            take_back(session, ended=free, now=now)
            return len(free)
        after = portion[-1].reduction_id
    return 0
