"""What the database itself refuses, whoever writes to it: raw SQL, on both databases."""

import uuid
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work

TONNE = 10**9
ITEM = (
    "INSERT INTO batch_item "
    "(reduction_id, from_mg, to_mg, total_mg, after_mg, batch_id, position, grade, rehearsal) VALUES "
    "(:reduction, :from_mg, :to_mg, :total, :after, :batch, :position, :grade, :rehearsal)"
)


@pytest.fixture
def refused(yard: Any) -> Callable[..., None]:
    """Run SQL and expect the database to refuse it."""

    def run(sql: str, **values: object) -> None:
        with pytest.raises(IntegrityError), unit_of_work(yard.database) as session:
            session.execute(text(sql), bound(yard.database, values))

    return run


def bound(database: Database, values: dict[str, object]) -> dict[str, object]:
    embedded = database.settings.embedded
    return {k: v.hex if embedded and isinstance(v, uuid.UUID) else v for k, v in values.items()}


def run(yard: Any, sql: str, **values: object) -> int:
    with unit_of_work(yard.database) as session:
        return session.execute(text(sql), bound(yard.database, values)).rowcount  # type: ignore[attr-defined,no-any-return]


def item(yard: Any, reduction: uuid.UUID, **changes: object) -> dict[str, object]:
    given: dict[str, object] = {
        "reduction": reduction,
        "from_mg": 0,
        "to_mg": TONNE,
        "total": TONNE,
        "after": None,
        "batch": None,
        "position": None,
        "grade": "published",
        "rehearsal": True,
    }
    return given | changes


def test_ranges_of_a_reduction_form_one_chain(yard: Any, refused: Callable[..., None]) -> None:
    [reduction] = yard.reductions(TONNE)
    run(yard, ITEM, **item(yard, reduction, to_mg=400))
    run(yard, ITEM, **item(yard, reduction, from_mg=400, after=400))
    for changes in (
        {"to_mg": TONNE},  # a second beginning
        {"from_mg": 100, "to_mg": 200, "after": 100},  # after an end that is not there
        {"from_mg": 100, "to_mg": 200, "after": 400},  # overlapping, naming another end
        {"from_mg": 400, "to_mg": 500, "after": 400},  # two after the same end
        {"from_mg": 300, "to_mg": 400, "after": 300},  # the same end twice
        {"from_mg": 0, "to_mg": 300, "after": 0},
        {"from_mg": 700, "to_mg": 800, "after": None},
        {"from_mg": TONNE, "to_mg": TONNE + 1, "after": TONNE},  # beyond the reduction
        {"from_mg": 5, "to_mg": 5, "after": 5},
        {"from_mg": -5, "to_mg": 0, "after": -5},
    ):
        refused(ITEM, **item(yard, reduction, **changes))
    refused("DELETE FROM batch_item WHERE from_mg = 0")  # the next one names its end
    assert yard.findings() == []


def test_an_item_agrees_with_its_reduction(yard: Any, refused: Callable[..., None]) -> None:
    [reduction] = yard.reductions(TONNE)
    refused(ITEM, **item(yard, uuid.uuid4()))
    refused(ITEM, **item(yard, reduction, grade="official"))
    refused(ITEM, **item(yard, reduction, grade="secondary"))
    refused(ITEM, **item(yard, reduction, rehearsal=False))
    refused(ITEM, **item(yard, reduction, rehearsal=False, grade="official"))
    refused(ITEM, **item(yard, reduction, total=TONNE + 1))
    [points] = yard.reductions(TONNE, use="points")
    refused(ITEM, **item(yard, points))
    run(yard, ITEM, **item(yard, reduction))
    for change in ("grade = 'official'", "total_mg = 5", "rehearsal = false", "from_mg = 1", "after_mg = 0"):
        refused(f"UPDATE batch_item SET {change}")


def test_a_sandbox_batch_in_a_real_programme_is_refused_by_the_database(
    database: Database, make_yard: Any
) -> None:
    real = make_yard(database, programme="gd-sz")
    [reduction] = real.reductions(TONNE, grade="published")
    [assumed] = real.reductions(TONNE, grade="assumed")
    with pytest.raises(IntegrityError), unit_of_work(real.database) as session:
        session.execute(text(ITEM), bound(database, item(real, assumed, rehearsal=False, grade="assumed")))
    in_batch = {"batch": uuid.uuid4(), "position": 1}
    # An honest item of a sandbox reduction, then one that lies about the grade, then about the rehearsal.
    for changes in (
        {"rehearsal": False, **in_batch},
        {"rehearsal": False, "grade": "official"},
        {"rehearsal": True},
    ):
        with pytest.raises(IntegrityError), unit_of_work(real.database) as session:
            session.execute(text(ITEM), bound(database, item(real, reduction, **changes)))
    # A project that claims to be a rehearsal in a real programme, and the reverse.
    for sql in (
        "UPDATE project SET rehearsal = true WHERE programme = 'gd-sz'",
        "UPDATE project SET programme = 'x-gd-sz' WHERE programme = 'gd-sz'",
        "UPDATE programme SET rehearsal = true WHERE code = 'gd-sz'",
    ):
        with pytest.raises(IntegrityError), unit_of_work(real.database) as session:
            session.execute(text(sql))
    assert real.findings() == []


def test_an_item_enters_only_an_open_batch_of_its_own_kind(yard: Any, refused: Callable[..., None]) -> None:
    ours, other_day = yard.reductions(TONNE, TONNE)
    [outside] = yard.reductions(TONNE, business_day=date(2026, 9, 30))
    [older] = yard.reductions(TONNE, methodology_version="v0")
    yard.close()
    batch = yard.open()
    for wrong in (outside, older):
        refused(ITEM, **item(yard, wrong, batch=batch.id, position=1))
    refused(ITEM, **item(yard, ours, batch=batch.id))  # a batch without a position
    refused(ITEM, **item(yard, ours, position=1))
    refused(ITEM, **item(yard, ours, batch=uuid.uuid4(), position=1))
    yard.fill(batch, most_tonnes=1)
    yard.step("freeze_batch", batch)
    refused(ITEM, **item(yard, other_day, batch=batch.id, position=2))
    run(yard, ITEM, **item(yard, other_day))
    refused("UPDATE batch_item SET batch_id = :batch, position = 2 WHERE batch_id IS NULL", batch=batch.id)


def test_a_frozen_batch_does_not_change(yard: Any, refused: Callable[..., None]) -> None:
    yard.reductions(TONNE)
    yard.close()
    batch = yard.frozen()
    for sql in (
        "UPDATE batch_item SET batch_id = NULL, position = NULL",
        "UPDATE batch_item SET position = 2",
        "UPDATE batch_item SET to_mg = 5",
        "DELETE FROM batch_item",
        f"UPDATE batch SET merkle_root = '{'0' * 64}'",
        "UPDATE batch SET tonnes = 2, batch_mg = 2000000000",
        "UPDATE batch SET leaf_count = 2",
        "UPDATE batch SET exclusions = '[1]'",
        "UPDATE batch SET prepared_by = 'somebody else'",
        "UPDATE batch SET salt = :salt",
        "UPDATE batch SET vintage = 2025",
        "UPDATE batch SET methodology_version = 'v2'",
        "UPDATE batch SET state = 'open'",
        "UPDATE batch SET state = 'verified', verifier = 'v', statement = 's'",
        "UPDATE batch SET state = 'registered', verifier = 'v', statement = 's'",
        "UPDATE batch SET verifier = 'operator-1'",  # the preparer
        "DELETE FROM batch",
    ):
        refused(sql, **({"salt": b"0" * 32} if ":salt" in sql else {}))
    assert yard.findings() == []
    assert run(yard, "UPDATE batch SET salt = NULL") == 1, "forgetting the salt is allowed"
    assert batch.merkle_root is not None


def test_an_open_batch_needs_root_and_whole_tonnes_to_be_frozen(
    yard: Any, refused: Callable[..., None]
) -> None:
    yard.open()
    refused("UPDATE batch SET state = 'frozen'")
    sums = "leaf_count = 1, gross_mg = 1, credited_mg = 1, frozen_at = '2026-11-21 00:00:00'"
    root = f"merkle_root = '{'0' * 64}'"
    refused(f"UPDATE batch SET state = 'frozen', {sums}, {root}, batch_mg = 1500000000, tonnes = 1")
    refused(f"UPDATE batch SET state = 'frozen', {sums}, {root}, batch_mg = 0, tonnes = 0")
    refused(f"UPDATE batch SET state = 'frozen', {sums}, batch_mg = 1000000000, tonnes = 1")


def test_serials_are_not_reused_deleted_or_without_their_mark(
    yard: Any, refused: Callable[..., None]
) -> None:
    yard.reductions(2 * TONNE)
    yard.close()
    batch = yard.registered()
    for sql in (
        "UPDATE serial_counter SET next_no = 1",
        "DELETE FROM serial_counter",
        "DELETE FROM serial_range",
        "UPDATE serial_range SET series = 'GD-SZ-metro'",
        "UPDATE serial_range SET series = 'x-GD-SZ-metro'",
        "UPDATE serial_range SET tonnes = 3",
        "UPDATE serial_range SET last_no = 3",
        "UPDATE serial_range SET first_no = 0, tonnes = 3",
        "UPDATE serial_range SET state = 'burnt'",
        "UPDATE serial_range SET vintage = 2025",
    ):
        refused(sql)
    again = (
        "INSERT INTO serial_range SELECT :id, programme, project_id, batch_id, vintage, series, {numbers}, "
        "state, issued_at FROM serial_range WHERE batch_id = :batch"
    )
    for numbers in ("1, 5, 5", "0, 2, 3", "first_no, last_no, tonnes"):
        refused(again.format(numbers=numbers), id=uuid.uuid4(), batch=batch.id)


def test_steps_are_append_only(yard: Any, refused: Callable[..., None]) -> None:
    yard.open()
    refused("UPDATE batch_step SET actor = 'somebody else'")
    refused("DELETE FROM batch_step")
