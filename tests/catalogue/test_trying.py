"""Rules as they would be if another version governed."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from carbon_credit.catalogue.library import load_library
from carbon_credit.catalogue.operations import seed
from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.methodology.engine import CompiledMethodology, compile_package
from carbon_credit.methodology.loader import package_from_files
from tests.catalogue.conftest import package
from tests.world import NOW

LIBRARY = Path(__file__).resolve().parents[2] / "methodologies"
DAY = date(2026, 10, 5)


def of_library(methodology_id: str, version: str) -> CompiledMethodology:
    return compile_package(load_library(LIBRARY).packages[methodology_id, version], check_dimensions=False)


def changed(old: bytes, new: bytes) -> CompiledMethodology:
    """The tests' metro methodology, which nobody binds, with another line."""
    files = package()
    assert old in files["methodology.yaml"]
    files["methodology.yaml"] = files["methodology.yaml"].replace(old, new, 1)
    return compile_package(package_from_files(files), check_dimensions=False)


@pytest.fixture
def rules(sqlite_database: Database) -> dict[str, ProgrammeRules]:
    """By programme code."""
    with unit_of_work(sqlite_database) as session:
        seed(session, root=LIBRARY, now=NOW)
        return {code: programme_rules(session, programme=code) for code in ("gd-sz", "x-gd-sz", "x-gd-gz")}


def governing(rules: ProgrammeRules, activity_type: str, day: date = DAY) -> tuple[str, str, str] | None:
    found = rules.governing(activity_type, day)
    return None if found is None else (found.methodology_id, found.version, found.use)


def test_it_takes_the_place_of_its_methodology_s_bound_version(rules: dict[str, ProgrammeRules]) -> None:
    home = rules["x-gd-sz"]
    tried = home.trying(of_library("sz-public-transit", "v2"))
    assert governing(tried, "metro.ride") == ("sz-public-transit", "v2", "credit")
    assert governing(tried, "bike.ride") == governing(home, "bike.ride")
    assert tried.caps(DAY) == home.caps(DAY)


def test_in_a_rehearsal_also_that_of_an_overlay(rules: dict[str, ProgrammeRules]) -> None:
    home = rules["x-gd-gz"]
    assert (governing(home, "water.period") or ("", "", ""))[:2] == ("gz-water", "v1+sandbox")
    tried = home.trying(of_library("gz-water", "v1"))
    assert (governing(tried, "water.period") or ("", "", ""))[:2] == ("gz-water", "v1")


def test_where_nobody_binds_it_that_of_whatever_governs_what_it_reads(
    rules: dict[str, ProgrammeRules],
) -> None:
    home = rules["x-gd-sz"]
    tried = home.trying(changed(b"46.8", b"46.7"))
    assert governing(tried, "metro.ride") == ("metro-test", "v1", "credit")
    assert governing(tried, "bus.ride") == governing(home, "bus.ride")


def test_a_real_programme_would_only_show_what_is_sandbox(rules: dict[str, ProgrammeRules]) -> None:
    tried = rules["gd-sz"].trying(
        changed(b"grade: published, source: paper, effective", b"grade: secondary, source: paper, effective")
    )
    assert governing(tried, "metro.ride") == ("metro-test", "v1", "display")


def test_only_on_the_days_of_its_own(rules: dict[str, ProgrammeRules]) -> None:
    home = rules["gd-sz"]
    compiled = changed(b"effective_from: 2021-12-17", b"effective_from: 2026-10-05")
    tried = home.trying(compiled)
    assert (governing(tried, "metro.ride") or ("", "", ""))[0] == "metro-test"
    before = DAY - timedelta(days=1)
    assert governing(tried, "metro.ride", before) == governing(home, "metro.ride", before)


def test_the_rules_themselves_stay_as_they_are(rules: dict[str, ProgrammeRules]) -> None:
    home = rules["x-gd-sz"]
    before = governing(home, "metro.ride")
    home.trying(of_library("sz-public-transit", "v2")).governing("metro.ride", DAY)
    assert governing(home, "metro.ride") == before
    assert home.tried is None
