"""Citizens retire grams of their own: which, once, and never what a batch holds."""

import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from carbon_credit.catalogue.queries import version
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.digest import canonical_json
from carbon_credit.kernel.errors import CarbonError
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.ledger.audit import audit as audit_ledger
from carbon_credit.offsets import errors, queries
from carbon_credit.offsets.ended import take_back_ended
from carbon_credit.offsets.models import BatchItem
from carbon_credit.offsets.retirement.queries import Retirement, retirement, retirements_of
from carbon_credit.offsets.retirement.retiring import Retirable
from carbon_credit.quantification.periods import record_closing
from carbon_credit.quantification.recording import append_adjustments, append_ends
from carbon_credit.verifier.check import check_dossier
from tests.offsets.test_batches import reasons
from tests.offsets.test_database_rules import ITEM, bound, item
from tests.offsets.test_revised import collect
from tests.redemption.test_races import race

KG = 1_000_000
TONNE = 1_000 * KG
NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


@pytest.fixture
def alone(database: Database, make_yard: Callable[..., Any]) -> Any:
    """A yard with one citizen, on either database."""
    return make_yard(database, people=1)


def held_back(found: Retirable) -> dict[str, int]:
    return {one.reason: one.mg for one in found.held_back}


def marked(yard: Any, of: Retirement) -> list[tuple[uuid.UUID, int, int]]:
    """The ranges of a retirement, by time."""
    statement = (
        select(BatchItem.reduction_id, BatchItem.from_mg, BatchItem.to_mg)
        .where(BatchItem.retirement_id == of.id)
        .order_by(BatchItem.reduction_id)
    )
    with unit_of_work(yard.database, read_only=True) as session:
        return [tuple(row) for row in session.execute(statement)]


def sound(yard: Any) -> bool:
    with unit_of_work(yard.database, read_only=True) as session:
        assert audit_ledger(session) == []
    assert yard.findings() == []
    return True


def own(yard: Any, person: int = 0) -> int:
    return int(yard.balance("citizen.reductions", yard.world.citizens[person]))


def test_the_oldest_go_first_and_the_rest_of_the_last_enters_a_batch(alone: Any) -> None:
    first, second, third = alone.reductions(400 * KG, 900 * KG, 700 * KG)
    alone.close()
    done = alone.retire(600 * KG)
    assert (done.co2e_mg, done.grade, done.rehearsal, done.withdrawn_mg) == (600 * KG, "published", True, 0)
    assert marked(alone, done) == [(first, 0, 400 * KG), (second, 0, 200 * KG)]
    assert (own(alone), alone.balance("retired", done.id)) == (1_400 * KG, 600 * KG)
    preview = alone.preview()
    assert (preview.eligible_mg, reasons(preview)) == (1_400 * KG, {"retired": (2, 600 * KG)})
    assert "注销" in preview.text("zh")
    batch = alone.frozen()
    assert alone.ranges(batch) == [(second, 200 * KG, 900 * KG), (third, 0, 300 * KG)]
    found = alone.retirable()
    assert found.available_mg == 400 * KG
    assert held_back(found) == {"in-batch": TONNE, "retired": 600 * KG}
    with pytest.raises(errors.GramsUnavailable) as refused:
        alone.retire(400 * KG + 1)
    assert refused.value.details == {"available_mg": 400 * KG}
    assert alone.retire().co2e_mg == 400 * KG
    for nothing in (None, 1):
        with pytest.raises(errors.GramsUnavailable):
            alone.retire(nothing)
    assert (own(alone), sound(alone)) == (0, True)


def test_a_verifier_finds_nothing_wrong_with_what_is_left(embedded: Any) -> None:
    embedded.rides(*[99_000 + n for n in range(230)])
    embedded.close()
    embedded.retire(30 * KG + 1)
    report = check_dossier(embedded.export(embedded.registered()))
    assert (report.difference, report.tonnes) == (None, 1)
    assert sound(embedded)


def test_what_a_rejected_batch_gives_back_may_be_retired(alone: Any) -> None:
    first, second = alone.reductions(800 * KG, 800 * KG)
    alone.close()
    early = alone.retire(100 * KG)
    batch = alone.open()
    alone.fill(batch)
    # Nothing is frozen yet, and all the same it is the batch's until that is given up.
    assert held_back(alone.retirable()) == {"in-batch": TONNE, "retired": 100 * KG}
    with pytest.raises(errors.GramsUnavailable):
        alone.retire(600 * KG)
    alone.step("reject_batch", batch, reason="once more")
    done = alone.retire(1_200 * KG)
    assert marked(alone, early) == [(first, 0, 100 * KG)]
    assert marked(alone, done) == [(first, 100 * KG, 800 * KG), (second, 0, 500 * KG)]
    # An empty one is filled anew from what is left, and that is less than a tonne.
    with pytest.raises(errors.NotAWholeTonne):
        alone.fill(alone.open())
    assert sound(alone)


def test_only_what_nothing_else_can_lower_is_retired(alone: Any) -> None:
    assert alone.retirable() == Retirable(0, ())
    kept, ended, capped = alone.reductions(7, 20, 30)
    assert held_back(alone.retirable()) == {"not-closed": 57}
    with pytest.raises(errors.GramsUnavailable):
        alone.retire(1)
    alone.close()
    alone.reductions(22, mandate_id=None)  # one's own grams need no mandate
    alone.reductions(5, use="points")
    alone.reductions(3, grade="assumed")  # in a rehearsal everything may be tried
    [later] = alone.reductions(41, accounting_day=date(2026, 11, 3))
    # Two methodologies that net over the year; one of them also has a condition that only the year decides.
    energy = {"baseline_wh": 2, "energy_wh": 1}
    for name, known in (
        ("sx-household-energy", {}),
        ("sh-household-electricity", {"pv_owner": "no", "tariff_tier": "first"}),
    ):
        with unit_of_work(alone.database, read_only=True) as session:
            digest = version(session, methodology_id=name, version="v1").digest
        inputs = canonical_json({**energy, **known}).decode()
        named = {"methodology_id": name, "version_digest": digest, "inputs": inputs}
        alone.reductions(100, activity_type="electricity.period", **named)
    with unit_of_work(alone.database) as session:
        append_ends(session, ended=[ended], reason="withdrawn", now=NOW)
        append_adjustments(
            session,
            programme=alone.programme,
            changes=[(capped, -30, "cap")],
            accounting_day=date(2026, 11, 2),
            now=NOW,
        )
    assert alone.retirable().available_mg == 7 + 22 + 3
    assert held_back(alone.retirable()) == {
        "withdrawn": 20,
        "year-open": 100,
        "netted": 100,
        "not-closed": 41,
    }
    with unit_of_work(alone.database) as session:
        record_closing(
            session,
            programme=alone.programme,
            kind="year",
            starts_on=date(2026, 1, 1),
            closed_by="test",
            reductions=0,
            credited_mg=0,
            corrected_mg=0,
            now=NOW,
        )
    # What nets over a year may still be lowered by what becomes of the others.
    assert held_back(alone.retirable()) == {"withdrawn": 20, "netted": 200, "not-closed": 41}
    done = alone.retire()
    assert (done.co2e_mg, done.grade) == (32, "assumed")
    assert later not in {reduction for reduction, *_ in marked(alone, done)}
    assert kept in {reduction for reduction, *_ in marked(alone, done)}


def test_outside_rehearsal_what_is_published_may_be_retired_and_sandbox_not(
    database: Database, make_yard: Callable[..., Any]
) -> None:
    real = make_yard(database, programme="gd-sz", people=1)
    first, second = real.reductions(500, 300, grade="published")
    real.reductions(200, grade="official")
    real.reductions(90, grade="assumed")
    real.close()
    assert held_back(real.retirable()) == {"sandbox": 90}
    done = real.retire(600)
    assert (done.co2e_mg, done.grade, done.rehearsal) == (600, "published", False)
    # What is left of a published one is in the chain, and in no batch for all that.
    assert marked(real, done) == [(first, 0, 500), (second, 0, 100)]
    with pytest.raises(IntegrityError), unit_of_work(database) as session:
        session.execute(
            text("UPDATE batch_item SET batch_id = :batch, position = 1 WHERE retirement_id IS NULL"),
            bound(database, {"batch": uuid.uuid4()}),
        )
    assert sound(real)


def test_a_citizen_retires_up_to_where_the_partners_part_begins(alone: Any) -> None:
    first, second = alone.reductions(700 * KG, 900 * KG)
    collect(alone, first, 0, 700 * KG)
    collect(alone, second, 0, 400 * KG)
    alone.close()
    assert alone.retirable().available_mg == 500 * KG
    assert held_back(alone.retirable()) == {"partner": 1_100 * KG}
    done = alone.retire(200 * KG)
    more = alone.retire()
    assert marked(alone, done) == [(second, 0, 200 * KG)]
    assert marked(alone, more) == [(second, 200 * KG, 500 * KG)]
    assert own(alone) == 0
    # The partner's part may be sold, and only that.
    batch = alone.frozen()
    assert alone.ranges(batch) == [(first, 0, 700 * KG), (second, 500 * KG, 800 * KG)]
    assert alone.balance("partner.reductions", alone.world.partner) == 100 * KG
    assert sound(alone)


def test_what_is_withdrawn_after_it_was_retired_stays_retired_and_is_told(alone: Any) -> None:
    retired, cut, free = alone.reductions(300, 400, 500)
    alone.close()
    done = alone.retire(450)
    transact(
        alone.database,
        lambda session: append_ends(session, ended=[retired, cut, free], reason="withdrawn", now=NOW),
    )
    # As with what a batch holds: the whole of a reduction that is spoken for stays, the others go.
    assert transact(alone.database, lambda s: take_back_ended(s, now=NOW, limit=10)) == 1
    assert transact(alone.database, lambda s: take_back_ended(s, now=NOW, limit=10)) == 0
    assert (own(alone), alone.balance("retired", done.id)) == (250, 450)
    assert alone.retirable().available_mg == 0
    assert alone.preview().eligible_mg == 0
    with unit_of_work(alone.database, read_only=True) as session:
        found = retirement(session, retirement_id=done.id)
        listed = retirements_of(session, programme=alone.programme, citizen_id=alone.world.citizens[0])
        spoken_for = queries.spoken_for(session, reduction_ids=[retired, cut, free])
        with pytest.raises(errors.RetirementNotFound):
            retirement(session, retirement_id=uuid.uuid4())
    assert (found.co2e_mg, found.withdrawn_mg) == (450, 450)
    assert listed == [found]
    assert spoken_for == {retired, cut}
    assert sound(alone)


def test_the_database_keeps_what_was_retired(yard: Any) -> None:
    first, other, free = yard.reductions(TONNE, TONNE, TONNE)
    yard.close()
    done = yard.retire(TONNE - 5)

    def refused(sql: str, **values: object) -> None:
        with pytest.raises(DBAPIError), unit_of_work(yard.database) as session:
            session.execute(text(sql), bound(yard.database, values))

    batch = yard.open()
    ours = "WHERE retirement_id = :own"
    for change in ("retirement_id = NULL", "to_mg = 5", "total_mg = 5", "grade = 'official'"):
        refused(f"UPDATE batch_item SET {change} {ours}", own=done.id)
    refused(f"UPDATE batch_item SET batch_id = :batch, position = 1 {ours}", own=done.id, batch=batch.id)
    refused(
        f"UPDATE batch_item SET retirement_id = NULL, batch_id = :batch, position = 1 {ours}",
        own=done.id,
        batch=batch.id,
    )
    refused(f"DELETE FROM batch_item {ours}", own=done.id)
    refused("UPDATE citizen_retirement SET co2e_mg = 5")
    refused("DELETE FROM citizen_retirement")
    # Somebody else's grams, for this retirement; by hand, and not even then.
    values = bound(yard.database, item(yard, other) | {"own": done.id})
    by_hand = ITEM.replace("rehearsal) VALUES", "rehearsal, retirement_id) VALUES").replace(
        ":rehearsal)", ":rehearsal, :own)"
    )
    with pytest.raises(IntegrityError), unit_of_work(yard.database) as session:
        session.execute(text(by_hand), values)
    with unit_of_work(yard.database) as session:
        session.execute(text(ITEM), bound(yard.database, item(yard, free)))
    refused("UPDATE batch_item SET retirement_id = :own WHERE reduction_id = :free", own=done.id, free=free)
    # Both at once, and one that is not there.
    values = bound(yard.database, item(yard, other, batch=batch.id, position=1) | {"own": done.id})
    with pytest.raises(IntegrityError), unit_of_work(yard.database) as session:
        session.execute(text(by_hand), values)
    values = bound(yard.database, item(yard, other) | {"own": uuid.uuid4()})
    with pytest.raises(IntegrityError), unit_of_work(yard.database) as session:
        session.execute(text(by_hand), values)
    assert marked(yard, done) == [(first, 0, TONNE - 5)]


@pytest.mark.parametrize(
    ("triggers", "sql", "rule"),
    [
        ("citizen_retirement_no_update", "UPDATE citizen_retirement SET co2e_mg = co2e_mg - 1", "row-mac"),
        ("citizen_retirement_no_update", "UPDATE citizen_retirement SET purpose_en = 'Other'", "row-mac"),
        (
            "citizen_retirement_no_update",
            "UPDATE citizen_retirement SET co2e_mg = co2e_mg - 1",
            "retirement-ledger",
        ),
        (
            "batch_item_update batch_item_assign",
            "UPDATE batch_item SET to_mg = to_mg - 1 WHERE retirement_id IS NOT NULL AND to_mg = total_mg",
            "retirement-ranges",
        ),
        (
            "batch_item_update batch_item_assign",
            "UPDATE batch_item SET retirement_id = NULL",
            "retirement-ranges",
        ),
        (
            "citizen_retirement_no_delete batch_item_update",
            "DELETE FROM citizen_retirement",
            "retirement-exists",
        ),
        (
            "batch_item_pinned batch_item_update batch_item_assign",
            "UPDATE batch_item SET grade = 'assumed'",
            "reduction-agrees",
        ),
    ],
)
def test_a_change_by_sql_is_named(embedded: Any, triggers: str, sql: str, rule: str) -> None:
    embedded.reductions(700)
    embedded.close()
    embedded.retire()
    assert embedded.findings() == []
    # Nor does a key point at it while it is changed.
    with embedded.database.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.execute("PRAGMA foreign_keys = OFF")
        for name in triggers.split():
            driver.execute(f"DROP TRIGGER {name}")
        driver.execute(sql)
        driver.execute("PRAGMA foreign_keys = ON")
    assert rule in {finding.split(":")[0] for finding in embedded.findings()}


def won(results: list[Any], *refusals: type[CarbonError]) -> list[Any]:
    """Those that were not refused; every refusal is one of `refusals`."""
    for one in results:
        assert not isinstance(one, tuple), results
        assert not isinstance(one, CarbonError) or type(one) in refusals, results
    return [one for one in results if not isinstance(one, CarbonError)]


def test_a_batch_and_its_citizen_want_the_same_grams_and_one_gets_them(alone: Any) -> None:
    alone.close()
    batched = retired = 0
    for _ in range(6):
        alone.reductions(TONNE)
        batch = alone.open()

        def sell(batch: Any = batch) -> Any:
            alone.fill(batch)
            return alone.step("freeze_batch", batch)

        (winner,) = won(race(sell, alone.retire), errors.NotAWholeTonne, errors.GramsUnavailable)
        if isinstance(winner, Retirement):
            retired += winner.co2e_mg
            alone.step("reject_batch", batch, reason="nothing was left")
        else:
            batched += winner.batch_mg
        assert own(alone) == 0
    assert batched + retired == 6 * TONNE
    assert sound(alone)


def test_a_batch_that_is_frozen_while_its_citizen_retires_keeps_what_it_was_filled_with(alone: Any) -> None:
    alone.reductions(TONNE, 5)
    alone.close()
    batch = alone.open()
    alone.fill(batch)
    results = race(
        lambda: alone.step("freeze_batch", batch), lambda: alone.retire(6), lambda: alone.retire(5)
    )
    frozen, five = won(results, errors.GramsUnavailable)
    assert (frozen.batch_mg, five.co2e_mg) == (TONNE, 5)
    assert sound(alone)


def test_a_batch_is_given_up_while_its_citizen_retires(alone: Any) -> None:
    alone.reductions(1_400 * KG)
    alone.close()
    for _ in range(3):
        batch = alone.frozen()
        results = race(
            lambda batch=batch: alone.step("reject_batch", batch, reason="no"), lambda: alone.retire(100 * KG)
        )
        assert len(won(results)) == 2
    assert alone.retirable().available_mg == own(alone) == 1_100 * KG
    assert sound(alone)


def test_the_same_grams_are_retired_once_by_one_who_clicks_often(alone: Any) -> None:
    alone.reductions(*[100 * KG] * 10)
    alone.close()
    assert len(won(race(*[lambda: alone.retire(300 * KG)] * 5), errors.GramsUnavailable)) == 3
    (last,) = won(race(alone.retire, alone.retire, alone.retire), errors.GramsUnavailable)
    assert (last.co2e_mg, own(alone)) == (100 * KG, 0)
    assert sound(alone)


def test_what_is_withdrawn_while_it_is_retired_is_taken_back_or_stays_retired(alone: Any) -> None:
    ids = alone.reductions(*[100] * 8)
    alone.close()
    for reduction in ids:

        def withdraw(one: uuid.UUID = reduction) -> None:
            transact(
                alone.database,
                lambda session: append_ends(session, ended=[one], reason="withdrawn", now=NOW),
            )
            transact(alone.database, lambda session: take_back_ended(session, now=NOW, limit=10))

        won(race(withdraw, lambda: alone.retire(100)), errors.GramsUnavailable)
    with unit_of_work(alone.database, read_only=True) as session:
        done = retirements_of(session, programme=alone.programme, citizen_id=alone.world.citizens[0])
        taken_back = session.scalar(text("SELECT COUNT(*) FROM reduction_adjustment"))
    assert 0 < sum(one.co2e_mg for one in done) == sum(one.withdrawn_mg for one in done)
    assert (own(alone), len(done) + taken_back) == (0, 8)
    assert sound(alone)
