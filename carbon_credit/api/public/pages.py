"""Methodologies as pages for people: how a result is computed, from which values, with which sources."""

from flask import Response
from marshmallow import Schema

from carbon_credit.api.errors import language
from carbon_credit.api.fields import Word
from carbon_credit.api.operation import Call, reads
from carbon_credit.catalogue import queries as catalogue
from carbon_credit.catalogue.errors import MethodologyNotFound
from carbon_credit.methodology.cases import Case, read_cases
from carbon_credit.methodology.engine import weakest_grade
from carbon_credit.methodology.loader import CASES, Package, package_from_files
from carbon_credit.pages import html
from carbon_credit.pages.blocks import Block
from carbon_credit.pages.coverage import Covered, coverage
from carbon_credit.pages.methodology_page import blocks_of

BASE = "/docs/methodologies"


class LanguageQuery(Schema):
    """In which language; without it, by Accept-Language."""

    language = Word(*html.LANGUAGES, metadata={"example": "zh"})


@reads(query=LanguageQuery, answer=None, downloads=("text/html",))
def get_coverage_page(call: Call) -> Response:
    """Every methodology: how far it can be used, its grade, and what is missing."""
    codes = catalogue.programme_codes(call.session)
    profiles = [catalogue.programme_rules(call.session, programme=code).profile for code in codes]
    versions = []
    for record in catalogue.versions(call.session):
        package = _package(call, record.methodology_id, record.version)
        used_by = tuple(
            profile.code
            for profile in profiles
            if any(
                (spec.methodology, spec.version) == (package.methodology.id, package.methodology.version)
                for spec in profile.bindings
            )
        )
        versions.append(Covered(package, record.state, weakest_grade(package), used_by))
    return _page(call, coverage(versions))


@reads(query=LanguageQuery, answer=None, downloads=("text/html",), raises=(MethodologyNotFound,))
def get_methodology_page(call: Call, methodology_id: str, version: str) -> Response:
    """One methodology version: formula, values with sources and grades, cases, change log."""
    record = catalogue.version(call.session, methodology_id=methodology_id, version=version)
    package = _package(call, methodology_id, version)
    blocks = blocks_of(
        package,
        state=record.state,
        cases=_cases(package),
        grade=weakest_grade(package),
        rehearsed=_rehearsed(call, methodology_id, version),
    )
    return _page(call, blocks)


def _rehearsed(call: Call, methodology_id: str, version: str) -> tuple[Package, tuple[Case, ...]] | None:
    try:
        package = _package(call, methodology_id, f"{version}+sandbox")
    except MethodologyNotFound:
        return None
    return package, _cases(package)


def _cases(package: Package) -> tuple[Case, ...]:
    return read_cases(package) if CASES in package.files else ()


def _package(call: Call, methodology_id: str, version: str) -> Package:
    files = catalogue.package_files(call.session, methodology_id=methodology_id, version=version)
    return package_from_files(files)


def _page(call: Call, blocks: list[Block]) -> Response:
    spoken = call.query.get("language") or language()
    text = html.page(blocks, language=spoken, base=BASE)
    response = Response(text, mimetype="text/html")
    response.headers["Content-Language"] = spoken
    response.headers["Vary"] = "Accept-Language"
    return response
