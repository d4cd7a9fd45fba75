"""Words for medals and boards: run a sweep, read what a citizen sees, with a model beside it."""

from datetime import date
from typing import Any

from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.reach import operations, queries
from carbon_credit.reach.medals import award_due
from tests.world import World, metro

DISTRICT = "440304"
MONTH = date(2026, 10, 1)


def day_of(number: int, month: int = 10) -> date:
    return date(2026, month, number)


def ride(name: str, day: date, **more: Any) -> dict[str, Any]:
    """A metro ride on a day, at noon."""
    return metro(name, at=f"{day}T12:00:00+08:00", **more)


def award(world: World) -> int:
    """Run the sweep of medals until nothing is left; how many days it counted."""
    total = 0
    while done := transact(world.database, lambda s: award_due(s, now=world.now, limit=7)):
        total += done
    return total


def medals(world: World, person: int = 0) -> dict[str, tuple[int, date | None]]:
    """Progress and day of each medal."""
    with unit_of_work(world.database, read_only=True) as session:
        found = queries.medals_of(session, programme=world.programme, citizen_id=world.citizens[person])
    return {one.medal.code: (one.progress, one.earned_on) for one in found}


def join(world: World, person: int, nickname: str, district: str = DISTRICT) -> None:
    transact(
        world.database,
        lambda session: operations.join_board(
            session,
            programme=world.programme,
            citizen_id=world.citizens[person],
            district=district,
            nickname=nickname,
            now=world.now,
        ),
    )


def leave(world: World, person: int) -> None:
    transact(
        world.database,
        lambda session: operations.leave_board(
            session, programme=world.programme, citizen_id=world.citizens[person]
        ),
    )


def compute(world: World) -> int:
    return transact(world.database, lambda s: operations.compute_due(s, now=world.now, limit=10))


def board(world: World, person: int = 0, **more: Any) -> queries.BoardRecord:
    with unit_of_work(world.database, read_only=True) as session:
        return queries.board(session, programme=world.programme, citizen_id=world.citizens[person], **more)
