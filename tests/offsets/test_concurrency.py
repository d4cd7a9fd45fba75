"""Two at once, on PostgreSQL: one wins, the other is told."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.errors import CarbonError
from carbon_credit.kernel.unit_of_work import transact
from carbon_credit.offsets import operations

TONNE = 10**9


@pytest.fixture
def server(postgresql_database: Database, make_yard: Any) -> Any:
    return make_yard(postgresql_database)


def outcomes(*deeds: Any) -> list[str]:
    """The error codes of deeds done at the same time, "done" for those that had none."""

    def attempt(deed: Any) -> str:
        try:
            deed()
        except CarbonError as error:
            return error.code
        return "done"

    with ThreadPoolExecutor(len(deeds)) as pool:
        return sorted(pool.map(attempt, deeds))


def test_two_fill_overlapping_batches_at_once(server: Any) -> None:
    server.reductions(*[TONNE // 2] * 4)
    server.close()
    mine = server.open()
    server.project = transact(
        server.database,
        lambda session: operations.create_project(
            session,
            programme=server.programme,
            terms=server.terms("other"),
            actor="operator-2",
            now=mine.opened_at,
        ),
    )
    theirs = server.open()
    assert outcomes(lambda: server.fill(mine), lambda: server.fill(theirs)) == ["done", "not-a-whole-tonne"]
    assert server.findings() == []


def test_a_batch_is_frozen_once(server: Any) -> None:
    server.reductions(TONNE, TONNE)
    server.close()
    batch = server.open()
    server.fill(batch)
    found = outcomes(*[lambda: server.step("freeze_batch", batch)] * 3)
    assert found == ["batch-step-not-allowed", "batch-step-not-allowed", "done"]
    assert server.balance("batch.frozen", batch.id) == 2 * TONNE
    assert server.findings() == []


def test_a_batch_is_either_verified_or_rejected(server: Any) -> None:
    server.reductions(TONNE)
    server.close()
    batch = server.frozen()
    server.step("start_verification", batch, "verifier-1")
    found = outcomes(
        lambda: server.step("verify_batch", batch, "verifier-1", statement="S"),
        lambda: server.step("reject_batch", batch, reason="?"),
    )
    assert found == ["batch-step-not-allowed", "done"]
    assert server.findings() == []


def test_serials_of_batches_registered_at_once_follow_each_other(server: Any) -> None:
    server.reductions(*[TONNE] * 4)
    server.close()
    batches = []
    for _number in range(4):
        batch = server.frozen(most_tonnes=1)
        server.step("start_verification", batch, "verifier-1")
        server.step("verify_batch", batch, "verifier-1", statement="S")
        batches.append(server.step("apply_batch", batch))
    deeds = [lambda batch=batch: server.step("register_batch", batch) for batch in batches]
    assert outcomes(*deeds) == ["done"] * 4
    assert server.findings() == []
