"""Budgets of subsidies by fiscal year, the programme's fund, and decisions on applications for subsidies."""

import uuid
from dataclasses import asdict
from typing import Any

from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.citizens.giving import SubsidyOut, application_shown
from carbon_credit.api.fields import Id, Text, Whole
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.schemas import Answer, PageQuery, Strict, page_of
from carbon_credit.identity.scopes import OPERATOR
from carbon_credit.kernel.paging import Page, cut, id_position
from carbon_credit.redemption.errors import VoucherCancelled, VoucherExpired
from carbon_credit.redemption.giving.applications import open_applications
from carbon_credit.redemption.giving.subsidies import grant_subsidy, record_payment, refuse_subsidy
from carbon_credit.redemption.offering.budgets import (
    BudgetTerms,
    add_to_budget,
    add_to_fund,
    budget,
    budgets,
    create_budget,
    fund_fen,
    return_from_budget,
)
from carbon_credit.redemption.offering.errors import (
    BudgetExhausted,
    BudgetInvalid,
    BudgetNotFound,
    BudgetTaken,
    SubsidyDecided,
    SubsidyNotFound,
)

_MONEY = access(OPERATOR, scope="offers:write")


class SubsidyBudgetIn(Strict):
    """A budget of one fiscal year, without money yet."""

    name = Text(longest=120, required=True, metadata={"example": "Green appliances"})
    fiscal_year = Whole(minimum=2000, maximum=2199, required=True, metadata={"example": 2026})
    legal_basis = Text(
        longest=400,
        required=True,
        metadata={
            "description": "By which rule it may be spent.",
            "example": "Measures, article 5",
        },
    )
    document_number = Text(
        longest=120,
        required=True,
        metadata={"description": "Of the document that grants it.", "example": "[2026] 12"},
    )
    per_person_cap_fen = Whole(minimum=1, metadata={"example": 60000})


class SubsidyBudget(Answer):
    """A budget and its money."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4f"})
    name = fields.String(required=True, metadata={"example": "Green appliances"})
    fiscal_year = Whole(required=True, metadata={"example": 2026})
    legal_basis = fields.String(required=True, metadata={"example": "Measures, article 5"})
    document_number = fields.String(required=True, metadata={"example": "[2026] 12"})
    per_person_cap_fen = Whole(required=True, allow_none=True, metadata={"example": 60000})
    paid_in_fen = Whole(required=True, metadata={"example": 100000000})
    free_fen = Whole(required=True, metadata={"description": "Not set aside.", "example": 70000000})


class MoneyIn(Strict):
    """An amount."""

    fen = Whole(minimum=1, required=True, metadata={"example": 100000000})


class FundOut(Answer):
    """The programme's fund."""

    free_fen = Whole(required=True, metadata={"description": "Not set aside.", "example": 70000000})


class RefusalIn(Strict):
    """Why it is not granted. The applicant reads it."""

    reason = Text(longest=200, required=True, metadata={"example": "The invoice is of another year."})


class PaymentIn(Strict):
    """That the money has left."""

    reference = Text(longest=80, required=True, metadata={"example": "P-2026-000017"})


@writes(
    allowed=_MONEY,
    takes=SubsidyBudgetIn,
    answer=SubsidyBudget,
    status=201,
    raises=(BudgetInvalid, BudgetTaken),
)
def open_budget(call: Call) -> dict[str, Any]:
    """Open a budget of a fiscal year."""
    budget_id = create_budget(
        call.session,
        programme=call.caller.programme,
        terms=BudgetTerms(**call.body),
        created_by=f"operator:{call.caller.id}",
        now=call.now,
    )
    return _budget(call, budget_id)


@reads(allowed=_MONEY, query=PageQuery, answer=page_of(SubsidyBudget))
def list_budgets(call: Call) -> Page[dict[str, Any]]:
    """List the budgets of subsidies, oldest first."""
    limit = call.query["limit"]
    rows = budgets(
        call.session,
        programme=call.caller.programme,
        after=id_position(call.query.get("cursor")),
        limit=limit + 1,
    )
    page = cut(rows, limit, lambda row: [str(row.id)])
    return Page(items=[asdict(row) for row in page.items], next_cursor=page.next_cursor)


@writes(allowed=_MONEY, takes=MoneyIn, answer=SubsidyBudget, raises=(BudgetNotFound, BudgetInvalid))
def pay_into_budget(call: Call, budget_id: uuid.UUID) -> dict[str, Any]:
    """Book money that was granted for a budget."""
    add_to_budget(
        call.session,
        programme=call.caller.programme,
        budget_id=budget_id,
        fen=call.body["fen"],
        now=call.now,
    )
    return _budget(call, budget_id)


@writes(
    allowed=_MONEY,
    takes=MoneyIn,
    answer=SubsidyBudget,
    raises=(BudgetNotFound, BudgetInvalid, BudgetExhausted),
)
def pay_back_from_budget(call: Call, budget_id: uuid.UUID) -> dict[str, Any]:
    """Book money that went back to the treasury: at most what is not set aside."""
    return_from_budget(
        call.session,
        programme=call.caller.programme,
        budget_id=budget_id,
        fen=call.body["fen"],
        now=call.now,
    )
    return _budget(call, budget_id)


@reads(allowed=_MONEY, answer=FundOut)
def get_fund(call: Call) -> dict[str, Any]:
    """Read what the programme's fund has."""
    return {"free_fen": fund_fen(call.session, programme=call.caller.programme)}


@writes(allowed=_MONEY, takes=MoneyIn, answer=FundOut, raises=(BudgetInvalid,))
def pay_into_fund(call: Call) -> dict[str, Any]:
    """Book money for the programme's fund."""
    add_to_fund(call.session, programme=call.caller.programme, fen=call.body["fen"], now=call.now)
    return {"free_fen": fund_fen(call.session, programme=call.caller.programme)}


@reads(allowed=_MONEY, query=PageQuery, answer=page_of(SubsidyOut))
def list_open_subsidies(call: Call) -> Page[dict[str, Any]]:
    """List the applications that wait for a decision, oldest first."""
    limit = call.query["limit"]
    rows = open_applications(
        call.session,
        programme=call.caller.programme,
        now=call.now,
        after=id_position(call.query.get("cursor")),
        limit=limit + 1,
    )
    page = cut(rows, limit, lambda row: [str(row.id)])
    return Page(items=[application_shown(row) for row in page.items], next_cursor=page.next_cursor)


@writes(
    allowed=_MONEY,
    answer=SubsidyOut,
    raises=(SubsidyNotFound, SubsidyDecided, VoucherExpired, VoucherCancelled),
)
def grant_one_subsidy(call: Call, redemption_id: uuid.UUID) -> dict[str, Any]:
    """Grant a subsidy. The public list shows it from now on."""
    granted = grant_subsidy(
        call.session,
        programme=call.caller.programme,
        operator_id=call.caller.id,
        redemption_id=redemption_id,
        now=call.now,
    )
    return application_shown(granted)


@writes(
    allowed=_MONEY,
    takes=RefusalIn,
    answer=SubsidyOut,
    raises=(SubsidyNotFound, SubsidyDecided, VoucherExpired, VoucherCancelled),
)
def refuse_one_subsidy(call: Call, redemption_id: uuid.UUID) -> dict[str, Any]:
    """Refuse a subsidy, for a reason. The piece and the points return."""
    refused = refuse_subsidy(
        call.session,
        programme=call.caller.programme,
        operator_id=call.caller.id,
        redemption_id=redemption_id,
        reason=call.body["reason"],
        now=call.now,
    )
    return application_shown(refused)


@writes(allowed=_MONEY, takes=PaymentIn, answer=SubsidyOut, raises=(SubsidyNotFound, SubsidyDecided))
def confirm_subsidy_payment(call: Call, redemption_id: uuid.UUID) -> dict[str, Any]:
    """Record that the money of a granted subsidy has left."""
    paid = record_payment(
        call.session,
        programme=call.caller.programme,
        redemption_id=redemption_id,
        reference=call.body["reference"],
        now=call.now,
    )
    return application_shown(paid)


def _budget(call: Call, budget_id: uuid.UUID) -> dict[str, Any]:
    return asdict(budget(call.session, programme=call.caller.programme, budget_id=budget_id))
