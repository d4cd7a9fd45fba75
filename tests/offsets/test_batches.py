"""From final reductions to registered tonnes, in exact integers."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from carbon_credit.identity.consents import withdraw_mandate
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.offsets import errors, operations, queries
from carbon_credit.quantification.recording import append_adjustments, append_ends

TONNE = 10**9
NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


def reasons(preview: Any) -> dict[str, tuple[int | None, int]]:
    return {one.reason: (one.count, one.mg) for one in preview.exclusions}


def sizes(yard: Any, batch: Any) -> list[int]:
    return [to - start for _id, start, to in yard.ranges(batch)]


def test_what_the_last_tonne_leaves_over_enters_the_next_batch(yard: Any) -> None:
    yard.reductions(999_999_999, 1_000_000_000)
    yard.close()
    assert (yard.preview().tonnes, yard.preview().left_mg) == (1, 999_999_999)
    first = yard.registered()
    assert (first.tonnes, first.batch_mg, first.leaf_count) == (1, TONNE, 2)
    assert sizes(yard, first) == [999_999_999, 1]
    assert reasons(first) == {"remainder": (None, 999_999_999)}
    assert yard.preview().left_mg == 999_999_999
    yard.reductions(1)
    second = yard.registered()
    assert [(start, to) for _id, start, to in yard.ranges(second)] == [(1, 1_000_000_000), (0, 1)]
    assert second.tonnes == 1
    assert yard.preview().eligible_mg == 0
    assert yard.findings() == []


def test_nothing_and_less_than_a_tonne_are_refused_with_what_is_left(embedded: Any) -> None:
    embedded.close()
    with pytest.raises(errors.NotAWholeTonne):
        embedded.fill(embedded.open())
    embedded.reductions(41_200_000)
    preview = embedded.preview()
    assert (preview.tonnes, preview.left_mg) == (0, 41_200_000)
    assert preview.text("en").startswith("1 reductions may enter: 0 whole tonnes, 41.2 kg left over.")
    assert "0 整吨，余 41.2 千克" in preview.text("zh")
    [batch] = batches(embedded)
    with pytest.raises(errors.NotAWholeTonne) as refusal:
        embedded.fill(batch)
    assert refusal.value.details["left_kg"] == "41.2"
    with pytest.raises(errors.BatchEmpty):
        embedded.step("freeze_batch", batch)


def batches(yard: Any) -> list[Any]:
    with unit_of_work(yard.database, read_only=True) as session:
        return queries.batches(session, programme=yard.programme, limit=10)


def test_only_closed_mandated_credit_reductions_of_the_project_enter(yard: Any) -> None:
    yard.reductions(TONNE + 5)
    assert yard.preview().tonnes == 0
    assert reasons(yard.preview()) == {"not-closed": (None, TONNE + 5)}
    yard.close()
    [ended] = yard.reductions(21)
    yard.reductions(22, mandate_id=None)
    yard.reductions(23, activity_type="walk")
    yard.reductions(24, vintage=2025)
    yard.reductions(25, use="points")  # not the batch's business: never shown
    [capped] = yard.reductions(26)
    with unit_of_work(yard.database) as session:
        append_ends(session, ended=[ended], reason="withdrawn", now=NOW)
        changes = [(ended, -21, "withdrawn"), (capped, -26, "cap")]
        append_adjustments(
            session, programme=yard.programme, changes=changes, accounting_day=date(2026, 11, 2), now=NOW
        )
    preview = yard.preview()
    assert (preview.reductions, preview.tonnes, preview.left_mg) == (1, 1, 5)
    assert reasons(preview) == {
        "outside-project": (1, 23),
        "withdrawn": (1, 0),
        "nothing-credited": (1, 0),
        "other-vintage": (1, 24),
        "no-mandate": (1, 22),
    }
    batch = yard.frozen()
    assert sizes(yard, batch) == [TONNE]


def test_a_mandate_withdrawn_before_the_freeze_takes_its_reductions_out(yard: Any) -> None:
    yard.reductions(400_000_000, 400_000_000, 400_000_000, 400_000_000)
    yard.close()
    batch = yard.open()
    yard.fill(batch)
    with unit_of_work(yard.database) as session:
        withdraw_mandate(session, programme=yard.programme, citizen_id=yard.world.citizens[1], now=NOW)
    with pytest.raises(errors.BatchStale, match="withdrew the mandate"):
        yard.step("freeze_batch", batch)
    preview = yard.fill(batch)
    assert reasons(preview)["mandate-withdrawn"] == (1, 400_000_000)
    frozen = yard.step("freeze_batch", batch)
    assert frozen.tonnes == 1
    assert yard.findings() == []


def test_a_withdrawal_after_the_freeze_changes_nothing_in_the_batch(embedded: Any) -> None:
    embedded.reductions(TONNE)
    embedded.close()
    batch = embedded.frozen()
    before = embedded.export(batch)
    with unit_of_work(embedded.database) as session:
        withdraw_mandate(
            session, programme=embedded.programme, citizen_id=embedded.world.citizens[0], now=NOW
        )
    assert embedded.export(batch) == before
    assert embedded.registered_after(batch).tonnes == 1


def test_an_event_withdrawn_between_filling_and_freezing_is_found(embedded: Any) -> None:
    first, _second = embedded.reductions(TONNE, TONNE)
    embedded.close()
    batch = embedded.open()
    embedded.fill(batch)
    with unit_of_work(embedded.database) as session:
        append_ends(session, ended=[first], reason="superseded", now=NOW)
        append_adjustments(
            session,
            programme=embedded.programme,
            changes=[(first, -TONNE, "superseded")],
            accounting_day=date(2026, 11, 2),
            now=NOW,
        )
    with pytest.raises(errors.BatchStale):
        embedded.step("freeze_batch", batch)
    embedded.fill(batch)
    assert embedded.step("freeze_batch", batch).tonnes == 1
    assert embedded.findings() == []


def test_the_grams_move_in_the_ledger_and_come_back(yard: Any) -> None:
    yard.reductions(300_000_000, 300_000_000, 500_000_000)
    yard.close()
    citizens = yard.world.citizens
    batch = yard.frozen()
    assert [yard.balance("citizen.reductions", c) for c in citizens] == [0, 0, 100_000_000]
    assert yard.balance("batch.frozen", batch.id) == TONNE
    yard.step("reject_batch", batch, reason="boundary unclear")
    assert [yard.balance("citizen.reductions", c) for c in citizens] == [
        300_000_000,
        300_000_000,
        500_000_000,
    ]
    assert yard.balance("batch.frozen", batch.id) == 0
    assert yard.ranges(batch) == []
    again = yard.registered()
    assert again.id != batch.id
    assert sizes(yard, again) == [300_000_000, 300_000_000, 400_000_000]
    assert yard.balance("batch.issued", again.id) == TONNE
    assert yard.findings() == []


def test_a_released_batch_can_be_filled_with_other_cuts(yard: Any) -> None:
    yard.reductions(700_000_000, 700_000_000, 700_000_000)
    yard.close()
    first = yard.frozen(most_tonnes=1)
    assert sizes(yard, first) == [700_000_000, 300_000_000]
    yard.step("reject_batch", first, reason="start anew")
    second = yard.frozen()
    assert sizes(yard, second) == [700_000_000, 700_000_000, 600_000_000]
    assert (second.leaf_count, second.credited_mg, second.tonnes) == (3, 2_100_000_000, 2)
    yard.step("reject_batch", second, reason="and again")
    third = yard.frozen(most_tonnes=1)
    assert sum(sizes(yard, third)) == TONNE
    assert yard.findings() == []


def test_neighbouring_ranges_that_come_free_are_one_leaf_again(yard: Any) -> None:
    yard.reductions(2_500_000_000, 500_000_000)
    yard.close()
    first = yard.frozen(most_tonnes=1)
    second = yard.frozen(most_tonnes=1)
    assert (sizes(yard, first), sizes(yard, second)) == ([TONNE], [TONNE])
    yard.step("reject_batch", second, reason="start anew")
    third = yard.frozen()
    assert sizes(yard, third) == [1_500_000_000, 500_000_000]
    assert third.leaf_count == 2
    assert yard.findings() == []


def test_a_correction_of_released_reductions_is_batched_as_corrected(embedded: Any) -> None:
    first, second = embedded.reductions(TONNE + 7, TONNE)
    embedded.close()
    batch = embedded.frozen(most_tonnes=1)
    embedded.step("reject_batch", batch, reason="corrections come")
    with unit_of_work(embedded.database) as session:
        append_adjustments(
            session,
            programme=embedded.programme,
            changes=[(first, -8, "cap")],
            accounting_day=date(2026, 11, 2),
            now=NOW,
        )
    batch = embedded.open()
    embedded.fill(batch)
    assert embedded.ranges(batch) == [(first, 0, TONNE - 1), (second, 0, 1)]


def test_a_correction_after_a_part_was_frozen_leaves_the_rest_to_a_person(embedded: Any) -> None:
    [first] = embedded.reductions(TONNE + 7)
    embedded.close()
    embedded.frozen()
    with unit_of_work(embedded.database) as session:
        append_adjustments(
            session,
            programme=embedded.programme,
            changes=[(first, -8, "cap")],
            accounting_day=date(2026, 11, 2),
            now=NOW,
        )
    assert reasons(embedded.preview()) == {"corrected-after-batch": (1, TONNE - 1)}


def test_the_order_is_that_of_the_events_and_filling_again_gives_the_same(embedded: Any) -> None:
    ids = embedded.reductions(*[300_000_000] * 10)
    embedded.close()
    batch = embedded.open()
    embedded.fill(batch)
    once = embedded.ranges(batch)
    embedded.fill(batch)
    assert embedded.ranges(batch) == once
    assert [reduction for reduction, _from, _to in once] == ids
    assert sum(to - start for _id, start, to in once) == 3 * TONNE
    embedded.fill(batch, most_tonnes=1)
    assert embedded.ranges(batch) == [*once[:3], (ids[3], 0, 100_000_000)]
    assert embedded.fill(batch).reductions == len(ids) == embedded.preview().reductions
    assert embedded.ranges(batch) == once


def test_two_batches_never_hold_the_same_milligram(yard: Any) -> None:
    yard.reductions(TONNE, TONNE)
    yard.close()
    yard.fill(yard.open())
    other = operations.create_project
    with unit_of_work(yard.database) as session:
        project = other(
            session,
            programme=yard.programme,
            terms=yard.terms("bus-and-metro"),
            actor="operator-2",
            now=NOW,
        )
        rival = operations.open_batch(
            session,
            programme=yard.programme,
            project_id=project.id,
            methodology_version="v1",
            starts_on=date(2026, 10, 1),
            ends_before=date(2026, 11, 1),
            actor="operator-2",
            now=NOW,
        )
    with pytest.raises(errors.NotAWholeTonne):
        yard.fill(rival)


def test_serials_count_on_within_project_and_vintage(yard: Any) -> None:
    yard.reductions(2 * TONNE, 3 * TONNE)
    yard.close()
    first, second = yard.registered(most_tonnes=2), yard.registered()
    with unit_of_work(yard.database, read_only=True) as session:
        [one] = queries.serials_of_batch(session, batch_id=first.id)
        [two] = queries.serials_of_batch(session, batch_id=second.id)
    assert (one.first, one.last) == ("X-GD-SZ-metro-2026-000000001", "X-GD-SZ-metro-2026-000000002")
    assert (two.first, two.last) == ("X-GD-SZ-metro-2026-000000003", "X-GD-SZ-metro-2026-000000005")
    assert (two.tonnes, two.state) == (3, "issued")
    assert yard.findings() == []


def test_who_prepared_a_batch_does_not_verify_it(embedded: Any) -> None:
    embedded.reductions(TONNE)
    embedded.close()
    batch = embedded.open("operator-2")
    embedded.fill(batch)
    embedded.step("freeze_batch", batch, "operator-3")
    for preparer in ("operator-1", "operator-2", "operator-3"):  # filled, opened, froze
        with pytest.raises(errors.NotIndependent):
            embedded.step("start_verification", batch, preparer)
    embedded.step("start_verification", batch, "verifier-1")
    with pytest.raises(errors.NotTheVerifier):
        embedded.step("verify_batch", batch, "verifier-2", statement="S")
    with pytest.raises(errors.NotIndependent):
        embedded.step("verify_batch", batch, "operator-1", statement="S")
    verified = embedded.step("verify_batch", batch, "verifier-1", statement="S-7")
    assert (verified.verifier, verified.statement) == ("verifier-1", "S-7")


def test_every_step_is_in_the_log_with_its_actor(embedded: Any) -> None:
    embedded.reductions(TONNE)
    embedded.close()
    batch = embedded.frozen()
    embedded.step("start_verification", batch, "verifier-1")
    embedded.step("request_corrections", batch, "verifier-1", finding="show the boundary")
    embedded.step("start_verification", batch, "verifier-1")
    embedded.step("verify_batch", batch, "verifier-1", statement="S-1")
    embedded.step("apply_batch", batch, document="A-1")
    embedded.step("return_batch", batch, "registry", reason="a page is missing")
    embedded.step("apply_batch", batch, document="A-2")
    embedded.step("register_batch", batch)
    with unit_of_work(embedded.database, read_only=True) as session:
        steps = queries.steps(session, batch_id=batch.id)
    assert [(one.step, one.actor, one.to_state) for one in steps] == [
        ("open", "operator-1", "open"),
        ("fill", "operator-1", "open"),
        ("freeze", "operator-1", "frozen"),
        ("start_verification", "verifier-1", "under_verification"),
        ("request_corrections", "verifier-1", "corrections_requested"),
        ("start_verification", "verifier-1", "under_verification"),
        ("verify", "verifier-1", "verified"),
        ("apply", "operator-1", "applied"),
        ("return", "registry", "returned"),
        ("apply", "operator-1", "applied"),
        ("register", "operator-1", "registered"),
    ]
    assert steps[2].detail["merkle_root"] == batch.merkle_root
    assert steps[-1].detail["last"] == "X-GD-SZ-metro-2026-000000001"
    assert embedded.findings() == []


def test_another_programmes_batch_and_project_are_not_found(embedded: Any) -> None:
    batch = embedded.open()
    with unit_of_work(embedded.database, read_only=True) as session:
        with pytest.raises(errors.BatchNotFound):
            queries.batch(session, programme="gd-sz", batch_id=batch.id)
        with pytest.raises(errors.ProjectNotFound):
            queries.project(session, programme="gd-sz", project_id=batch.project_id)
        with pytest.raises(errors.ProjectNotFound):
            queries.project_by_code(session, programme="gd-sz", code="metro")


@pytest.mark.parametrize(
    ("starts_on", "ends_before"),
    [
        (date(2026, 10, 1), date(2026, 10, 1)),
        (date(2025, 12, 1), date(2026, 1, 2)),
        (date(2015, 1, 1), date(2015, 2, 1)),
        (date(2029, 12, 1), date(2030, 1, 2)),
    ],
)
def test_a_period_lies_in_one_year_and_in_the_crediting_period(
    embedded: Any, starts_on: date, ends_before: date
) -> None:
    with unit_of_work(embedded.database, read_only=True) as session, pytest.raises(errors.PeriodInvalid):
        operations.preview(
            session,
            programme=embedded.programme,
            project_id=embedded.project.id,
            methodology_version="v1",
            starts_on=starts_on,
            ends_before=ends_before,
            now=NOW,
        )


def test_one_batch_is_open_at_a_time_for_the_same_period(embedded: Any) -> None:
    batch = embedded.open()
    with pytest.raises(errors.BatchAlreadyOpen) as refusal:
        embedded.open()
    assert refusal.value.details["batch"] == batch.id
    embedded.step("reject_batch", batch, reason="never mind")
    assert embedded.open().id != batch.id


def test_a_sandbox_batch_in_a_real_programme_is_refused(sqlite_database: Database, make_yard: Any) -> None:
    real = make_yard(sqlite_database, programme="gd-sz")
    with pytest.raises(errors.SandboxRefused) as refusal:
        real.open()
    assert "published" in refusal.value.message("en")


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "Metro"},
        {"code": "a--b"},
        {"code": ""},
        {"activity_types": []},
        {"activity_types": ["teleport.ride"]},
        {"methodology_id": "teleport"},
        {"crediting_to": date(2016, 1, 1)},
        {"registry_kind": "blockchain"},
    ],
)
def test_a_project_with_wrong_terms_is_refused(embedded: Any, changes: dict[str, Any]) -> None:
    with unit_of_work(embedded.database) as session, pytest.raises(errors.ProjectInvalid):
        operations.create_project(
            session,
            programme=embedded.programme,
            terms=embedded.terms(**({"code": "other"} | changes)),
            actor="operator-1",
            now=NOW,
        )


def test_an_outer_registry_issues_its_own_serials(embedded: Any) -> None:
    with unit_of_work(embedded.database) as session:
        embedded.project = operations.create_project(
            session,
            programme=embedded.programme,
            terms=embedded.terms("outer", registry_kind="external"),
            actor="operator-1",
            now=NOW,
        )
        with pytest.raises(errors.ProjectExists):
            operations.create_project(
                session, programme=embedded.programme, terms=embedded.terms("outer"), actor="o", now=NOW
            )
    embedded.reductions(TONNE)
    embedded.close()
    with pytest.raises(errors.RegistryExternal):
        embedded.registered()


def test_many_citizens_and_portions(yard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from carbon_credit.offsets import filling, freezing, selection

    monkeypatch.setattr(selection, "PORTION", 7)
    monkeypatch.setattr(filling, "_PORTION", 5)
    monkeypatch.setattr(queries, "_ITEMS_AT_ONCE", 4)
    monkeypatch.setattr(freezing, "_TRANSFERS_AT_ONCE", 2)
    same_time = datetime(2026, 10, 3, tzinfo=UTC)
    yard.reductions(*[90_000_000] * 20, occurred_at=same_time)
    yard.reductions(*[90_000_001] * 20, occurred_at=same_time + timedelta(hours=1))
    yard.close()
    batch = yard.frozen()
    assert batch.tonnes == 3
    assert sum(sizes(yard, batch)) == 3 * TONNE
    yard.step("reject_batch", batch, reason="again")
    again = yard.registered()
    assert again.tonnes == 3
    assert yard.findings() == []
