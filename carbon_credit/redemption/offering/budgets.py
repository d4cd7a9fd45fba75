"""Budgets of subsidies by fiscal year, and the programme's fund: money that offers are paid from.

How much there is stands in the ledger, in accounts that cannot go below zero. A budget can be spent in its
fiscal year only by what is set aside then; what it is and by which law never changes.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.kernel.ids import new_id
from carbon_credit.kernel.quantity import MAX_QUANTITY
from carbon_credit.ledger import operations as ledger
from carbon_credit.ledger.accounts import FEN, AccountKey, Balance
from carbon_credit.ledger.entries import Transfer
from carbon_credit.ledger.errors import InsufficientBalance
from carbon_credit.ledger.queries import balances
from carbon_credit.redemption.offering.errors import (
    BudgetExhausted,
    BudgetInvalid,
    BudgetNotFound,
    BudgetTaken,
)
from carbon_credit.redemption.offering.models import SubsidyBudget

MAX_BUDGETS = 200


@dataclass(frozen=True, slots=True)
class BudgetTerms:
    """A budget of one fiscal year. `legal_basis`: by which rule it may be spent; `document_number`: of the
    document that grants it. `per_person_cap_fen`: None for any amount."""

    name: str
    fiscal_year: int
    legal_basis: str
    document_number: str
    per_person_cap_fen: int | None = None


@dataclass(frozen=True, slots=True)
class BudgetRecord:
    """A budget with its money, in fen: paid in, and what of it is free to be set aside."""

    id: uuid.UUID
    name: str
    fiscal_year: int
    legal_basis: str
    document_number: str
    per_person_cap_fen: int | None
    paid_in_fen: int
    free_fen: int


def subsidy_key(programme: str, budget_id: uuid.UUID) -> AccountKey:
    """Where the money of a budget is."""
    return AccountKey(programme, FEN, "subsidy.budget", budget_id)


def fund_key(programme: str) -> AccountKey:
    """Where the money of the programme's fund is."""
    return AccountKey(programme, FEN, "programme.fund")


def create_budget(
    session: Session, *, programme: str, terms: BudgetTerms, created_by: str, now: datetime
) -> uuid.UUID:
    """A budget without money yet; its id. Raises BudgetInvalid, BudgetTaken."""
    problem = _problem(terms)
    if problem is not None:
        raise BudgetInvalid(why=problem)
    named = (
        SubsidyBudget.programme == programme,
        SubsidyBudget.fiscal_year == terms.fiscal_year,
        SubsidyBudget.name == terms.name.strip(),
    )
    if session.scalar(select(SubsidyBudget.id).where(*named)) is not None:
        raise BudgetTaken(fiscal_year=terms.fiscal_year)
    budget = SubsidyBudget(
        id=new_id(),
        programme=programme,
        name=terms.name.strip(),
        fiscal_year=terms.fiscal_year,
        legal_basis=terms.legal_basis.strip(),
        document_number=terms.document_number.strip(),
        per_person_cap_fen=terms.per_person_cap_fen,
        created_by=created_by,
        created_at=now,
    )
    session.add(budget)
    session.flush()
    return budget.id


def add_to_budget(
    session: Session, *, programme: str, budget_id: uuid.UUID, fen: int, now: datetime
) -> uuid.UUID:
    """Money that was granted for the budget; the id of the posting. Raises BudgetNotFound, BudgetInvalid."""
    budget(session, programme=programme, budget_id=budget_id)
    return _post(session, "subsidy.add", _bank(programme), subsidy_key(programme, budget_id), fen, now)


def return_from_budget(
    session: Session, *, programme: str, budget_id: uuid.UUID, fen: int, now: datetime
) -> uuid.UUID:
    """Money that goes back to the treasury: only what is not set aside for an offer.

    Raises BudgetNotFound, BudgetInvalid, BudgetExhausted.
    """
    budget(session, programme=programme, budget_id=budget_id)
    return _post(session, "subsidy.return", subsidy_key(programme, budget_id), _bank(programme), fen, now)


def add_to_fund(session: Session, *, programme: str, fen: int, now: datetime) -> uuid.UUID:
    """Money for the programme's fund; the id of the posting. Raises BudgetInvalid."""
    return _post(session, "fund.add", _bank(programme), fund_key(programme), fen, now)


def fund_fen(session: Session, *, programme: str) -> int:
    """What of the fund is free to be set aside."""
    key = fund_key(programme)
    return balances(session, keys=[key])[key].available


def budget(session: Session, *, programme: str, budget_id: uuid.UUID) -> BudgetRecord:
    """One budget. Raises BudgetNotFound, also for another programme's."""
    row = session.get(SubsidyBudget, budget_id)
    if row is None or row.programme != programme:
        raise BudgetNotFound
    return _records(session, [row])[0]


def budgets(
    session: Session, *, programme: str, after: uuid.UUID | None = None, limit: int = 50
) -> list[BudgetRecord]:
    """The programme's budgets, oldest first, from behind `after`."""
    statement = select(SubsidyBudget).where(SubsidyBudget.programme == programme)
    if after is not None:
        statement = statement.where(SubsidyBudget.id > after)
    statement = statement.order_by(SubsidyBudget.id).limit(max(1, min(limit, MAX_BUDGETS)))
    return _records(session, session.scalars(statement).all())


def _records(session: Session, rows: Sequence[SubsidyBudget]) -> list[BudgetRecord]:
    keys = {row.id: subsidy_key(row.programme, row.id) for row in rows}
    found: Mapping[AccountKey, Balance] = balances(session, keys=list(keys.values()))
    return [
        BudgetRecord(
            id=row.id,
            name=row.name,
            fiscal_year=row.fiscal_year,
            legal_basis=row.legal_basis,
            document_number=row.document_number,
            per_person_cap_fen=row.per_person_cap_fen,
            paid_in_fen=found[keys[row.id]].credits_posted,
            free_fen=found[keys[row.id]].available,
        )
        for row in rows
    ]


def _bank(programme: str) -> AccountKey:
    return AccountKey(programme, FEN, "bank")


def _post(
    session: Session, code: str, debit: AccountKey, credit: AccountKey, fen: int, now: datetime
) -> uuid.UUID:
    if not 0 < fen <= MAX_QUANTITY:
        raise BudgetInvalid(why="the amount must be above zero")
    transfer = Transfer(id=new_id(), code=code, debit=debit, credit=credit, amount=fen, effective_at=now)
    try:
        ledger.post(session, transfers=[transfer], now=now)
    except InsufficientBalance as short:
        available = balances(session, keys=[debit])[debit].available
        raise BudgetExhausted(lacking_fen=fen - available) from short
    return transfer.id


def _problem(terms: BudgetTerms) -> str | None:
    texts = (
        (terms.name, 120),
        (terms.legal_basis, 400),
        (terms.document_number, 120),
    )
    if not all(0 < len(text.strip()) <= longest for text, longest in texts):
        return "name, legal basis and document number must be said (120, 400 and 120 characters)"
    if not 2000 <= terms.fiscal_year <= 2199:
        return "the fiscal year must be between 2000 and 2199"
    if terms.per_person_cap_fen is not None and not 0 < terms.per_person_cap_fen <= MAX_QUANTITY:
        return "the cap for one person must be above zero, or absent for none"
    return None
