"""Methodology versions: which there are, and their text."""

from dataclasses import asdict
from typing import Any

from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Day, Word
from carbon_credit.api.operation import Call, reads
from carbon_credit.api.schemas import Answer, PageQuery, page_of
from carbon_credit.catalogue import queries as catalogue
from carbon_credit.catalogue.errors import MethodologyNotFound
from carbon_credit.identity.scopes import OPERATOR, PARTNER, VERIFIER
from carbon_credit.kernel.paging import Page, cut, position

_READ = access(OPERATOR, PARTNER, VERIFIER, scope="programme:read")


class MethodologyVersion(Answer):
    """One version. A published byte never changes; `digest` names all of them."""

    methodology_id = fields.String(required=True, metadata={"example": "gz-metro-ride"})
    version = fields.String(required=True, metadata={"example": "v1"})
    digest = fields.String(required=True, metadata={"example": "9f2b" * 16})
    state = Word("draft", "published", "retired", required=True, metadata={"example": "published"})
    grade = Word(
        "official", "published", "secondary", "assumed", required=True, metadata={"example": "secondary"}
    )
    effective_from = Day(required=True, allow_none=True, metadata={"example": "2024-01-01"})
    effective_to = Day(required=True, allow_none=True, metadata={"example": None})


class MethodologyPackage(MethodologyVersion):
    """A version with its text."""

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
    """Read one version with its files."""
    record = catalogue.version(call.session, methodology_id=methodology_id, version=version)
    files = catalogue.package_files(call.session, methodology_id=methodology_id, version=version)
    return asdict(record) | {"files": {name: data.decode() for name, data in files.items()}}
