"""Freezing: the milligrams move in the ledger, the set is checked once more, and its root is computed."""

import secrets
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from carbon_credit.kernel.ids import new_id
from carbon_credit.ledger import operations as ledger
from carbon_credit.ledger.accounts import CO2E, AccountKey, account_id
from carbon_credit.ledger.entries import Transfer
from carbon_credit.ledger.queries import entries_by_reference
from carbon_credit.offsets.errors import BatchEmpty, BatchStale
from carbon_credit.offsets.leaves import leaf_of, with_reductions
from carbon_credit.offsets.queries import BatchRecord
from carbon_credit.offsets.selection import REASONS, Criteria, Progress, mandates_by_id, unfit
from carbon_credit.quantification.grams import held_by_partner
from carbon_credit.verifier.leaf import leaf_hash
from carbon_credit.verifier.merkle import RootBuilder

_TRANSFERS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Frozen:
    """What a freeze fixes. `salt`: 32 bytes. Milligrams."""

    salt: bytes
    merkle_root: str
    leaf_count: int
    gross_mg: int
    credited_mg: int
    batch_mg: int


def freeze(
    session: Session, *, batch: BatchRecord, criteria: Criteria, now: datetime, progress: Progress | None
) -> Frozen:
    """Post the transfers, check every item and compute the root. Raises BatchEmpty, BatchStale,

    InsufficientBalance. The transfers come first: they lock the citizens' accounts, which a withdrawal
    has to pass too, so that what is checked afterwards can no longer change.
    """
    _post(session, batch, _by_account(session, batch), now)
    salt = secrets.token_bytes(32)
    tree = RootBuilder()
    gross_mg = credited_mg = batch_mg = 0
    stale: list[str] = []
    for portion in with_reductions(session, batch.id):
        mandates = mandates_by_id(session, [reduction for _item, reduction in portion])
        for item, reduction in portion:
            reason = unfit(reduction, criteria, mandates, now=now)
            if reason is None and reduction.net_mg != item.total_mg:
                reason = "corrected-after-batch"
            if reason is not None:
                stale.append(reason)
                continue
            tree.add(leaf_hash(leaf_of(item, reduction, salt=salt).texts()))
            gross_mg += reduction.gross_mg
            credited_mg += item.total_mg
            batch_mg += item.to_mg - item.from_mg
        if progress is not None:
            progress(len(portion))
    if stale:
        raise BatchStale(count=len(stale), why=REASONS[stale[0]][1])
    return Frozen(salt, tree.root().hex(), tree.count, gross_mg, credited_mg, batch_mg)


def release(session: Session, *, batch: BatchRecord, now: datetime) -> None:
    """Take the transfers of the freeze back."""
    posted = [
        entry
        for entry in entries_by_reference(session, references=[batch.id])
        if entry.code == "batch.freeze"
    ]
    posted.sort(key=lambda entry: entry.debit_account)
    for start in range(0, len(posted), _TRANSFERS_AT_ONCE):
        ids = [entry.id for entry in posted[start : start + _TRANSFERS_AT_ONCE]]
        ledger.reverse(session, transfer_ids=ids, code="batch.release", now=now, effective_at=now)


def issue(session: Session, *, batch: BatchRecord, now: datetime) -> None:
    """Move the frozen milligrams to the issued account of the batch."""
    transfer = Transfer(
        id=new_id(),
        code="batch.issue",
        debit=AccountKey(batch.programme, CO2E, "batch.frozen", batch.id),
        credit=AccountKey(batch.programme, CO2E, "batch.issued", batch.id),
        amount=batch.batch_mg or 0,
        effective_at=now,
        reference=batch.id,
    )
    ledger.post(session, transfers=[transfer], now=now)


def _by_account(session: Session, batch: BatchRecord) -> Counter[AccountKey]:
    """How much comes from which account. Raises BatchEmpty."""
    sums: Counter[AccountKey] = Counter()
    for portion in with_reductions(session, batch.id):
        held = held_by_partner(session, batch.programme, [reduction for _item, reduction in portion])
        for item, reduction in portion:
            # The first milligrams of a reduction are the citizen's, the last ones the partner's who
            # collected them (平台归集): so several batches take from each account what it holds.
            border_mg = item.total_mg - held.get(reduction.id, 0)
            own_mg = max(min(item.to_mg, border_mg) - item.from_mg, 0)
            rest_mg = item.to_mg - item.from_mg - own_mg
            sums[AccountKey(batch.programme, CO2E, "citizen.reductions", reduction.citizen_id)] += own_mg
            sums[AccountKey(batch.programme, CO2E, "partner.reductions", reduction.partner_id)] += rest_mg
    if not sums:
        raise BatchEmpty
    return sums


def _post(session: Session, batch: BatchRecord, accounts: Counter[AccountKey], now: datetime) -> None:
    frozen = AccountKey(batch.programme, CO2E, "batch.frozen", batch.id)
    # In the order in which the ledger locks them, so that portions keep to it too.
    ordered = sorted((key for key, mg in accounts.items() if mg), key=account_id)
    for start in range(0, len(ordered), _TRANSFERS_AT_ONCE):
        transfers = [
            Transfer(
                id=new_id(),
                code="batch.freeze",
                debit=key,
                credit=frozen,
                amount=accounts[key],
                effective_at=now,
                reference=batch.id,
            )
            for key in ordered[start : start + _TRANSFERS_AT_ONCE]
        ]
        ledger.post(session, transfers=transfers, now=now)
