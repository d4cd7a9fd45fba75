"""Proof that what citizens retired is what left their accounts: row, ranges and ledger, each way."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import cast
from uuid import UUID

from sqlalchemy import Table, func, select
from sqlalchemy.orm import Session

from carbon_credit.events.audit import changed_rows
from carbon_credit.kernel.bulk import one_of
from carbon_credit.ledger.accounts import CO2E, AccountKey, account_id
from carbon_credit.ledger.audit import Finding
from carbon_credit.ledger.queries import entries_by_reference
from carbon_credit.ledger.references import references_posted
from carbon_credit.offsets.models import BatchItem, CitizenRetirement
from carbon_credit.offsets.retirement.queries import all_retirements, retired_key

_AT_ONCE = 2_000
_TABLE = cast(Table, CitizenRetirement.__table__)
_CODE = "retire.citizen"


def audit_retirements(session: Session) -> Iterator[Finding]:
    """Every finding, naming table and row."""
    yield from changed_rows(session, _TABLE, lambda _rows: None)
    for portion in all_retirements(session, at_once=_AT_ONCE):
        yield from _ranges(session, portion)
        yield from _ledger(session, portion)
    for references in references_posted(session, code=_CODE, at_once=_AT_ONCE):
        mine = one_of(session, CitizenRetirement.id, references)
        known = set(session.scalars(select(CitizenRetirement.id).where(mine)))
        for reference in references:
            if reference not in known:
                detail = "grams were retired for it, and no row says by whom and for what"
                yield Finding("retirement-exists", "citizen_retirement", str(reference), detail)


def _ranges(session: Session, portion: Sequence[CitizenRetirement]) -> Iterator[Finding]:
    """The milligrams that are marked as retired are those that the row says."""
    statement = (
        select(BatchItem.retirement_id, func.sum(BatchItem.to_mg - BatchItem.from_mg))
        .where(one_of(session, BatchItem.retirement_id, [row.id for row in portion]))
        .group_by(BatchItem.retirement_id)
    )
    marked = {retirement_id: int(mg) for retirement_id, mg in session.execute(statement)}
    for row in portion:
        if marked.get(row.id, 0) != row.co2e_mg:
            detail = f"ranges of {marked.get(row.id, 0)} mg, the row says {row.co2e_mg} mg"
            yield Finding("retirement-ranges", "citizen_retirement", str(row.id), detail)


def _ledger(session: Session, portion: Sequence[CitizenRetirement]) -> Iterator[Finding]:
    """One transfer, from the citizen's own account, of so much."""
    posted: defaultdict[UUID | None, list[tuple[UUID, UUID, int]]] = defaultdict(list)
    for entry in entries_by_reference(session, references=[row.id for row in portion]):
        if entry.code == _CODE:
            posted[entry.reference].append((entry.debit_account, entry.credit_account, entry.amount))
    for row in portion:
        own = AccountKey(row.programme, CO2E, "citizen.reductions", row.citizen_id)
        expected = (account_id(own), account_id(retired_key(row.programme, row.id)), row.co2e_mg)
        if posted[row.id] != [expected]:
            detail = f"the ledger has not the one transfer of {row.co2e_mg} mg from its citizen's account"
            yield Finding("retirement-ledger", "citizen_retirement", str(row.id), detail)
