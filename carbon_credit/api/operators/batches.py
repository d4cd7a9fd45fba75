"""Batches: open, fill, freeze, apply, register, export. The verifier's steps are in `verifications`."""

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Any

from flask import Response
from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Day, Flag, Id, Instant, Text, Whole, Word
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.operators.projects import BatchPreview, Exclusion
from carbon_credit.api.schemas import SLUG, Answer, PageQuery, Strict, page_of
from carbon_credit.catalogue.errors import MethodologyNotFound
from carbon_credit.identity.scopes import OPERATOR, VERIFIER
from carbon_credit.kernel.paging import Page, cut, id_position
from carbon_credit.ledger.errors import InsufficientBalance
from carbon_credit.offsets import operations, queries
from carbon_credit.offsets.dossier.exporting import export_dossier
from carbon_credit.offsets.errors import (
    BatchAlreadyOpen,
    BatchEmpty,
    BatchNotFound,
    BatchStale,
    MethodologyNotBatchable,
    NotAWholeTonne,
    NotFrozen,
    PeriodInvalid,
    ProjectNotFound,
    RegistryExternal,
    SaltDeleted,
    SandboxRefused,
    SerialsExhausted,
    StepNotAllowed,
)
from carbon_credit.offsets.queries import BatchRecord

_READ = access(OPERATOR, VERIFIER, scope="batches:read")
_WRITE = access(OPERATOR, scope="batches:write")
ZIP = "application/zip"
STATES = (
    "open",
    "frozen",
    "under_verification",
    "corrections_requested",
    "verified",
    "rejected",
    "applied",
    "returned",
    "registered",
)
_MEMORY_BYTES = 8 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024


class BatchIn(Strict):
    """Which project, methodology version and monitoring period (half open, within one year)."""

    project_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d50"})
    methodology_version = Text(longest=32, pattern=SLUG, required=True, metadata={"example": "v1"})
    starts_on = Day(required=True, metadata={"example": "2026-10-01"})
    ends_before = Day(required=True, metadata={"example": "2026-11-01"})


class FillingIn(Strict):
    """How much to take."""

    most_tonnes = Whole(
        minimum=1, maximum=10**9, metadata={"description": "All whole tonnes where left out.", "example": 3}
    )


class ReasonIn(Strict):
    """Why."""

    reason = Text(longest=500, required=True, metadata={"example": "measured data is being corrected"})


class ApplicationIn(Strict):
    """The application that went to the registry."""

    document = Text(longest=64, load_default="", metadata={"example": "SZ-APP-2026-17"})


class Batch(Answer):
    """A batch. Totals and root are null until it is frozen, and never change afterwards."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d60"})
    programme = fields.String(required=True, metadata={"example": "x-gd-sz"})
    rehearsal = Flag(required=True, metadata={"example": True})
    project_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d50"})
    methodology_id = fields.String(required=True, metadata={"example": "sz-public-transit"})
    methodology_version = fields.String(required=True, metadata={"example": "v1"})
    version_digest = fields.String(required=True, metadata={"example": "9f2b" * 16})
    starts_on = Day(required=True, metadata={"example": "2026-10-01"})
    ends_before = Day(required=True, metadata={"example": "2026-11-01"})
    vintage = Whole(required=True, metadata={"example": 2026})
    state = Word(*STATES, required=True, metadata={"example": "frozen"})
    prepared_by = fields.String(
        required=True, metadata={"example": "operator:0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d42"}
    )
    verifier = fields.String(required=True, allow_none=True, metadata={"example": None})
    statement = fields.String(required=True, allow_none=True, metadata={"example": None})
    opened_at = Instant(required=True, metadata={"example": "2026-11-21T04:00:00Z"})
    frozen_at = Instant(required=True, allow_none=True, metadata={"example": "2026-11-21T04:05:00Z"})
    leaf_count = Whole(required=True, allow_none=True, metadata={"example": 3400})
    gross_mg = Whole(required=True, allow_none=True, metadata={"example": 3140000000})
    credited_mg = Whole(required=True, allow_none=True, metadata={"example": 3120000000})
    batch_mg = Whole(required=True, allow_none=True, metadata={"example": 3000000000})
    tonnes = Whole(required=True, allow_none=True, metadata={"example": 3})
    merkle_root = fields.String(required=True, allow_none=True, metadata={"example": "ab12" * 16})
    exclusions = fields.List(fields.Nested(Exclusion), required=True)


class BatchesQuery(PageQuery):
    """In which state, and where to read."""

    state = Word(*STATES, metadata={"example": "frozen"})


class SerialRange(Answer):
    """A range of serial numbers, one a tonne; both ends belong to it."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d70"})
    batch_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d60"})
    vintage = Whole(required=True, metadata={"example": 2026})
    first = fields.String(required=True, metadata={"example": "X-GD-SZ-metro-2026-000000001"})
    last = fields.String(required=True, metadata={"example": "X-GD-SZ-metro-2026-000000003"})
    tonnes = Whole(required=True, metadata={"example": 3})
    state = fields.String(required=True, metadata={"example": "issued"})
    issued_at = Instant(required=True, metadata={"example": "2026-11-21T05:00:00Z"})


class BatchStep(Answer):
    """One step of a batch, as it was written down."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d80"})
    step = fields.String(required=True, metadata={"example": "freeze"})
    from_state = fields.String(required=True, allow_none=True, metadata={"example": "open"})
    to_state = fields.String(required=True, metadata={"example": "frozen"})
    actor = fields.String(
        required=True, metadata={"example": "operator:0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d42"}
    )
    detail = fields.Dict(keys=fields.String(), required=True, metadata={"example": {"tonnes": 3}})
    recorded_at = Instant(required=True, metadata={"example": "2026-11-21T04:05:00Z"})


class BatchDetail(Batch):
    """A batch with its steps and serial numbers."""

    steps = fields.List(fields.Nested(BatchStep), required=True)
    serials = fields.List(fields.Nested(SerialRange), required=True)


class DossierQuery(Strict):
    """Which edition: the verifier's holds the leaves, the exchange's does not."""

    edition = Word("verifier", "exchange", required=True, metadata={"example": "exchange"})


@writes(
    allowed=_WRITE,
    takes=BatchIn,
    answer=Batch,
    status=201,
    raises=(
        ProjectNotFound,
        PeriodInvalid,
        MethodologyNotFound,
        MethodologyNotBatchable,
        SandboxRefused,
        BatchAlreadyOpen,
    ),
)
def open_batch(call: Call) -> dict[str, Any]:
    """Open an empty batch. Its vintage is the year of the period."""
    return shown(operations.open_batch(call.session, **_actor(call), **call.body))


@reads(allowed=_READ, query=BatchesQuery, answer=page_of(Batch))
def list_batches(call: Call) -> Page[dict[str, Any]]:
    """List the batches of the programme."""
    limit = call.query["limit"]
    rows = queries.batches(
        call.session,
        programme=call.caller.programme,
        state=call.query.get("state"),
        after=id_position(call.query.get("cursor")),
        limit=limit + 1,
    )
    page = cut(rows, limit, lambda row: [str(row.id)])
    return Page(items=[shown(row) for row in page.items], next_cursor=page.next_cursor)


@reads(allowed=_READ, answer=BatchDetail, raises=(BatchNotFound,))
def get_batch(call: Call, batch_id: uuid.UUID) -> dict[str, Any]:
    """Read a batch with its steps and serial numbers."""
    record = queries.batch(call.session, programme=call.caller.programme, batch_id=batch_id)
    return shown(record) | {
        "steps": queries.steps(call.session, batch_id=batch_id),
        "serials": queries.serials_of_batch(call.session, batch_id=batch_id),
    }


@writes(
    allowed=_WRITE,
    takes=FillingIn,
    answer=BatchPreview,
    raises=(BatchNotFound, StepNotAllowed, NotAWholeTonne),
)
def fill_batch(call: Call, batch_id: uuid.UUID) -> dict[str, Any]:
    """Fill an open batch anew with whole tonnes, in the fixed order."""
    return operations.fill_batch(call.session, batch_id=batch_id, **_actor(call), **call.body).as_dict()


@writes(
    allowed=_WRITE,
    answer=Batch,
    raises=(BatchNotFound, StepNotAllowed, BatchEmpty, BatchStale, SandboxRefused, InsufficientBalance),
)
def freeze_batch(call: Call, batch_id: uuid.UUID) -> dict[str, Any]:
    """Freeze a batch: its set, root and totals are fixed, its grams leave the citizens' accounts."""
    return shown(operations.freeze_batch(call.session, batch_id=batch_id, **_actor(call)))


@writes(allowed=_WRITE, takes=ReasonIn, answer=Batch, raises=(BatchNotFound, StepNotAllowed))
def give_up_batch(call: Call, batch_id: uuid.UUID) -> dict[str, Any]:
    """Give a batch up: its grams go back to the citizens and may enter another."""
    return shown(operations.reject_batch(call.session, batch_id=batch_id, **_actor(call), **call.body))


@writes(allowed=_WRITE, takes=ApplicationIn, answer=Batch, raises=(BatchNotFound, StepNotAllowed))
def apply_for_registration(call: Call, batch_id: uuid.UUID) -> dict[str, Any]:
    """Apply for the registration of a verified batch."""
    return shown(operations.apply_batch(call.session, batch_id=batch_id, **_actor(call), **call.body))


@writes(allowed=_WRITE, takes=ReasonIn, answer=Batch, raises=(BatchNotFound, StepNotAllowed))
def return_application(call: Call, batch_id: uuid.UUID) -> dict[str, Any]:
    """Record that the registry handed the application back."""
    return shown(operations.return_batch(call.session, batch_id=batch_id, **_actor(call), **call.body))


@writes(
    allowed=_WRITE,
    answer=BatchDetail,
    raises=(BatchNotFound, StepNotAllowed, RegistryExternal, SerialsExhausted),
)
def register_batch(call: Call, batch_id: uuid.UUID) -> dict[str, Any]:
    """Register a batch in the internal registry: one serial number for each tonne."""
    record = operations.register_batch(call.session, batch_id=batch_id, **_actor(call))
    return shown(record) | {
        "steps": queries.steps(call.session, batch_id=batch_id),
        "serials": queries.serials_of_batch(call.session, batch_id=batch_id),
    }


@reads(
    allowed=_READ,
    query=DossierQuery,
    answer=None,
    downloads=(ZIP,),
    raises=(BatchNotFound, NotFrozen, SaltDeleted),
)
def get_dossier(call: Call, batch_id: uuid.UUID) -> Response:
    """Download the dossier of a frozen batch. `carbon-credit dossier verify` checks it offline.

    A verifier gets the verifier edition, with its leaves, only of a batch that it has taken on.
    """
    edition = call.query["edition"]
    if edition == "verifier" and call.caller.role == VERIFIER:
        record = queries.batch(call.session, programme=call.caller.programme, batch_id=batch_id)
        if record.verifier != call.caller.key:
            raise BatchNotFound
    with ExitStack() as on_failure:
        # Larger ones go to disk while they are made.
        file = on_failure.enter_context(tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES))
        export_dossier(
            call.session, programme=call.caller.programme, batch_id=batch_id, edition=edition, target=file
        )
        on_failure.pop_all()
    length = file.tell()
    file.seek(0)
    response = Response(_sent(file), mimetype=ZIP)
    response.call_on_close(file.close)  # also where nobody reads it to the end
    response.content_length = length
    response.headers["Content-Disposition"] = f'attachment; filename="{batch_id}-{edition}.zip"'
    return response


def shown(record: BatchRecord) -> dict[str, Any]:
    """A batch's members."""
    members = {name: getattr(record, name) for name in BatchRecord.__dataclass_fields__}
    exclusions = [{"reason": one.reason, "reductions": one.count, "mg": one.mg} for one in record.exclusions]
    return {**members, "exclusions": exclusions}


def _sent(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _actor(call: Call) -> dict[str, Any]:
    return {"programme": call.caller.programme, "actor": call.caller.key, "now": call.now}
