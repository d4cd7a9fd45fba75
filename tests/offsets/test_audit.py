"""The audit names what was changed behind the back of the service."""

from typing import Any

import pytest
from sqlalchemy import text

from carbon_credit.kernel.unit_of_work import unit_of_work

TONNE = 10**9


@pytest.mark.parametrize(
    ("trigger", "sql", "rule"),
    [
        (
            "batch_item_update batch_item_assign",
            "UPDATE batch_item SET to_mg = to_mg - 1 WHERE from_mg = 0",
            "ranges-add-up",
        ),
        ("batch_item_update", "UPDATE batch_item SET batch_id = NULL, position = NULL", "batch-sums"),
        (
            "batch_item_pinned batch_item_update batch_item_assign",
            "UPDATE batch_item SET grade = 'assumed'",
            "reduction-agrees",
        ),
        (
            "batch_item_pinned batch_item_update batch_item_assign",
            "UPDATE batch_item SET reduction_id = '00000000000000000000000000000000'",
            "reduction-exists",
        ),
        ("batch_step_no_update", "UPDATE batch_step SET actor = 'x' WHERE step = 'freeze'", "row-mac"),
        ("batch_step_no_delete", "DELETE FROM batch_step WHERE step = 'freeze'", "steps-connect"),
        ("batch_change", "UPDATE batch SET leaf_count = 5", "batch-facts"),
        ("batch_change", "UPDATE batch SET tonnes = 3, batch_mg = 3000000000", "batch-facts"),
        ("batch_change", "UPDATE batch SET state = 'returned'", "batch-state"),
        ("", "UPDATE account SET credits_posted = 5 WHERE kind = 'batch.issued'", "batch-ledger"),
        ("", "UPDATE serial_range SET first_no = 2, tonnes = 1", "serials-follow"),
        ("serial_counter_forward", "UPDATE serial_counter SET next_no = 9", "serial-counter"),
        ("serial_range_delete", "DELETE FROM serial_range", "serials-tonnes"),
    ],
)
def test_a_change_by_sql_is_named(embedded: Any, trigger: str, sql: str, rule: str) -> None:
    embedded.reductions(2 * TONNE)
    embedded.close()
    embedded.registered()
    assert embedded.findings() == []
    with unit_of_work(embedded.database) as session:
        for name in trigger.split():
            session.execute(text(f"DROP TRIGGER {name}"))
        session.execute(text(sql))
    assert rule in {finding.split(":")[0] for finding in embedded.findings()}
