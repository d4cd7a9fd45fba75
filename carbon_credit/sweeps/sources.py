"""Polling: page after page, each fetched outside and taken inside a transaction."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import sleep
from typing import Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.kernel.errors import Busy, CarbonError
from carbon_credit.kernel.settings import source_hosts
from carbon_credit.sources.errors import PositionMoved, SourceBusy, SourceFailed, SourceSecretMissing
from carbon_credit.sources.fetching import fetch_page
from carbon_credit.sources.operations import begin_again, note_failure, take_page
from carbon_credit.sources.pages import SourcePage
from carbon_credit.sources.queries import SourceRecord, due_polls, source_by_id
from carbon_credit.sweeps.importing import Hands

_log = logging.getLogger(__name__)

MAX_PAGES = 200  # of one poll; the next goes on where it ended
ATTEMPTS = 3
LONGEST_REST = timedelta(hours=1)


class Fetch(Protocol):
    """How a page is fetched."""

    def __call__(self, source: SourceRecord) -> SourcePage:
        """The page at the source's position."""
        ...


@dataclass(slots=True)
class Polled:
    """What one poll did. `problem`: why it ended before the last page."""

    pages: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    problem: str | None = None


def poll_due(hands: Hands, environ: Mapping[str, str]) -> int:
    """Poll every source that is due; how many pages were taken. One that fails does not stop the others."""
    due = hands.look(lambda session, now: due_polls(session, now=now))
    pages = 0
    for source in due:
        polled = poll(hands, source.id, environ=environ)
        pages += polled.pages
        if polled.problem is not None:
            _log.warning("source %s of %s: %s", source.name, source.programme, polled.problem)
    return pages


def poll(
    hands: Hands,
    source_id: UUID,
    *,
    environ: Mapping[str, str],
    fetch: Fetch | None = None,
    wait: Callable[[int], None] = sleep,
) -> Polled:
    """Page after page until the last, a problem, or `MAX_PAGES`. A problem is told and stored, not raised."""
    polled = Polled()
    seen: set[str] = set()
    fetch = fetch or _fetching(environ)
    while polled.pages < MAX_PAGES:
        source = hands.look(lambda session, _now: source_by_id(session, source_id=source_id))
        try:
            page = _patiently(fetch, source, wait)
        except CarbonError as error:
            _fail(hands, source, polled, error)
            return polled
        again = page.next_cursor is not None and page.next_cursor in {*seen, source.position}
        try:
            polled.statuses += _taken(hands, source, page)
        except (PositionMoved, Busy) as error:
            polled.problem = error.code  # nothing was done; whoever was faster goes on
            return polled
        polled.pages += 1
        if page.next_cursor is None:
            return polled
        if again:
            source = hands.look(lambda session, _now: source_by_id(session, source_id=source_id))
            _fail(hands, source, polled, SourceFailed(why="a cursor came for the second time"))
            return polled
        seen.add(page.next_cursor)
    polled.problem = f"there is more after {MAX_PAGES} pages"
    return polled


def _taken(hands: Hands, source: SourceRecord, page: SourcePage) -> Counter[str]:
    return hands.act(lambda session, now: take_page(session, source=source, page=page, now=now))


def _patiently(fetch: Fetch, source: SourceRecord, wait: Callable[[int], None]) -> SourcePage:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return fetch(source)
        except SourceBusy as error:
            # Where it says when to come back, coming back sooner is rude.
            if attempt == ATTEMPTS or error.retry_after_s is not None:
                raise
            wait(attempt)
    raise AssertionError("unreachable")


def _fail(hands: Hands, source: SourceRecord, polled: Polled, error: CarbonError) -> None:
    """Tell and store why there is no page. A cursor that the partner no longer takes is given up."""
    polled.problem = error.message("en")
    rest = min(timedelta(minutes=2 ** min(source.failures, 6)), LONGEST_REST)
    if isinstance(error, SourceBusy) and error.retry_after_s is not None:
        rest = timedelta(seconds=error.retry_after_s)
    lost = (
        isinstance(error, SourceFailed) and not isinstance(error, SourceBusy) and source.position is not None
    )

    def deed(session: Session, now: datetime) -> None:
        note_failure(session, source=source, why=error.message("en"), resume_at=now + rest, now=now)
        if lost:
            begin_again(session, source=source)

    try:
        hands.act(deed)
    except (PositionMoved, Busy):
        _log.info("source %s: somebody else has gone on meanwhile", source.name)


def _fetching(environ: Mapping[str, str]) -> Fetch:
    hosts = source_hosts(environ)

    def fetch(source: SourceRecord) -> SourcePage:
        return fetch_page(
            source.address,
            hosts=hosts,
            secret=secret_of(source, environ),
            since=source.begins_at,
            cursor=source.position,
            limit=source.page_size,
        )

    return fetch


def secret_of(source: SourceRecord, environ: Mapping[str, str]) -> str | None:
    """The secret, where the source has one. Raises SourceSecretMissing."""
    if source.secret_env is None:
        return None
    secret = environ.get(source.secret_env)
    if not secret:
        raise SourceSecretMissing(name=source.secret_env)
    return secret
