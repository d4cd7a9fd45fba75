"""Giving and withdrawing consents and mandates, many at once."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Table, bindparam, select
from sqlalchemy.orm import Session

from carbon_credit.identity.errors import (
    GivenInFuture,
    NothingToWithdraw,
    SceneUnknown,
    ShareOutOfBounds,
    SpanOverlaps,
)
from carbon_credit.identity.models import Consent, Mandate
from carbon_credit.identity.queries import lock_citizens, party
from carbon_credit.kernel.bulk import append_rows, one_of
from carbon_credit.kernel.ids import new_id

_CONSENT: Table = Consent.__table__  # type: ignore[assignment]
_MANDATE: Table = Mandate.__table__  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class ConsentGrant:
    """What a citizen agreed to: a scene, under which text, from when."""

    citizen_id: uuid.UUID
    scene: str
    text_version: str
    given_at: datetime
    tier: str = "declared"


@dataclass(frozen=True, slots=True)
class MandateGrant:
    """What a citizen passed on, under which text, for which share of the proceeds, from when."""

    citizen_id: uuid.UUID
    text_version: str
    share_percent: int
    given_at: datetime
    tier: str = "declared"


@dataclass(slots=True)
class _Latest:
    # The newest span of one citizen (and scene): where the next may begin, and what it replaces.
    id: uuid.UUID
    terms: tuple[object, ...]
    given_at: datetime
    withdrawn_at: datetime | None
    stored: bool = True


def give_consents(
    session: Session, *, partner_id: uuid.UUID, grants: Sequence[ConsentGrant], now: datetime
) -> list[uuid.UUID]:
    """Record consents to the partner; their ids in the order of `grants`.

    The same consent given again is the one in force; a new text ends the old consent where the new
    one begins. Raises CitizenNotFound, GivenInFuture, SceneUnknown, SpanOverlaps; then none is kept.
    """
    programme = party(session, party_id=partner_id).programme
    for grant in grants:
        if not _is_word(grant.scene):
            raise SceneUnknown(scene=grant.scene[:32])
        if grant.given_at > now:
            raise GivenInFuture
    ids = {grant.citizen_id for grant in grants}
    lock_citizens(session, programme=programme, ids=ids)
    rows = session.scalars(
        select(Consent)
        .where(one_of(session, Consent.citizen_id, ids), Consent.partner_id == partner_id)
        .order_by(Consent.given_at)
    )
    latest = {
        (row.citizen_id, row.scene): _Latest(row.id, (row.text_version,), row.given_at, row.withdrawn_at)
        for row in rows
    }
    given, new, ended = [], [], []
    for grant in grants:
        key = (grant.citizen_id, grant.scene)
        span, replaced = _next_span(latest.get(key), (grant.text_version,), grant.given_at)
        given.append(span.id)
        if span is latest.get(key):
            continue
        latest[key] = span
        if replaced is not None:
            ended.append((replaced, grant.given_at))
        new.append(
            (
                span.id,
                programme,
                grant.citizen_id,
                grant.scene,
                partner_id,
                grant.text_version,
                grant.tier,
                grant.given_at,
                now,
            )
        )
    _end(session, _CONSENT, ended)
    columns = (
        "id",
        "programme",
        "citizen_id",
        "scene",
        "partner_id",
        "text_version",
        "tier",
        "given_at",
        "recorded_at",
    )
    append_rows(session, _CONSENT, columns, new)
    return given


def withdraw_consent(
    session: Session, *, partner_id: uuid.UUID, citizen_id: uuid.UUID, scene: str, now: datetime
) -> uuid.UUID:
    """End the consent in force, now; its id. Raises NothingToWithdraw, CitizenNotFound."""
    lock_citizens(session, programme=party(session, party_id=partner_id).programme, ids=[citizen_id])
    wanted = (
        Consent.citizen_id == citizen_id,
        Consent.partner_id == partner_id,
        Consent.scene == scene,
        Consent.withdrawn_at.is_(None),
    )
    row = session.scalars(select(Consent).where(*wanted)).one_or_none()
    if row is None:
        raise NothingToWithdraw
    row.withdrawn_at = max(now, row.given_at)
    session.flush()
    return row.id


def give_mandates(
    session: Session, *, programme: str, grants: Sequence[MandateGrant], now: datetime
) -> list[uuid.UUID]:
    """Record mandates; their ids in the order of `grants`. The same rules as for consents."""
    for grant in grants:
        if not 0 <= grant.share_percent <= 100:
            raise ShareOutOfBounds(share_percent=grant.share_percent)
        if grant.given_at > now:
            raise GivenInFuture
    ids = {grant.citizen_id for grant in grants}
    lock_citizens(session, programme=programme, ids=ids)
    rows = session.scalars(
        select(Mandate).where(one_of(session, Mandate.citizen_id, ids)).order_by(Mandate.given_at)
    )
    latest = {
        row.citizen_id: _Latest(row.id, (row.text_version, row.share_percent), row.given_at, row.withdrawn_at)
        for row in rows
    }
    given, new, ended = [], [], []
    for grant in grants:
        terms = (grant.text_version, grant.share_percent)
        span, replaced = _next_span(latest.get(grant.citizen_id), terms, grant.given_at)
        given.append(span.id)
        if span is latest.get(grant.citizen_id):
            continue
        latest[grant.citizen_id] = span
        if replaced is not None:
            ended.append((replaced, grant.given_at))
        new.append((span.id, programme, grant.citizen_id, *terms, grant.tier, grant.given_at, now))
    _end(session, _MANDATE, ended)
    columns = (
        "id",
        "programme",
        "citizen_id",
        "text_version",
        "share_percent",
        "tier",
        "given_at",
        "recorded_at",
    )
    append_rows(session, _MANDATE, columns, new)
    return given


def withdraw_mandate(session: Session, *, programme: str, citizen_id: uuid.UUID, now: datetime) -> uuid.UUID:
    """End the mandate in force, now; its id. Raises NothingToWithdraw, CitizenNotFound."""
    lock_citizens(session, programme=programme, ids=[citizen_id])
    wanted = (Mandate.citizen_id == citizen_id, Mandate.withdrawn_at.is_(None))
    row = session.scalars(select(Mandate).where(*wanted)).one_or_none()
    if row is None:
        raise NothingToWithdraw
    row.withdrawn_at = max(now, row.given_at)
    session.flush()
    return row.id


def _next_span(
    latest: _Latest | None, terms: tuple[object, ...], given_at: datetime
) -> tuple[_Latest, uuid.UUID | None]:
    # The span that holds after this grant, and the id of the stored one that it ends.
    if latest is None:
        return _Latest(new_id(), terms, given_at, None, stored=False), None
    in_force = latest.withdrawn_at is None
    if in_force and latest.terms == terms:
        return latest, None
    earliest = latest.given_at if latest.withdrawn_at is None else latest.withdrawn_at
    if given_at < earliest or (in_force and not latest.stored):
        raise SpanOverlaps(earliest=earliest.isoformat())
    return _Latest(new_id(), terms, given_at, None, stored=False), latest.id if in_force else None


def _end(session: Session, table: Table, ended: Iterable[tuple[uuid.UUID, datetime]]) -> None:
    rows = [{"_id": span_id, "_at": at} for span_id, at in ended]
    if rows:
        statement = table.update().where(table.c.id == bindparam("_id")).values(withdrawn_at=bindparam("_at"))
        session.connection().execute(statement, rows)
        session.expire_all()


def _is_word(text: str) -> bool:
    return (
        0 < len(text) <= 32 and text.isascii() and text.replace("-", "a").isalnum() and text == text.lower()
    )
