"""Two operators who look at the same thing, each for themselves.

They are of one programme: there each person has one name, while the same person may have an account in
several programmes, and alone would look like two.
"""

from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

NEEDED = 2


def agreed(acts: Iterable[tuple[str, UUID]]) -> bool:
    """Whether among `acts`, as (programme, party), there are two parties of one programme."""
    parties: dict[str, set[UUID]] = defaultdict(set)
    for programme, party in acts:
        parties[programme].add(party)
    return any(len(those) >= NEEDED for those in parties.values())
