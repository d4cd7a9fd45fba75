"""A file as a job, on both databases: staged, credited chunk by chunk, reconciled; broken off, run again."""

import gzip
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from carbon_credit.events.incoming import read_event
from carbon_credit.imports.adapters import make_adapter
from carbon_credit.imports.errors import ColumnsMissing, FileEncoding, FileTruncated, ImportUnreconciled
from carbon_credit.imports.jobs import chunks, crediting, opening, staging
from carbon_credit.imports.jobs.chunks import Cutter, packed, read_events, unpacked
from carbon_credit.imports.jobs.control import Control
from carbon_credit.imports.jobs.errors import (
    ControlTotalsDiffer,
    ImportDiffers,
    ImportStagingLost,
    ImportStateWrong,
)
from carbon_credit.imports.jobs.opening import open_job
from carbon_credit.imports.jobs.records import JobRecord, jobs
from carbon_credit.imports.rows import Ride, RowOutcome
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.sweeps.importing import credit_all, stage
from tests.flows.conftest import findings
from tests.imports.driver import ADAPTER, Driver, Row, rides, write
from tests.world import World


@pytest.fixture
def driver(database: Database, monkeypatch: pytest.MonkeyPatch) -> Driver:
    """Small chunks, so that there are several."""
    monkeypatch.setattr(
        chunks.Cutter.__init__, "__kwdefaults__", {"lanes": 3, "chunk_events": 4, "chunk_decided": 3}
    )
    return Driver(World(database))


def stored(driver: Driver, table: str, job_id: Any = None) -> int:
    with unit_of_work(driver.world.database, read_only=True) as session:
        return int(session.scalar(sa.text(f"SELECT count(*) FROM {table}")) or 0)


def mixed() -> list[Row]:
    """Twenty rides, one of a card that nobody has, one without a card, one twice."""
    good = rides(20)
    return [*good, ("R-90", "NOBODY", good[0][2], 8300), ("R-91", "", good[0][2], 8300), good[3]]


def test_every_row_has_one_outcome_and_a_second_delivery_credits_nothing(
    driver: Driver, tmp_path: Path
) -> None:
    path = write(tmp_path / "rides.csv", mixed())
    first = driver.run(path, control=Control(rows=23, sums={"metres": str(23 * 8300)}))
    told = driver.counts(first.id)
    assert first.state == "done"
    assert (told.rows, told.credited, told.rejected, told.duplicate, told.held) == (23, 20, 2, 1, 0)
    assert driver.rejects(first.id) == [
        (22, "rejected", "unlinked"),
        (23, "rejected", "card-missing"),
        (24, "duplicate", "already-reported"),
    ]
    grams = driver.world.grams(0), driver.world.grams(1)
    assert sum(grams) == told.co2e_mg > 0
    # The same file under another name, after the first has ended: a job of its own, and nothing is credited.
    again = driver.run(write(tmp_path / "again.csv", mixed()))
    assert again.id != first.id
    found = driver.counts(again.id)
    assert (found.credited, found.co2e_mg, found.duplicate, found.rejected) == (0, 0, 21, 2)
    assert (driver.world.grams(0), driver.world.grams(1)) == grams
    assert findings(driver.world.database) == []


def test_once_a_row_is_credited_nothing_is_kept_of_what_it_said(driver: Driver, tmp_path: Path) -> None:
    path = write(tmp_path / "rides.csv", mixed())
    known = driver.open(path)
    driver.stage(known, path)
    with unit_of_work(driver.world.database, read_only=True) as session:
        waiting = list(session.scalars(sa.text("SELECT payload FROM import_chunk WHERE payload IS NOT NULL")))
    assert any("NOBODY" in str(unpacked(bytes(one))) for one in waiting)
    credit_all(driver.hands, job_id=known.id)
    with unit_of_work(driver.world.database, read_only=True) as session:
        assert session.scalar(sa.text("SELECT count(*) FROM import_chunk WHERE payload IS NOT NULL")) == 0
        rows = list(session.execute(sa.text("SELECT * FROM import_job"))) + list(
            session.execute(sa.text("SELECT job_id, number, claim_keys FROM import_chunk"))
        )
    assert "CARD" not in str(rows)
    assert "NOBODY" not in str(rows)


@pytest.mark.parametrize("chunk", range(6))
def test_broken_off_at_any_chunk_and_run_again_the_totals_are_the_same(
    driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    path = write(tmp_path / "rides.csv", mixed())
    left = [chunk]

    def go_on() -> bool:
        left[0] -= 1
        return left[0] >= 0

    known = driver.open(path)
    driver.stage(known, path)
    credit_all(driver.hands, job_id=known.id, go_on=go_on)
    assert driver.job(known.id).state == "crediting"
    again = driver.run(path)
    assert (again.id, again.state) == (known.id, "done"), "the same job goes on"
    told = driver.counts(known.id)
    assert (told.rows, told.credited, told.rejected, told.duplicate) == (23, 20, 2, 1)
    assert driver.world.grams(0) + driver.world.grams(1) == told.co2e_mg
    assert findings(driver.world.database) == []


def test_a_chunk_that_breaks_in_the_middle_of_its_transaction_leaves_nothing(
    driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "rides.csv", mixed())
    calls = [0]
    whole = "carbon_credit.imports.jobs.crediting._claim_keys"
    real = crediting._claim_keys

    def broken(*given: Any) -> bytes:
        calls[0] += 1
        if calls[0] == 3:
            raise ZeroDivisionError("CARD-0 is in the text of the error")
        return bytes(real(*given))

    monkeypatch.setattr(whole, broken)
    with pytest.raises(ZeroDivisionError):
        driver.run(path)
    (known,) = driver.hands.look(
        lambda session, _now: jobs(session, programme=driver.world.programme, limit=5)
    )
    assert (known.state, known.problem, known.problem_details) == (
        "failed",
        "import-broken",
        {"why": "ZeroDivisionError"},
    )
    assert driver.world.grams(0) + driver.world.grams(1) == driver.counts(known.id).co2e_mg
    again = driver.run(path)
    assert (again.id, again.state, driver.counts(again.id).credited) == (known.id, "done", 20)
    assert findings(driver.world.database) == []


def truncated(path: Path) -> Path:
    packed = gzip.compress(path.read_bytes())
    path.write_bytes(packed[:-20])
    return path


def without_column(path: Path) -> Path:
    path.write_text(path.read_text().replace("distance_m", "metr"))
    return path


def other_encoding(path: Path) -> Path:
    path.write_bytes(path.read_bytes() + "R-99,卡,2026-11-20T08:00:00+08:00,1".encode("gb18030"))
    return path


@pytest.mark.parametrize(
    ("spoil", "error"),
    [(truncated, FileTruncated), (without_column, ColumnsMissing), (other_encoding, FileEncoding)],
)
def test_a_file_that_is_spoilt_is_refused_as_a_whole(
    driver: Driver, tmp_path: Path, spoil: Any, error: type[Exception]
) -> None:
    path = spoil(write(tmp_path / "rides.csv", rides(40)))
    with pytest.raises(error):
        driver.run(path)
    with unit_of_work(driver.world.database, read_only=True) as session:
        state, problem = session.execute(sa.text("SELECT state, problem FROM import_job")).one()
    assert (state, problem) == ("refused", error.code)  # type: ignore[attr-defined]
    assert (
        stored(driver, "import_chunk")
        == stored(driver, "import_reject")
        == stored(driver, "event_claim")
        == 0
    )
    whole = driver.run(write(tmp_path / "rides.csv", rides(40)))
    assert (whole.state, driver.counts(whole.id).credited) == ("done", 40)


@pytest.mark.parametrize(
    ("control", "why"),
    [
        (Control(rows=39), "rows should be 39, and is 40"),
        (Control(sums={"metres": "332001"}), "metres should be 332001, and is 332000"),
        (Control(sums={"fare": "1"}), "the adapter sums no such column"),
    ],
)
def test_control_totals_that_do_not_match_refuse_the_file(
    driver: Driver, tmp_path: Path, control: Control, why: str
) -> None:
    path = write(tmp_path / "rides.csv", rides(40))
    with pytest.raises(ControlTotalsDiffer, match=why):
        driver.run(path, control=control)
    assert stored(driver, "event_claim") == stored(driver, "import_chunk") == 0
    assert driver.run(path, control=Control(rows=40, sums={"distance_m": "332000.0"})).state == "done"


def test_one_id_with_two_contents_the_first_stands(driver: Driver, tmp_path: Path) -> None:
    rows = rides(12)
    rows.append((*rows[0][:3], 9_000))
    known = driver.run(write(tmp_path / "rides.csv", rows))
    assert driver.rejects(known.id) == [(14, "rejected", "event-conflict")]
    assert driver.counts(known.id).credited == 12
    assert driver.world.grams(0) == 6 * 388_440


def test_times_in_another_zone_are_the_same_moments(driver: Driver, tmp_path: Path) -> None:
    driver.run(write(tmp_path / "rides.csv", [("R-1", "CARD-0", "2026-11-20T08:00:00+08:00", 8300)]))
    again = driver.run(write(tmp_path / "zone.csv", [("R-1", "CARD-0", "2026-11-19T19:00:00-05:00", 8300)]))
    assert driver.rejects(again.id) == [(2, "duplicate", "already-reported")]
    assert driver.world.grams(0) == 388_440


def test_a_file_without_rows_is_done_with_nothing(driver: Driver, tmp_path: Path) -> None:
    known = driver.run(write(tmp_path / "rides.csv", []))
    assert (known.state, known.rows_total) == ("done", 0)


def test_while_a_job_is_under_way_the_same_file_is_the_same_job(driver: Driver, tmp_path: Path) -> None:
    path = write(tmp_path / "rides.csv", rides(8))
    known = driver.open(path)
    assert driver.open(write(tmp_path / "other-name.csv", rides(8))).id == known.id
    # Nothing is credited yet: the terms may be mended.
    assert driver.open(path, control=Control(rows=8)).expected == {"rows": 8}
    driver.stage(known, path)
    with pytest.raises(ImportDiffers, match=str(known.id)):
        driver.open(path, control=Control(rows=9))
    assert driver.open(path, control=Control(rows=8)).id == known.id


def test_another_run_may_take_over_the_reading_and_the_first_can_write_no_more(
    driver: Driver, tmp_path: Path
) -> None:
    path = write(tmp_path / "rides.csv", rides(30))
    known = driver.open(path)

    def begin(**more: Any) -> Any:
        return driver.hands.act(
            lambda session, now: staging.begin(session, job_id=known.id, holder="other:9", now=now, **more)
        )

    lease = begin()
    assert lease is not None
    assert begin() is None, "somebody reads it"
    assert not driver.stage(known, path)
    later = Driver(replace_now(driver.world, staging.LEASE + timedelta(seconds=1)))
    assert later.stage(known, path), "the lease has lapsed"
    with pytest.raises(ImportStagingLost):
        driver.hands.act(
            lambda session, now: staging.keep(session, job_id=known.id, lease=lease, read_bytes=1, now=now)
        )
    assert driver.job(known.id).state == "crediting"
    assert begin(take_over=True) is None, "it is read"


def replace_now(world: World, more: timedelta) -> World:
    other = object.__new__(World)
    other.__dict__.update(world.__dict__, now=world.now + more)
    return other


def test_what_a_dead_run_left_is_erased_by_the_next(driver: Driver, tmp_path: Path) -> None:
    path = write(tmp_path / "rides.csv", mixed())
    known = driver.open(path)
    lease = driver.hands.act(
        lambda session, now: staging.begin(session, job_id=known.id, holder="dead:1", now=now)
    )
    cutter = Cutter()
    pieces = [cutter.add(RowOutcome(line, "rejected", "card-missing")) for line in range(2, 8)]
    driver.hands.act(
        lambda session, now: staging.store(
            session,
            job_id=known.id,
            lease=lease,
            first_number=0,
            chunks=[one for one in pieces if one],
            read_bytes=9,
            now=now,
        )
    )
    assert stored(driver, "import_reject") == 6
    assert driver.stage(known, path, take_over=True)
    credit_all(driver.hands, job_id=known.id)
    assert driver.counts(known.id).credited == 20


def test_a_cancelled_job_keeps_what_is_credited_and_forgets_the_rest(driver: Driver, tmp_path: Path) -> None:
    path = write(tmp_path / "rides.csv", mixed())
    known = driver.open(path)
    driver.stage(known, path)
    turns = iter([True, True, False])
    credit_all(driver.hands, job_id=known.id, go_on=lambda: next(turns))
    driver.hands.act(lambda session, now: opening.cancel(session, job_id=known.id, now=now))
    assert driver.job(known.id).state == "cancelled"
    told = driver.counts(known.id)
    assert 0 < told.credited < 20
    with unit_of_work(driver.world.database, read_only=True) as session:
        assert session.scalar(sa.text("SELECT count(*) FROM import_chunk WHERE payload IS NOT NULL")) == 0
    with pytest.raises(ImportStateWrong, match="cancelled"):
        driver.hands.act(lambda session, now: opening.cancel(session, job_id=known.id, now=now))
    again = driver.run(path)
    assert again.id != known.id
    assert driver.counts(again.id).credited == 20 - told.credited
    assert findings(driver.world.database) == []


def test_jobs_that_nobody_touches_are_forgotten(driver: Driver, tmp_path: Path) -> None:
    path = write(tmp_path / "rides.csv", rides(8))
    known = driver.open(path)
    driver.stage(known, path)

    def forget(days: int) -> int:
        return driver.hands.act(
            lambda session, now: opening.forget_left(
                session, before=now + timedelta(days=days), now=now, limit=10
            )
        )

    assert forget(0) == 0
    assert forget(1) == 1
    assert driver.job(known.id).state == "cancelled"
    assert stored(driver, "import_chunk") == 0


def test_a_row_that_comes_twice_out_of_an_adapter_is_an_error() -> None:
    cutter = Cutter()
    cutter.add(Ride({"id": "R"}, "CARD", (70_000, 70_001)))
    with pytest.raises(ImportUnreconciled, match="70001"):
        cutter.add(RowOutcome(70_001, "rejected", "no-entry"))
    cutter = Cutter()
    cutter.add(RowOutcome(9, "rejected", "no-entry"))
    with pytest.raises(ImportUnreconciled, match="line 9"):
        cutter.add(Ride({"id": "R"}, "CARD", (8, 9)))


def test_rides_of_a_card_stay_in_one_lane_and_in_order() -> None:
    cutter = Cutter(lanes=4, chunk_events=5)
    found = [cutter.add(Ride({"id": f"R-{place}"}, f"CARD-{place % 7}", (place,))) for place in range(100)]
    pieces = [one for one in found if one] + list(cutter.rest())
    lanes: dict[str, set[int]] = {}
    seen: dict[str, list[int]] = {}
    for one in pieces:
        assert one.payload is not None
        events, lines = unpacked(one.payload)
        for event, (line,) in zip(events, lines, strict=True):
            card = f"CARD-{line % 7}"
            assert event == {"id": f"R-{line}"}
            lanes.setdefault(card, set()).add(one.lane)
            seen.setdefault(card, []).append(line)
    assert all(len(found) == 1 for found in lanes.values())
    assert all(lines == sorted(lines) for lines in seen.values())
    assert sum(map(len, seen.values())) == sum(one.rows for one in pieces) == 100


def test_a_small_file_is_one_chunk_in_its_own_order() -> None:
    cutter = Cutter()
    assert [cutter.add(Ride({"id": "R"}, f"CARD-{place}", (place,))) for place in range(50)] == [None] * 50
    (only,) = cutter.rest()
    assert only.payload is not None
    assert unpacked(only.payload)[1] == [[place] for place in range(50)]


def test_events_of_a_chunk_are_read_and_what_is_none_is_handed_on_as_it_came() -> None:
    good = {
        "id": "R-1",
        "type": "metro.ride",
        "occurred_at": "2026-11-20T08:00:00+08:00",
        "citizen": {"link": {"kind": "transit-card", "value": "CARD"}},
        "data": {"distance_m": 8300},
    }
    wrong = [good | {"data": {"distance_m": 8.3}}, good | {"surprise": 1}, {"id": "R-2"}]
    payload = packed([orjson.dumps(one) for one in (good, *wrong)], [(1,), (2, 3), (4,), (5,)])
    events, lines = read_events(payload)
    assert events == [read_event(good), *wrong]
    assert lines == unpacked(payload)[1] == [[1], [2, 3], [4], [5]]


def test_the_reconciliation_sees_a_row_that_was_lost(driver: Driver, tmp_path: Path) -> None:
    path = write(tmp_path / "rides.csv", mixed())
    known = driver.open(path)
    driver.stage(known, path)
    with unit_of_work(driver.world.database) as session:
        session.execute(sa.text("DELETE FROM import_reject WHERE line = 23"))
    with pytest.raises(ImportUnreconciled, match="3 rows were refused, 2 are listed"):
        credit_all(driver.hands, job_id=known.id)
    failed: JobRecord = driver.job(known.id)
    assert (failed.state, failed.problem) == ("failed", "import-unreconciled")


def test_an_adapter_that_forgets_a_row_is_found_out(driver: Driver, tmp_path: Path) -> None:
    path = write(tmp_path / "rides.csv", rides(6))
    known = driver.open(path)

    class Forgetful:
        totals: dict[str, int | str] = {}  # noqa: RUF012
        spelt: dict[str, str] = {}  # noqa: RUF012

        def items(self, source: Any, *, now: Any) -> Any:
            found = make_adapter(ADAPTER).items(source, now=now)
            next(found)
            yield from found

    with pytest.raises(ImportUnreconciled, match="6 rows were read, 5"):
        stage(driver.hands, known=known, path=path, adapter=Forgetful())
    assert driver.job(known.id).state == "failed"


def test_two_deliveries_have_two_rows_only_if_they_differ(driver: Driver, tmp_path: Path) -> None:
    path = write(tmp_path / "rides.csv", rides(4))
    delivery = driver.delivery(path)
    other = replace(delivery, adapter="another")
    opened = [
        driver.hands.act(
            lambda session, now, one=one: open_job(session, delivery=one, created_by="t", now=now)
        )
        for one in (delivery, other, delivery)
    ]
    assert [new for _, new in opened] == [True, True, False]
