"""published.lock: what the release publishes; a database of the release before; a folder that was changed."""

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from carbon_credit.catalogue import queries
from carbon_credit.catalogue.errors import (
    LockedDiffers,
    LockLineWrong,
    OfficialUnconfirmed,
    PublishedDigestDiffers,
)
from carbon_credit.catalogue.library import library_problems, load_library
from carbon_credit.catalogue.lock import FILE, read_lock, write_lock
from carbon_credit.catalogue.publishable import hindrances, lengthen_lock
from carbon_credit.factory import open_database
from carbon_credit.kernel import schema
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.digest import canonical_json
from carbon_credit.kernel.settings import HOME
from carbon_credit.methodology.loader import load_package
from tests.catalogue.conftest import ANNA, BORIS, ID, Office, package

LIBRARY = HOME / "methodologies"
TODAY = date(2026, 11, 21)
# Of the first release. Not a byte of them changes.
FIRST = {
    ("activity-record", "v1"): "db338eb7a8d632615dc1cd2312af587d1193bea3f41b2d5d4f12b55c72daed6f",
    ("gz-metro-ride", "v1"): "c8e72fd15357cf65458a4ef82ef05d58a6597e78e5fe2e462e044c937f255bd2",
    ("household-electricity", "v1"): "34026c36bf8bdf8f5ef851619daae92e1fe7e453c7393e5ea1834e6085a9cf43",
    ("shared-bike-sandbox", "v1"): "65630181eff3542de0227ee29b9ebdbc6210bea407923b9105a9ee64936c5d18",
    ("sz-public-transit", "v1"): "5c056b39e28a238d177c26d545678e914256e690f56a1d54a7a80fabaf0ad982",
    ("walking-sandbox", "v1"): "b6b8069f56924f1b52a663b52b7d33108af103c830d2ffc4e7784885cd6f43ad",
}
# Published since: a line is added here with each line of the lock.
SINCE = {
    ("activity-record", "v2"),
    ("bj-hydrogen-vehicle", "v1"),
    ("bj-petrol-to-electric", "v1"),
    ("gz-metro-ride", "v2"),
    ("hb-carbon-planet-rides", "v1"),
    ("hb-carbon-planet-steps", "v1"),
    ("jjj-low-carbon-travel", "v1"),
    ("platform-clothes-donation", "v1"),
    ("platform-hotel-disposables", "v1"),
    ("platform-parcel-box", "v1"),
    ("platform-textile-reuse", "v1"),
    ("platform-tree", "v1"),
    ("sh-distributed-pv", "v1"),
    ("sz-public-transit", "v2"),
    ("tcsae-235-ev-travel", "v1"),
    ("wh-display-new-energy-car", "v1"),
    ("wh-display-own-bag", "v1"),
    ("wh-display-trips", "v1"),
    ("wh-display-trips", "v2"),
}


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A copy of the library, to be changed."""
    return Path(shutil.copytree(LIBRARY, tmp_path / "methodologies"))


def plant(library: Path, files: dict[str, bytes], version: str = "v1", name: str = ID) -> Path:
    """Put a package into the folder."""
    folder = library / name / version
    folder.mkdir(parents=True)
    for file, data in files.items():
        (folder / file).write_bytes(data)
    return folder


def lock(library: Path, *names: str) -> tuple[list[tuple[str, str]], dict[tuple[str, str], str]]:
    added, drafts = lengthen_lock(library, names=names, on=TODAY)
    return added, dict(drafts)


def test_what_is_published_is_there_and_unchanged() -> None:
    held = read_lock(LIBRARY)
    assert FIRST.items() <= held.items()
    assert set(held) == FIRST.keys() | SINCE
    assert len(held) == 25
    for (name, version), digest in held.items():
        assert load_package(LIBRARY / name / version).digest == digest, (name, version)
    packages = load_library(LIBRARY).packages
    assert [one.code for one in library_problems(LIBRARY)] == []
    # Whatever is left could not be published as it stands: nothing was forgotten.
    left = {key: package for key, package in packages.items() if key not in held}
    assert all(hindrances(package, published=set(), on=TODAY) for package in left.values())
    assert len(left) > 60


def test_the_lock_is_lengthened_and_never_changed(library: Path) -> None:
    before = (library / FILE).read_bytes()
    folder = plant(library, package())
    assert lock(library, ID) == ([(ID, "v1")], {})
    after = (library / FILE).read_bytes()
    assert set(before.splitlines()) < set(after.splitlines())
    assert lock(library, ID) == ([], {})
    assert (library / FILE).read_bytes() == after
    path = folder / "methodology.yaml"
    path.write_bytes(path.read_bytes().replace(b"46.8", b"46.7"))
    with pytest.raises(LockedDiffers, match="metro-test v1"):
        lock(library)
    assert (library / FILE).read_bytes() == after


@pytest.mark.parametrize(
    ("files", "why"),
    [
        (package(expected=1), "expected 1 mg, found 46800 mg"),
        (package(grade="official"), "claims official"),
        (package(review_by="2026-11-20"), "RF"),
        (package(supersedes="1", version=2), "supersedes v1"),
    ],
    ids=["cases", "official", "best-before", "supersedes"],
)
def test_what_may_not_be_published_stays_a_draft(library: Path, files: dict[str, bytes], why: str) -> None:
    version = "v2" if b"version: 2" in files["methodology.yaml"] else "v1"
    plant(library, files, version)
    added, drafts = lock(library, ID)
    assert added == []
    assert why in drafts[ID, version]


def test_a_version_and_what_it_supersedes_are_locked_in_one_go(library: Path) -> None:
    plant(library, package())
    plant(library, package(version=2, supersedes="1"), "v2")
    assert lock(library, ID)[0] == [(ID, "v1"), (ID, "v2")]


@pytest.mark.parametrize("line", ["metro-test v1", "metro-test v1 xyz", "sz-public-transit v1 " + "0" * 64])
def test_a_line_that_is_wrong_is_named(library: Path, line: str) -> None:
    with (library / FILE).open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(LockLineWrong, match=r"published\.lock, line \d+"):
        read_lock(library)
    assert "lock-line-wrong" in {one.code for one in library_problems(library)}


def test_writing_and_reading_the_lock(tmp_path: Path) -> None:
    entries = {("b", "v10"): "1" * 64, ("b", "v9"): "2" * 64, ("a", "v1"): "3" * 64}
    write_lock(tmp_path, entries)
    assert read_lock(tmp_path) == entries
    lines = [line for line in (tmp_path / FILE).read_text().splitlines() if not line.startswith("#")]
    assert [line[:5].strip() for line in lines] == ["a v1", "b v9", "b v10"]


def test_lint_names_what_is_gone_and_what_claims_official(library: Path) -> None:
    shutil.rmtree(library / "gz-metro-ride")
    plant(library, package(grade="official"))
    codes = {one.code for one in library_problems(library)}
    assert {"locked-differs", "official-in-folder"} <= codes


def test_the_seed_publishes_what_the_lock_names(office: Office, library: Path) -> None:
    folder = plant(library, package())
    office.seed(library)
    assert (office.version().state, office.version().origin) == ("draft", "seed")
    path = folder / "methodology.yaml"
    path.write_bytes(path.read_bytes().replace(b"46.8", b"46.9"))
    (folder / "cases.yaml").write_bytes(package(value="46.9", expected=46_900)["cases.yaml"])
    draft = office.version().digest
    office.seed(library)
    assert office.version().digest != draft  # a draft of the folder follows the folder
    lock(library, ID)
    office.seed(library)
    published = office.version()
    assert (published.state, published.published_for) == ("published", "all")
    (approval,) = office.look(lambda s: queries.approvals(s, methodology_id=ID, version="v1"))
    assert (approval.actor, approval.party_id.int) == ("published.lock", 0)
    office.seed(library)
    assert office.version() == published


def test_a_draft_that_was_uploaded_is_not_overwritten_by_the_folder(office: Office, library: Path) -> None:
    plant(library, package())
    record = office.upload(package(value="50"))
    office.seed(library)
    assert office.version() == record
    lock(library, ID)
    office.seed(library)
    assert (office.version().state, office.version().digest != record.digest) == ("published", True)


def test_a_node_does_not_start_on_other_bytes(office: Office, library: Path) -> None:
    office.published(package())
    settings = replace(office.database.settings, methodologies_dir=library)
    plant(library, package(value="46.7"))
    with pytest.raises(PublishedDigestDiffers, match="metro-test/v1 was published with digest"):
        open_database(settings)
    shutil.rmtree(library / ID)
    open_database(settings).dispose()
    # The lock binds before anything is in the database, too.
    lines = read_lock(library) | {("gz-metro-ride", "v1"): "0" * 64}
    write_lock(library, lines)
    with pytest.raises(PublishedDigestDiffers, match="gz-metro-ride/v1"):
        open_database(settings)


def test_the_seed_publishes_no_official_that_nobody_confirmed(office: Office, library: Path) -> None:
    folder = plant(library, package(grade="official"))
    write_lock(library, read_lock(library) | {(ID, "v1"): load_package(folder).digest})
    with pytest.raises(OfficialUnconfirmed, match=r"parameters\.RF\[0\]"):
        office.seed(library)


def test_what_was_confirmed_here_may_be_in_the_folder_of_the_next_release(
    office: Office, library: Path
) -> None:
    office.published(package())
    office.confirm(ANNA)
    office.confirm(BORIS)
    for version in ("v1", "v2"):
        files = office.look(lambda s, v=version: queries.package_files(s, methodology_id=ID, version=v))
        plant(library, files, version)
    digests = {(ID, v): load_package(library / ID / v).digest for v in ("v1", "v2")}
    write_lock(library, read_lock(library) | digests)
    office.seed(library)
    assert (office.version("v2").state, office.version("v2").digest) == ("published", digests[ID, "v2"])


# The release before had no lock, no approvals: its seed inserted rows that were published.


def as_the_release_before(database: Database) -> None:
    schema.downgrade(database, "0007")
    statement = text(
        "INSERT INTO methodology_version (methodology_id, version, digest, state, grade, effective_from, "
        "effective_to, bundle, recorded_at) VALUES (:id, :version, :digest, 'published', 'published', "
        ":start, NULL, :bundle, :at)"
    )
    with database.engine.begin() as connection:
        for name, version in FIRST:
            package = load_package(LIBRARY / name / version)
            bundle = canonical_json({file: data.decode() for file, data in package.files.items()})
            start = package.methodology.effective_from
            row = {"id": name, "version": version, "digest": package.digest, "bundle": bundle}
            connection.execute(
                statement, row | {"start": start and start.isoformat(), "at": "2026-11-20 04:00:00"}
            )


def test_a_database_of_the_release_before_is_taken_over(database: Database) -> None:
    as_the_release_before(database)
    schema.upgrade(database)
    office = Office(database)
    with pytest.raises(Exception, match="never changes"):
        office.act(lambda s: s.execute(text("UPDATE methodology_version SET supersedes = 'v0'")))
    office.seed()
    for name, version in FIRST:
        record = office.version(version, name)
        assert (record.state, record.origin, record.published_for) == ("published", "seed", "all")
        assert record.digest == FIRST[name, version]
        assert record.published_at is not None
        (approval,) = office.look(
            lambda s, n=name, v=version: queries.approvals(s, methodology_id=n, version=v)
        )
        assert (approval.bundle_sha256, approval.actor) == (record.bundle_sha256, "published.lock")
        compiled = office.look(lambda s, d=record.digest: queries.compiled_by_digest(s, digest=d))
        assert compiled.id == name
    before = office.look(lambda s: s.scalar(text("SELECT count(*) FROM methodology_approval")))
    office.seed()
    assert office.look(lambda s: s.scalar(text("SELECT count(*) FROM methodology_approval"))) == before
    # It is an ordinary published version from here on: two operators may retire it.
    office.retire(ANNA, name="walking-sandbox")
    assert office.retire(BORIS, name="walking-sandbox").done


def test_a_release_before_with_other_bytes_is_not_taken_over(database: Database) -> None:
    as_the_release_before(database)
    with database.engine.begin() as connection:
        for name in ("methodology_version_published_update", "methodology_version_published"):
            if database.settings.embedded and name.endswith("update"):
                connection.execute(text(f"DROP TRIGGER {name}"))
            elif not database.settings.embedded and not name.endswith("update"):
                connection.execute(text(f"ALTER TABLE methodology_version DISABLE TRIGGER {name}"))
        connection.execute(
            text("UPDATE methodology_version SET digest = :d WHERE methodology_id = 'gz-metro-ride'"),
            {"d": "0" * 64},
        )
    schema.upgrade(database)
    with pytest.raises(PublishedDigestDiffers, match="gz-metro-ride/v1"):
        Office(database).seed()


def test_seeding_twice_writes_nothing(office: Office) -> None:
    tables = ("methodology_version", "methodology_text", "methodology_approval", "catalogue_stamp")

    def state(session: Session) -> list[object]:
        return [session.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2")).all() for table in tables]

    before = office.look(state)
    office.seed()
    assert office.look(state) == before
