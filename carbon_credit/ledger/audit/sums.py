"""Rules about sums, added up by the database: balances, zero totals, holds, reversals."""

from sqlalchemy import BigInteger, ColumnElement, and_, case, cast, func, or_, select

from carbon_credit.ledger.audit.scope import Finding, Findings, Report, Scope, stream
from carbon_credit.ledger.models import (
    ACCOUNT,
    OPEN_HOLD,
    RESOLUTION,
    REVERSAL,
    SUMS,
    TRANSFER,
)
from carbon_credit.ledger.sums import sums_by_account

_ENDS = ("settled", "released", "expired")


def balances(scope: Scope, report: Report) -> Findings:
    """The balance of each account is the sum of its transfers (and its opening balance)."""
    moved, opening = sums_by_account(scope.transfers()), scope.openings()
    added = {name: _zero(moved.c[name]) + _zero(opening.c[name]) for name in SUMS}
    statement = (
        select(ACCOUNT.c.id, ACCOUNT.c.kind, *(ACCOUNT.c[name] for name in SUMS), *added.values())
        .outerjoin(moved, moved.c.account == ACCOUNT.c.id)
        .outerjoin(opening, opening.c.account_id == ACCOUNT.c.id)
        .where(ACCOUNT.c.side != "derived", or_(*(ACCOUNT.c[name] != added[name] for name in SUMS)))
        .order_by(ACCOUNT.c.id)
    )
    for number, (row_id, kind, *rest) in enumerate(stream(scope.session, statement), start=1):
        wrong = ", ".join(
            f"{name} is {stored}, its transfers say {summed}"
            for name, stored, summed in zip(SUMS, rest[:4], rest[4:], strict=True)
            if stored != summed
        )
        yield Finding("balance", "account", str(row_id), f"{kind}: {wrong}")
        report(number)


def zero_totals(scope: Scope, report: Report) -> Findings:
    """In each programme the balances of an asset add up to zero: what the rows store, and what derived
    accounts have by their transfers."""
    moved, opening = sums_by_account(scope.transfers()), scope.openings()
    stored = ACCOUNT.c.credits_posted - ACCOUNT.c.debits_posted
    derived = (
        _zero(moved.c.credits_posted)
        + _zero(opening.c.credits_posted)
        - _zero(moved.c.debits_posted)
        - _zero(opening.c.debits_posted)
    )
    total = _total(case((ACCOUNT.c.side == "derived", derived), else_=stored))
    # One statement, so that it sees one state of a ledger that others are writing to.
    statement = (
        select(ACCOUNT.c.programme, ACCOUNT.c.asset, total)
        .outerjoin(moved, moved.c.account == ACCOUNT.c.id)
        .outerjoin(opening, opening.c.account_id == ACCOUNT.c.id)
        .group_by(ACCOUNT.c.programme, ACCOUNT.c.asset)
        .having(total != 0)
    )
    for number, (programme, asset, off) in enumerate(stream(scope.session, statement), start=1):
        yield Finding(
            "zero-total", "account", f"{programme} {asset}", f"all accounts add up to {off}, not zero"
        )
        report(number)


def hold_ends(scope: Scope, report: Report) -> Findings:
    """Each transfer that ends a hold names one, between the same accounts, and is the one recorded end."""
    held = TRANSFER.alias("held")
    statement = (
        select(TRANSFER.c.id)
        .outerjoin(held, and_(held.c.id == TRANSFER.c.pending_id, held.c.phase == "pending"))
        .outerjoin(RESOLUTION, RESOLUTION.c.pending_id == TRANSFER.c.pending_id)
        .where(TRANSFER.c.phase.in_(_ENDS), scope.transfers())
        .where(
            or_(
                held.c.id.is_(None),
                RESOLUTION.c.pending_id.is_(None),
                held.c.debit_account != TRANSFER.c.debit_account,
                held.c.credit_account != TRANSFER.c.credit_account,
                held.c.code != TRANSFER.c.code,
            )
        )
        .order_by(TRANSFER.c.id)
    )
    for number, (row_id,) in enumerate(stream(scope.session, statement), start=1):
        yield Finding(
            "hold", "transfer", str(row_id), "it ends a hold that is not there, is another, or is open"
        )
        report(number)


def hold_amounts(scope: Scope, report: Report) -> Findings:
    """The ends of a hold add up to it, and the resolution names the first of them with its phase."""
    held, first = TRANSFER.alias("held"), TRANSFER.alias("first")
    ends = (
        select(TRANSFER.c.pending_id, _total(TRANSFER.c.amount).label("amount"))
        .where(TRANSFER.c.phase.in_(_ENDS), scope.transfers())
        .group_by(TRANSFER.c.pending_id)
        .subquery()
    )
    statement = (
        select(RESOLUTION.c.pending_id, held.c.amount, ends.c.amount)
        .outerjoin(held, and_(held.c.id == RESOLUTION.c.pending_id, held.c.phase == "pending"))
        .outerjoin(first, first.c.id == RESOLUTION.c.transfer_id)
        .outerjoin(ends, ends.c.pending_id == RESOLUTION.c.pending_id)
        .where(or_(first.c.id.is_(None), scope.transfers(first)))
        .where(
            or_(
                _zero(held.c.amount) != _zero(ends.c.amount),
                held.c.id.is_(None),
                first.c.id.is_(None),
                first.c.pending_id != RESOLUTION.c.pending_id,
                first.c.phase != RESOLUTION.c.outcome,
            )
        )
        .order_by(RESOLUTION.c.pending_id)
    )
    for number, (row_id, amount, ended) in enumerate(stream(scope.session, statement), start=1):
        detail = f"held {amount}, ended {ended}, or not by the transfer that it names"
        yield Finding("hold", "pending_resolution", str(row_id), detail)
        report(number)


def open_holds(scope: Scope, report: Report) -> Findings:
    """A hold is open or has ended, and not both."""
    unlisted = (
        select(TRANSFER.c.id)
        .outerjoin(OPEN_HOLD, OPEN_HOLD.c.pending_id == TRANSFER.c.id)
        .outerjoin(RESOLUTION, RESOLUTION.c.pending_id == TRANSFER.c.id)
        .where(TRANSFER.c.phase == "pending", scope.transfers())
        .where(OPEN_HOLD.c.pending_id.is_(None), RESOLUTION.c.pending_id.is_(None))
        .order_by(TRANSFER.c.id)
    )
    for number, (row_id,) in enumerate(stream(scope.session, unlisted), start=1):
        yield Finding("hold", "transfer", str(row_id), "this hold is neither open nor ended")
        report(number)
    listed = (
        select(OPEN_HOLD.c.pending_id)
        .outerjoin(TRANSFER, and_(TRANSFER.c.id == OPEN_HOLD.c.pending_id, TRANSFER.c.phase == "pending"))
        .outerjoin(RESOLUTION, RESOLUTION.c.pending_id == OPEN_HOLD.c.pending_id)
        .where(or_(TRANSFER.c.id.is_(None), RESOLUTION.c.pending_id.is_not(None)))
        .order_by(OPEN_HOLD.c.pending_id)
    )
    for (row_id,) in stream(scope.session, listed):
        yield Finding("hold", "open_hold", str(row_id), "there is no such hold, or it has ended")


def reversals(scope: Scope, report: Report) -> Findings:
    """What was taken back of a transfer is what its reversals say, and at most what it moved."""
    taken = (
        select(TRANSFER.c.reverses_id, _total(TRANSFER.c.amount).label("amount"))
        .where(TRANSFER.c.reverses_id.is_not(None), scope.transfers())
        .group_by(TRANSFER.c.reverses_id)
        .subquery()
    )
    counted = _zero(REVERSAL.c.reversed)
    # From the middle on, only a part of what was counted is seen.
    wrong = counted != taken.c.amount if scope.full else counted < taken.c.amount
    statement = (
        select(taken.c.reverses_id, taken.c.amount, counted)
        .outerjoin(REVERSAL, REVERSAL.c.reversed_id == taken.c.reverses_id)
        .outerjoin(TRANSFER, TRANSFER.c.id == taken.c.reverses_id)
        .where(or_(wrong, TRANSFER.c.id.is_(None), taken.c.amount > TRANSFER.c.amount))
        .order_by(taken.c.reverses_id)
    )
    for number, (row_id, amount, noted) in enumerate(stream(scope.session, statement), start=1):
        detail = f"its reversals take back {amount}, {noted} are noted"
        yield Finding("reversal", "transfer_reversal", str(row_id), detail)
        report(number)


def _zero(column: ColumnElement[int]) -> ColumnElement[int]:
    return func.coalesce(column, 0)


def _total(column: ColumnElement[int]) -> ColumnElement[int]:
    return cast(func.coalesce(func.sum(column), 0), BigInteger)
