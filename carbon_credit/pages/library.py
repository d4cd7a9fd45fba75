"""All pages of a library: what `make pages` writes to docs/methodologies/."""

from collections.abc import Iterator, Mapping

from carbon_credit.catalogue.library import Library
from carbon_credit.methodology.cases import Case, read_cases
from carbon_credit.methodology.engine import weakest_grade
from carbon_credit.methodology.loader import CASES, Package
from carbon_credit.pages.coverage import Covered, coverage
from carbon_credit.pages.markdown import markdown
from carbon_credit.pages.methodology_page import blocks_of

COVERAGE = "README.md"


def covered(library: Library, states: Mapping[tuple[str, str], str]) -> list[Covered]:
    """Every version of the library; one that `states` does not name is a draft."""
    return [
        Covered(
            package=package,
            state=states.get(key, "draft"),
            grade=weakest_grade(package),
            used_by=tuple(_programmes(library, package)),
        )
        for key, package in library.packages.items()
    ]


def pages_of(library: Library, states: Mapping[tuple[str, str], str]) -> dict[str, str]:
    """File name -> Markdown. A version with an overlay has one page: that of the version itself."""
    versions = covered(library, states)
    pages = {COVERAGE: markdown(coverage(versions))}
    for one in versions:
        if one.package.overlay is None:
            name, version = one.package.key
            overlaid = library.packages.get((name, f"{version}+sandbox"))
            blocks = blocks_of(
                one.package,
                state=one.state,
                cases=_cases(one.package),
                grade=one.grade,
                rehearsed=None if overlaid is None else (overlaid, _cases(overlaid)),
            )
            pages[f"{name}-{version}.md"] = markdown(blocks)
    return pages


def _cases(package: Package) -> tuple[Case, ...]:
    return read_cases(package) if CASES in package.files else ()


def _programmes(library: Library, package: Package) -> Iterator[str]:
    for code, profile in sorted(library.profiles.items()):
        wanted = [
            spec for spec in profile.bindings
            if spec.methodology == package.methodology.id and spec.version == package.methodology.version
        ]  # fmt: skip
        if wanted:
            yield code
