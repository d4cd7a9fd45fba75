"""Posting, idempotency, the chart, reversals: on both databases."""

from dataclasses import replace
from datetime import date, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from carbon_credit.kernel.errors import error_classes
from carbon_credit.kernel.ids import new_id, random_id
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger import operations
from carbon_credit.ledger.accounts import CO2E, FEN, POINTS, AccountKey, Balance, account_id
from carbon_credit.ledger.errors import (
    DebtOverpaid,
    InsufficientBalance,
    OutsideChart,
    ReversalExceeded,
    TransferConflict,
    TransferInvalid,
    TransferUnknown,
)

from .conftest import PROGRAMME, Books


def test_a_posting_moves_the_amount_and_nothing_else(books: Books) -> None:
    books.post(books.credit(388_440))
    assert books.balance(books.reductions()) == Balance(credits_posted=388_440)
    assert books.balance(books.co2e_source) == Balance(debits_posted=388_440)
