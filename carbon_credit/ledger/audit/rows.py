"""Rules about single rows: each account and each transfer is what it says, and was not edited."""

from typing import TypeAlias

from sqlalchemy import select

from carbon_credit.kernel.digest import row_mac, same
from carbon_credit.kernel.errors import CarbonError
from carbon_credit.ledger.accounts import AccountKey, Balance, account_id
from carbon_credit.ledger.audit.scope import Finding, Findings, Report, Scope, stream
from carbon_credit.ledger.chart import BACK_ONLY, check_account, problem_of, side_of
from carbon_credit.ledger.entries import Entry, entry_mac
from carbon_credit.ledger.models import ACCOUNT, RESOLUTION, SUMS, TRANSFER

_Side: TypeAlias = tuple[str, str, str] | None  # programme, asset, kind


def transfers(scope: Scope, report: Report) -> Findings:
    """Each transfer bears its MAC, its accounts exist, and the chart allows it."""
    debit, credit = ACCOUNT.alias("debit"), ACCOUNT.alias("credit")
    width = len(Entry._fields)
    statement = (
        select(
            *(TRANSFER.c[name] for name in Entry._fields),
            TRANSFER.c.mac,
            *(side.c[name] for side in (debit, credit) for name in ("programme", "asset", "kind")),
        )
        .outerjoin(debit, debit.c.id == TRANSFER.c.debit_account)
        .outerjoin(credit, credit.c.id == TRANSFER.c.credit_account)
        .where(scope.transfers())
        .order_by(TRANSFER.c.id)
    )
    for number, row in enumerate(stream(scope.session, statement), start=1):
        entry = Entry(*row[:width])
        mac, *sides = row[width:]
        debit_side, credit_side = _side(sides[:3]), _side(sides[3:])
        if not same(mac, entry_mac(scope.key, entry)):
            yield Finding("mac", "transfer", str(entry.id), "the row was changed after it was written")
        elif (problem := _misplaced(entry, debit_side, credit_side)) is not None:
            yield Finding("chart", "transfer", str(entry.id), problem)
        report(number)


def accounts(scope: Scope, report: Report) -> Findings:
    """Each account has the id of its key and the side of its kind, and nothing below zero."""
    columns = ("id", "programme", "asset", "kind", "owner", "lot", "side", *SUMS)
    statement = select(*(ACCOUNT.c[name] for name in columns)).order_by(ACCOUNT.c.id)
    for number, (row_id, *rest) in enumerate(stream(scope.session, statement), start=1):
        key, side, balance = AccountKey(*rest[:5]), rest[5], Balance(*rest[6:])
        problem = _misnamed(key, side)
        if account_id(key) != row_id:
            yield Finding(
                "account", "account", str(row_id), "the id is not that of its key: the row was changed"
            )
        elif problem is not None:
            yield Finding("account", "account", str(row_id), problem)
        elif _below_zero(side, balance):
            yield Finding("below-zero", "account", str(row_id), f"{key.kind}: {balance.available} available")
        report(number)


def resolutions(scope: Scope, report: Report) -> Findings:
    """Each resolution bears its MAC."""
    columns = ("pending_id", "outcome", "transfer_id", "resolved_at", "mac")
    statement = select(*(RESOLUTION.c[name] for name in columns)).order_by(RESOLUTION.c.pending_id)
    start = scope.first_start()
    if start is not None:
        statement = statement.where(RESOLUTION.c.transfer_id > start)
    for number, (*row, mac) in enumerate(stream(scope.session, statement), start=1):
        if not same(mac, row_mac(scope.key, "pending_resolution", *row)):
            yield Finding(
                "mac", "pending_resolution", str(row[0]), "the row was changed after it was written"
            )
        report(number)


def _side(columns: list[str | None]) -> _Side:
    programme, asset, kind = columns
    return (programme, asset, kind) if programme and asset and kind else None


def _misplaced(entry: Entry, debit: _Side, credit: _Side) -> str | None:
    if debit is None or credit is None:
        return "one of its accounts does not exist"
    for side in (debit, credit):
        if side[:2] != (entry.programme, entry.asset):
            return f"an account holds {side[1]} in {side[0]}, it moves {entry.asset} in {entry.programme}"
    if entry.code in BACK_ONLY and entry.reverses_id is None:
        return f"{entry.code} names no transfer that it takes back"
    return problem_of(entry.code, debit[2], credit[2], pending=entry.phase != "posted")


def _misnamed(key: AccountKey, side: str) -> str | None:
    try:
        check_account(key)
    except CarbonError as error:
        return str(error)
    return None if side == side_of(key.kind) else f"{key.kind} is not {side}"


def _below_zero(side: str, balance: Balance) -> bool:
    if side == "guarded":
        return balance.available < 0
    if side == "debt":
        return balance.posted + balance.credits_pending > 0
    return any(balance)  # a derived account stores nothing
