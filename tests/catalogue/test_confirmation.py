"""The one way to the grade `official`: two operators, one document, a new version that takes the place."""

import re
from dataclasses import asdict
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update
from sqlalchemy.orm import Session

from carbon_credit.catalogue import queries
from carbon_credit.catalogue.errors import (
    OfficialUnconfirmed,
    PartOfficialAlready,
    PartUnknown,
    PartWithoutValue,
    SecondOperatorNeeded,
    StatedDiffers,
    VersionNotInState,
    VersionSuperseded,
)
from carbon_credit.catalogue.parts import lasting_name, parts_of, same_statement
from carbon_credit.catalogue.queries import VersionRecord
from carbon_credit.catalogue.recording import SEED, VERSION, approve_rows
from carbon_credit.methodology.definition import Grade, Methodology
from carbon_credit.methodology.engine import CompiledMethodology, Evaluation, all_official
from tests.catalogue.conftest import ANNA, BORIS, FILE, ID, XAVER, YING, Office, operator, package
from tests.world import NOW

CARLA = operator("Carla")
# A version with nothing in it, as an old release may have published one.
EMPTY = {
    name: data.replace(
        b"value: 1, grade: published, source: paper", b"value: null, grade: null, source: null"
    )
    for name, data in package(value="1").items()
}


def publish_by_lock(session: Session, record: VersionRecord) -> None:
    row = asdict(record)
    approve_rows(session, [row], act="publish", actor=SEED, now=NOW)
    values = {"state": "published", "published_for": "all", "published_at": NOW}
    session.execute(update(VERSION).where(VERSION.c.methodology_id == ID).values(values))


def files_of(office: Office, version: str, name: str = ID) -> dict[str, bytes]:
    return office.look(lambda s: queries.package_files(s, methodology_id=name, version=version))


def method_of(office: Office, record: VersionRecord) -> Methodology:
    return office.look(lambda s: queries.compiled_by_digest(s, digest=record.digest)).methodology


def test_two_equal_findings_compose_the_next_version(office: Office) -> None:
    office.published(package())
    first = office.confirm(ANNA)
    assert (first.draft, first.grade) == (None, "published")
    found = office.confirm(BORIS, stated="46.80").draft
    assert found is not None
    assert (found.version, found.state, found.origin, found.supersedes) == (
        "v2",
        "draft",
        "confirmation",
        "v1",
    )
    base, method = method_of(office, office.version("v1")), method_of(office, found)
    value = method.parameters[0].values[0]
    assert (value.value, value.grade, value.clause) == ("46.8", Grade.OFFICIAL, "Table 3")
    source = method.source(value.source)
    assert source is not None
    assert (source.document, source.number, source.clause, source.file_sha256) == (
        "Official document", "No. 12 of 2021", "Table 3", FILE,
    )  # fmt: skip
    assert (method.supersedes, method.effective_from, method.effective_to) == (1, base.effective_from, None)
    assert method.grades == base.grades
    assert method.steps == base.steps


def test_what_was_composed_is_published_as_any_other(office: Office) -> None:
    office.published(package())
    office.confirm(ANNA)
    office.confirm(BORIS)
    office.approve(ANNA, "v2")
    assert office.approve(BORIS, "v2").version.published_for == "all"


def test_head_comments_and_cases_are_kept_and_bytes_are_the_same_each_time(office: Office) -> None:
    office.published(package())
    office.confirm(ANNA)
    office.confirm(BORIS)
    text = files_of(office, "v2")["methodology.yaml"]
    assert text.startswith(b"# A methodology of the tests.\n# Its comments are kept.\nid: metro-test\n")
    assert b"value: 46.8\n" in text  # as people write it, without quotes
    assert files_of(office, "v2")["cases.yaml"] == files_of(office, "v1")["cases.yaml"]


def test_more_findings_extend_the_draft_whatever_their_order(office: Office) -> None:
    office.published(package())
    found = {
        "parameters.RF[0]": "46.8",
        "grades.formula": "reduction = RF*distance_m",
        "grades.validity": "2021-12-17/-",
        "grades.rounding": "floor mg",
        "grades.caps": "-",
        "grades.eligibility": "-",
    }
    for who, order in ((ANNA, list(found)), (BORIS, list(reversed(found)))):
        for part in order:
            draft = office.confirm(who, part=part, stated=found[part]).draft
    assert draft is not None
    assert (draft.version, draft.grade) == ("v2", "official")
    compiled = office.look(lambda s: queries.compiled_by_digest(s, digest=draft.digest))
    assert all_official(compiled.package, on=date(2026, 11, 21))
    assert len(compiled.methodology.sources) == 2  # one document, one clause: one entry
    answer = compiled.evaluate({"distance_m": 1000}, on=date(2026, 1, 1))
    assert answer == Evaluation(46_800, Grade.OFFICIAL)


def test_an_approval_of_the_draft_ends_when_the_draft_is_extended(office: Office) -> None:
    office.published(package())
    office.confirm(ANNA)
    office.confirm(BORIS)
    office.approve(ANNA, "v2")
    office.confirm(ANNA, part="grades.caps", stated="-")
    office.confirm(BORIS, part="grades.caps", stated="-")
    assert not office.approve(BORIS, "v2").done
    assert office.approve(ANNA, "v2").done


@pytest.mark.parametrize(
    "other",
    [{"file_sha256": "00" * 32}, {"number": "No. 13"}, {"clause": "Table 4"}],
    ids=["file", "number", "clause"],
)
def test_findings_that_differ_do_not_make_two(office: Office, other: dict[str, str]) -> None:
    office.published(package())
    office.confirm(ANNA)
    assert office.confirm(BORIS, **other).draft is None
    assert office.confirm(CARLA, **other).draft is not None


def test_the_same_operator_twice_is_one(office: Office) -> None:
    office.published(package())
    office.confirm(ANNA)
    with pytest.raises(SecondOperatorNeeded, match="another operator"):
        office.confirm(ANNA)


def test_another_value_is_refused_saying_both(office: Office) -> None:
    office.published(package())
    with pytest.raises(StatedDiffers) as caught:
        office.confirm(ANNA, stated="46.7")
    assert (caught.value.details["held"], caught.value.details["stated"]) == ("46.8", "46.7")
    for language in ("zh", "en"):
        assert "46.7" in caught.value.message(language)
        assert "46.8" in caught.value.message(language)
    assert office.look(lambda s: queries.confirmations(s, methodology_id=ID)) == []


def test_what_cannot_be_confirmed(office: Office) -> None:
    office.upload(package())
    with pytest.raises(VersionNotInState, match="draft"):
        office.confirm(ANNA)
    office.approve(ANNA)
    office.approve(BORIS)
    with pytest.raises(PartUnknown, match=r"parameters\.RF\[0\]"):
        office.confirm(ANNA, part="parameters.RF[1]")
    office.confirm(ANNA)
    office.confirm(BORIS)
    office.approve(ANNA, "v2")
    office.approve(BORIS, "v2")
    with pytest.raises(PartOfficialAlready):
        office.confirm(ANNA, "v2")
    with pytest.raises(VersionSuperseded, match="v2"):
        office.confirm(ANNA, "v1", part="grades.caps", stated="-")
    # The next round goes on from there.
    office.confirm(ANNA, "v2", part="grades.caps", stated="-")
    draft = office.confirm(BORIS, "v2", part="grades.caps", stated="-").draft
    assert draft is not None
    assert (draft.version, draft.supersedes) == ("v3", "v2")
    office.approve(ANNA, "v3")
    assert office.approve(BORIS, "v3").done


def test_a_value_that_is_null_cannot_be_confirmed(office: Office) -> None:
    office.upload(EMPTY)
    office.act(lambda s: publish_by_lock(s, office.version()))
    with pytest.raises(PartWithoutValue, match=r"parameters\.RF\[0\]"):
        office.confirm(ANNA)


def test_a_claim_to_official_without_a_pair_is_not_published(office: Office) -> None:
    office.published(package())
    claimed = package(version=2, supersedes="1")
    text = claimed["methodology.yaml"].replace(
        b"value: 46.8, grade: published", b"value: 46.8, grade: official"
    )
    office.upload(claimed | {"methodology.yaml": text})
    office.approve(ANNA, "v2")
    with pytest.raises(OfficialUnconfirmed, match=r"parameters\.RF\[0\]"):
        office.approve(BORIS, "v2")
    # Nor with the file of a document that two operators opened for another value.
    office.confirm(ANNA, part="grades.caps", stated="-")
    office.confirm(BORIS, part="grades.caps", stated="-")
    text = text.replace(b'"A paper, 2020: on metros"', f'"x", file_sha256: {FILE}'.encode())
    office.upload(claimed | {"methodology.yaml": text})
    office.approve(ANNA, "v2")
    with pytest.raises(OfficialUnconfirmed):
        office.approve(BORIS, "v2")
    # With the pair, the next version may be written by hand.
    office.confirm(ANNA)
    office.confirm(BORIS)
    assert office.approve(BORIS, "v2").done


def test_rehearsals_may_not_claim_it_either(office: Office) -> None:
    office.upload(package(grade="official"))
    office.approve(XAVER)
    with pytest.raises(OfficialUnconfirmed):
        office.approve(YING)


def test_rehearsals_confirm_for_rehearsals(office: Office) -> None:
    office.published(package())
    office.confirm(XAVER)
    assert office.confirm(ANNA).draft is None  # one of each is no pair
    draft = office.confirm(YING).draft
    assert draft is not None
    assert (draft.version, draft.origin) == ("v2", "rehearsal")
    office.approve(XAVER, "v2")
    assert office.approve(YING, "v2").version.published_for == "rehearsal"
    office.approve(ANNA, "v2")
    with pytest.raises(OfficialUnconfirmed):
        office.approve(BORIS, "v2")
    real = office.confirm(BORIS).draft
    assert real is not None
    assert (real.version, real.supersedes, real.origin) == ("v3", "v1", "confirmation")
    office.approve(ANNA, "v3")
    assert office.approve(BORIS, "v3").version.published_for == "all"


def test_a_factor_of_a_set_is_confirmed_in_a_set_of_its_own(office: Office) -> None:
    name, part = "household-electricity", "factor-set cn-grid-average-v1[2022]"
    before = office.look(lambda s: queries.compiled_by_digest(s, digest=office.version("v1", name).digest))
    stated = parts_of(before.package)[part].stated
    assert stated is not None
    assert re.fullmatch(r"广东=0\.[0-9]+", stated)
    office.confirm(ANNA, name=name, part=part, stated=stated)
    draft = office.confirm(BORIS, name=name, part=part, stated=stated.removeprefix("广东=")).draft
    assert draft is not None
    files = files_of(office, draft.version, name)
    assert "factors/cn-grid-average-v1.yaml" not in files
    assert "factors/cn-grid-average-v1-household-electricity-v2.yaml" in files
    after = office.look(lambda s: queries.compiled_by_digest(s, digest=draft.digest))
    (factors,) = after.package.factor_sets.values()
    edition = next(one for one in factors.editions if one.data_year == 2022)
    assert (edition.grade, edition.file_sha256, edition.clause) == (Grade.OFFICIAL, FILE, "Table 3")
    assert edition.values == {"广东": stated.removeprefix("广东=")}  # the others nobody has confirmed
    others = [one for one in factors.editions if one.data_year != 2022]
    (former,) = before.package.factor_sets.values()
    assert others == [one for one in former.editions if one.data_year != 2022]
    same_answers(before, after)
    office.approve(ANNA, draft.version, name=name)
    assert office.approve(BORIS, draft.version, name=name).done


def same_answers(before: CompiledMethodology, after: CompiledMethodology) -> None:
    inputs = {"baseline_wh": 300_000, "energy_wh": 200_000}
    for year in (2021, 2022, 2023, 2026):
        old = before.evaluate(inputs, on=date(year, 6, 1))
        new = after.evaluate(inputs, on=date(year, 6, 1))
        assert getattr(new, "reduction_mg", None) == getattr(old, "reduction_mg", None)


def test_every_part_of_every_published_package_can_be_raised(office: Office) -> None:
    """One after the other, all of them: each part becomes official, and the results stay."""
    name = "sz-public-transit"
    base = office.look(lambda s: queries.compiled_by_digest(s, digest=office.version("v1", name).digest))
    for part in parts_of(base.package).values():
        if part.stated is not None:
            office.confirm(ANNA, name=name, part=part.name, stated=part.stated)
            draft = office.confirm(BORIS, name=name, part=part.name, stated=part.stated).draft
    assert draft is not None
    raised = office.look(lambda s: queries.compiled_by_digest(s, digest=draft.digest))
    assert {part.grade for part in parts_of(raised.package).values()} == {Grade.OFFICIAL}
    for mode in ("metro", "bus"):
        inputs = {"mode": mode, "distance_m": 8300}
        old, new = (one.evaluate(inputs, on=date(2026, 1, 1)) for one in (base, raised))
        assert isinstance(old, Evaluation)
        assert isinstance(new, Evaluation)
        assert (new.reduction_mg, new.grade) == (old.reduction_mg, Grade.OFFICIAL)


@pytest.mark.parametrize(
    ("given", "stated", "same"),
    [
        ("46.80", "46.8", True),
        (" 46.8 ", "46.8", True),
        ("46.8", "46.80", True),
        ("46.81", "46.8", False),
        ("0.4715", "广东=0.4715", True),
        ("广东=0.47150", "广东=0.4715", True),
        ("北京=0.4715", "广东=0.4715", False),
        ("40", "capacity_w <= 40", False),
        ("capacity_w<=40", "capacity_w <= 40", True),
        ("nan", "46.8", False),
        ("", "46.8", False),
        ("-", "-", True),
    ],
)
def test_when_two_statements_are_the_same(given: str, stated: str, same: bool) -> None:
    assert same_statement(given, stated) is same


@settings(max_examples=100)
@given(st.decimals(allow_nan=False, allow_infinity=False, places=4), st.integers(0, 3))
def test_trailing_zeroes_never_matter(number: object, zeroes: int) -> None:
    assert same_statement(f"{number}{'0' * zeroes}", str(number))


def test_what_lasts_of_a_name() -> None:
    assert lasting_name("parameters.RF[3]") == "parameters.RF"
    assert lasting_name("factor-set a-b-v1[2021]") == "factor-set [2021]"
    assert lasting_name("grades.formula") == "grades.formula"
