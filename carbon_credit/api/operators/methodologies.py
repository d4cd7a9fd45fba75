"""Methodology versions: which there are, and their text."""

from dataclasses import asdict
from typing import Any

from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Day, Flag, Instant, Word
from carbon_credit.api.operation import Call, reads
from carbon_credit.api.schemas import Answer, PageQuery, page_of
from carbon_credit.catalogue import queries as catalogue
from carbon_credit.catalogue.errors import MethodologyNotFound
from carbon_credit.catalogue.parts import parts_of
from carbon_credit.catalogue.publishable import warnings
from carbon_credit.identity.scopes import OPERATOR, PARTNER, VERIFIER
from carbon_credit.kernel.clock import business_day
from carbon_credit.kernel.paging import Page, cut, position
from carbon_credit.methodology.loader import package_from_files

GRADES = ("official", "published", "secondary", "assumed")
_READ = access(OPERATOR, PARTNER, VERIFIER, scope="programme:read")


class MethodologyVersion(Answer):
    """One version. A published byte never changes; `digest` names all of them."""

    methodology_id = fields.String(required=True, metadata={"example": "gz-metro-ride"})
    version = fields.String(required=True, metadata={"example": "v1"})
    digest = fields.String(required=True, metadata={"example": "9f2b" * 16})
    state = Word("draft", "published", "retired", required=True, metadata={"example": "published"})
    grade = Word(*GRADES, required=True, metadata={"example": "secondary"})
    effective_from = Day(required=True, allow_none=True, metadata={"example": "2024-01-01"})
    effective_to = Day(required=True, allow_none=True, metadata={"example": None})
    supersedes = fields.String(required=True, allow_none=True, metadata={"example": None})
    published_for = Word(
        "all",
        "rehearsal",
        required=True,
        allow_none=True,
        metadata={"description": "null for a draft. rehearsal: not for real programmes.", "example": "all"},
    )
    published_at = Instant(required=True, allow_none=True, metadata={"example": "2026-11-21T04:00:00Z"})


class Approval(Answer):
    """An operator's approval; it counts where `digest` and files are those of the version."""

    act = Word("publish", "retire", required=True, metadata={"example": "publish"})
    digest = fields.String(required=True, metadata={"example": "9f2b" * 16})
    counts = Flag(required=True, metadata={"example": True})
    actor = fields.String(required=True, metadata={"example": "published.lock"})
    reason = fields.String(required=True, allow_none=True, metadata={"example": None})
    recorded_at = Instant(required=True, metadata={"example": "2026-11-21T04:00:00Z"})


class PartConfirmation(Answer):
    """What an operator has found in an official document."""

    version = fields.String(required=True, metadata={"example": "v1"})
    part = fields.String(required=True, metadata={"example": "parameters.RF_metro[0]"})
    stated = fields.String(required=True, metadata={"example": "46.8"})
    document = fields.String(required=True, metadata={"example": "深圳市低碳公共出行碳普惠方法学（试行）"})
    document_number = fields.String(
        required=True, allow_none=True, attribute="number", metadata={"example": "深环〔2021〕1号"}
    )
    clause = fields.String(required=True, allow_none=True, metadata={"example": "表 2"})
    address = fields.String(required=True, allow_none=True, metadata={"example": None})
    file_sha256 = fields.String(required=True, metadata={"example": "9f2b" * 16})
    actor = fields.String(
        required=True, metadata={"example": "operator:0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d50"}
    )
    recorded_at = Instant(required=True, metadata={"example": "2026-11-21T04:00:00Z"})


class ConfirmablePart(Answer):
    """A part of the version that has a grade."""

    part = fields.String(required=True, metadata={"example": "parameters.RF_metro[0]"})
    stated = fields.String(required=True, allow_none=True, metadata={"example": "46.8"})
    grade = Word(*GRADES, required=True, allow_none=True, metadata={"example": "published"})


class MethodologyPackage(MethodologyVersion):
    """A version with its text, who approved it, and what was confirmed of the methodology."""

    parts = fields.List(fields.Nested(ConfirmablePart), required=True)
    approvals = fields.List(fields.Nested(Approval), required=True)
    confirmations = fields.List(fields.Nested(PartConfirmation), required=True)
    warnings = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "What keeps a draft from publication; dates of best-before.", "example": []},
    )

    files = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata={"example": {"methodology.yaml": "id: gz-metro-ride\n"}},
    )


@reads(allowed=_READ, query=PageQuery, answer=page_of(MethodologyVersion))
def list_methodologies(call: Call) -> Page[Any]:
    """List all methodology versions, by id and version."""
    limit, text = call.query["limit"], call.query.get("cursor")
    after = position(text, str, str) if text else ("", "")
    rows = [row for row in catalogue.versions(call.session) if (row.methodology_id, row.version) > after]
    return cut(rows, limit, lambda row: [row.methodology_id, row.version])


@reads(allowed=_READ, answer=MethodologyPackage, raises=(MethodologyNotFound,))
def get_methodology(call: Call, methodology_id: str, version: str) -> dict[str, Any]:
    """Read one version with its files, its parts, approvals and confirmations."""
    session = call.session
    record = catalogue.version(session, methodology_id=methodology_id, version=version)
    files = catalogue.package_files(session, methodology_id=methodology_id, version=version)
    package = package_from_files(files)
    published = {
        one.version
        for one in catalogue.versions(session)
        if one.methodology_id == methodology_id and one.state != "draft"
    }
    on = business_day(call.now, catalogue.time_zone(session, programme=call.caller.programme))
    bytes_now = (record.digest, record.bundle_sha256)
    return asdict(record) | {
        "files": {name: data.decode() for name, data in files.items()},
        "parts": [
            {"part": one.name, "stated": one.stated, "grade": one.grade} for one in parts_of(package).values()
        ],
        "approvals": [
            asdict(one) | {"counts": (one.digest, one.bundle_sha256) == bytes_now}
            for one in catalogue.approvals(session, methodology_id=methodology_id, version=version)
        ],
        "confirmations": [
            asdict(one) for one in catalogue.confirmations(session, methodology_id=methodology_id)
        ],
        "warnings": warnings(package, published=published, on=on),
    }
