"""A merchant's own stores and tills: it sees them, stops a till that is lost, and gives it a new secret."""

import uuid
from typing import Any

from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Flag, Id, Text
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.schemas import Answer, PageQuery, Strict, page_of
from carbon_credit.identity.errors import TillNotFound, TillSuspended
from carbon_credit.identity.operations import NewCredential
from carbon_credit.identity.scopes import MERCHANT
from carbon_credit.identity.tills import (
    StoreRecord,
    TillRecord,
    issue_till_credential,
    set_till_status,
    stores,
    tills,
)
from carbon_credit.kernel.paging import Page, cut, id_position

_TILLS = access(MERCHANT, scope="tills:write")
DISTRICT = r"^[0-9]{6}$"


class StoreIn(Strict):
    """A shop of the merchant."""

    name = Text(longest=120, required=True, metadata={"example": "天河店"})
    address = Text(longest=200, required=True, metadata={"example": "广州市天河区天河路1号"})
    district = Text(
        longest=6,
        pattern=DISTRICT,
        load_default=None,
        allow_none=True,
        metadata={"description": "Six digits of GB/T 2260.", "example": "440106"},
    )


class Store(Answer):
    """A shop of the merchant. Where it is not active, none of its tills works."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3e01"})
    name = fields.String(required=True, metadata={"example": "天河店"})
    address = fields.String(required=True, metadata={"example": "广州市天河区天河路1号"})
    district = fields.String(required=True, allow_none=True, metadata={"example": "440106"})
    active = Flag(required=True, metadata={"example": True})


class TillIn(Strict):
    """A cash desk, or the phone of a cashier."""

    store_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3e01"})
    name = Text(longest=60, required=True, metadata={"example": "收银台 1"})


class Till(Answer):
    """A till, with the credentials of its own that work: one or none."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3e02"})
    store_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3e01"})
    name = fields.String(required=True, metadata={"example": "收银台 1"})
    active = Flag(required=True, metadata={"example": True})
    client_ids = fields.List(
        fields.String(), required=True, metadata={"example": ["cc_mfrggzdfmztwq2lkmnsxg4d"]}
    )


class Issued(Answer):
    """A credential, just issued. The secret is not stored and not shown again."""

    client_id = fields.String(required=True, metadata={"example": "cc_mfrggzdfmztwq2lkmnsxg4d"})
    client_secret = fields.String(required=True, metadata={"example": "the-secret-shown-once"})
    scopes = fields.List(fields.String(), required=True, metadata={"example": ["vouchers:consume"]})


class StandingIn(Strict):
    """Whether it may act. Where it may not, tokens end within seconds."""

    active = Flag(required=True, metadata={"example": False})


@reads(allowed=_TILLS, query=PageQuery, answer=page_of(Store))
def list_own_stores(call: Call) -> Page[StoreRecord]:
    """List this merchant's stores."""
    return stores_page(call, call.caller.id)


@reads(allowed=_TILLS, query=PageQuery, answer=page_of(Till))
def list_own_tills(call: Call) -> Page[TillRecord]:
    """List this merchant's tills."""
    return tills_page(call, call.caller.id)


# A key would keep the secret in the answer that it remembers. Asked twice, the second credential works.
@writes(allowed=_TILLS, answer=Issued, status=201, keyed=False, raises=(TillNotFound, TillSuspended))
def replace_own_till_credential(call: Call, till_id: uuid.UUID) -> dict[str, Any]:
    """Give a till a credential. The one that it had before ends, its tokens within seconds."""
    return issued(
        issue_till_credential(call.session, merchant_id=call.caller.id, till_id=till_id, now=call.now)
    )


@writes(allowed=_TILLS, takes=StandingIn, answer=Till, raises=(TillNotFound,))
def set_own_till_standing(call: Call, till_id: uuid.UUID) -> TillRecord:
    """Suspend a till of this merchant or let it act again."""
    active = call.body["active"]
    return set_till_status(call.session, merchant_id=call.caller.id, till_id=till_id, active=active)


def issued(credential: NewCredential) -> dict[str, Any]:
    """A new credential as it is shown, once."""
    return {
        "client_id": credential.client_id,
        "client_secret": credential.secret,
        "scopes": credential.scopes,
    }


def stores_page(call: Call, merchant_id: uuid.UUID) -> Page[StoreRecord]:
    """A page of the stores of one merchant."""
    limit, after = call.query["limit"], id_position(call.query.get("cursor"))
    rows = stores(call.session, merchant_id=merchant_id, after=after, limit=limit + 1)
    return cut(rows, limit, lambda row: [str(row.id)])


def tills_page(call: Call, merchant_id: uuid.UUID) -> Page[TillRecord]:
    """A page of the tills of one merchant."""
    limit, after = call.query["limit"], id_position(call.query.get("cursor"))
    rows = tills(call.session, merchant_id=merchant_id, after=after, limit=limit + 1)
    return cut(rows, limit, lambda row: [str(row.id)])
