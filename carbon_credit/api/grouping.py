"""Single posts that come at the same time are credited together: one call of the verb, one commit.

A transaction for one event costs nearly as much as one for thirty, so under load those that wait while
the database works form the next group. Nobody waits on purpose: a post that finds nothing under way goes
at once and alone. Each is answered with its own outcome, after the commit and never before.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from carbon_credit.api.gate import PATIENCE_S, Overloaded
from carbon_credit.kernel import clock
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.errors import DatabaseUnavailable
from carbon_credit.kernel.unit_of_work import transact
from carbon_credit.quantification.operations import credit
from carbon_credit.quantification.outcomes import Outcome

MOST_TOGETHER = 100
MOST_WAITING = 256  # in this process; each of them also occupies a thread of the server
# Those who have just been answered are about to post again: a group that begins a moment later has all of
# them, and one that begins at once has half, in twice as many transactions.
PAUSE_S = 0.003  # float ok: seconds to wait; when nobody came in them, nobody else is about to come
MOST_PAUSES = 4
JUST_NOW = timedelta(milliseconds=20)

_Key = tuple[str, UUID]


@dataclass(eq=False, slots=True)
class _Ticket:
    """One post in line. `called` is held until there is an answer, or until it is to lead the next group."""

    payload: object
    now: datetime
    called: threading.Lock = field(default_factory=threading.Lock)
    leads: bool = False
    taken: bool = False
    alone: bool = False
    outcome: Outcome | None = None
    error: BaseException | None = None


@dataclass(slots=True)
class _Line:
    """The posts of one partner that wait, and whether a group of theirs is under way.

    `expected`: how many were in the last group, which ended at `ended_at`, or stood in line behind it.
    `whole` is released when so many wait, for who leads the next group.
    """

    waiting: deque[_Ticket] = field(default_factory=deque)
    working: bool = False
    expected: int = 1
    ended_at: datetime | None = None
    gathers: bool = False
    whole: threading.Lock = field(default_factory=threading.Lock)


class Groups:
    """Credits events one by one for its callers, and together for the database. Safe for many threads."""

    def __init__(
        self,
        database: Database,
        *,
        most_together: int = MOST_TOGETHER,
        most_waiting: int = MOST_WAITING,
        patience_s: int = PATIENCE_S,
    ) -> None:
        """`most_waiting`, `patience_s`: beyond them a post is told to come again; nothing was done for it."""
        self._database = database
        self._most_together = most_together
        self._most_waiting = most_waiting
        self._patience_s = patience_s
        self._lines: dict[_Key, _Line] = {}
        self._waiting = 0
        self._lock = threading.Lock()

    def credit(self, *, programme: str, partner_id: UUID, payload: object, now: datetime) -> Outcome:
        """The outcome of one event, committed. Raises Overloaded, Busy, DatabaseUnavailable."""
        key = (programme, partner_id)
        ticket = _Ticket(payload, now)
        ticket.called.acquire()
        with self._lock:
            if self._waiting >= self._most_waiting:
                raise Overloaded
            line = self._lines.setdefault(key, _Line())
            line.waiting.append(ticket)
            self._waiting += 1
            first = not line.working
            line.working = True
            if line.gathers and len(line.waiting) >= min(line.expected, self._most_together):
                line.gathers = False
                line.whole.release()
        if first or self._await(line, ticket):
            if not first or (line.ended_at is not None and now < line.ended_at + JUST_NOW):
                self._gather(line)
            self._lead(key, line)
        if ticket.alone:
            return self._together(key, [ticket])[0]
        if ticket.error is not None:
            raise ticket.error
        if ticket.outcome is None:
            raise LookupError("a group has ended without an answer for each of its events")
        return ticket.outcome

    def _await(self, line: _Line, ticket: _Ticket) -> bool:
        """Until the ticket is answered (False), or is to lead the next group (True).

        Raises Overloaded when nobody takes it in time.
        """
        if ticket.called.acquire(timeout=self._patience_s):
            return ticket.leads
        with self._lock:
            if not ticket.taken and not ticket.leads:
                line.waiting.remove(ticket)
                self._waiting -= 1
                raise Overloaded
        # It is among those that the database works for: only that answer says whether it was done.
        ticket.called.acquire()
        return ticket.leads

    def _gather(self, line: _Line) -> None:
        """Wait a moment for those who were there just now. Who posts alone expects nobody and goes on."""
        with self._lock:
            before = len(line.waiting)
            if before >= min(line.expected, self._most_together):
                return
            line.gathers = True
            line.whole.acquire(blocking=False)
        for _ in range(MOST_PAUSES):
            if line.whole.acquire(timeout=PAUSE_S) or len(line.waiting) == before:
                break
            before = len(line.waiting)
        with self._lock:
            line.gathers = False

    def _lead(self, key: _Key, line: _Line) -> None:
        """Credit those that wait, hand the lead on, and call everybody."""
        with self._lock:
            group = [line.waiting.popleft() for _ in range(min(len(line.waiting), self._most_together))]
            self._waiting -= len(group)
            for ticket in group:
                ticket.taken = True
        try:
            for ticket, outcome in zip(group, self._together(key, group), strict=True):
                ticket.outcome = outcome
        except DatabaseUnavailable as error:
            for ticket in group:
                ticket.error = DatabaseUnavailable()
                ticket.error.__cause__ = error
        except BaseException as error:
            # One of them may be the reason (a lock that somebody holds, a fault of ours): the others must
            # not suffer for it, so each goes again by itself, in the thread of its own request.
            for ticket in group:
                ticket.alone = len(group) > 1
                ticket.error = None if ticket.alone else error
        finally:
            self._hand_on(line, len(group))
            for ticket in group[1:]:  # the first is the one that leads
                ticket.called.release()

    def _hand_on(self, line: _Line, size: int) -> None:
        with self._lock:
            line.expected = size + len(line.waiting)
            line.ended_at = clock.now()
            line.working = bool(line.waiting)
            if line.waiting:
                line.waiting[0].leads = True
                line.waiting[0].called.release()

    def _together(self, key: _Key, group: Sequence[_Ticket]) -> list[Outcome]:
        programme, partner_id = key
        payloads = [ticket.payload for ticket in group]
        now = max(ticket.now for ticket in group)
        return transact(
            self._database,
            lambda session: credit(
                session, programme=programme, partner_id=partner_id, payloads=payloads, now=now
            ),
        )
