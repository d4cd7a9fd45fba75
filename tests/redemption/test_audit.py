"""The audit names a redemption that is not what the ledger says of it."""

from datetime import date

import pytest
from sqlalchemy import text

from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.redemption.audit import audit
from carbon_credit.sweeps.audit import audit_everything
from tests.redemption.conftest import LATER, Mall

SOONER = date(2026, 12, 31)


def found_in(mall: Mall) -> list[tuple[str, str, str]]:
    with unit_of_work(mall.database, read_only=True) as session:
        return [(one.rule, one.row, one.detail) for one in audit(session)]


def four_ends(mall: Mall) -> dict[str, str]:
    """One redemption of each state, each paid from two lots: state -> id."""
    citizen = mall.citizen({SOONER: 30, LATER: 70})
    offer = mall.offer(voucher_ttl_s=3600)
    cancelled = mall.reserve(citizen, offer)
    mall.cancel(citizen, cancelled.id)
    expired = mall.reserve(citizen, offer)
    mall.later(hours=2)
    assert mall.sweep() == 1
    consumed = mall.reserve(citizen, offer)
    mall.consume(consumed.code)
    mall.grant(citizen, 30, SOONER)
    mall.grant(citizen, 70)
    held = mall.reserve(citizen, offer)
    made = {"cancelled": cancelled, "expired": expired, "consumed": consumed, "held": held}
    return {state: str(one.id) for state, one in made.items()}


def test_every_end_of_a_redemption_is_sound(mall: Mall) -> None:
    four_ends(mall)
    assert found_in(mall) == []


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("consumed", "cancelled"),
        ("cancelled", "consumed"),
        ("expired", "consumed"),
        ("held", "consumed"),
        ("held", "expired"),
        ("consumed", "held"),
    ],
)
def test_a_state_changed_by_sql_is_named(mall: Mall, was: str, becomes: str) -> None:
    made = four_ends(mall)
    resolved = "NULL" if becomes == "held" else "COALESCE(resolved_at, held_at)"
    edit = f"UPDATE redemption SET state = :new, resolved_at = {resolved} WHERE state = :old"
    with unit_of_work(mall.database) as session:
        session.execute(text(edit), {"new": becomes, "old": was})
    ((rule, row, detail),) = found_in(mall)
    assert (rule, row) == ("redemption-state", made[was])
    assert f"it is {becomes}" in detail


def test_lots_that_are_gone_or_do_not_add_up_are_named(mall: Mall) -> None:
    made = four_ends(mall)
    with unit_of_work(mall.database) as session:
        session.execute(text("UPDATE redemption SET points = points + 1 WHERE state = 'consumed'"))
        session.execute(
            text(
                "DELETE FROM redemption_lot WHERE redemption_id IN "
                "(SELECT id FROM redemption WHERE state = 'cancelled')"
            )
        )
    rules = {(rule, row) for rule, row, _ in found_in(mall)}
    assert rules == {
        ("redemption-points", made["consumed"]),
        ("redemption-uses", made["consumed"]),
        ("redemption-points", made["cancelled"]),
    }


def test_the_whole_audit_asks_for_redemptions_too(mall: Mall) -> None:
    made = four_ends(mall)
    with unit_of_work(mall.database) as session:
        session.execute(text("UPDATE redemption SET state = 'cancelled' WHERE state = 'consumed'"))
    with unit_of_work(mall.database, read_only=True) as session:
        found = audit_everything(session).findings
    assert ("redemption", made["consumed"]) in {(one.table, one.row) for one in found}
