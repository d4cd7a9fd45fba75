"""The job around an adapter: batches, outcomes, reconciliation, interruption, enrolment, rejects."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from carbon_credit.imports.adapters import make_adapter
from carbon_credit.imports.errors import EnrolOutsideRehearsal, FileEncoding, ImportUnreconciled
from carbon_credit.imports.operations import ImportSummary, run_import
from carbon_credit.imports.rowbook import RowBook
from carbon_credit.imports.rows import Event
from carbon_credit.methodology.network import Network

NETWORK = Network.from_csv("from_station,to_station,metres\n甲,乙,1000\n乙,丙,2500\n".encode())
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Outcome:
    status: str
    reason: str | None = None
    co2e_mg: int = 0


@dataclass
class Platform:
    """What the crediting side is to an import: remembers ids, knows some cards, may break down."""

    unlinked: set[str] = field(default_factory=set)
    break_after: int = 10**9
    events: dict[str, Event] = field(default_factory=dict)
    batches: list[int] = field(default_factory=list)

    def credit(self, batch: Sequence[Event]) -> list[Outcome]:
        if len(self.batches) >= self.break_after:
            raise KeyboardInterrupt
        self.batches.append(len(batch))
        return [self._one(event) for event in batch]

    def _one(self, event: Event) -> Outcome:
        if event["citizen"]["link"]["value"] in self.unlinked:  # type: ignore[index]
            return Outcome("rejected", "unlinked")
        if str(event["id"]) in self.events:
            return Outcome("duplicate")
        self.events[str(event["id"])] = event
        return Outcome("credited", None, event["data"]["distance_m"] * 468 // 10)  # type: ignore[index]


def swipes(folder: Path, rides: int, *extra: str) -> Path:
    """`rides` rides of 3,500 m by cards C0, C1, …, and further rows."""
    rows = ["card_no,deal_date,deal_type,station"]
    for number in range(rides):
        rows.append(f"C{number},2018-09-01 08:00:00,地铁入站,甲站")
        rows.append(f"C{number},2018-09-01 08:30:00,地铁出站,丙")
    path = folder / "swipes.csv"
    path.write_text("\n".join([*rows, *extra]) + "\n", encoding="utf-8")
    return path


def run(path: Path, platform: Platform, **more: object) -> ImportSummary:
    adapter = make_adapter("shenzhen-card", network=NETWORK)
    given: dict[str, object] = {"programme": "x-gd-sz", "batch_size": 4, "now": NOW, **more}
    return run_import(path=path, adapter=adapter, credit=platform.credit, **given)  # type: ignore[arg-type]


EXTRA = ("C90,2018-09-01 08:00:00,巴士,M506", "C91,2018-09-01 08:00:00,地铁入站,甲", "C91")


def test_every_row_is_accounted_for_and_a_second_run_credits_nothing(tmp_path: Path) -> None:
    path, platform = swipes(tmp_path, 10, *EXTRA), Platform()
    first = run(path, platform)
    assert first == ImportSummary(
        rows=23, credited_rows=20, credited=10, held=1, rejected=2, duplicate=0, co2e_mg=10 * 163_800
    )
    assert platform.batches == [4, 4, 2]
    assert run(path, platform) == ImportSummary(
        rows=23, credited_rows=0, credited=0, held=1, rejected=2, duplicate=20, co2e_mg=0
    )


def test_interrupted_and_run_again_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    path, platform = swipes(tmp_path, 10), Platform(break_after=2)
    with pytest.raises(KeyboardInterrupt):
        run(path, platform, rejects=tmp_path / "rejects.csv")
    assert len(platform.events) == 8
    assert not (tmp_path / "rejects.csv").exists()
    platform.break_after = 10**9
    again = run(path, platform)
    assert (again.credited, again.duplicate) == (2, 16)
    assert len(platform.events) == 10


def test_of_an_unknown_card_line_and_reason_are_all_that_is_kept(tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.csv"
    summary = run(swipes(tmp_path, 3, *EXTRA), Platform(unlinked={"C1"}), rejects=rejects)
    assert (summary.credited, summary.rejected) == (2, 4)
    text = rejects.read_text(encoding="utf-8")
    assert not any(card in text for card in ("C0", "C1", "C2", "C90", "C91"))
    rows = list(csv.DictReader(text.splitlines()))
    assert [(row["line"], row["status"], row["reason"]) for row in rows] == [
        ("4", "rejected", "unlinked"),
        ("5", "rejected", "unlinked"),
        ("8", "rejected", "distance-unknown"),
        ("9", "held", "awaiting-exit"),
        ("10", "rejected", "row-malformed"),
    ]
    assert all(row["zh"] and row["en"] for row in rows)


def test_enrolment_comes_before_crediting_and_in_rehearsal_only(tmp_path: Path) -> None:
    path, platform = swipes(tmp_path, 6), Platform(unlinked={f"C{number}" for number in range(6)})
    summary = run(path, platform, enrol=platform.unlinked.difference_update)
    assert summary.credited == 6
    with pytest.raises(EnrolOutsideRehearsal, match="gd-sz"):
        run(path, platform, enrol=platform.unlinked.difference_update, programme="gd-sz")


def test_a_file_that_breaks_off_in_another_encoding_credits_nothing(tmp_path: Path) -> None:
    path, platform = swipes(tmp_path, 10), Platform()
    path.write_bytes(path.read_bytes() + "C9,2018-09-01 09:00:00,地铁入站,甲".encode("gb18030"))
    with pytest.raises(FileEncoding):
        run(path, platform)
    assert platform.batches == []


def test_an_answer_that_does_not_match_the_batch_is_an_error(tmp_path: Path) -> None:
    class Forgetful(Platform):
        def credit(self, batch: Sequence[Event]) -> list[Outcome]:
            return super().credit(batch)[1:]

    with pytest.raises(ImportUnreconciled):
        run(swipes(tmp_path, 3), Forgetful())


def test_other_outcomes_of_the_platform(tmp_path: Path) -> None:
    answers = {
        "C0": Outcome("held", "review"),
        "C1": Outcome("stale"),
        "C2": Outcome("rejected", "no-consent"),
    }

    class Mixed(Platform):
        def credit(self, batch: Sequence[Event]) -> list[Outcome]:
            return [answers[event["citizen"]["link"]["value"]] for event in batch]  # type: ignore[index]

    summary = run(swipes(tmp_path, 3), Mixed())
    assert (summary.credited, summary.held, summary.rejected) == (0, 2, 4)


def test_progress_reads_first_and_ends_with_all_rows(tmp_path: Path) -> None:
    calls: list[tuple[str, int, int]] = []
    run(swipes(tmp_path, 10), Platform(), progress=lambda *call: calls.append(call))
    assert [stage for stage, _, _ in calls] == ["reading", "crediting", "crediting", "crediting"]
    assert calls[-1] == ("crediting", 20, 20)


def test_a_line_cannot_have_two_outcomes() -> None:
    book = RowBook()
    book.enter(70_000, "rejected", "no-entry")
    with pytest.raises(ImportUnreconciled, match="70000"):
        book.enter(70_000, "credited", "")
    assert book.total == 1
    assert [outcome.line for outcome in book.outcomes()] == [70_000]
