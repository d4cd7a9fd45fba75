"""Write verbs: add a source, take what it delivered, note that it failed."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import orjson
from sqlalchemy import Table, delete, select
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import insert_new
from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.digest import keyed_digest, sha256_hex
from carbon_credit.kernel.ids import new_id
from carbon_credit.quantification.operations import credit
from carbon_credit.quantification.outcomes import Outcome
from carbon_credit.sources.errors import PositionMoved, SourceNameTaken, SourceNotFound
from carbon_credit.sources.hosts import allowed
from carbon_credit.sources.models import Source, SourcePosition, SourceRefusal
from carbon_credit.sources.pages import SourcePage
from carbon_credit.sources.queries import SourceRecord, source_by_id

_REFUSAL: Table = SourceRefusal.__table__  # type: ignore[assignment]
NOT_JSON = "not-json"
REFUSALS_KEPT = timedelta(days=180)
_LONGEST_PROBLEM = 300


def add_source(
    session: Session,
    *,
    programme: str,
    partner_id: UUID,
    name: str,
    kind: str,
    address: str,
    queue: str | None,
    secret_env: str | None,
    page_size: int,
    overlap_s: int,
    hosts: Collection[str],
    now: datetime,
) -> SourceRecord:
    """A new source, read from its beginning. Raises SourceAddressRefused, SourceNameTaken."""
    allowed(address, kind=kind, hosts=hosts)
    table: Table = Source.__table__  # type: ignore[assignment]
    columns = (
        *("id", "programme", "partner_id", "name", "kind", "address", "queue", "secret_env"),
        *("page_size", "overlap_s", "enabled", "created_at"),
    )
    where = (name, kind, address, queue, secret_env)
    row = (new_id(), programme, partner_id, *where, page_size, overlap_s, True, now)
    taken = select(Source.id).where(Source.programme == programme, Source.name == name)
    if session.scalars(taken).first() is not None or not insert_new(session, table, columns, [row], "id"):
        raise SourceNameTaken
    session.add(SourcePosition(source_id=row[0], version=0, taken=0, failures=0))
    session.flush()
    return source_by_id(session, source_id=row[0])


def set_source_enabled(session: Session, *, source_id: UUID, enabled: bool) -> None:
    """Poll it, or leave it alone."""
    row = session.get(Source, source_id)
    if row is None:
        raise SourceNotFound
    row.enabled = enabled
    session.flush()


def take_page(session: Session, *, source: SourceRecord, page: SourcePage, now: datetime) -> Counter[str]:
    """Credit a page that was fetched at `source`'s position, and move the position: in one transaction.

    How many events had which status. Raises PositionMoved where somebody else took this page.
    """
    row = _locked_position(session, source)
    found = _credit(session, source, [item.event for item in page.events], now)
    # A clock that runs ahead must not make us skip what comes in between.
    latest = max((min(item.received_at, now) for item in page.events), default=None)
    if latest is not None and (row.received_at is None or latest > row.received_at):
        row.received_at = latest
    row.since = source.begins_at if page.next_cursor is not None else None
    row.position = page.next_cursor
    row.version += 1
    row.taken += len(page.events)
    row.taken_at = now
    row.failures, row.problem, row.resume_at = 0, None, None
    session.flush()
    return found


def take_messages(
    session: Session, *, source: SourceRecord, bodies: Sequence[bytes], now: datetime
) -> tuple[Counter[str], dict[int, str]]:
    """Credit a group of messages: (how many had which status, place of each that is no event -> why).

    There is no position: the broker keeps what was not acknowledged, and gives it again.
    """
    places: list[int] = []
    payloads: list[object] = []
    poison: dict[int, str] = {}
    for place, body in enumerate(bodies):
        try:
            payloads.append(orjson.loads(body))
            places.append(place)
        except orjson.JSONDecodeError:
            poison[place] = NOT_JSON
    outcomes = _outcomes(session, source, payloads, now)
    for place, outcome in zip(places, outcomes, strict=True):
        if outcome.status == "invalid":
            poison[place] = outcome.reason or outcome.status
    _note(session, source, {sha256_hex(bodies[place]): reason for place, reason in poison.items()}, now)
    found = Counter(outcome.status for outcome in outcomes)
    found["invalid"] = len(poison)
    return +found, poison


def note_failure(
    session: Session, *, source: SourceRecord, why: str, resume_at: datetime | None, now: datetime
) -> None:
    """Why no page could be taken. The position stays. Raises PositionMoved where it did not."""
    row = _locked_position(session, source)
    row.failures += 1
    row.problem = why[:_LONGEST_PROBLEM]
    row.resume_at = resume_at
    row.taken_at = row.taken_at or now
    session.flush()


def begin_again(session: Session, *, source: SourceRecord) -> None:
    """Give up a poll whose cursor leads nowhere: the next one reads the same span. Raises PositionMoved.

    Pages may come in any order, so what was read of the span does not say what was not.
    """
    row = _locked_position(session, source)
    since, overlap = source.begins_at, timedelta(seconds=source.overlap_s)
    row.received_at = None if since is None else since + overlap
    row.since, row.position = None, None
    row.version += 1
    session.flush()


def forget_refusals(session: Session, *, now: datetime, limit: int) -> int:
    """Delete up to `limit` notes whose time is over; how many."""
    old = (
        select(SourceRefusal.source_id, SourceRefusal.item_digest)
        .where(SourceRefusal.noted_at < now - REFUSALS_KEPT)
        .limit(limit)
    )
    rows = session.execute(old).all()
    for source_id, item_digest in rows:
        session.execute(
            delete(SourceRefusal).where(
                SourceRefusal.source_id == source_id, SourceRefusal.item_digest == item_digest
            )
        )
    return len(rows)


def _locked_position(session: Session, source: SourceRecord) -> SourcePosition:
    statement = select(SourcePosition).where(SourcePosition.source_id == source.id).with_for_update()
    row = session.scalars(statement).one()
    if row.version != source.version:
        raise PositionMoved
    return row


def _credit(
    session: Session, source: SourceRecord, payloads: Sequence[object], now: datetime
) -> Counter[str]:
    outcomes = _outcomes(session, source, payloads, now)
    refused = {
        sha256_hex(orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)): outcome.reason or outcome.status
        for payload, outcome in zip(payloads, outcomes, strict=True)
        if outcome.status == "invalid"
    }
    _note(session, source, refused, now)
    return Counter(outcome.status for outcome in outcomes)


def _outcomes(
    session: Session, source: SourceRecord, payloads: Sequence[object], now: datetime
) -> list[Outcome]:
    if not payloads:
        return []
    return credit(
        session, programme=source.programme, partner_id=source.partner_id, payloads=payloads, now=now
    )


def _note(session: Session, source: SourceRecord, refused: dict[str, str], now: datetime) -> None:
    # Keyed, because an event that is malformed may name a card.
    key = keys_of(session).mac
    rows = sorted(
        (source.id, keyed_digest(key, "source-item", source.id.hex, content), reason[:64], now)
        for content, reason in refused.items()
    )
    insert_new(session, _REFUSAL, ("source_id", "item_digest", "reason", "noted_at"), rows, "item_digest")
