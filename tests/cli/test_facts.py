"""`facts load`: a list of facts, with its mistakes named by line."""

import csv
from pathlib import Path

import pytest

from carbon_credit.identity.facts import facts_of
from carbon_credit.identity.operations import create_party, issue_credential
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from tests.cli.conftest import Run
from tests.quantification.household import Homes, two_versions


@pytest.fixture
def homes(embedded: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Homes:
    """What the command finds."""
    monkeypatch.setenv("METHODOLOGIES_DIR", str(tmp_path / "methodologies"))
    return Homes(embedded, two_versions(tmp_path / "methodologies"))


@pytest.fixture
def operator(homes: Homes) -> str:
    """Who acts."""
    with unit_of_work(homes.database) as session:
        party = create_party(session, programme=homes.programme, role="operator", name="o", now=homes.now)
        issued = issue_credential(session, party_id=party.id, now=homes.now)
    return f"{issued.client_id}:{issued.secret}"


def test_a_list_is_loaded_and_what_is_wrong_in_it_is_told_by_line(
    homes: Homes, operator: str, run: Run, tmp_path: Path
) -> None:
    one, two = homes.citizens
    file, rejects = tmp_path / "pv.csv", tmp_path / "rejects.csv"
    file.write_text(
        "name,citizen,value,from,to\n"
        f"pv-owner,{one},no,2024-01-01,\n"
        f"pv-owner,{two},perhaps,2024-01-01,\n"
        f"income,{two},high,2024-01-01,\n"
        "pv-owner,somebody,no,2024-01-01,\n"
        f"pv-owner,{two},no,1 January,\n"
        "pv-owner,00000000-0000-0000-0000-000000000001,no,2024-01-01,\n"
        f"pv-owner,{two},no,2024-01-01,2024-01-01\n"
        f"pv-owner,{two}\n"
        f"tariff-tier,{two},first,2026-01-01,2027-01-01\n",
        encoding="utf-8",
    )
    told = run(
        "facts", "load", "--as", operator, "--programme", homes.programme, "--source", "Grid company 2026-11",
        "--rejects", str(rejects), "--json", str(file),
    )  # fmt: skip
    assert told.json == {"stated": 2, "refused": 7, "rejects": str(rejects)}
    with rejects.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [(row["line"], row["reason"]) for row in rows] == [
        ("3", "fact-value-wrong"),
        ("4", "fact-unknown"),
        ("5", "fact-row-wrong"),
        ("6", "fact-row-wrong"),
        ("7", "citizen-not-found"),
        ("8", "span-empty"),
        ("9", "fact-row-wrong"),
    ]
    assert all(row["zh"] and row["en"] for row in rows)
    with unit_of_work(homes.database, read_only=True) as session:
        known = facts_of(session, citizen_ids=homes.citizens)
    assert [(fact.name, fact.value, fact.source) for fact in known[one] + known[two]] == [
        ("pv-owner", "no", "Grid company 2026-11"),
        ("tariff-tier", "first", "Grid company 2026-11"),
    ]
    assert known[one][0].recorded_by.startswith("operator:")


def test_a_file_without_its_columns_and_an_act_of_nobody_are_refused(
    homes: Homes, operator: str, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "pv.csv"
    file.write_text("citizen,value\n", encoding="utf-8")
    load = ("facts", "load", "--programme", homes.programme, "--source", "list", str(file))
    run(*load, "--as", operator).refused("name, from, to")
    run(*load).refused("Say who acts")
