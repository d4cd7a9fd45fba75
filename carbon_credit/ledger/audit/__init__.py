"""The audit: proves the ledger from its rows, and names the row that breaks a rule.

It reads in streams, so memory stays flat, and lets the database add up. By default it begins at the last
opening balances; a full audit begins at the first transfer and proves the opening balances themselves.
"""

from collections.abc import Callable
from contextlib import closing
from itertools import islice
from typing import TypeAlias

from sqlalchemy.orm import Session

from carbon_credit.ledger.audit import proofs, rows, sums
from carbon_credit.ledger.audit.scope import Finding, scope_of

__all__ = ["Finding", "Progress", "audit"]

Progress: TypeAlias = Callable[[str, int], None]  # the rule, and how many rows of it have been looked at

RULES = (
    rows.accounts,
    rows.transfers,
    rows.resolutions,
    sums.balances,
    sums.zero_totals,
    sums.hold_ends,
    sums.hold_amounts,
    sums.open_holds,
    sums.reversals,
    proofs.opening_rows,
    proofs.opening_sums,
    proofs.seals,
)


def audit(
    session: Session, *, full: bool = False, maximum: int = 100, progress: Progress | None = None
) -> list[Finding]:
    """Everything that is wrong, at most `maximum` findings; an empty list when the ledger is sound.

    Others may be writing meanwhile: each rule about sums is one statement and so sees one state.
    """
    scope = scope_of(session, full=full)
    findings: list[Finding] = []
    for rule in RULES:
        name = rule.__name__

        def report(done: int, name: str = name) -> None:
            if progress is not None:
                progress(name, done)

        report(0)
        with closing(rule(scope, report)) as found:
            findings += islice(found, maximum - len(findings))
        if len(findings) >= maximum:
            break
    return findings
