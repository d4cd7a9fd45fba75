"""Write verbs for who acts: parties, credentials, citizens, links. Consents have a file of their own."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from unicodedata import normalize

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from carbon_credit.identity import client_secrets, links, matching
from carbon_credit.identity.errors import (
    CallerSuspended,
    CredentialRefused,
    LinkTaken,
    PartyNameTaken,
    PartyNotFound,
    RoleCannotHold,
    ScopeUnknown,
)
from carbon_credit.identity.links import Link
from carbon_credit.identity.models import Citizen, CitizenLink, Credential, Party
from carbon_credit.identity.queries import PartyRecord, lock_citizens, party, resolve_links, till_stands
from carbon_credit.identity.scopes import ON_REQUEST, PARTNER, SCOPES_BY_ROLE
from carbon_credit.kernel.bulk import append_rows, insert_new
from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.ids import new_id, random_id

_CITIZEN: Table = Citizen.__table__  # type: ignore[assignment]
_LINK: Table = CitizenLink.__table__  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A credential, just issued. The secret is not kept and cannot be shown again."""

    client_id: str
    secret: str = field(repr=False)
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Client:
    """A party that has proved who it is, and what its credential allows. `till_id`: whose till it is."""

    party: PartyRecord
    client_id: str
    scopes: tuple[str, ...]
    till_id: uuid.UUID | None = None


def create_party(session: Session, *, programme: str, role: str, name: str, now: datetime) -> PartyRecord:
    """A new party. Raises PartyNameTaken where the programme has one of that role and name, or of a name that
    reads the same: "ANNA", "anna" and full-width "ＡＮＮＡ" are one."""
    if role not in SCOPES_BY_ROLE or role == "citizen":
        raise ValueError(f"{role} is not a role of a party")
    row = (new_id(), programme, role, " ".join(name.split()), "active", now)
    columns = ("id", "programme", "role", "name", "status", "created_at")
    names = session.scalars(select(Party.name).where(Party.programme == programme, Party.role == role))
    if _read(row[3]) in map(_read, names):
        raise PartyNameTaken(role=role)
    table: Table = Party.__table__  # type: ignore[assignment]
    if not insert_new(session, table, columns, [row], "id"):
        raise PartyNameTaken(role=role)
    return party(session, party_id=row[0])


def _read(name: str) -> str:
    """A name as people read it, whatever its width and case."""
    return normalize("NFKC", name).casefold()


def set_party_status(session: Session, *, party_id: uuid.UUID, active: bool) -> None:
    """Suspend a party or let it act again."""
    row = session.get(Party, party_id)
    if row is None:
        raise PartyNotFound
    row.status = "active" if active else "suspended"
    session.flush()


def issue_credential(
    session: Session, *, party_id: uuid.UUID, now: datetime, scopes: Collection[str] | None = None
) -> NewCredential:
    """A new client id and secret for the party. Where no scopes are named it gets those of its role, but
    for those that are given on request only."""
    role = party(session, party_id=party_id).role
    granted = _scopes_of(scopes, SCOPES_BY_ROLE[role])
    if scopes is None:
        granted = tuple(scope for scope in granted if scope not in ON_REQUEST)
    return new_credential(session, party_id=party_id, scopes=granted, now=now)


def new_credential(
    session: Session,
    *,
    party_id: uuid.UUID,
    scopes: tuple[str, ...],
    now: datetime,
    till_id: uuid.UUID | None = None,
) -> NewCredential:
    """Draw a client id and a secret and keep the secret's hash. Which scopes fit is the caller's to say."""
    client_id, secret = client_secrets.new_client_id(), client_secrets.new_secret()
    session.add(
        Credential(
            client_id=client_id,
            party_id=party_id,
            secret_hash=client_secrets.hashed(secret),
            scopes=" ".join(scopes),
            created_at=now,
            till_id=till_id,
        )
    )
    session.flush()
    return NewCredential(client_id=client_id, secret=secret, scopes=scopes)


def revoke_credential(session: Session, *, client_id: str, now: datetime) -> None:
    """The credential stops working; its tokens too, within seconds. Doing it twice changes nothing."""
    row = session.get(Credential, client_id)
    if row is None:
        raise PartyNotFound
    if row.revoked_at is None:
        row.revoked_at = now
        session.flush()


def authenticate_client(
    session: Session, *, client_id: str, secret: str, scopes: Collection[str] | None = None
) -> Client:
    """The party behind the credential, with the scopes asked for (all it has where none are).

    Raises CredentialRefused alike for an unknown id, a wrong secret and a revoked credential;
    CallerSuspended where the party, its store or its till may not act; ScopeUnknown for a scope that it
    does not have.
    """
    row = session.get(Credential, client_id)
    right = client_secrets.matches(secret, None if row is None else row.secret_hash)
    if row is None or not right or row.revoked_at is not None:
        raise CredentialRefused
    found = party(session, party_id=row.party_id)
    if not found.active or (row.till_id is not None and not till_stands(session, till_id=row.till_id)):
        raise CallerSuspended
    granted = _scopes_of(scopes, tuple(row.scopes.split()))
    return Client(party=found, client_id=client_id, scopes=granted, till_id=row.till_id)


def register_citizens(
    session: Session,
    *,
    partner_id: uuid.UUID,
    links_of: Sequence[Sequence[Link]],
    now: datetime,
    state: str = "confirmed",
) -> list[uuid.UUID]:
    """One new citizen for each list of links, in the partner's programme; their ids in that order.

    Raises LinkTaken where a link already leads to somebody; then nobody is registered.
    """
    programme = _partner_programme(session, partner_id)
    ids = [random_id() for _ in links_of]
    rows = [(citizen_id, programme, "active", now) for citizen_id in ids]
    append_rows(session, _CITIZEN, ("id", "programme", "status", "created_at"), rows)
    pairs = [(citizen_id, link) for citizen_id, many in zip(ids, links_of, strict=True) for link in many]
    _insert_links(session, programme=programme, partner_id=partner_id, pairs=pairs, state=state, now=now)
    return ids


def add_links(
    session: Session,
    *,
    partner_id: uuid.UUID,
    pairs: Sequence[tuple[uuid.UUID, Link]],
    now: datetime,
    state: str = "confirmed",
) -> None:
    """Further links of citizens of the partner's programme. Raises CitizenNotFound, LinkTaken."""
    programme = _partner_programme(session, partner_id)
    lock_citizens(session, programme=programme, ids={citizen_id for citizen_id, _ in pairs})
    _insert_links(session, programme=programme, partner_id=partner_id, pairs=pairs, state=state, now=now)


def _insert_links(
    session: Session,
    *,
    programme: str,
    partner_id: uuid.UUID,
    pairs: Sequence[tuple[uuid.UUID, Link]],
    state: str,
    now: datetime,
) -> None:
    for _, link in pairs:
        links.check(link)
    keys = keys_of(session)
    taken = resolve_links(session, programme=programme, links={link for _, link in pairs})
    rows: dict[uuid.UUID, tuple[object, ...]] = {}
    match_keys: dict[str, bytes] = {}
    for position, (citizen_id, link) in enumerate(pairs, start=1):
        digest = links.digests(keys, programme=programme, link=link)[0]
        if link in taken or digest in rows:
            raise LinkTaken(position=position, kind=link[0])
        key = match_keys.get(link[0]) or match_keys.setdefault(
            link[0], matching.match_key(keys, programme=programme, kind=link[0])
        )
        match = matching.match_digest(key, link[1]), matching.key_id(key)
        rows[digest] = (new_id(), programme, link[0], digest, citizen_id, state, partner_id, now, *match)
    columns = (
        "id",
        "programme",
        "kind",
        "value_digest",
        "citizen_id",
        "state",
        "linked_by",
        "linked_at",
        "match_digest",
        "match_key_id",
    )
    # By digest, so that two requests with the same links meet in the same order.
    ordered = [rows[digest] for digest in sorted(rows)]
    inserted = insert_new(session, _LINK, columns, ordered, "id")
    for position, row in enumerate(rows.values(), start=1):
        if row[0] not in inserted:
            raise LinkTaken(position=position, kind=str(row[2]))


def _partner_programme(session: Session, partner_id: uuid.UUID) -> str:
    found = party(session, party_id=partner_id)
    if found.role != PARTNER:
        raise RoleCannotHold(role=found.role, needed=PARTNER)
    return found.programme


def _scopes_of(wanted: Collection[str] | None, granted: tuple[str, ...]) -> tuple[str, ...]:
    if wanted is None:
        return granted
    for scope in wanted:
        if scope not in granted:
            raise ScopeUnknown(scope=scope[:64], granted=", ".join(granted))
    return tuple(scope for scope in granted if scope in wanted)
