"""For everybody: which subsidies were granted (公示), and what a donation's number stands for."""

from dataclasses import asdict
from typing import Any

from marshmallow import fields

from carbon_credit.api.citizens.giving import donation_shown
from carbon_credit.api.fields import Day, Id, Instant, Whole
from carbon_credit.api.operation import Call, reads
from carbon_credit.api.schemas import Answer, PageQuery, page_of
from carbon_credit.catalogue.errors import ProgrammeNotFound
from carbon_credit.catalogue.queries import time_zone
from carbon_credit.kernel.paging import Page, cut, id_position
from carbon_credit.redemption.errors import RedemptionNotFound, VoucherInvalid
from carbon_credit.redemption.giving.applications import public_subsidies
from carbon_credit.redemption.giving.donations import donation_by_number


class PublicSubsidyOut(Answer):
    """A subsidy that was granted."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d41"})
    name = fields.String(required=True, metadata={"description": "Masked.", "example": "王**"})
    amount_fen = Whole(required=True, metadata={"example": 30000})
    granted_on = Day(required=True, metadata={"example": "2026-11-21"})
    budget = fields.String(required=True, metadata={"example": "Green appliances"})
    fiscal_year = Whole(required=True, metadata={"example": 2026})


class PublicDonation(Answer):
    """A donation. It says nothing about who gave it."""

    certificate_no = fields.String(required=True, metadata={"example": "7K3M-9QXD-2TVW4"})
    programme = fields.String(required=True, metadata={"example": "gd-gz"})
    title = fields.String(required=True, metadata={"example": "A tree in Heyuan"})
    points = Whole(required=True, metadata={"example": 1000})
    pieces = Whole(required=True, metadata={"example": 1})
    given_at = Instant(required=True, metadata={"example": "2026-11-21T04:00:00Z"})


@reads(query=PageQuery, answer=page_of(PublicSubsidyOut), raises=(ProgrammeNotFound,))
def list_public_subsidies(call: Call, programme: str) -> Page[dict[str, Any]]:
    """List the subsidies that were granted, newest application first: masked name, amount and day."""
    time_zone(call.session, programme=programme)
    limit = call.query["limit"]
    rows = public_subsidies(
        call.session,
        programme=programme,
        after=id_position(call.query.get("cursor")),
        limit=limit + 1,
    )
    page = cut(rows, limit, lambda row: [str(row.id)])
    return Page(items=[asdict(row) for row in page.items], next_cursor=page.next_cursor)


@reads(answer=PublicDonation, raises=(RedemptionNotFound, VoucherInvalid))
def get_public_donation(call: Call, code: str) -> dict[str, Any]:
    """Read what was given under a donation's number."""
    return donation_shown(donation_by_number(call.session, text=code))
