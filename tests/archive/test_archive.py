"""A month in files: the same rows, proved by their own MACs and by the seals; every change is named."""

import shutil
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from carbon_credit.archive import exporting
from carbon_credit.archive.errors import (
    ArchiveExists,
    ArchiveLibraryMissing,
    ArchiveNotFound,
    MonthNotClosed,
    MonthNotOver,
    MonthNotSealed,
    MonthWithinAnother,
)
from carbon_credit.archive.exporting import export_month
from carbon_credit.archive.layout import MANIFEST, TABLES, Manifest
from carbon_credit.archive.verifying import Verdict, _portions, verify_archive
from carbon_credit.kernel import clock
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.ids import first_id_at
from carbon_credit.kernel.keys import Keys
from carbon_credit.kernel.partitions import month_after
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.ledger.models import SEAL
from carbon_credit.ledger.seals import seal
from carbon_credit.tables import metadata
from tests.flows.conftest import findings
from tests.kernel.test_partitions import add_transfer
from tests.world import World, metro


@dataclass
class Past:
    """A world whose present month lies behind it: rides, one of them taken back, and all of it closed."""

    world: World
    month: date
    after: datetime  # when the month has been over for two days

    @property
    def database(self) -> Database:
        return self.world.database

    def seal(self, limit: int = 10_000) -> None:
        while transact(
            self.database, lambda session: seal(session, now=self.after, limit=limit, quiet=timedelta(0))
        ):
            pass

    def export(self, folder: Path, *, month: date | None = None, now: datetime | None = None) -> Path:
        return self.written(folder, month=month, now=now)[0]

    def written(
        self, folder: Path, *, month: date | None = None, now: datetime | None = None
    ) -> tuple[Path, Manifest]:
        with unit_of_work(self.database, read_only=True) as session:
            return export_month(session, month=month or self.month, folder=folder, now=now or self.after)

    def verify(self, folder: Path, database: Database | None = None) -> Verdict:
        with unit_of_work(database or self.database, read_only=True) as session:
            return verify_archive(session, folder=folder)


def past(database: Database, *, closed: bool = True) -> Past:
    now = clock.now()
    month = now.date().replace(day=1)
    world = World(database, now=now, people=3)
    at = (now - timedelta(days=2)).isoformat()
    world.credit(*(metro(f"M-{n}", person=n % 3, at=at, distance_m=8300 + n) for n in range(40)))
    world.withdraw("M-7")
    found = Past(world, month, clock.first_instant(month_after(month)) + timedelta(days=2))
    if closed:
        found.seal(limit=13)
        world.now = found.after
        for one in {month, (now - timedelta(days=2)).date().replace(day=1)}:
            world.close_month(one)
        found.seal()
    return found


@pytest.fixture(scope="module", params=["module_sqlite", "module_postgresql"])
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Past, Path]:
    """One such world on each database with its archive, for tests that change neither."""
    found = past(request.getfixturevalue(request.param))
    return found, found.export(tmp_path_factory.mktemp("archives"))


@pytest.fixture
def copied(kept: tuple[Past, Path], tmp_path: Path) -> tuple[Past, Path]:
    """The archive of `kept`, to be spoiled."""
    folder = tmp_path / kept[1].name
    shutil.copytree(kept[1], folder)
    return kept[0], folder


def stored(database: Database, name: str) -> list[tuple[Any, ...]]:
    table = metadata.tables[name]
    with unit_of_work(database, read_only=True) as session:
        return [tuple(row) for row in session.execute(sa.select(table).order_by(table.c.id))]


def details(verdict: Verdict) -> str:
    return "\n".join(f"{one.file}: {one.detail}" for one in verdict.problems)


def test_files_hold_the_rows_as_they_are_stored(kept: tuple[Past, Path]) -> None:
    here, folder = kept
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [MANIFEST, *(f"{name}.parquet" for name in TABLES)]
    )
    for name in TABLES:
        rows = [row for portion in _portions(name, folder / f"{name}.parquet") for row in portion]
        assert rows == stored(here.database, name)
        assert len(rows) >= (1 if name == "reduction_adjustment" else 20), name


def test_a_whole_archive_is_found_whole_and_the_books_too(kept: tuple[Past, Path]) -> None:
    here, folder = kept
    verdict = here.verify(folder)
    assert verdict.problems == ()
    assert verdict.rows == sum(len(stored(here.database, name)) for name in TABLES)
    manifest = orjson.loads((folder / MANIFEST).read_bytes())
    sealed = sum(block["row_count"] for block in manifest["blocks"])
    assert sealed == manifest["tables"]["transfer"]["rows"]
    assert len(manifest["blocks"]) >= 3
    assert findings(here.database) == []


def test_nothing_personal_leaves_the_database(kept: tuple[Past, Path]) -> None:
    held = b"".join(path.read_bytes() for path in kept[1].iterdir())
    assert b"CARD-" not in held
    assert {path.stem for path in kept[1].glob("*.parquet")} == set(TABLES)


def rewrite(path: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    table = pq.read_table(path)
    pq.write_table(pa.Table.from_pylist(change(table.to_pylist()), schema=table.schema), path)


def believe(folder: Path, name: str) -> None:
    """Make the manifest say what the file is now, as somebody would who cannot make its MAC."""
    body = orjson.loads((folder / MANIFEST).read_bytes())
    path = folder / f"{name}.parquet"
    body["tables"][name] |= {"sha256": exporting.sha256_of(path), "bytes": path.stat().st_size}
    (folder / MANIFEST).write_bytes(orjson.dumps(body))


@pytest.mark.parametrize("name", TABLES)
def test_a_changed_row_is_named(name: str, copied: tuple[Past, Path]) -> None:
    here, folder = copied
    rewrite(folder / f"{name}.parquet", lambda rows: [rows[0] | {"programme": "x-b"}, *rows[1:]])
    assert "file was changed" in details(here.verify(folder))
    believe(folder, name)
    told = details(here.verify(folder))
    first = stored(here.database, name)[0][0]
    assert f"row {first} was changed after it was written" in told
    assert "no MAC of this installation" in told


@pytest.mark.parametrize("name", TABLES)
def test_a_row_taken_out_or_put_in_or_moved_is_noticed(name: str, copied: tuple[Past, Path]) -> None:
    here, folder = copied
    path = folder / f"{name}.parquet"
    whole = path.read_bytes()
    for change in (
        lambda rows: rows[1:],
        lambda rows: rows[:-1],
        lambda rows: [*rows, rows[-1]],
        lambda rows: [rows[-1], *rows],
    ):
        path.write_bytes(whole)
        rewrite(path, change)
        believe(folder, name)
        told = details(here.verify(folder))
        assert "rows were written" in told
        if name == "transfer":
            assert "seal" in told


def test_a_missing_cut_or_foreign_file_is_said(copied: tuple[Past, Path]) -> None:
    here, folder = copied
    path = folder / "event.parquet"
    whole = path.read_bytes()
    for content, word in (
        (whole[:-10], "cannot be read"),
        (whole[: len(whole) // 2] + b"\0" * 40 + whole[len(whole) // 2 + 40 :], "changed"),
        ((folder / "reduction.parquet").read_bytes(), "cannot be read"),
        (b"", "cannot be read"),
        (None, "missing"),
    ):
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        assert word in details(here.verify(folder))


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{}", b'{"mac": 1}', b"\xff"])
def test_what_is_no_archive_is_not_taken_for_one(content: bytes | None, copied: tuple[Past, Path]) -> None:
    here, folder = copied
    (folder / MANIFEST).unlink()
    if content is not None:
        (folder / MANIFEST).write_bytes(content)
    with pytest.raises(ArchiveNotFound):
        here.verify(folder)


def test_an_archive_of_another_installation_is_not_believed(copied: tuple[Past, Path]) -> None:
    here, folder = copied
    keys: Keys = here.database.settings.keys
    other = Database(replace(here.database.settings, keys=replace(keys, mac=b"another" * 5)))
    told = details(here.verify(folder, other))
    other.dispose()
    assert "no MAC of this installation" in told
    assert "was changed after it was written" in told


def test_a_block_that_the_database_does_not_keep_is_said(copied: tuple[Past, Path]) -> None:
    here, folder = copied
    body = orjson.loads((folder / MANIFEST).read_bytes())
    body["blocks"] = body["blocks"][:-1]
    (folder / MANIFEST).write_bytes(orjson.dumps(body))
    assert "is not the one that the database keeps" in details(here.verify(folder))


def test_a_month_is_archived_only_when_it_is_settled(database: Database, tmp_path: Path) -> None:
    here = past(database, closed=False)
    with pytest.raises(MonthNotOver):
        here.export(tmp_path, now=clock.first_instant(month_after(here.month)) + timedelta(hours=23))
    with pytest.raises(MonthNotSealed):
        here.export(tmp_path)
    here.seal()
    with pytest.raises(MonthNotClosed, match="x-gd-sz"):
        here.export(tmp_path)
    assert not list(tmp_path.glob("2*"))


def test_an_archive_is_never_written_over(kept: tuple[Past, Path], tmp_path: Path) -> None:
    here, folder = kept
    with pytest.raises(ArchiveExists):
        here.export(folder.parent)
    assert here.verify(folder).problems == ()


def test_after_an_interrupted_run_the_next_is_whole(
    kept: tuple[Past, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, folder = kept
    with monkeypatch.context() as stopped:
        stopped.setattr(exporting, "_blocks", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            here.export(tmp_path)
    (partial,) = tmp_path.iterdir()
    assert partial.name.endswith(".partial")
    with pytest.raises(ArchiveNotFound):
        here.verify(partial)
    again = here.export(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [again.name]
    for path in again.glob("*.parquet"):
        assert path.read_bytes() == (folder / path.name).read_bytes()


def test_many_row_groups_are_the_same_rows(
    kept: tuple[Past, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, folder = kept
    monkeypatch.setattr(exporting, "PORTION", 3)
    monkeypatch.setattr(exporting, "_ROW_GROUP", 7)
    other, manifest = here.written(tmp_path)
    assert here.verify(other).problems == ()
    assert pq.ParquetFile(other / "event.parquet").metadata.num_row_groups >= 5
    one = orjson.loads((folder / MANIFEST).read_bytes())
    assert {name: part.chain for name, part in manifest.tables.items()} == {
        name: part["chain"] for name, part in one["tables"].items()
    }


def test_a_month_without_rows_is_an_archive_too(kept: tuple[Past, Path], tmp_path: Path) -> None:
    here, _ = kept
    month = month_after(here.month)
    folder = here.export(tmp_path, month=month, now=here.after + timedelta(days=40))
    verdict = here.verify(folder)
    assert (verdict.rows, verdict.problems) == (0, ())


def test_months_of_the_first_partition_go_together(postgresql_database: Database, tmp_path: Path) -> None:
    here = past(postgresql_database)
    with pytest.raises(MonthWithinAnother, match=f"{here.month:%Y-%m}"):
        here.export(tmp_path, month=month_after(here.month, -1))
    with unit_of_work(postgresql_database, read_only=True) as session:
        assert exporting.span_of(session, here.month).since is None
        assert exporting.span_of(session, month_after(here.month)).since is not None


def test_a_seal_block_ends_with_its_month(database: Database) -> None:
    month = clock.now().date().replace(day=1)
    turn = clock.first_instant(month_after(month))
    ids = [first_id_at(turn + timedelta(minutes=n)) for n in (-2, -1, 0, 1)]
    for row_id in ids:
        add_transfer(database, row_id)
    later = turn + timedelta(days=1)
    sealed = [
        transact(database, lambda session: seal(session, now=later, limit=100, quiet=timedelta(0)))
        for _ in range(3)
    ]
    assert sealed == [2, 2, 0]
    with unit_of_work(database, read_only=True) as session:
        ends = session.execute(sa.select(SEAL.c.first_id, SEAL.c.last_id).order_by(SEAL.c.number)).all()
    assert [tuple(row) for row in ends] == [(ids[0], ids[1]), (ids[2], ids[3])]


def test_without_pyarrow_the_message_says_what_to_install(
    kept: tuple[Past, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ArchiveLibraryMissing, match=r"carbon-credit\[files\]"):
        kept[0].export(tmp_path)


def test_an_id_of_the_month_is_what_it_says(kept: tuple[Past, Path]) -> None:
    body = orjson.loads((kept[1] / MANIFEST).read_bytes())
    assert uuid.UUID(body["before"]) == first_id_at(clock.first_instant(month_after(kept[0].month)))
