"""The pages of the library: generated, complete, bilingual, and honest about sandbox and gaps."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

from carbon_credit.catalogue.library import load_library
from carbon_credit.catalogue.lock import read_lock
from carbon_credit.methodology.engine import weakest_grade
from carbon_credit.pages import html
from carbon_credit.pages.coverage import USES, coverage
from carbon_credit.pages.library import COVERAGE, covered, pages_of
from carbon_credit.pages.methodology_page import blocks_of, has_null

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = load_library(ROOT / "methodologies")
STATES = dict.fromkeys(read_lock(ROOT / "methodologies"), "published")
PAGES = pages_of(LIBRARY, STATES)
KEYS = sorted(key for key, package in LIBRARY.packages.items() if package.overlay is None)


def test_the_committed_pages_are_those_of_the_library() -> None:
    found = {path.name: path.read_text("utf-8") for path in (ROOT / "docs/methodologies").glob("*.md")}
    differing = [name for name in PAGES.keys() | found.keys() if PAGES.get(name) != found.get(name)]
    assert not differing, "run `make pages`"


def test_there_is_a_page_for_every_version_and_the_coverage_lists_each() -> None:
    assert {f"{name}-{version}.md" for name, version in KEYS} | {COVERAGE} == PAGES.keys()
    for name, version in KEYS:
        assert f"({name}-{version}.md)" in PAGES[COVERAGE]


@pytest.mark.parametrize("key", KEYS, ids="/".join)
def test_a_page_tells_every_value_source_gap_and_grade(key: tuple[str, str]) -> None:
    package, page = LIBRARY.packages[key], PAGES[f"{key[0]}-{key[1]}.md"]
    method = package.methodology
    assert package.digest in page
    assert method.title.zh in page
    assert method.title.en in page
    for parameter in method.parameters:
        for value in parameter.values:
            told = "未见" if value.value is None else f"{value.value} {parameter.unit}"
            assert told in page
    for source in method.sources:
        assert source.document.replace("<", "&lt;").replace(">", "&gt;") in page
    for gap in method.missing:
        assert gap.where.zh.replace("|", "\\|") in page
    assert page.count("```math") == len(method.steps)
    grade = weakest_grade(package)
    assert ("草案：缺少数值" in page) == has_null(method)
    assert ("沙盒：本版含有" in page) == (grade.is_sandbox and not has_null(method))


def test_stand_ins_are_told_apart_from_values_with_their_cases() -> None:
    page = PAGES["sz-household-electricity-v1.md"]
    values, stand_ins = page.split("## 演练用叠加值")
    assert "0.3125 kgCO2/kWh" not in values
    assert "0.3125 kgCO2/kWh" in stand_ins
    assert "first branch: 3 kg - 8 kWh x 0.3125 = 0.5 kg" in stand_ins
    assert "sz-public-transit/v1/RF_metro" in PAGES["gz-metro-v1.md"]
    assert "演练用叠加值" not in PAGES["sz-public-transit-v2.md"]


def test_the_coverage_tells_what_each_can_be_used_for() -> None:
    uses = {(one.package.methodology.id, one.package.version): one.use for one in covered(LIBRARY, STATES)}
    assert uses["sz-public-transit", "v1"] == "credit"
    assert uses["gz-metro-ride", "v1"] == "sandbox"
    assert uses["gz-metro", "v1"] == "draft"
    assert "saleable" not in uses.values(), "nothing in the library has been confirmed by two operators"
    for use in set(uses.values()):
        assert USES[use].zh in PAGES[COVERAGE]


class _Checked(HTMLParser):
    """Every element that is opened is closed, in order; no script, no address outside."""

    VOID = frozenset({"meta", "br", "mspace", "link"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "script"
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", html.LANGUAGES)
@pytest.mark.parametrize("key", KEYS, ids="/".join)
def test_html_is_well_formed_and_in_one_language(key: tuple[str, str], language: str) -> None:
    package = LIBRARY.packages[key]
    blocks = blocks_of(package, state="draft", cases=(), grade=weakest_grade(package))
    text = html.page(blocks, language=language, base="/docs/methodologies")
    checked = _Checked()
    checked.feed(text.replace('<mspace width="1.5em"/>', ""))
    assert not checked.open
    assert all(address.startswith(("/docs/methodologies", "?")) for address in checked.addresses)
    assert text.count("<math ") == len(package.methodology.steps)
    assert ("公式" if language == "zh" else "formula") in text
    assert ("Grades of the parts" in text) == (language == "en")


def test_what_a_file_says_cannot_break_the_page() -> None:
    package = LIBRARY.packages["sz-public-transit", "v1"]
    blocks = coverage(covered(LIBRARY, STATES))
    text = html.page(blocks, language="en", base='"><script>')
    assert "<script>" not in text
    assert package.methodology.title.en in text


def test_on_a_phone_each_cell_names_its_column() -> None:
    package = LIBRARY.packages["jjj-low-carbon-travel", "v1"]
    blocks = blocks_of(package, state="published", cases=(), grade=weakest_grade(package))
    text = html.page(blocks, language="zh", base="/docs/methodologies")
    assert text.count("<td data-name=") == text.count("<td")
    assert '<td data-name="适用期" class="days">2024-10-01 至 另行通知</td>' in text
