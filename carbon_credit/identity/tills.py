"""Stores and tills of merchants. A till has credentials of its own, so that one that is lost can be stopped
while the others go on; it acts as its merchant, with fewer scopes."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Table, select, union_all, update
from sqlalchemy.orm import Session

from carbon_credit.identity.errors import (
    RoleCannotHold,
    StoreNameTaken,
    StoreNotFound,
    TillNameTaken,
    TillNotFound,
    TillSuspended,
)
from carbon_credit.identity.models import Credential, Store, Till
from carbon_credit.identity.operations import NewCredential, new_credential
from carbon_credit.identity.queries import party, till_stands
from carbon_credit.identity.scopes import MERCHANT, TILL
from carbon_credit.kernel.bulk import insert_new
from carbon_credit.kernel.ids import new_id

_STORE: Table = Store.__table__  # type: ignore[assignment]
_TILL: Table = Till.__table__  # type: ignore[assignment]
MAX_PAGE = 200


@dataclass(frozen=True, slots=True)
class StoreRecord:
    """A shop. `district`: six digits of GB/T 2260, or None."""

    id: uuid.UUID
    programme: str
    merchant_id: uuid.UUID
    name: str
    address: str
    district: str | None
    active: bool


@dataclass(frozen=True, slots=True)
class TillRecord:
    """A till of a store. `active`: the till itself; a till of a suspended store does not work either.

    `client_ids`: its credentials that still work.
    """

    id: uuid.UUID
    store_id: uuid.UUID
    programme: str
    merchant_id: uuid.UUID
    name: str
    active: bool
    client_ids: tuple[str, ...] = ()


def open_store(
    session: Session,
    *,
    programme: str,
    merchant_id: uuid.UUID,
    name: str,
    address: str,
    district: str | None = None,
    now: datetime,
) -> StoreRecord:
    """A new store. Raises PartyNotFound, RoleCannotHold, StoreNameTaken."""
    role = party(session, party_id=merchant_id, programme=programme).role
    if role != MERCHANT:
        raise RoleCannotHold(role=role, needed=MERCHANT)
    row = (new_id(), programme, merchant_id, _plain(name), _plain(address), district, "active", now)
    columns = ("id", "programme", "merchant_id", "name", "address", "district", "status", "created_at")
    taken = select(Store.id).where(Store.merchant_id == merchant_id, Store.name == row[3])
    if session.scalar(taken) is not None or not insert_new(session, _STORE, columns, [row], "id"):
        raise StoreNameTaken
    return store(session, merchant_id=merchant_id, store_id=row[0])


def open_till(
    session: Session, *, merchant_id: uuid.UUID, store_id: uuid.UUID, name: str, now: datetime
) -> TillRecord:
    """A new till of a store of this merchant, without a credential. Raises StoreNotFound, TillNameTaken."""
    of = store(session, merchant_id=merchant_id, store_id=store_id)
    row = (new_id(), store_id, of.programme, merchant_id, _plain(name), "active", now)
    columns = ("id", "store_id", "programme", "merchant_id", "name", "status", "created_at")
    taken = select(Till.id).where(Till.store_id == store_id, Till.name == row[4])
    if session.scalar(taken) is not None or not insert_new(session, _TILL, columns, [row], "id"):
        raise TillNameTaken
    return till(session, merchant_id=merchant_id, till_id=row[0])


def issue_till_credential(
    session: Session, *, merchant_id: uuid.UUID, till_id: uuid.UUID, now: datetime
) -> NewCredential:
    """A new credential of the till; what it had before ends, its tokens within seconds.

    So a first one is issued and a lost one is replaced by the same verb: a till has one that works, or
    none. Raises TillNotFound, TillSuspended.
    """
    # Of two who replace it at once one waits: else both of the new ones would go on working.
    locked = select(Till).where(Till.id == till_id, Till.merchant_id == merchant_id).with_for_update()
    row = session.scalars(locked).one_or_none()
    if row is None:
        raise TillNotFound
    if not till_stands(session, till_id=till_id):
        raise TillSuspended
    end_till_credentials(session, till_id=till_id, now=now)
    return new_credential(session, party_id=merchant_id, scopes=TILL, now=now, till_id=till_id)


def end_till_credentials(session: Session, *, till_id: uuid.UUID, now: datetime) -> None:
    """None of the till's credentials works any more. Doing it twice changes nothing."""
    working = (Credential.till_id == till_id, Credential.revoked_at.is_(None))
    session.execute(update(Credential).where(*working).values(revoked_at=now))


def set_store_status(
    session: Session, *, merchant_id: uuid.UUID, store_id: uuid.UUID, active: bool
) -> StoreRecord:
    """Suspend a store with all its tills, or let it act again. Raises StoreNotFound."""
    _set_status(session, Store, Store.id == store_id, Store.merchant_id == merchant_id, active=active)
    return store(session, merchant_id=merchant_id, store_id=store_id)


def set_till_status(
    session: Session, *, merchant_id: uuid.UUID, till_id: uuid.UUID, active: bool
) -> TillRecord:
    """Suspend a till or let it act again; it keeps its credential. Raises TillNotFound."""
    _set_status(session, Till, Till.id == till_id, Till.merchant_id == merchant_id, active=active)
    return till(session, merchant_id=merchant_id, till_id=till_id)


def store(session: Session, *, merchant_id: uuid.UUID, store_id: uuid.UUID) -> StoreRecord:
    """A store of this merchant. Raises StoreNotFound, also for another's."""
    row = session.get(Store, store_id, populate_existing=True)
    if row is None or row.merchant_id != merchant_id:
        raise StoreNotFound
    return _store(row)


def till(session: Session, *, merchant_id: uuid.UUID, till_id: uuid.UUID) -> TillRecord:
    """A till of this merchant. Raises TillNotFound, also for another's."""
    row = session.get(Till, till_id, populate_existing=True)
    if row is None or row.merchant_id != merchant_id:
        raise TillNotFound
    return _with_credentials(session, [row])[0]


def stores(
    session: Session, *, merchant_id: uuid.UUID, after: uuid.UUID | None = None, limit: int = 50
) -> list[StoreRecord]:
    """Stores of the merchant, oldest first, from behind `after`."""
    statement = select(Store).where(Store.merchant_id == merchant_id).order_by(Store.id)
    if after is not None:
        statement = statement.where(Store.id > after)
    return [_store(row) for row in session.scalars(statement.limit(_page(limit)))]


def tills(
    session: Session,
    *,
    merchant_id: uuid.UUID,
    store_id: uuid.UUID | None = None,
    after: uuid.UUID | None = None,
    limit: int = 50,
) -> list[TillRecord]:
    """Tills of the merchant (of one store), oldest first, from behind `after`."""
    statement = select(Till).where(Till.merchant_id == merchant_id).order_by(Till.id)
    if store_id is not None:
        statement = statement.where(Till.store_id == store_id)
    if after is not None:
        statement = statement.where(Till.id > after)
    return _with_credentials(session, session.scalars(statement.limit(_page(limit))).all())


def names_of(session: Session, *, merchant_id: uuid.UUID) -> dict[uuid.UUID, str]:
    """The names of all stores and tills of the merchant, by their ids."""
    of_stores = select(Store.id, Store.name).where(Store.merchant_id == merchant_id)
    of_tills = select(Till.id, Till.name).where(Till.merchant_id == merchant_id)
    return {row.id: row.name for row in session.execute(union_all(of_stores, of_tills))}


def _set_status(session: Session, kind: type[Store] | type[Till], *wanted: object, active: bool) -> None:
    status = "active" if active else "suspended"
    session.execute(update(kind).where(*wanted).values(status=status))  # type: ignore[arg-type]


def _with_credentials(session: Session, rows: Sequence[Till]) -> list[TillRecord]:
    wanted = (Credential.till_id.in_([row.id for row in rows]), Credential.revoked_at.is_(None))
    statement = select(Credential.till_id, Credential.client_id).where(*wanted)
    working: dict[uuid.UUID | None, list[str]] = {row.id: [] for row in rows}
    for till_id, client_id in session.execute(statement):
        working[till_id].append(client_id)
    return [
        TillRecord(
            id=row.id,
            store_id=row.store_id,
            programme=row.programme,
            merchant_id=row.merchant_id,
            name=row.name,
            active=row.status == "active",
            client_ids=tuple(sorted(working[row.id])),
        )
        for row in rows
    ]


def _store(row: Store) -> StoreRecord:
    return StoreRecord(
        id=row.id,
        programme=row.programme,
        merchant_id=row.merchant_id,
        name=row.name,
        address=row.address,
        district=row.district,
        active=row.status == "active",
    )


def _plain(text: str) -> str:
    return " ".join(text.split())


def _page(limit: int) -> int:
    return max(1, min(limit, MAX_PAGE))
