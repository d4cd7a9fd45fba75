"""What citizens get or give beside vouchers: codes of pools, donations, subsidies."""

import uuid
from dataclasses import asdict
from typing import Any

from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.citizens.redemptions import REFUSALS
from carbon_credit.api.errors import language
from carbon_credit.api.fields import Day, Id, Instant, Text, Whole, Word
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.schemas import Answer, PageQuery, Strict, page_of
from carbon_credit.identity.scopes import CITIZEN
from carbon_credit.kernel.paging import Page, cut, id_position
from carbon_credit.redemption.errors import RedemptionNotFound, VoucherCancelled, VoucherExpired
from carbon_credit.redemption.giving.applications import Application, application, own_applications
from carbon_credit.redemption.giving.donations import Donation, donate, donations
from carbon_credit.redemption.giving.pools import show_code
from carbon_credit.redemption.giving.subsidies import (
    DOCUMENT_KINDS,
    LONGEST_NAME,
    Document,
    apply_for_subsidy,
    forget_name,
)
from carbon_credit.redemption.offering.errors import (
    DonationAmount,
    NameNotMasked,
    SubsidyDocument,
    SubsidyDocumentUsed,
    SubsidyNotFound,
    SubsidyPersonCap,
)

_READ = access(CITIZEN, scope="account:read")
_SPEND = access(CITIZEN, scope="points:spend")
STATES = ("applied", "granted", "paid", "refused", "withdrawn", "lapsed")


class PoolCode(Answer):
    """A third party's code. It is the same each time it is asked for."""

    redemption_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d41"})
    offer_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"})
    pool_code = fields.String(required=True, metadata={"example": "TEA-0001"})
    shown_at = Instant(required=True, metadata={"example": "2026-11-21T04:00:00Z"})


class DonationIn(Strict):
    """To which cause, and how much."""

    offer_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"})
    points = Whole(
        minimum=1,
        metadata={
            "description": "None: the price. A cause without pieces takes any number from its price on.",
            "example": 100,
        },
    )


class DonationOut(Answer):
    """What was given. With `certificate_no` anybody can look it up."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d41"})
    certificate_no = fields.String(required=True, metadata={"example": "7K3M-9QXD-2TVW4"})
    programme = fields.String(required=True, metadata={"example": "gd-gz"})
    offer_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"})
    title = fields.String(required=True, metadata={"example": "A tree in Heyuan"})
    points = Whole(required=True, metadata={"example": 1000})
    pieces = Whole(required=True, metadata={"description": "0: points to a fund.", "example": 1})
    value_fen = Whole(required=True, metadata={"example": 2000})
    given_at = Instant(required=True, metadata={"example": "2026-11-21T04:00:00Z"})


class SubsidyIn(Strict):
    """An application. Of the document's number only a keyed digest is kept."""

    offer_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"})
    document_kind = Word(*DOCUMENT_KINDS, required=True, metadata={"example": "invoice"})
    document_number = Text(longest=64, required=True, metadata={"example": "2544 2000 0000 1234 5678"})
    masked_name = Text(
        longest=LONGEST_NAME,
        metadata={
            "description": "As it will stand on the public list: half of it asterisks. None: `***`.",
            "example": "王**",
        },
    )


class SubsidyOut(Answer):
    """An application and what became of it."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d41"})
    offer_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"})
    title = fields.String(required=True, metadata={"example": "Subsidy for an efficient air conditioner"})
    budget_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4f"})
    points = Whole(required=True, metadata={"example": 0})
    value_fen = Whole(required=True, metadata={"example": 30000})
    document_kind = Word(*DOCUMENT_KINDS, required=True, metadata={"example": "invoice"})
    masked_name = fields.String(required=True, allow_none=True, metadata={"example": "王**"})
    state = Word(*STATES, required=True, metadata={"example": "applied"})
    applied_at = Instant(required=True, metadata={"example": "2026-11-21T04:00:00Z"})
    expires_at = Instant(
        required=True,
        metadata={"description": "Until when it can be decided.", "example": "2026-12-21T04:00:00Z"},
    )
    granted_on = Day(required=True, allow_none=True, metadata={"example": None})
    refused_for = fields.String(required=True, allow_none=True, metadata={"example": None})
    paid_at = Instant(required=True, allow_none=True, metadata={"example": None})


@writes(allowed=_SPEND, answer=PoolCode, raises=(RedemptionNotFound, VoucherExpired, VoucherCancelled))
def show_pool_code(call: Call, redemption_id: uuid.UUID) -> dict[str, Any]:
    """Show the third party's code of a redemption. The first time the points are spent, for good."""
    shown = show_code(
        call.session,
        programme=call.caller.programme,
        citizen_id=call.caller.id,
        redemption_id=redemption_id,
        now=call.now,
    )
    return asdict(shown)


@writes(allowed=_SPEND, takes=DonationIn, answer=DonationOut, status=201, raises=(*REFUSALS, DonationAmount))
def give_points(call: Call) -> dict[str, Any]:
    """Donate points, at once and for good."""
    given = donate(
        call.session,
        programme=call.caller.programme,
        citizen_id=call.caller.id,
        offer_id=call.body["offer_id"],
        points=call.body.get("points"),
        now=call.now,
    )
    return donation_shown(given)


@reads(allowed=_READ, query=PageQuery, answer=page_of(DonationOut))
def list_donations(call: Call) -> Page[dict[str, Any]]:
    """List what was donated, newest first."""
    limit = call.query["limit"]
    rows = donations(
        call.session,
        programme=call.caller.programme,
        citizen_id=call.caller.id,
        after=id_position(call.query.get("cursor")),
        limit=limit + 1,
    )
    page = cut(rows, limit, lambda row: [str(row.id)])
    return Page(items=[donation_shown(row) for row in page.items], next_cursor=page.next_cursor)


@writes(
    allowed=_SPEND,
    takes=SubsidyIn,
    answer=SubsidyOut,
    status=201,
    raises=(*REFUSALS, SubsidyDocument, SubsidyDocumentUsed, SubsidyPersonCap, NameNotMasked),
)
def ask_for_subsidy(call: Call) -> dict[str, Any]:
    """Apply for a subsidy. A piece of it is held until an operator decides."""
    held = apply_for_subsidy(
        call.session,
        programme=call.caller.programme,
        citizen_id=call.caller.id,
        offer_id=call.body["offer_id"],
        document=Document(call.body["document_kind"], call.body["document_number"]),
        masked_name=call.body.get("masked_name"),
        now=call.now,
    )
    return application_shown(held)


@reads(allowed=_READ, query=PageQuery, answer=page_of(SubsidyOut))
def list_own_subsidies(call: Call) -> Page[dict[str, Any]]:
    """List the applications for subsidies, newest first."""
    limit = call.query["limit"]
    rows = own_applications(
        call.session,
        programme=call.caller.programme,
        citizen_id=call.caller.id,
        now=call.now,
        after=id_position(call.query.get("cursor")),
        limit=limit + 1,
    )
    page = cut(rows, limit, lambda row: [str(row.id)])
    return Page(items=[application_shown(row) for row in page.items], next_cursor=page.next_cursor)


@writes(allowed=_SPEND, answer=SubsidyOut, raises=(SubsidyNotFound,))
def forget_subsidy_name(call: Call, redemption_id: uuid.UUID) -> dict[str, Any]:
    """Take the masked name off the public list. Amount and day stay."""
    session, programme, citizen_id = call.session, call.caller.programme, call.caller.id
    forget_name(session, programme=programme, citizen_id=citizen_id, redemption_id=redemption_id)
    return application_shown(
        application(
            session,
            programme=programme,
            citizen_id=citizen_id,
            redemption_id=redemption_id,
            now=call.now,
        )
    )


def donation_shown(row: Donation) -> dict[str, Any]:
    """A donation's members, with the title in the language of the request."""
    title = row.title_zh if language() == "zh" else row.title_en
    return {**asdict(row), "title": title, "certificate_no": row.number}


def application_shown(row: Application) -> dict[str, Any]:
    """An application's members, with the title in the language of the request."""
    return {**asdict(row), "title": row.title_zh if language() == "zh" else row.title_en}
