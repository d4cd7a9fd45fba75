"""Files of events: delivered in one request or in parts, credited in the background, followed here.

A file becomes a job. Nothing of it is credited before the whole file was read and found to be sound.
"""

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Any

from flask import Response, request
from marshmallow import Schema, ValidationError, fields, validate

from carbon_credit.api import body
from carbon_credit.api.auth import access
from carbon_credit.api.errors import BodyMalformed, FieldsInvalid, language
from carbon_credit.api.examples import example
from carbon_credit.api.fields import Flag, Id, Instant, QueryFlag, QueryWhole, Text, Whole, Word
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.schemas import SLUG, Answer, PageQuery, Strict, page_of
from carbon_credit.identity.scopes import OPERATOR, PARTNER
from carbon_credit.imports.errors import AdapterNeeds, AdapterRehearsalOnly, AdapterUnknown
from carbon_credit.imports.jobs import opening, uploads
from carbon_credit.imports.jobs.control import MAX_SUMS, Control, control_of, read_control
from carbon_credit.imports.jobs.errors import (
    AlreadyReplaced,
    ControlUnreadable,
    FileDigestDiffers,
    ImportDiffers,
    ImportNotFound,
    ImportStateWrong,
    PartBeyondEnd,
    PartDiffers,
    PartEmpty,
    PartMisplaced,
    ReplacedNotDone,
    UploadMalformed,
)
from carbon_credit.imports.jobs.problems import problem_of
from carbon_credit.imports.jobs.records import JobRecord, all_rejects, counts, job, jobs, rejects, replaced_by
from carbon_credit.imports.jobs.rejects import csv_lines
from carbon_credit.imports.jobs.states import MOVES
from carbon_credit.imports.reasons import reason_text
from carbon_credit.kernel.digest import sha256_hex
from carbon_credit.kernel.paging import DEFAULT_LIMIT, Page, cursor, cut, id_position, position
from carbon_credit.sweeps.deliveries import adapter_of

_WRITE = access(PARTNER, scope="imports:write")
_READ = access(PARTNER, OPERATOR, scope="imports:read")
MULTIPART = "multipart/form-data"
BYTES = "application/octet-stream"
CSV = "text/csv"
MAX_REJECTS = 1_000
_MEMORY_BYTES = 4 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_HEX = r"^[0-9a-f]{64}$"
_SHOWN = "9f2b" * 16
_FILE_NAME = "rides-2026-11-20.csv.gz"


class ControlIn(Strict):
    """What the sender says is in the file. A file that says otherwise is refused as a whole."""

    rows = Whole(metadata={"description": "Data rows.", "example": 250000})
    sums = fields.Dict(
        keys=Text(longest=64),
        values=Text(longest=40, pattern=r"^-?[0-9]{1,20}(\.[0-9]{1,10})?$"),
        validate=validate.Length(max=MAX_SUMS),
        metadata={
            "description": "Exact sums of columns that the adapter adds up, as text.",
            "example": {"metres": "1325000000"},
        },
    )


class ImportIn(Strict):
    """A file to be delivered in parts."""

    adapter = Text(longest=64, pattern=SLUG, required=True, metadata={"example": "generic-ride"})
    file_name = Text(longest=255, required=True, metadata={"example": _FILE_NAME})
    size = Whole(
        minimum=1,
        maximum=uploads.MAX_UPLOAD_BYTES,
        required=True,
        metadata={"description": "Bytes, as the file is sent (packed or not).", "example": 5242880},
    )
    sha256 = Text(
        longest=64,
        pattern=_HEX,
        required=True,
        metadata={"description": "Of the bytes as they are sent, lower-case hexadecimal.", "example": _SHOWN},
    )
    control = fields.Nested(ControlIn, metadata={"description": "Control totals that must match."})
    drop_unknown = Flag(
        load_default=False,
        metadata={"description": "Count rows of unknown cards, and keep nothing of them.", "example": False},
    )
    replaces = Id(
        metadata={"description": "An earlier import that this file corrects: changed rows are revisions, "
                  "missing ones are withdrawn."},
    )  # fmt: skip


class ImportForm(Schema):
    """The fields beside `file` in a multipart request."""

    adapter = Text(longest=64, pattern=SLUG, required=True)
    sha256 = Text(longest=64, pattern=_HEX)
    control = Text(
        longest=8192, pattern=r"^[^\u0000]+$", metadata={"description": "JSON, or name=value lines."}
    )
    drop_unknown = QueryFlag(load_default=False)
    replaces = Id()


class ImportCounts(Answer):
    """Rows by what became of them: rows = credited_rows + held + rejected + duplicate + dropped."""

    rows = Whole(required=True, metadata={"description": "Rows with an outcome.", "example": 250000})
    credited_rows = Whole(required=True, metadata={"example": 249000})
    held = Whole(required=True, metadata={"example": 12})
    rejected = Whole(required=True, metadata={"example": 488})
    duplicate = Whole(required=True, metadata={"example": 500})
    dropped = Whole(required=True, metadata={"example": 0})
    credited = Whole(required=True, metadata={"description": "Events.", "example": 249000})
    revised = Whole(required=True, metadata={"description": "Of these, revisions.", "example": 0})
    co2e_mg = Whole(required=True, metadata={"example": 96721560000})


class ImportProblem(Answer):
    """Why a file was refused, or a job stopped."""

    code = fields.String(required=True, metadata={"example": "import-totals-differ"})
    detail = fields.String(required=True, metadata={"example": "The file does not match its control totals."})


class ImportOut(Answer):
    """A delivery and how far it is. `done`, `refused` and `cancelled` are ends; `failed` can be run again."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4e"})
    state = Word(*MOVES, required=True, metadata={"example": "crediting"})
    adapter = fields.String(required=True, metadata={"example": "generic-ride"})
    mapping = fields.String(
        required=True, allow_none=True, metadata={"description": "Digest of the mapping.", "example": _SHOWN}
    )
    partner_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4f"})
    file_name = fields.String(required=True, metadata={"example": _FILE_NAME})
    size = Whole(required=True, metadata={"example": 5242880})
    sha256 = fields.String(required=True, metadata={"example": _SHOWN})
    received_bytes = Whole(required=True, metadata={"description": "Go on here.", "example": 5242880})
    read_bytes = Whole(required=True, metadata={"example": 5242880})
    rows_total = Whole(
        required=True,
        allow_none=True,
        metadata={"description": "Data rows; null until the file was read.", "example": 250000},
    )
    counts = fields.Nested(ImportCounts, required=True)
    control = fields.Nested(ControlIn, required=True)
    replaces = Id(required=True, allow_none=True)
    replaced_by = Id(required=True, allow_none=True)
    withdrawn = Whole(required=True, metadata={"description": "Events taken back.", "example": 0})
    problem = fields.Nested(ImportProblem, required=True, allow_none=True)
    created_at = Instant(required=True, metadata={"example": "2026-11-21T04:00:00Z"})
    staged_at = Instant(required=True, allow_none=True, metadata={"example": "2026-11-21T04:00:09Z"})
    ended_at = Instant(required=True, allow_none=True)


class Reject(Answer):
    """A row that was not credited."""

    line = Whole(required=True, metadata={"description": "As a person finds it.", "example": 17})
    status = Word("held", "rejected", "duplicate", required=True, metadata={"example": "rejected"})
    reason = fields.String(required=True, metadata={"example": "unlinked"})
    detail = fields.String(required=True, metadata={"example": "The card leads to no citizen."})


class RejectsQuery(PageQuery):
    """Where in the list to read."""

    limit = QueryWhole(minimum=1, maximum=MAX_REJECTS, load_default=DEFAULT_LIMIT)


_BEGIN = {
    MULTIPART: {
        "schema": {
            "type": "object",
            "required": ["adapter", "file"],
            "properties": {
                "file": {"type": "string", "format": "binary"},
                "adapter": {"type": "string", "pattern": SLUG},
                "sha256": {"type": "string", "pattern": _HEX},
                "control": {"type": "string", "description": "JSON, or name=value lines.", "maxLength": 8192},
                "drop_unknown": {"type": "string", "enum": ["true", "false"]},
                "replaces": {"type": "string", "format": "uuid"},
            },
        }
    },
    body.JSON: {"schema": ImportIn, "example": example(ImportIn())},
}
_OPENS = (
    AdapterUnknown,
    AdapterNeeds,
    AdapterRehearsalOnly,
    ControlUnreadable,
    FileDigestDiffers,
    ImportDiffers,
    ImportNotFound,
    ReplacedNotDone,
    AlreadyReplaced,
    UploadMalformed,
    PartEmpty,
    FieldsInvalid,
)
_IN, _FORM = ImportIn(), ImportForm()


@writes(allowed=_WRITE, content=_BEGIN, answer=ImportOut, status=202, raises=_OPENS)
def begin_import(call: Call) -> dict[str, Any]:
    """Deliver a file: as a whole (multipart), or announce one that comes in parts (JSON).

    While the same file is under way, this answers with its job and begins no other. A file is csv, tsv,
    NDJSON, xlsx or Parquet, plain, gzip or zstd. Delivered again after its end, its rows are duplicates.
    """
    if body.media_type() == body.JSON:
        told = _loaded(_IN, body.parse_json(call.body))
        return _shown(call, _opened(call, told, control_of(told.get("control", {}))))
    return _shown(call, _uploaded(call))


@writes(
    allowed=_WRITE,
    content={BYTES: {"schema": {"type": "string", "format": "binary"}}},
    answer=ImportOut,
    keyed=False,
    raises=(ImportNotFound, ImportStateWrong, PartMisplaced, PartDiffers, PartBeyondEnd, PartEmpty),
)
def add_import_part(call: Call, import_id: uuid.UUID, first_byte: int) -> dict[str, Any]:
    """Send the bytes of a file from `first_byte` on: `received_bytes` says where to go on.

    The same part again changes nothing. With the last one the file is complete, and is read.
    """
    _own(call, import_id)
    known = uploads.add_part(
        call.session, job_id=import_id, first_byte=first_byte, body=call.body, now=call.now
    )
    return _shown(call, known)


@reads(allowed=_READ, query=PageQuery, answer=page_of(ImportOut))
def list_imports(call: Call) -> Page[dict[str, Any]]:
    """List imports, the newest first: a partner's own, an operator's all of the programme."""
    limit = call.query["limit"]
    found = jobs(
        call.session,
        programme=call.caller.programme,
        partner_id=call.caller.id if call.caller.role == PARTNER else None,
        before=id_position(call.query.get("cursor")),
        limit=limit + 1,
    )
    page = cut(found, limit, lambda row: [str(row.id)])
    return Page([_shown(call, one) for one in page.items], page.next_cursor)


@reads(allowed=_READ, answer=ImportOut, raises=(ImportNotFound,))
def get_import(call: Call, import_id: uuid.UUID) -> dict[str, Any]:
    """Read how far an import is and what became of its rows."""
    return _shown(call, _own(call, import_id))


@writes(allowed=_WRITE, answer=ImportOut, raises=(ImportNotFound, ImportStateWrong))
def cancel_import(call: Call, import_id: uuid.UUID) -> dict[str, Any]:
    """End an import that is under way. What was credited stays; the rest is forgotten."""
    _own(call, import_id)
    opening.cancel(call.session, job_id=import_id, now=call.now)
    return _shown(call, _own(call, import_id))


@reads(allowed=_READ, query=RejectsQuery, answer=page_of(Reject), raises=(ImportNotFound,))
def list_rejects(call: Call, import_id: uuid.UUID) -> Page[dict[str, Any]]:
    """List the rows that were not credited, with the reason, in the order of the file."""
    _own(call, import_id)
    limit, place = call.query["limit"], call.query.get("cursor")
    after = int(position(place, int)[0]) if place is not None else 0
    found = rejects(call.session, job_id=import_id, after=after, limit=limit + 1)
    at = 0 if language() == "zh" else 1
    items = [
        {"line": one.line, "status": one.status, "reason": one.reason, "detail": reason_text(one.reason)[at]}
        for one in found[:limit]
    ]
    return Page(items, cursor(items[-1]["line"]) if len(found) > limit else None)


@reads(allowed=_READ, answer=None, downloads=(CSV,), raises=(ImportNotFound,))
def get_rejects_file(call: Call, import_id: uuid.UUID) -> Response:
    """Download the rows that were not credited as CSV, with the reason in Chinese and English."""
    _own(call, import_id)
    with ExitStack() as on_failure:
        file = on_failure.enter_context(tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES))
        for line in csv_lines(all_rejects(call.session, job_id=import_id)):
            file.write(line.encode())
        on_failure.pop_all()
    file.seek(0)
    response = Response(_sent(file), mimetype=CSV)
    response.call_on_close(file.close)
    response.headers["Content-Disposition"] = f'attachment; filename="{import_id}-rejects.csv"'
    return response


def _uploaded(call: Call) -> JobRecord:
    """A file that came whole, in one request."""
    try:
        file = request.files.get("file")
        told = {name: value for name, value in request.form.items() if name != "file"}
    except ValueError as error:
        raise BodyMalformed(why="it is no multipart body") from error
    if file is None or not file.filename:
        raise UploadMalformed(why="it has no part `file` with a file name")
    known = _loaded(_FORM, told)
    control = read_control(known["control"].encode()) if "control" in known else Control()
    with file.stream:
        content = file.read()
    if not content:
        raise PartEmpty
    digest = sha256_hex(content)
    for expected in (known.get("sha256"), control.sha256):
        if expected not in (None, digest):
            raise FileDigestDiffers(file=file.filename[:255], found=digest, expected=expected)
    name = "".join(sign for sign in file.filename if sign.isprintable())[:255] or "file"
    delivered = known | {"file_name": name, "size": len(content), "sha256": digest}
    opened = _opened(call, delivered, control)
    if opened.state != "receiving":
        return opened  # it is under way already
    return uploads.add_part(
        call.session,
        job_id=opened.id,
        first_byte=opened.received_bytes,
        body=content[opened.received_bytes :],
        now=call.now,
    )


def _opened(call: Call, told: dict[str, Any], control: Control) -> JobRecord:
    caller = call.caller
    adapter, options = adapter_of(call.session, name=told["adapter"], programme=caller.programme)
    delivery = opening.Delivery(
        programme=caller.programme,
        partner_id=caller.id,
        adapter=adapter.name,
        mapping_digest=adapter.digest,
        options=options | ({"drop_unknown": True} if told["drop_unknown"] else {}),
        file_name=told["file_name"],
        sha256=told["sha256"],
        size=told["size"],
        source=opening.UPLOAD,
        control=control,
        replaces_id=told.get("replaces"),
    )
    known, _new = opening.open_job(call.session, delivery=delivery, created_by=caller.key, now=call.now)
    return known


def _own(call: Call, import_id: uuid.UUID) -> JobRecord:
    partner_id = call.caller.id if call.caller.role == PARTNER else None
    return job(call.session, job_id=import_id, programme=call.caller.programme, partner_id=partner_id)


def _shown(call: Call, known: JobRecord) -> dict[str, Any]:
    problem = problem_of(known)
    told = {name: getattr(known, name) for name in JobRecord.__dataclass_fields__}
    return told | {
        "mapping": known.mapping_digest,
        "counts": counts(call.session, job_id=known.id),
        "control": known.expected,
        "replaces": known.replaces_id,
        "replaced_by": replaced_by(call.session, job_id=known.id),
        "problem": problem and {"code": problem.code, "detail": problem.message(language())},
    }


def _loaded(schema: Schema, told: Any) -> Any:
    try:
        return schema.load(told)
    except ValidationError as error:
        raise FieldsInvalid(dict(error.normalized_messages())) from error  # type: ignore[no-untyped-call]


def _sent(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(_CHUNK_BYTES):
            yield piece
