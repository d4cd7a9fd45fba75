"""Stores and tills: whose they are, one credential that works, and how they are stopped."""

import threading
import uuid
from datetime import timedelta

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from carbon_credit.identity.errors import (
    CallerSuspended,
    CredentialRefused,
    PartyNotFound,
    RoleCannotHold,
    StoreNameTaken,
    StoreNotFound,
    TillNameTaken,
    TillNotFound,
    TillSuspended,
)
from carbon_credit.identity.models import Credential
from carbon_credit.identity.operations import NewCredential, authenticate_client, create_party
from carbon_credit.identity.queries import PartyRecord, require_standing
from carbon_credit.identity.scopes import TILL
from carbon_credit.identity.tills import (
    TillRecord,
    end_till_credentials,
    issue_till_credential,
    open_store,
    open_till,
    set_store_status,
    set_till_status,
    store,
    stores,
    till,
    tills,
)
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from tests.identity.conftest import NOW, seed_programmes


def merchant_of(session: Session, name: str = "Tea house") -> PartyRecord:
    return create_party(session, programme="gd-gz", role="merchant", name=name, now=NOW)


def till_of(session: Session, merchant: PartyRecord, name: str = "Till 1") -> TillRecord:
    shop = open_store(
        session,
        programme="gd-gz",
        merchant_id=merchant.id,
        name=f"Shop of {name}",
        address="天河路1号",
        now=NOW,
    )
    return open_till(session, merchant_id=merchant.id, store_id=shop.id, name=name, now=NOW)


def test_a_store_belongs_to_a_merchant_of_the_programme(session: Session, partner: PartyRecord) -> None:
    merchant = merchant_of(session)
    shop = open_store(
        session,
        programme="gd-gz",
        merchant_id=merchant.id,
        name="  天河 店 ",
        address=" 天河路 1号",
        district="440106",
        now=NOW,
    )
    assert (shop.name, shop.address, shop.district, shop.active) == ("天河 店", "天河路 1号", "440106", True)
    assert stores(session, merchant_id=merchant.id) == [shop]
    wanted = {"name": "x", "address": "y", "now": NOW}
    with pytest.raises(RoleCannotHold):
        open_store(session, programme="gd-gz", merchant_id=partner.id, **wanted)  # type: ignore[arg-type]
    with pytest.raises(PartyNotFound):
        open_store(session, programme="gd-sz", merchant_id=merchant.id, **wanted)  # type: ignore[arg-type]
    with pytest.raises(StoreNameTaken):
        open_store(session, programme="gd-gz", merchant_id=merchant.id, name="天河  店", address="z", now=NOW)


def test_a_till_belongs_to_a_store_of_the_merchant(session: Session) -> None:
    merchant, other = merchant_of(session), merchant_of(session, "Book shop")
    desk = till_of(session, merchant)
    assert (desk.merchant_id, desk.programme, desk.active, desk.client_ids) == (
        merchant.id,
        "gd-gz",
        True,
        (),
    )
    with pytest.raises(TillNameTaken):
        open_till(session, merchant_id=merchant.id, store_id=desk.store_id, name="Till 1", now=NOW)
    with pytest.raises(StoreNotFound):
        open_till(session, merchant_id=other.id, store_id=desk.store_id, name="Till 2", now=NOW)
    for ask in (
        lambda: till(session, merchant_id=other.id, till_id=desk.id),
        lambda: issue_till_credential(session, merchant_id=other.id, till_id=desk.id, now=NOW),
        lambda: set_till_status(session, merchant_id=other.id, till_id=desk.id, active=False),
    ):
        with pytest.raises(TillNotFound):
            ask()
    with pytest.raises(StoreNotFound):
        set_store_status(session, merchant_id=other.id, store_id=desk.store_id, active=False)
    assert till(session, merchant_id=merchant.id, till_id=desk.id).active
    assert store(session, merchant_id=merchant.id, store_id=desk.store_id).active


def test_stores_and_tills_are_listed_in_pages(session: Session) -> None:
    merchant = merchant_of(session)
    made = [till_of(session, merchant, f"Till {n}") for n in range(3)]
    first = tills(session, merchant_id=merchant.id, limit=2)
    assert first + tills(session, merchant_id=merchant.id, after=first[-1].id) == made
    assert tills(session, merchant_id=merchant.id, store_id=made[1].store_id) == [made[1]]
    shops = stores(session, merchant_id=merchant.id, limit=1)
    assert len(shops + stores(session, merchant_id=merchant.id, after=shops[-1].id)) == 3


def test_a_till_has_one_credential_that_works(session: Session) -> None:
    merchant = merchant_of(session)
    desk = till_of(session, merchant)
    first = issue_till_credential(session, merchant_id=merchant.id, till_id=desk.id, now=NOW)
    client = authenticate_client(session, client_id=first.client_id, secret=first.secret)
    assert (client.party, client.till_id, client.scopes) == (merchant, desk.id, TILL)
    second = issue_till_credential(
        session, merchant_id=merchant.id, till_id=desk.id, now=NOW + timedelta(hours=1)
    )
    assert till(session, merchant_id=merchant.id, till_id=desk.id).client_ids == (second.client_id,)
    with pytest.raises(CredentialRefused):
        authenticate_client(session, client_id=first.client_id, secret=first.secret)
    end_till_credentials(session, till_id=desk.id, now=NOW + timedelta(hours=2))
    with pytest.raises(CredentialRefused):
        authenticate_client(session, client_id=second.client_id, secret=second.secret)


@pytest.mark.parametrize("what", ["till", "store"])
def test_a_suspended_till_or_store_stops(session: Session, what: str) -> None:
    merchant = merchant_of(session)
    desk, other = till_of(session, merchant), till_of(session, merchant, "Till 2")
    issued = issue_till_credential(session, merchant_id=merchant.id, till_id=desk.id, now=NOW)
    going_on = issue_till_credential(session, merchant_id=merchant.id, till_id=other.id, now=NOW)

    def stand(credential: NewCredential) -> None:
        require_standing(session, client_id=credential.client_id, party_id=merchant.id, citizen_id=None)
        authenticate_client(session, client_id=credential.client_id, secret=credential.secret)

    def set_active(active: bool) -> None:
        if what == "till":
            set_till_status(session, merchant_id=merchant.id, till_id=desk.id, active=active)
        else:
            set_store_status(session, merchant_id=merchant.id, store_id=desk.store_id, active=active)

    stand(issued)
    set_active(False)
    with pytest.raises(CallerSuspended):
        require_standing(session, client_id=issued.client_id, party_id=merchant.id, citizen_id=None)
    with pytest.raises(CallerSuspended):
        authenticate_client(session, client_id=issued.client_id, secret=issued.secret)
    with pytest.raises(TillSuspended):
        issue_till_credential(session, merchant_id=merchant.id, till_id=desk.id, now=NOW)
    stand(going_on)
    set_active(True)
    stand(issued)


def test_a_credential_cannot_join_a_till_to_another_merchant(database: Database) -> None:
    seed_programmes(database, "gd-gz")
    with unit_of_work(database) as session:
        desk, other = till_of(session, merchant_of(session)), merchant_of(session, "Book shop")
    row = {"client_id": "cc_x", "party_id": other.id, "secret_hash": "x", "scopes": "", "created_at": NOW}
    with pytest.raises(IntegrityError), unit_of_work(database) as session:
        session.execute(insert(Credential).values(**row, till_id=desk.id))
    with pytest.raises(IntegrityError), unit_of_work(database) as session:
        session.execute(text("UPDATE store SET district = '12'"))


def test_of_two_who_replace_a_credential_at_once_one_is_left(database: Database) -> None:
    seed_programmes(database, "gd-gz")
    with unit_of_work(database) as session:
        merchant = merchant_of(session)
        desk = till_of(session, merchant)
    start = threading.Barrier(4)
    issued: list[uuid.UUID | str] = []

    def replace_it() -> None:
        start.wait()
        with unit_of_work(database) as session:
            new = issue_till_credential(session, merchant_id=merchant.id, till_id=desk.id, now=NOW)
        issued.append(new.client_id)

    threads = [threading.Thread(target=replace_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(issued) == 4
    with unit_of_work(database, read_only=True) as session:
        (left,) = till(session, merchant_id=merchant.id, till_id=desk.id).client_ids
    assert left in issued
