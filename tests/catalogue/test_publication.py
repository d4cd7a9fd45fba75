"""Draft, published, retired: two operators for each step, and what may not be published."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from carbon_credit.catalogue import queries
from carbon_credit.catalogue.errors import (
    CaseFailed,
    DraftChanged,
    FileNotInPackage,
    MethodologyNotFound,
    NotPublishable,
    OfficialUnconfirmed,
    SecondOperatorNeeded,
    StoredTextDiffers,
    VersionNotInState,
    VersionTaken,
)
from carbon_credit.kernel.errors import CarbonError
from carbon_credit.kernel.unit_of_work import transact
from carbon_credit.methodology.errors import DataError, DimensionWrong
from tests.catalogue.conftest import ANNA, BORIS, ID, NAMESAKE, XAVER, YING, Office, operator, package


def test_two_operators_publish_what_one_uploads(office: Office) -> None:
    draft = office.upload(package())
    assert (draft.state, draft.origin, draft.grade, draft.published_at) == (
        "draft",
        "upload",
        "published",
        None,
    )
    first = office.approve(ANNA)
    assert (first.done, first.version.state) == (False, "draft")
    second = office.approve(BORIS)
    assert (second.done, second.version.state, second.version.published_for) == (True, "published", "all")
    assert second.version.published_at is not None
    told = office.look(lambda s: queries.approvals(s, methodology_id=ID, version="v1"))
    assert [(one.actor, one.act) for one in told] == [(ANNA.key, "publish"), (BORIS.key, "publish")]


def test_the_same_operator_twice_is_one(office: Office) -> None:
    office.upload(package())
    office.approve(ANNA)
    with pytest.raises(SecondOperatorNeeded, match="another operator"):
        office.approve(ANNA)
    assert office.version().state == "draft"


def test_an_approval_is_for_exactly_these_bytes(office: Office) -> None:
    old = office.upload(package())
    office.approve(ANNA)
    new = office.upload(package(value="46.7"))
    assert old.digest != new.digest
    with pytest.raises(DraftChanged):
        office.approve(BORIS, digest=old.digest)
    assert not office.approve(BORIS).done
    assert office.approve(ANNA).done
    # What was replaced is still there, for whoever finds its digest in a posting.
    former = office.look(lambda s: queries.compiled_by_digest(s, digest=old.digest))
    assert former.methodology.parameters[0].values[0].value == "46.8"


def test_other_cases_are_other_bytes(office: Office) -> None:
    """The digest covers the method alone; what two operators have seen are the cases, too."""
    first = office.upload(package())
    office.approve(ANNA)
    files = package()
    files["cases.yaml"] += b"  - {name: nothing, on: 2026-01-01, inputs: {distance_m: 0}, expect_mg: 0}\n"
    second = office.upload(files)
    assert (second.digest, second.bundle_sha256 == first.bundle_sha256) == (first.digest, False)
    assert not office.approve(BORIS).done
    assert office.approve(ANNA).done


def test_a_published_byte_never_changes(office: Office) -> None:
    office.published(package())
    with pytest.raises(VersionTaken, match="Raise `version`"):
        office.upload(package(value="46.7"))
    with pytest.raises(VersionNotInState):
        office.approve(operator("Carla"))


def test_operators_of_rehearsals_publish_for_rehearsals(office: Office) -> None:
    office.upload(package())
    office.approve(XAVER)
    assert office.approve(YING).version.published_for == "rehearsal"
    # Real operators can still take it over, both of them.
    assert not office.approve(ANNA).done
    step = office.approve(BORIS)
    assert (step.done, step.version.published_for) == (True, "all")
    with pytest.raises(VersionNotInState):
        office.approve(XAVER)


def test_the_two_are_of_one_programme(office: Office) -> None:
    office.upload(package())
    for who in (ANNA, NAMESAKE, XAVER):
        step = office.approve(who)
        assert (step.done, step.version.published_for) == (False, None)
    where = f"WHERE methodology_id = '{ID}'"
    for wanted in ("all", "rehearsal"):
        publish = f"state = 'published', published_for = '{wanted}', published_at = recorded_at"
        tamper(office, f"UPDATE methodology_version SET {publish} {where}", "approval of two parties")
    assert office.approve(BORIS).version.published_for == "all"
    for who in (ANNA, NAMESAKE):
        assert not office.retire(who).done
    tamper(office, f"UPDATE methodology_version SET state = 'retired' {where}", "approval of two parties")


def test_retiring_takes_two(office: Office) -> None:
    office.published(package())
    assert not office.retire(ANNA).done
    with pytest.raises(SecondOperatorNeeded):
        office.retire(ANNA)
    assert not office.retire(XAVER).done  # a rehearsal does not end what holds for all
    assert office.retire(BORIS).version.state == "retired"
    with pytest.raises(VersionNotInState):
        office.retire(operator("Carla"))
    told = office.look(lambda s: queries.approvals(s, methodology_id=ID, version="v1"))
    assert {one.reason for one in told if one.act == "retire"} == {"wrong"}


def test_a_draft_is_not_retired(office: Office) -> None:
    office.upload(package())
    with pytest.raises(VersionNotInState):
        office.retire(ANNA)


@pytest.mark.parametrize(
    ("files", "error", "told"),
    [
        (package(expected=1), CaseFailed, "expected 1 mg, found 46800 mg"),
        (package(review_by="2026-11-20"), NotPublishable, "RF"),
        (package(grade="official"), OfficialUnconfirmed, r"parameters.RF\[0\]"),
        (package(version=2, supersedes="1"), NotPublishable, "supersedes v1"),
        (package(value="null", expected=0), NotPublishable, "RF is null"),
    ],
    ids=["cases", "best-before", "official", "supersedes", "null"],
)
def test_what_may_not_be_published(
    office: Office, files: dict[str, bytes], error: type[CarbonError], told: str
) -> None:
    files = {
        name: data.replace(b"value: null, grade: published", b"value: null, grade: null")
        for name, data in files.items()
    }
    draft = office.upload(files)

    def publish() -> None:
        office.approve(ANNA, draft.version)
        office.approve(BORIS, draft.version)

    with pytest.raises(error, match=told):
        publish()
    assert office.version(draft.version).state == "draft"


def test_best_before_counts_on_the_day(office: Office) -> None:
    office.upload(package(review_by="2026-11-21"))
    office.approve(ANNA, on=date(2026, 11, 21))
    with pytest.raises(NotPublishable):
        office.approve(BORIS, on=date(2026, 11, 22))


def test_what_cannot_be_uploaded(office: Office) -> None:
    for change in (b"unit: gCO2e", b"id: metro-test", b"distance_m"):
        files = package()
        files["methodology.yaml"] = files["methodology.yaml"].replace(change, b"unit: furlong", 1)
        with pytest.raises(DataError, match="line"):
            office.upload(files)
    files = package()
    files["methodology.yaml"] = files["methodology.yaml"].replace(b"unit: gCO2e", b"unit: kWh")
    with pytest.raises(DimensionWrong):
        office.upload(files)
    with pytest.raises(FileNotInPackage, match=r"notes\.txt"):
        office.upload(package() | {"notes.txt": b"hello"})
    with pytest.raises(MethodologyNotFound):
        office.version()


def test_an_overlay_is_a_draft_for_ever(office: Office) -> None:
    files = package(value="null", expected=0)
    files["methodology.yaml"] = files["methodology.yaml"].replace(
        b"grade: published, source: paper, effective", b"grade: null, source: null, effective"
    )
    overlay = b'note: {zh: "x", en: "x"}\nvalues:\n  - {parameter: RF, value: 1, note: {zh: "x", en: "x"}}\n'
    office.upload(files | {"overlay.yaml": overlay})
    assert office.version("v1+sandbox").grade == "assumed"
    with pytest.raises(NotPublishable, match="overlay"):
        office.approve(ANNA, "v1+sandbox")


def test_two_operators_at_the_same_moment_publish_once(office: Office) -> None:
    office.upload(package())
    with ThreadPoolExecutor(2) as pool:
        steps = [task.result() for task in [pool.submit(office.approve, who) for who in (ANNA, BORIS)]]
    assert sorted(step.done for step in steps) == [False, True]
    assert office.version().state == "published"


def test_many_at_once_publish_once(office: Office) -> None:
    office.upload(package())
    people = [operator(f"operator {number}") for number in range(6)]

    def attempt(number: int) -> bool | str:
        try:
            return office.approve(people[number]).done
        except CarbonError as error:
            return error.code

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(attempt, range(6)))
    assert outcomes.count(True) == 1
    assert outcomes.count(False) == 1
    assert outcomes.count("version-not-in-state") == 4


# What the database itself refuses.


def tamper(office: Office, statement: str, match: str) -> None:
    with pytest.raises(DBAPIError, match=match):
        office.act(lambda s: s.execute(text(statement)))


def test_the_database_wants_four_eyes(office: Office) -> None:
    office.upload(package())
    office.approve(ANNA)
    where = f"WHERE methodology_id = '{ID}'"
    publish = "UPDATE methodology_version SET state = 'published', published_at = '2026-11-21'"
    tamper(office, f"{publish}, published_for = 'all' {where}", "approval of two parties")
    tamper(office, f"{publish}, published_for = 'rehearsal' {where}", "approval of two parties")
    tamper(office, f"{publish}, published_for = 'nobody' {where}", "a methodology version")
    tamper(office, f"UPDATE methodology_version SET state = 'published' {where}", "a methodology version")
    for who in (XAVER, YING):
        office.approve(who)
    assert office.version().published_for == "rehearsal"
    tamper(office, f"{publish}, published_for = 'all' {where}", "approval of two parties")
    tamper(office, f"UPDATE methodology_version SET state = 'retired' {where}", "approval of two parties")


def test_the_database_takes_no_version_that_is_published_from_nowhere(office: Office) -> None:
    copied = (
        "INSERT INTO methodology_version (methodology_id, version, digest, state, grade, bundle, "
        "recorded_at, bundle_sha256, published_for, published_at) SELECT methodology_id, 'v9', 'x', {0}, "
        "grade, bundle, recorded_at, bundle_sha256, {1}, {2} FROM methodology_version "
        "WHERE methodology_id = 'sz-public-transit' AND version = 'v1'"
    )
    tamper(office, copied.format("'published'", "'all'", "recorded_at"), "approval of two parties")
    tamper(office, copied.format("'retired'", "'all'", "recorded_at"), "draft to published")


@pytest.mark.parametrize(
    "change",
    ["bundle = '{}'", "digest = 'x'", "grade = 'official'", "state = 'draft'", "version = 'v7'",
     "supersedes = 'v0'", "effective_from = NULL", "bundle_sha256 = 'x'", "published_for = 'rehearsal'",
     "published_at = recorded_at"],
)  # fmt: skip
def test_the_database_keeps_what_is_published(office: Office, change: str) -> None:
    office.published(package())
    if change.startswith("bundle ") and not office.database.settings.embedded:
        change = "bundle = '{}'::bytea"
    if change == "published_at = recorded_at":
        change = "published_at = '2020-01-01'"
    for where in (f"methodology_id = '{ID}'", "methodology_id = 'sz-public-transit' AND version = 'v1'"):
        tamper(office, f"UPDATE methodology_version SET {change} WHERE {where}", "methodology version")
    tamper(office, f"DELETE FROM methodology_version WHERE methodology_id = '{ID}'", "never changes")
    if not office.database.settings.embedded:
        tamper(office, "TRUNCATE methodology_version", "append-only")


def test_a_retired_version_does_not_come_back(office: Office) -> None:
    office.published(package())
    office.retire(ANNA)
    office.retire(BORIS)
    where = f"WHERE methodology_id = '{ID}'"
    tamper(office, f"UPDATE methodology_version SET state = 'published' {where}", "draft to published")


def test_bytes_that_are_not_those_of_their_digest_are_not_computed_with(office: Office) -> None:
    draft = office.upload(package(value="46.9"))

    def spoil(session: Session) -> None:
        triggers = (
            ["DROP TRIGGER methodology_text_no_update"]
            if office.database.settings.embedded
            else ["ALTER TABLE methodology_text DISABLE TRIGGER ALL"]
        )
        changed = "replace(CAST(bundle AS TEXT), 'value: 46.9', 'value: 96.9')"
        if not office.database.settings.embedded:
            changed = (
                "convert_to(replace(convert_from(bundle, 'UTF8'), 'value: 46.9', 'value: 96.9'), 'UTF8')"
            )
        else:
            changed = f"CAST({changed} AS BLOB)"
        for statement in [
            *triggers,
            f"UPDATE methodology_text SET bundle = {changed} WHERE digest = '{draft.digest}'",
        ]:
            session.execute(text(statement))

    transact(office.database, spoil)
    queries._COMPILED.pop(draft.digest, None)
    with pytest.raises(StoredTextDiffers, match="metro-test"):
        office.approve(ANNA)
