"""What an audit looks at: everything, or what came after the last opening balances."""

import uuid
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Executable, FromClause, and_, false, or_, select
from sqlalchemy.orm import Session

from carbon_credit.kernel.db import keys_of
from carbon_credit.ledger.models import OPENING, TRANSFER
from carbon_credit.ledger.openings import checkpoints

PORTION = 5000

Report: TypeAlias = Callable[[int], None]  # how many rows of the present rule have been looked at


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken rule, and the row that breaks it. `detail`: a sentence with kinds and sums, no persons."""

    rule: str
    table: str
    row: str
    detail: str


Findings: TypeAlias = Generator[Finding, None, None]


@dataclass(frozen=True, slots=True)
class Scope:
    """`starts`: of each programme, the opening balances that the audit takes as given."""

    session: Session
    key: bytes
    full: bool
    starts: dict[str, tuple[date, uuid.UUID]]

    def transfers(self, table: FromClause = TRANSFER) -> ColumnElement[bool]:
        """The condition under which a transfer is looked at."""
        later = [
            and_(table.c.programme == p, table.c.id > through) for p, (_, through) in self.starts.items()
        ]
        return or_(*later, table.c.programme.not_in(list(self.starts)))

    def openings(self) -> FromClause:
        """The opening balances that are taken as given, as a table."""
        taken = [
            and_(OPENING.c.programme == programme, OPENING.c.period == period)
            for programme, (period, _) in self.starts.items()
        ]
        return select(OPENING).where(or_(false(), *taken)).subquery("opening")

    def first_start(self) -> uuid.UUID | None:
        """The least id from which on rows are looked at; None where it is the first."""
        return min((through for _, through in self.starts.values()), default=None)


def scope_of(session: Session, *, full: bool) -> Scope:
    """The scope of an audit now."""
    return Scope(session, keys_of(session).mac, full, {} if full else checkpoints(session))


def stream(session: Session, statement: Executable) -> Iterator[Any]:
    """The rows, a portion at a time in memory."""
    # Closed also where the reader stops early: on PostgreSQL this is a cursor in the server.
    with session.execute(statement.execution_options(yield_per=PORTION)) as result:
        yield from result
