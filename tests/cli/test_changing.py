"""`methodology diff` and `methodology dry-run`: before a methodology changes, and when it does."""

import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from carbon_credit.identity.operations import create_party, issue_credential
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import HOME
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.quantification.operations import withdraw
from carbon_credit.quantification.portions import Row
from carbon_credit.sweeps.changing import Part, apply_part
from tests.cli.conftest import Run
from tests.flows.changes import draft, publish
from tests.flows.conftest import findings, rows
from tests.world import World, metro

PUBLISHED_AT = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
OLD, NEW = 388_440, 332_000  # 8,300 m at 46.8 and at 40 g/pkm
TRY = ("methodology", "dry-run", "sz-public-transit/v3", "--programme", "x-gd-sz", "--period")


@pytest.fixture
def world(embedded: Database) -> World:
    """Two people, three rides of October; v3 with 40 g/pkm is a draft."""
    world = World(embedded, now=PUBLISHED_AT)
    world.credit(
        *(metro(f"M-{n}", person=n % 2, at=f"2026-10-0{n + 1}T08:00:00+08:00") for n in range(3)),
        backfill=True,
    )
    assert draft(world, "40") == "v3"
    return world


@pytest.fixture
def operator(world: World) -> str:
    """The credential of an operator of the rehearsal."""
    with unit_of_work(world.database) as session:
        party = create_party(
            session, programme=world.programme, role="operator", name="Office", now=world.now
        )
        issued = issue_credential(session, party_id=party.id, now=world.now)
    return f"{issued.client_id}:{issued.secret}"


def test_a_draft_is_tried_and_not_applied(run: Run, world: World, operator: str) -> None:
    before = rows(world.database)
    told = run(*TRY, "2026-10", "--json")
    assert told.status == 0, told.err
    assert (told.json["governs"], told.json["hindrance"]) == (False, "it is a draft")
    assert (told.json["reductions"], told.json["old_mg"], told.json["new_mg"]) == (3, 3 * OLD, 3 * NEW)
    assert told.json["delta_mg"] == 3 * (NEW - OLD) == sum(one["delta_mg"] for one in told.json["scenes"])
    assert told.json["citizen_delta_mg"]["min"] == 2 * (NEW - OLD)
    assert [one["delta_mg"] for one in told.json["largest_movers"]] == [2 * (NEW - OLD), NEW - OLD]
    assert (told.json["left"], told.json["applied"]["reductions"]) == ([], 0)
    assert "Computing again" in told.err
    apply = (*TRY, "2026-10", "--apply", "--report", told.json["digest"])
    assert rows(world.database) == before
    run(*apply, CARBON_CREDIT_AS=operator).refused("it is a draft")


def test_applied_once_is_applied(run: Run, world: World, operator: str) -> None:
    publish(world, "v3")
    report = run(*TRY, "2026-10", "--json").json
    apply = (*TRY, "2026-10", "--apply", "--report", report["digest"])
    run(*apply).refused("--as")
    run(*TRY, "2026-10", "--apply", CARBON_CREDIT_AS=operator).refused("--report")
    wrong = run(*TRY, "2026-10", "--apply", "--report", "0" * 64, CARBON_CREDIT_AS=operator)
    wrong.refused("report-differs")
    assert world.grams(0) == 2 * OLD
    told = run(*apply, "--json", CARBON_CREDIT_AS=operator)
    assert told.status == 0, told.err
    assert told.json["posted"] == {"reductions": 3, "delta_mg": report["delta_mg"]}
    assert (world.grams(0), world.grams(1)) == (2 * NEW, NEW)
    assert run("ledger", "audit", "--json").json["ok"]
    after = rows(world.database)
    again = run(*apply, "--json", CARBON_CREDIT_AS=operator)
    assert again.json["posted"] == {"reductions": 0, "delta_mg": 0}
    assert again.json["applied"]["delta_mg"] == report["delta_mg"]
    assert rows(world.database) == after
    assert "Nothing was left to post" in run(*apply, CARBON_CREDIT_AS=operator).err
    assert findings(world.database) == []


def test_what_changes_meanwhile_stops_it_and_says_what_was_posted(
    run: Run, world: World, operator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the second day is posted, somebody withdraws its ride."""
    publish(world, "v3")
    report = run(*TRY, "2026-10", "--json").json
    apply = (*TRY, "2026-10", "--apply", "--report", report["digest"])

    def after_a_withdrawal(session: Session, *, part: Part, **more: Any) -> list[Row]:
        if part.day == date(2026, 10, 2):
            withdraw(
                session, programme=world.programme, partner_id=world.partner, external_id="M-1", now=world.now
            )
        return apply_part(session, part=part, **more)

    with monkeypatch.context() as here:
        here.setattr("carbon_credit.cli.requantifying.apply_part", after_a_withdrawal)
        told = run(*apply, CARBON_CREDIT_AS=operator)
    assert told.status == 2
    assert f"Posted so far: {NEW - OLD} mg" in told.err
    assert "2026-10-02" in told.err
    # The withdrawal was part of what was rolled back, so the same report is true again.
    rest = run(*apply, "--json", CARBON_CREDIT_AS=operator).json
    assert rest["posted"]["delta_mg"] == report["delta_mg"] - (NEW - OLD)
    assert findings(world.database) == []


def test_people_read_it_in_both_languages(run: Run, world: World) -> None:
    english, chinese = (run(*TRY, "2026-Q4", "--language", language).out for language in ("en", "zh"))
    assert "Nothing was written" in english
    assert "未写入任何数据" in chinese
    assert "it does not: it is a draft." in english
    assert "该版本尚为草案" in chinese
    assert "draft" not in chinese
    assert "中位数" in chinese
    assert "median" not in chinese
    for told in (english, chinese):
        assert "-169.32" in told  # 3 x (332,000 - 388,440) mg
        assert str(world.citizens[0]) in told
    empty = run(*TRY, "2026-09").out
    assert "Nothing would change." in empty


def test_a_folder_can_be_tried_before_it_is_uploaded(run: Run, world: World, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(HOME / "methodologies" / "sz-public-transit" / "v1", tmp_path / "v9"))
    path = folder / "methodology.yaml"
    text = path.read_text(encoding="utf-8")
    assert "version: 1\n" in text
    path.write_text(text.replace("version: 1\n", "version: 9\n", 1).replace("46.8", "50"), encoding="utf-8")
    ask = ("methodology", "dry-run", "--programme", "x-gd-sz", "--period", "2026-10", "--folder", str(folder))
    told = run(*ask, "--json").json
    assert (told["methodology"], told["hindrance"]) == ("sz-public-transit/v9", "it is not in the catalogue")
    assert told["new_mg"] == 3 * 8_300 * 50
    run(*ask, "--apply", "--report", "0").refused("ID/VERSION")
    path.write_text("id: [", encoding="utf-8")
    run(*ask).refused("methodology.yaml")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("nonsense/v1", "--period", "2026-10"), "methodology-not-found"),
        (("sz-public-transit", "--period", "2026-10"), "ID/VERSION"),
        (("sz-public-transit/v1", "--period", "autumn"), "period-unclear"),
        (("--period", "2026-10"), "--folder"),
    ],
)
def test_what_cannot_be_tried(run: Run, world: World, arguments: tuple[str, ...], word: str) -> None:
    run("methodology", "dry-run", "--programme", "x-gd-sz", *arguments).refused(word)


def test_two_versions_side_by_side(run: Run) -> None:
    told = run("methodology", "diff", "gz-metro/v1", "gz-metro/v1+sandbox", "--json").json
    assert (told["old"], told["new"], told["month"]) == ("gz-metro v1", "gz-metro v1+sandbox", "2026-10")
    assert [one["new"] for one in told["values"]] == ["46.8 gCO2/pkm (assumed)"]
    commuter = next(one for one in told["personas"] if one["code"] == "metro-commuter")
    assert commuter["refused_old"] == {"value-missing": 44}
    assert (commuter["old_mg"], commuter["delta_mg"]) == (0, commuter["new_mg"])
    out = run("methodology", "diff", "gz-metro/v1", "gz-metro/v1+sandbox", "--language", "zh").out
    assert "地铁通勤者" in out
    assert "overlay.yaml" in out
    same = run("methodology", "diff", "sz-public-transit/v1", "sz-public-transit/v1").out
    assert "The texts are the same." in same


def test_the_month_is_asked_for(run: Run) -> None:
    both = ("methodology", "diff", "sz-public-transit/v1", "sz-public-transit/v2", "--json", "--month")
    assert run(*both, "2027-02").json["month"] == "2027-02"
    run(*both, "february").refused("february")


def test_a_draft_of_the_catalogue_is_compared(run: Run, world: World) -> None:
    both = ("methodology", "diff", "sz-public-transit/v1", "sz-public-transit/v3")
    run(*both).refused("--stored")
    told = run(*both, "--stored", "--json").json
    commuter = next(one for one in told["personas"] if one["code"] == "metro-commuter")
    assert commuter["delta_mg"] == -44 * 14_200 * 68 // 10
    run("methodology", "diff", "nonsense/v1", "sz-public-transit/v3").refused("nonsense")


def test_a_diff_touches_no_database(run: Run, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    both = ("methodology", "diff", "sz-public-transit/v1", "sz-public-transit/v2", "--json")
    assert run(*both, CARBON_CREDIT_VAR=str(fresh)).status == 0
    assert not (fresh / "carbon-credit.db").exists()


def test_the_next_command_is_told(run: Run, world: World) -> None:
    publish(world, "v3")
    told = run(*TRY, "2026-10-01..2026-10-31")
    assert "--apply --report" in told.err
    assert date(2026, 10, 1).isoformat() in told.out
