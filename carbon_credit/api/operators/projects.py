"""Projects: what is filed with the authority, and what a batch of one would hold."""

import uuid
from typing import Any

from marshmallow import fields, validate

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Day, Flag, Id, Instant, Text, Whole, Word
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.schemas import SLUG, Answer, PageQuery, Strict, page_of
from carbon_credit.catalogue.errors import MethodologyNotFound, ProgrammeNotFound
from carbon_credit.identity.scopes import OPERATOR, VERIFIER
from carbon_credit.kernel.paging import Page, cut, id_position
from carbon_credit.offsets.errors import PeriodInvalid, ProjectExists, ProjectInvalid, ProjectNotFound
from carbon_credit.offsets.operations import ProjectTerms, create_project, preview
from carbon_credit.offsets.queries import ProjectRecord, project, projects

_READ = access(OPERATOR, VERIFIER, scope="batches:read")
_WRITE = access(OPERATOR, scope="batches:write")


class ProjectIn(Strict):
    """A project to be registered. The crediting period is half open."""

    code = Text(longest=32, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", required=True, metadata={"example": "metro"})
    name_zh = Text(longest=120, required=True, metadata={"example": "深圳地铁出行减排项目"})
    name_en = Text(longest=200, required=True, metadata={"example": "Shenzhen metro trips"})
    owner = Text(longest=120, required=True, metadata={"example": "深圳市民"})
    applicant = Text(longest=120, required=True, metadata={"example": "深圳碳普惠运营单位"})
    boundary_zh = Text(longest=500, required=True, metadata={"example": "深圳市行政区域内的地铁出行"})
    boundary_en = Text(longest=1000, required=True, metadata={"example": "Metro trips within Shenzhen"})
    methodology_id = Text(longest=64, pattern=SLUG, required=True, metadata={"example": "sz-public-transit"})
    activity_types = fields.List(
        Text(longest=32, pattern=r"^[a-z][a-z0-9.-]*$"),
        required=True,
        validate=validate.Length(min=1, max=20),
        metadata={"example": ["metro.ride"]},
    )
    crediting_from = Day(required=True, metadata={"example": "2026-01-01"})
    crediting_to = Day(required=True, metadata={"example": "2031-01-01"})
    filing_number = Text(longest=64, metadata={"example": "SZTPH-2026-001"})
    registry_kind = Word("internal", "external", load_default="internal", metadata={"example": "internal"})


class ProjectOut(Answer):
    """A project as it is registered."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d50"})
    programme = fields.String(required=True, metadata={"example": "x-gd-sz"})
    rehearsal = Flag(required=True, metadata={"example": True})
    code = fields.String(required=True, metadata={"example": "metro"})
    name_zh = fields.String(required=True, metadata={"example": "深圳地铁出行减排项目"})
    name_en = fields.String(required=True, metadata={"example": "Shenzhen metro trips"})
    owner = fields.String(required=True, metadata={"example": "深圳市民"})
    applicant = fields.String(required=True, metadata={"example": "深圳碳普惠运营单位"})
    boundary_zh = fields.String(required=True, metadata={"example": "深圳市行政区域内的地铁出行"})
    boundary_en = fields.String(required=True, metadata={"example": "Metro trips within Shenzhen"})
    methodology_id = fields.String(required=True, metadata={"example": "sz-public-transit"})
    filing_number = fields.String(required=True, allow_none=True, metadata={"example": "SZTPH-2026-001"})
    activity_types = fields.List(fields.String(), required=True, metadata={"example": ["metro.ride"]})
    crediting_from = Day(required=True, metadata={"example": "2026-01-01"})
    crediting_to = Day(required=True, metadata={"example": "2031-01-01"})
    registry_kind = Word("internal", "external", required=True, metadata={"example": "internal"})
    created_at = Instant(required=True, metadata={"example": "2026-11-21T04:00:00Z"})


class PreviewQuery(Strict):
    """Which version and monitoring period (half open)."""

    methodology_version = Text(longest=32, pattern=SLUG, required=True, metadata={"example": "v1"})
    starts_on = Day(required=True, metadata={"example": "2026-10-01"})
    ends_before = Day(required=True, metadata={"example": "2026-11-01"})


class Exclusion(Answer):
    """Why some reductions are not in it."""

    reason = fields.String(required=True, metadata={"example": "no-mandate"})
    reductions = Whole(required=True, allow_none=True, metadata={"example": 12})
    mg = Whole(required=True, metadata={"example": 11366000})


class BatchPreview(Answer):
    """What a batch would hold. `left_mg` is what the last whole tonne leaves over."""

    reductions = Whole(required=True, metadata={"example": 3400})
    eligible_mg = Whole(required=True, metadata={"example": 3120000000})
    tonnes = Whole(required=True, metadata={"example": 3})
    left_mg = Whole(required=True, metadata={"example": 120000000})
    exclusions = fields.List(fields.Nested(Exclusion), required=True)


@writes(
    allowed=_WRITE,
    takes=ProjectIn,
    answer=ProjectOut,
    status=201,
    raises=(ProjectInvalid, ProjectExists, ProgrammeNotFound),
)
def register_project(call: Call) -> object:
    """Register a project."""
    return create_project(
        call.session,
        programme=call.caller.programme,
        terms=ProjectTerms(**call.body),
        actor=call.caller.key,
        now=call.now,
    )


@reads(allowed=_READ, query=PageQuery, answer=page_of(ProjectOut))
def list_projects(call: Call) -> Page[ProjectRecord]:
    """List the projects of the programme."""
    limit = call.query["limit"]
    after = id_position(call.query.get("cursor"))
    rows = projects(call.session, programme=call.caller.programme, after=after, limit=limit + 1)
    return cut(rows, limit, lambda row: [str(row.id)])


@reads(allowed=_READ, answer=ProjectOut, raises=(ProjectNotFound,))
def get_project(call: Call, project_id: uuid.UUID) -> object:
    """Read a project."""
    return project(call.session, programme=call.caller.programme, project_id=project_id)


@reads(
    allowed=_READ,
    query=PreviewQuery,
    answer=BatchPreview,
    raises=(ProjectNotFound, PeriodInvalid, MethodologyNotFound),
)
def preview_batch(call: Call, project_id: uuid.UUID) -> dict[str, Any]:
    """Preview a batch: what it would hold, what not, and why. Nothing is written."""
    found = preview(
        call.session,
        programme=call.caller.programme,
        project_id=project_id,
        methodology_version=call.query["methodology_version"],
        starts_on=call.query["starts_on"],
        ends_before=call.query["ends_before"],
        now=call.now,
    )
    return found.as_dict()
