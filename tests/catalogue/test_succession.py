"""Which version governs: the binding's, or the published one that has taken its place, at once everywhere."""

import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from carbon_credit.catalogue import queries
from carbon_credit.catalogue.errors import BindingNotPublished
from carbon_credit.catalogue.profile import parse_profile
from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.catalogue.rules import Binding, ProgrammeRules, Successor
from carbon_credit.catalogue.seeding import require_published
from carbon_credit.methodology.engine import compile_package
from carbon_credit.methodology.errors import NameUndefined
from carbon_credit.methodology.loader import package_from_files
from tests.catalogue.conftest import ANNA, BORIS, XAVER, YING, Office, package

DAY = date(2026, 11, 20)
TRANSIT = "sz-public-transit"


def next_version(
    office: Office, *, named: str = TRANSIT, base: str = "v1", change: str = ""
) -> dict[str, bytes]:
    """The version after the newest, which supersedes `base`; `change`: "old -> new" in its text."""
    versions = office.look(
        lambda s: [one.version for one in queries.versions(s) if one.methodology_id == named]
    )
    number = max(int(one[1:]) for one in versions if "+" not in one) + 1
    files = office.look(lambda s: queries.package_files(s, methodology_id=named, version=base))
    told = re.sub(r"\nsupersedes: .*\n", "\n", files["methodology.yaml"].decode())
    told = re.sub(r"\nversion: [0-9]+\n", f"\nversion: {number}\nsupersedes: {base[1:]}\n", told, count=1)
    if change:
        before, _, after = change.partition(" -> ")
        assert before in told
        told = told.replace(before, after)
    return files | {"methodology.yaml": told.encode()}


def governing(office: Office, programme: str = "gd-sz", day: date = DAY, kind: str = "metro.ride") -> Binding:
    found = office.look(lambda s: programme_rules(s, programme=programme)).governing(kind, day)
    assert found is not None
    return found


def newest(office: Office) -> str:
    return governing(office).version


def test_what_is_published_governs_at_once(office: Office) -> None:
    before = newest(office)
    record = office.upload(next_version(office, base=before))
    assert newest(office) == before  # a draft takes nobody's place
    office.approve(ANNA, record.version, name=TRANSIT)
    assert newest(office) == before
    office.approve(BORIS, record.version, name=TRANSIT)
    assert newest(office) == record.version
    assert governing(office, "x-gd-sz").version == record.version
    assert governing(office).digest == record.digest


def test_a_chain_is_followed_and_a_retired_link_is_passed_over(office: Office) -> None:
    base = newest(office)
    chain = [base]
    for _ in range(3):
        record = office.upload(next_version(office, base=chain[-1]))
        for who in (ANNA, BORIS):
            office.approve(who, record.version, name=TRANSIT)
        chain.append(record.version)
    assert newest(office) == chain[3]
    for who in (ANNA, BORIS):
        office.retire(who, chain[2], name=TRANSIT)
    assert newest(office) == chain[3]
    for who in (ANNA, BORIS):
        office.retire(who, chain[3], name=TRANSIT)
    assert newest(office) == chain[1]


def test_a_version_takes_a_place_only_for_its_own_days(office: Office) -> None:
    base = newest(office)
    files = next_version(office, base=base, change="effective_from: 2021-12-17 -> effective_from: 2026-11-20")
    cases = "cases:\n  - {name: a, on: 2026-11-20, inputs: {mode: metro, distance_m: 10}, expect_mg: 468}\n"
    record = office.upload(files | {"cases.yaml": cases.encode()})
    for who in (ANNA, BORIS):
        office.approve(who, record.version, name=TRANSIT)
    assert governing(office, day=date(2026, 11, 19)).version == base
    assert governing(office, day=date(2026, 11, 20)).version == record.version


def test_what_rehearsals_publish_governs_in_rehearsals(office: Office) -> None:
    base = newest(office)
    record = office.upload(next_version(office, base=base))
    for who in (XAVER, YING):
        office.approve(who, record.version, name=TRANSIT)
    assert governing(office, "x-gd-sz").version == record.version
    assert governing(office, "gd-sz").version == base


def test_nothing_governs_where_the_only_version_is_retired(office: Office) -> None:
    assert governing(office, "gd-gz", kind="walk").version == "v1"
    for who in (ANNA, BORIS):
        office.retire(who, name="activity-record")
    rules = office.look(lambda s: programme_rules(s, programme="gd-gz"))
    assert rules.governing("walk", DAY) is None


def test_another_process_sees_it_at_once(office: Office) -> None:
    """The other process has read its rules before, and reads them again when the stamp is another."""
    code = """
import os, sys
from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import read_settings
from carbon_credit.kernel.unit_of_work import unit_of_work
from datetime import date
database = Database(read_settings(os.environ))
for _ in range(2):
    with unit_of_work(database, read_only=True) as session:
        found = programme_rules(session, programme="gd-sz").governing("metro.ride", date(2026, 11, 20))
    print(found.version, flush=True)
    sys.stdin.readline()
"""
    url = office.database.engine.url.render_as_string(hide_password=False)
    environ = {"DATABASE_URL": url, "CARBON_CREDIT_VAR": str(office.database.settings.var_dir)}
    before = newest(office)
    record = office.upload(next_version(office, base=before))
    office.approve(ANNA, record.version, name=TRANSIT)
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline().strip() == before
        office.approve(BORIS, record.version, name=TRANSIT)
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline().strip() == record.version
        other.stdin.write("\n")


def rules_of(office: Office, profile: str, *, successors: bool = False) -> ProgrammeRules:
    """Rules of a profile text, with two versions of the test's methodology of which v2 is sandbox-free."""
    shown = office.look(lambda s: programme_rules(s, programme="gd-sz"))
    made = {}
    for version, grade in (("v1", "secondary"), ("v2", "published")):
        files = package(version=int(version[1:]), grade=grade, supersedes="1" if version == "v2" else "null")
        made["metro-test", version] = compile_package(package_from_files(files), check_dimensions=False)
    following = {("metro-test", "v1"): (Successor("v2", None, None),)} if successors else {}
    return ProgrammeRules(
        profile=parse_profile(profile.encode(), file="profile"),
        activities=shown.activities,
        compiled=made,
        digest="0" * 64,
        phase="open",
        successors=following,
    )


def test_a_real_programme_credits_once_the_sandbox_is_left(office: Office) -> None:
    root = office.database.settings.methodologies_dir
    told = (root / "programmes" / "gd-sz.yaml").read_text(encoding="utf-8")
    start = told.index("bindings:\n")
    rest = told[start + len("bindings:\n") :].splitlines(keepends=True)
    after = next(at for at, line in enumerate(rest) if not line.startswith((" ", "#", "\n")))
    binding = (
        "bindings:\n  - {activity_type: metro.ride, methodology: metro-test, version: 1, effective_from: "
        "2021-12-17, effective_to: null, use: credit, sandbox_use: points}\n"
    )
    profile = told[:start] + binding + "".join(rest[after:])
    for successors, expected in ((False, ("v1", "points")), (True, ("v2", "credit"))):
        found = rules_of(office, profile, successors=successors).governing("metro.ride", DAY)
        assert found is not None
        assert (found.version, found.use) == expected
    bare = profile.replace(", sandbox_use: points", "")
    found = rules_of(office, bare).governing("metro.ride", DAY)
    assert found is not None
    assert found.use == "display"  # never credit by a sandbox grade, whatever was forgotten


def test_a_real_programme_binds_only_what_is_published_for_it(office: Office) -> None:
    office.upload(package())
    real = office.look(lambda s: programme_rules(s, programme="gd-sz")).profile
    twin = office.look(lambda s: programme_rules(s, programme="x-gd-sz")).profile
    bindings = tuple(replace(one, methodology="metro-test", version=1) for one in real.bindings[:1])
    for profile in (replace(real, bindings=bindings), replace(twin, bindings=bindings)):
        if profile.rehearsal:
            office.look(lambda s, profile=profile: require_published(s, [profile]))
        else:
            with pytest.raises(BindingNotPublished, match="gd-sz binds metro-test/v1, which is draft"):
                office.look(lambda s, profile=profile: require_published(s, [profile]))
    for who in (XAVER, YING):
        office.approve(who)
    with pytest.raises(BindingNotPublished, match="published for rehearsals"):
        office.look(lambda s: require_published(s, [replace(real, bindings=bindings)]))
    for who in (ANNA, BORIS):
        office.approve(who)
    office.look(lambda s: require_published(s, [replace(real, bindings=bindings)]))


def test_a_programme_may_bind_what_was_published_here(office: Office, tmp_path: Path) -> None:
    """A version that came by upload and not with the folder."""
    library = Path(shutil.copytree(office.database.settings.methodologies_dir, tmp_path / "methodologies"))
    path = library / "programmes" / "gd-sz.yaml"
    told = path.read_text(encoding="utf-8")
    binding = (
        "\nbindings:\n  - {activity_type: metro.ride, methodology: metro-test, version: 1, "
        "effective_from: 2026-12-01, effective_to: null, use: credit}\n"
    )
    without = re.sub(r"(\n  - \{activity_type: metro\.ride, .*effective_from: )2026-12-01(.*)", "", told)
    path.write_text(without.replace("\nbindings:\n", binding), encoding="utf-8")
    with pytest.raises(NameUndefined, match="metro-test v1"):
        office.seed(library)
    office.upload(package())
    with pytest.raises(NameUndefined, match="metro-test v1"):
        office.seed(library)
    for who in (ANNA, BORIS):
        office.approve(who)
    office.seed(library)
    assert governing(office, day=date(2026, 12, 1)).methodology_id == "metro-test"


def test_the_stamp_is_one_row(office: Office) -> None:
    count = office.look(lambda s: s.scalar(text("SELECT count(*) FROM catalogue_stamp")))
    assert count == 1
