"""Onboarding: an operator takes a merchant in, its stores and tills, and lets each of them act or not."""

import uuid
from typing import Any

from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Flag, Id, Instant, Text
from carbon_credit.api.merchants.tills import (
    Issued,
    StandingIn,
    Store,
    StoreIn,
    Till,
    TillIn,
    issued,
    stores_page,
    tills_page,
)
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.schemas import Answer, PageQuery, Strict, page_of
from carbon_credit.identity.errors import (
    PartyNameTaken,
    PartyNotFound,
    StoreNameTaken,
    StoreNotFound,
    TillNameTaken,
    TillNotFound,
    TillSuspended,
)
from carbon_credit.identity.operations import (
    create_party,
    issue_credential,
    revoke_credential,
    set_party_status,
)
from carbon_credit.identity.queries import PartyRecord, parties, party, working_credentials
from carbon_credit.identity.scopes import MERCHANT, OPERATOR
from carbon_credit.identity.tills import (
    StoreRecord,
    TillRecord,
    issue_till_credential,
    open_store,
    open_till,
    set_store_status,
    set_till_status,
)
from carbon_credit.kernel.paging import Page, cut, id_position

_READ = access(OPERATOR, scope="merchants:read")
_WRITE = access(OPERATOR, scope="merchants:write")


class MerchantIn(Strict):
    """A merchant to be taken in."""

    name = Text(longest=120, required=True, metadata={"example": "珠江茶饮"})


class MerchantParty(Answer):
    """A merchant of the programme. Where it is not active, it and all its tills stop within seconds."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3e00"})
    name = fields.String(required=True, metadata={"example": "珠江茶饮"})
    active = Flag(required=True, metadata={"example": True})
    created_at = Instant(required=True, metadata={"example": "2026-11-21T04:00:00Z"})


@writes(allowed=_WRITE, takes=MerchantIn, answer=MerchantParty, status=201, raises=(PartyNameTaken,))
def register_merchant(call: Call) -> PartyRecord:
    """Take a merchant in. It has no credential, store or terms yet."""
    programme, name = call.caller.programme, call.body["name"]
    return create_party(call.session, programme=programme, role=MERCHANT, name=name, now=call.now)


@reads(allowed=_READ, query=PageQuery, answer=page_of(MerchantParty))
def list_merchants(call: Call) -> Page[PartyRecord]:
    """List the merchants of the programme."""
    limit, after = call.query["limit"], id_position(call.query.get("cursor"))
    rows = parties(call.session, programme=call.caller.programme, role=MERCHANT, after=after, limit=limit + 1)
    return cut(rows, limit, lambda row: [str(row.id)])


@reads(allowed=_READ, answer=MerchantParty, raises=(PartyNotFound,))
def get_merchant(call: Call, merchant_id: uuid.UUID) -> PartyRecord:
    """Read a merchant."""
    return merchant_of(call, merchant_id)


@writes(allowed=_WRITE, takes=StandingIn, answer=MerchantParty, raises=(PartyNotFound,))
def set_merchant_standing(call: Call, merchant_id: uuid.UUID) -> PartyRecord:
    """Suspend a merchant with all its tills, or let it act again."""
    merchant_of(call, merchant_id)
    set_party_status(call.session, party_id=merchant_id, active=call.body["active"])
    return merchant_of(call, merchant_id)


# A key would keep the secret in the answer that it remembers.
@writes(allowed=_WRITE, answer=Issued, status=201, keyed=False, raises=(PartyNotFound,))
def issue_merchant_credential(call: Call, merchant_id: uuid.UUID) -> dict[str, Any]:
    """Issue a credential of the merchant itself; those that it has go on working."""
    merchant_of(call, merchant_id)
    return issued(issue_credential(call.session, party_id=merchant_id, now=call.now))


@writes(allowed=_WRITE, answer=MerchantParty, raises=(PartyNotFound,))
def revoke_merchant_credential(call: Call, merchant_id: uuid.UUID, client_id: str) -> PartyRecord:
    """End a credential of the merchant or of one of its tills."""
    found = merchant_of(call, merchant_id)
    if client_id in working_credentials(call.session, party_id=merchant_id):
        revoke_credential(call.session, client_id=client_id, now=call.now)
    return found


@writes(allowed=_WRITE, takes=StoreIn, answer=Store, status=201, raises=(PartyNotFound, StoreNameTaken))
def open_merchant_store(call: Call, merchant_id: uuid.UUID) -> StoreRecord:
    """Open a store of a merchant."""
    merchant = merchant_of(call, merchant_id)
    return open_store(
        call.session, programme=merchant.programme, merchant_id=merchant_id, now=call.now, **call.body
    )


@reads(allowed=_READ, query=PageQuery, answer=page_of(Store), raises=(PartyNotFound,))
def list_merchant_stores(call: Call, merchant_id: uuid.UUID) -> Page[StoreRecord]:
    """List the stores of a merchant."""
    return stores_page(call, merchant_of(call, merchant_id).id)


@writes(allowed=_WRITE, takes=StandingIn, answer=Store, raises=(PartyNotFound, StoreNotFound))
def set_merchant_store_standing(call: Call, merchant_id: uuid.UUID, store_id: uuid.UUID) -> StoreRecord:
    """Suspend a store with all its tills, or let it act again."""
    merchant_of(call, merchant_id)
    active = call.body["active"]
    return set_store_status(call.session, merchant_id=merchant_id, store_id=store_id, active=active)


@writes(
    allowed=_WRITE,
    takes=TillIn,
    answer=Till,
    status=201,
    raises=(PartyNotFound, StoreNotFound, TillNameTaken),
)
def open_merchant_till(call: Call, merchant_id: uuid.UUID) -> TillRecord:
    """Open a till of a store of a merchant. It has no credential yet."""
    merchant_of(call, merchant_id)
    return open_till(call.session, merchant_id=merchant_id, now=call.now, **call.body)


@reads(allowed=_READ, query=PageQuery, answer=page_of(Till), raises=(PartyNotFound,))
def list_merchant_tills(call: Call, merchant_id: uuid.UUID) -> Page[TillRecord]:
    """List the tills of a merchant."""
    return tills_page(call, merchant_of(call, merchant_id).id)


@writes(allowed=_WRITE, takes=StandingIn, answer=Till, raises=(PartyNotFound, TillNotFound))
def set_merchant_till_standing(call: Call, merchant_id: uuid.UUID, till_id: uuid.UUID) -> TillRecord:
    """Suspend a till or let it act again. A suspended one stops within seconds."""
    merchant_of(call, merchant_id)
    active = call.body["active"]
    return set_till_status(call.session, merchant_id=merchant_id, till_id=till_id, active=active)


@writes(
    allowed=_WRITE,
    answer=Issued,
    status=201,
    keyed=False,
    raises=(PartyNotFound, TillNotFound, TillSuspended),
)
def replace_merchant_till_credential(
    call: Call, merchant_id: uuid.UUID, till_id: uuid.UUID
) -> dict[str, Any]:
    """Give a till a credential. The one that it had before ends, its tokens within seconds."""
    merchant_of(call, merchant_id)
    return issued(issue_till_credential(call.session, merchant_id=merchant_id, till_id=till_id, now=call.now))


def merchant_of(call: Call, merchant_id: uuid.UUID) -> PartyRecord:
    """The merchant, of the operator's programme. Raises PartyNotFound."""
    found = party(call.session, party_id=merchant_id, programme=call.caller.programme)
    if found.role != MERCHANT:
        raise PartyNotFound
    return found
