"""Reads of who acts. The bulk ones are on the path of every event: one statement for any number."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from msgspec import Struct
from sqlalchemy import ColumnElement, Table, exists, or_, select
from sqlalchemy.orm import Session

from carbon_credit.identity.errors import CallerSuspended, CitizenNotFound, PartyNotFound
from carbon_credit.identity.links import Link, digests
from carbon_credit.identity.models import (
    Citizen,
    CitizenLink,
    Consent,
    Credential,
    Mandate,
    Party,
    Store,
    Till,
)
from carbon_credit.kernel.bulk import one_of, rows_by
from carbon_credit.kernel.db import keys_of

_PARTY: Table = Party.__table__  # type: ignore[assignment]
_PARTY_COLUMNS = ("id", "programme", "role", "name", "status", "created_at")


@dataclass(frozen=True, slots=True)
class PartyRecord:
    """An organisation: `role` is partner, merchant, operator, verifier or buyer."""

    id: uuid.UUID
    programme: str
    role: str
    name: str
    active: bool
    created_at: datetime

    @property
    def key(self) -> str:
        """How acts name the party: "operator:<id>"."""
        return f"{self.role}:{self.id}"


class CitizenRecord(Struct, frozen=True, gc=False):
    """A person, as a random id in one programme."""

    id: uuid.UUID
    programme: str
    active: bool
    created_at: datetime


class LinkedCitizen(Struct, frozen=True, gc=False):
    """Where a link leads. `state`: claimed or confirmed; `active`: the account is not closed."""

    citizen_id: uuid.UUID
    state: str
    active: bool


class ConsentSpan(Struct, frozen=True, gc=False):
    """Consent to one scene, in force in [given_at, withdrawn_at)."""

    id: uuid.UUID
    scene: str
    text_version: str
    tier: str
    given_at: datetime
    withdrawn_at: datetime | None

    def covers(self, instant: datetime) -> bool:
        """True where the consent was in force at `instant`."""
        return self.given_at <= instant and (self.withdrawn_at is None or instant < self.withdrawn_at)


class MandateSpan(Struct, frozen=True, gc=False):
    """A mandate, in force in [given_at, withdrawn_at)."""

    id: uuid.UUID
    text_version: str
    share_percent: int
    tier: str
    given_at: datetime
    withdrawn_at: datetime | None

    def covers(self, instant: datetime) -> bool:
        """True where the mandate was in force at `instant`."""
        return self.given_at <= instant and (self.withdrawn_at is None or instant < self.withdrawn_at)


def party(session: Session, *, party_id: uuid.UUID, programme: str | None = None) -> PartyRecord:
    """The party, of `programme` where that is given. Raises PartyNotFound."""
    rows = rows_by(session, _PARTY, _PARTY_COLUMNS, "id", [party_id])
    if not rows or (programme is not None and rows[0][1] != programme):
        raise PartyNotFound
    number, of_programme, role, name, status, created_at = rows[0]
    return PartyRecord(number, of_programme, role, name, status == "active", created_at)


def party_named(session: Session, *, programme: str, role: str, name: str) -> PartyRecord | None:
    """The party of that name and role, or None."""
    wanted = (Party.programme == programme, Party.role == role, Party.name == name)
    row = session.scalars(select(Party).where(*wanted)).one_or_none()
    return None if row is None else _party(row)


def parties(
    session: Session, *, programme: str, role: str | None, after: uuid.UUID | None, limit: int
) -> list[PartyRecord]:
    """Parties of the programme by id, from the one after `after`."""
    statement = select(Party).where(Party.programme == programme).order_by(Party.id).limit(limit)
    if role is not None:
        statement = statement.where(Party.role == role)
    if after is not None:
        statement = statement.where(Party.id > after)
    return [_party(row) for row in session.scalars(statement)]


def working_credentials(session: Session, *, party_id: uuid.UUID) -> list[str]:
    """Client ids of the party, and of its tills, that were not revoked."""
    wanted = (Credential.party_id == party_id, Credential.revoked_at.is_(None))
    return list(session.scalars(select(Credential.client_id).where(*wanted).order_by(Credential.client_id)))


def require_standing(
    session: Session, *, client_id: str | None, party_id: uuid.UUID | None, citizen_id: uuid.UUID | None
) -> None:
    """Raises CallerSuspended unless each of those named still stands: not revoked, suspended, closed."""
    if client_id is not None:
        credential = session.get(Credential, client_id)
        if credential is None or credential.revoked_at is not None:
            raise CallerSuspended
        if credential.till_id is not None and not till_stands(session, till_id=credential.till_id):
            raise CallerSuspended
    if party_id is not None:
        row = session.get(Party, party_id)
        if row is None or row.status != "active":
            raise CallerSuspended
    if citizen_id is not None:
        person = session.get(Citizen, citizen_id)
        if person is None or person.status != "active":
            raise CallerSuspended


def till_stands(session: Session, *, till_id: uuid.UUID) -> bool:
    """True where neither the till nor its store is suspended."""
    statement = (
        select(Till.id)
        .join(Store, Store.id == Till.store_id)
        .where(Till.id == till_id, Till.status == "active", Store.status == "active")
    )
    return session.scalar(statement) is not None


def resolve_links(session: Session, *, programme: str, links: Collection[Link]) -> dict[Link, LinkedCitizen]:
    """Where each of the links leads now; links that lead nowhere are left out."""
    wanted = {link: digests(keys_of(session), programme=programme, link=link) for link in links}
    if not wanted:
        return {}
    every = [digest for known in wanted.values() for digest in known]
    statement = (
        select(CitizenLink.value_digest, CitizenLink.citizen_id, CitizenLink.state, Citizen.status)
        .join(Citizen, Citizen.id == CitizenLink.citizen_id)
        .where(
            one_of(session, CitizenLink.value_digest, every),
            CitizenLink.programme == programme,
            CitizenLink.unlinked_at.is_(None),
        )
    )
    found = {
        digest: LinkedCitizen(citizen_id=citizen_id, state=state, active=status == "active")
        for digest, citizen_id, state, status in session.execute(statement)
    }
    resolved = {}
    for link, known in wanted.items():
        # The present key first: a value linked anew after a rotation wins over its former digest.
        hit = next((found[digest] for digest in known if digest in found), None)
        if hit is not None:
            resolved[link] = hit
    return resolved


def known_links(session: Session, *, programme: str, links: Collection[Link]) -> set[Link]:
    """Those of the links that lead to somebody; what an import may drop is the rest."""
    keys = keys_of(session)
    by_digest = {
        digest: link for link in set(links) for digest in digests(keys, programme=programme, link=link)
    }
    if not by_digest:
        return set()
    statement = select(CitizenLink.value_digest).where(
        one_of(session, CitizenLink.value_digest, list(by_digest)),
        CitizenLink.programme == programme,
        CitizenLink.unlinked_at.is_(None),
    )
    return {by_digest[digest] for digest in session.scalars(statement)}


def match_digests(
    session: Session,
    *,
    programme: str,
    partner_id: uuid.UUID,
    kind: str,
    key_id: str,
    scene: str | None,
    after: uuid.UUID | None,
    limit: int,
) -> list[uuid.UUID]:
    """Match digests of confirmed links of active citizens who consent to this partner (in that scene), in
    the order of the digests, which says nothing about who enrolled when."""
    statement = (
        select(CitizenLink.match_digest)
        .where(
            *_matched(programme, kind),
            CitizenLink.match_key_id == key_id,
            _consents_to(partner_id, scene),
        )
        .order_by(CitizenLink.match_digest)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(CitizenLink.match_digest > after)
    return [digest for digest in session.scalars(statement) if digest is not None]


def match_key_ids(
    session: Session, *, programme: str, partner_id: uuid.UUID, kind: str, known: Collection[str]
) -> tuple[list[str], bool]:
    """(those of the `known` keys that such links have digests under, whether others have none of these)."""

    def is_there(*wanted: ColumnElement[bool]) -> bool:
        statement = select(CitizenLink.id).where(
            *_matched(programme, kind), *wanted, _consents_to(partner_id, None)
        )
        return session.scalars(statement.limit(1)).first() is not None

    used = [key_id for key_id in known if is_there(CitizenLink.match_key_id == key_id)]
    other = or_(CitizenLink.match_key_id.is_(None), CitizenLink.match_key_id.not_in(list(known)))
    return used, is_there(other)


def _matched(programme: str, kind: str) -> tuple[ColumnElement[bool], ...]:
    return (
        CitizenLink.programme == programme,
        CitizenLink.kind == kind,
        CitizenLink.unlinked_at.is_(None),
        CitizenLink.state == "confirmed",
        exists().where(Citizen.id == CitizenLink.citizen_id, Citizen.status == "active"),
    )


def _consents_to(partner_id: uuid.UUID, scene: str | None) -> ColumnElement[bool]:
    wanted = [
        Consent.citizen_id == CitizenLink.citizen_id,
        Consent.partner_id == partner_id,
        Consent.withdrawn_at.is_(None),
    ]
    if scene is not None:
        wanted.append(Consent.scene == scene)
    return exists().where(*wanted)


def citizen(session: Session, *, programme: str, citizen_id: uuid.UUID) -> CitizenRecord:
    """The citizen. Raises CitizenNotFound, also for one of another programme."""
    found = citizens_by_id(session, programme=programme, ids=[citizen_id])
    if citizen_id not in found:
        raise CitizenNotFound
    return found[citizen_id]


def citizens_by_id(
    session: Session, *, programme: str, ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, CitizenRecord]:
    """Those of the citizens that the programme has."""
    if not ids:
        return {}
    statement = select(Citizen.id, Citizen.programme, Citizen.status, Citizen.created_at).where(
        one_of(session, Citizen.id, ids), Citizen.programme == programme
    )
    return {
        row.id: CitizenRecord(
            id=row.id, programme=row.programme, active=row.status == "active", created_at=row.created_at
        )
        for row in session.execute(statement)
    }


def lock_citizens(session: Session, *, programme: str, ids: Collection[uuid.UUID]) -> None:
    """Hold the rows of these citizens until the end. Raises CitizenNotFound unless all are active."""
    statement = (
        select(Citizen.id)
        .where(one_of(session, Citizen.id, ids), Citizen.programme == programme, Citizen.status == "active")
        .order_by(Citizen.id)
        .with_for_update(key_share=True)
    )
    if len(session.scalars(statement).all()) != len(set(ids)):
        raise CitizenNotFound


def is_linked_by(session: Session, *, citizen_id: uuid.UUID, partner_id: uuid.UUID) -> bool:
    """True where the partner brought a link to this citizen that still holds."""
    wanted = (
        CitizenLink.citizen_id == citizen_id,
        CitizenLink.linked_by == partner_id,
        CitizenLink.unlinked_at.is_(None),
    )
    return session.scalars(select(CitizenLink.id).where(*wanted).limit(1)).first() is not None


def consents_of(
    session: Session,
    *,
    citizen_ids: Collection[uuid.UUID],
    partner_id: uuid.UUID,
    scenes: Collection[str] | None = None,
) -> dict[uuid.UUID, list[ConsentSpan]]:
    """All consents to this partner (to these scenes), withdrawn ones too, by citizen in the order given."""
    wanted = [one_of(session, Consent.citizen_id, citizen_ids), Consent.partner_id == partner_id]
    if scenes is not None:
        wanted.append(one_of(session, Consent.scene, scenes))
    rows = session.execute(
        select(
            Consent.citizen_id,
            Consent.id,
            Consent.scene,
            Consent.text_version,
            Consent.tier,
            Consent.given_at,
            Consent.withdrawn_at,
        )
        .where(*wanted)
        .order_by(Consent.given_at, Consent.id)
    )
    spans: dict[uuid.UUID, list[ConsentSpan]] = {}
    for citizen_id, span_id, scene, text_version, tier, given_at, withdrawn_at in rows:
        span = ConsentSpan(span_id, scene, text_version, tier, given_at, withdrawn_at)
        spans.setdefault(citizen_id, []).append(span)
    return spans


def mandates_of(
    session: Session, *, citizen_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, list[MandateSpan]]:
    """All mandates, withdrawn ones too, by citizen and in the order given."""
    rows = session.execute(
        select(
            Mandate.citizen_id,
            Mandate.id,
            Mandate.text_version,
            Mandate.share_percent,
            Mandate.tier,
            Mandate.given_at,
            Mandate.withdrawn_at,
        )
        .where(one_of(session, Mandate.citizen_id, citizen_ids))
        .order_by(Mandate.given_at, Mandate.id)
    )
    spans: dict[uuid.UUID, list[MandateSpan]] = {}
    for citizen_id, span_id, text_version, share_percent, tier, given_at, withdrawn_at in rows:
        span = MandateSpan(span_id, text_version, share_percent, tier, given_at, withdrawn_at)
        spans.setdefault(citizen_id, []).append(span)
    return spans


def _party(row: Party) -> PartyRecord:
    return PartyRecord(
        id=row.id,
        programme=row.programme,
        role=row.role,
        name=row.name,
        active=row.status == "active",
        created_at=row.created_at,
    )
