"""Rules about what proves the rest: opening balances and seals."""

import uuid
from typing import Any

from sqlalchemy import Table, func, or_, select

from carbon_credit.kernel.digest import same
from carbon_credit.ledger.audit.scope import Finding, Findings, Report, Scope, stream
from carbon_credit.ledger.models import ACCOUNT, OPENING, SEAL, SUMS, TRANSFER
from carbon_credit.ledger.openings import COLUMNS as OPENING_COLUMNS
from carbon_credit.ledger.openings import opening_mac
from carbon_credit.ledger.seals import COLUMNS as SEAL_COLUMNS
from carbon_credit.ledger.seals import GENESIS, Block, seal_mac
from carbon_credit.ledger.sums import sums_by_account


def opening_rows(scope: Scope, report: Report) -> Findings:
    """Each opening balance bears its MAC: those that the audit begins with, in a full one all."""
    table = OPENING if scope.full else scope.openings()
    columns = [table.c[name] for name in OPENING_COLUMNS]
    statement = select(*columns).order_by(table.c.period, table.c.account_id)
    for number, (*row, mac) in enumerate(stream(scope.session, statement), start=1):
        if not same(mac, opening_mac(scope.key, tuple(row))):
            detail = "the row was changed after it was written"
            yield Finding("mac", "account_opening", f"{row[0]} {row[1]}", detail)
        report(number)


def opening_sums(scope: Scope, report: Report) -> Findings:
    """In a full audit: each opening balance is the sum of the transfers that it counts, none is missing."""
    if not scope.full:
        return
    months = select(OPENING.c.programme, OPENING.c.period, OPENING.c.through_id).distinct()
    for programme, period, through_id in scope.session.execute(months.order_by(OPENING.c.period)).all():
        moved = sums_by_account(TRANSFER.c.programme == programme, TRANSFER.c.id <= through_id)
        opening = (
            select(OPENING).where(OPENING.c.programme == programme, OPENING.c.period == period).subquery()
        )
        differs = [func.coalesce(opening.c[name], 0) != func.coalesce(moved.c[name], 0) for name in SUMS]
        statement = (
            select(ACCOUNT.c.id)
            .outerjoin(opening, opening.c.account_id == ACCOUNT.c.id)
            .outerjoin(moved, moved.c.account == ACCOUNT.c.id)
            .where(ACCOUNT.c.programme == programme, or_(*differs))
            .order_by(ACCOUNT.c.id)
        )
        for number, (row_id,) in enumerate(stream(scope.session, statement), start=1):
            detail = "it is not the sum of the transfers up to it"
            yield Finding("opening", "account_opening", f"{row_id} {period}", detail)
            report(number)


def seals(scope: Scope, report: Report, *, table: Table = TRANSFER) -> Findings:
    """Each block follows the one before, bears its MAC, and its rows are still those that were sealed."""
    columns = [SEAL.c[name] for name in SEAL_COLUMNS]
    blocks = select(*columns).where(SEAL.c.sealed_table == table.name).order_by(SEAL.c.number)
    start = scope.first_start()
    expected, previous, after = 1, GENESIS, None
    done = 0
    for block in scope.session.execute(blocks).all():
        name = f"{table.name} {block.number}"
        if not same(block.mac, seal_mac(scope.key, tuple(block)[:-1])):
            yield Finding("mac", "seal_block", name, "the row was changed after it was written")
        if block.number != expected or block.previous_digest != previous:
            yield Finding("seal", "seal_block", name, f"it does not follow block {expected - 1}")
        if start is None or block.last_id > start:
            found = _recompute(scope, table, block, after)
            done += found.count
            if found.digest() != block.digest or found.count != block.row_count:
                detail = (
                    f"{block.row_count} rows were sealed from {block.first_id} to {block.last_id}, "
                    f"{found.count} are there: {_difference(block, found)}"
                )
                yield Finding("seal", "seal_block", name, detail)
            report(done)
        expected, previous, after = block.number + 1, block.digest, block.last_id


def _recompute(scope: Scope, table: Table, block: Any, after: uuid.UUID | None) -> Block:
    rows = select(table.c.id, table.c.mac).where(table.c.id <= block.last_id)
    if after is not None:
        rows = rows.where(table.c.id > after)
    found = Block(block.previous_digest)
    for row_id, mac in stream(scope.session, rows.order_by(table.c.id)):
        found.add(row_id, mac)
    return found


def _difference(block: Any, found: Block) -> str:
    if found.count < block.row_count:
        return "a row was deleted"
    if found.count > block.row_count:
        return "a row was inserted"
    return "a row was replaced"
