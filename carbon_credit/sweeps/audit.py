"""The whole audit in one place: the ledger, the events and reductions behind it, batches, redemptions, and
what belongs to two of them."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy.orm import Session

from carbon_credit.catalogue import audit as catalogue
from carbon_credit.events.audit import audit as audit_events
from carbon_credit.events.audit import changed_rows
from carbon_credit.ledger.audit import Finding
from carbon_credit.ledger.audit import audit as audit_ledger
from carbon_credit.neutrality.audit import audit as audit_neutrality
from carbon_credit.offsets.audit import audit as audit_batches
from carbon_credit.quantification.audit import audit as audit_reductions
from carbon_credit.redemption.audit import audit as audit_redemptions
from carbon_credit.settlement import audit as settlement


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What was looked at and what was found. No findings: the books hold."""

    rows: int
    findings: tuple[Finding, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able: `ok`, `rows` and the findings."""
        return {
            "ok": not self.findings,
            "rows": self.rows,
            "findings": [{name: str(value) for name, value in asdict(one).items()} for one in self.findings],
        }


def audit_everything(
    session: Session, *, full: bool = True, progress: Callable[[int], None] | None = None
) -> AuditReport:
    """Run every audit over the same snapshot. `progress` is told how many rows were read.

    Not `full`: transfers are read from the last opening balances on, which is much less in old ledgers.
    """
    rows = 0

    def count(done: int) -> None:
        nonlocal rows
        rows += done
        if progress:
            progress(done)

    looked_at: dict[str, int] = {}

    def count_rule(rule: str, so_far: int) -> None:
        count(so_far - looked_at.get(rule, 0))
        looked_at[rule] = so_far

    findings = [
        *audit_ledger(session, full=full, progress=count_rule),
        *audit_events(session, progress=count),
        *audit_reductions(session, progress=count),
        *_audit_catalogue(session, count),
        *audit_batches(session),
        *audit_redemptions(session),
        *audit_neutrality(session),
        *settlement.audit(session, progress=count),
        *(one for table in settlement.SEALED for one in changed_rows(session, table, count)),
    ]
    return AuditReport(rows=rows, findings=tuple(findings))


def _audit_catalogue(session: Session, progress: Callable[[int], None]) -> Iterator[Finding]:
    """Methodologies are the bytes that two parties have approved, and nobody has touched the approvals."""
    for table in catalogue.SEALED:
        yield from changed_rows(session, table, progress)
    for digest in catalogue.texts_changed(session):
        yield Finding("text-digest", "methodology_text", digest, "other bytes are stored under this digest")
    for name in catalogue.unapproved(session):
        detail = "published without two parties' approval of its bytes"
        yield Finding("four-eyes", "methodology_version", name, detail)
