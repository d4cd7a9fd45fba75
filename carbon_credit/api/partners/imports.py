"""Files of events: delivered in one request or in parts, credited in the background, followed here.

A file becomes a job. Nothing of it is credited before the whole file was read and found to be sound.
"""

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Any

from flask import Response, request
from marshmallow import Schema, ValidationError

from carbon_credit.api import body
from carbon_credit.api.auth import access
from carbon_credit.api.errors import BodyMalformed, FieldsInvalid, language
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.partners.import_schemas import (
    BEGIN,
    ImportForm,
    ImportIn,
    ImportOut,
    Reject,
    RejectsQuery,
)
from carbon_credit.api.schemas import PageQuery, page_of
from carbon_credit.identity.errors import PartyNotFound
from carbon_credit.identity.queries import party
from carbon_credit.identity.scopes import OPERATOR, PARTNER
from carbon_credit.imports.errors import (
    AdapterNeeds,
    AdapterRehearsalOnly,
    AdapterTakesNo,
    AdapterUnknown,
    MappingUnsound,
    StationsUnreadable,
)
from carbon_credit.imports.jobs import enclosures, opening, uploads
from carbon_credit.imports.jobs.control import Control, control_of, read_control
from carbon_credit.imports.jobs.enclosures import MAPPING, MAX_MAPPING_BYTES, RIDERS, STATIONS, Enclosed
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
from carbon_credit.imports.reasons import reason_text
from carbon_credit.kernel.digest import sha256_hex
from carbon_credit.kernel.errors import Forbidden
from carbon_credit.kernel.paging import Page, cursor, cut, id_position, position
from carbon_credit.sweeps.deliveries import adapter_of

_WRITE = access(PARTNER, OPERATOR, scope="imports:write")
_READ = access(PARTNER, OPERATOR, scope="imports:read")
BYTES = "application/octet-stream"
CSV = "text/csv"
_MEMORY_BYTES = 4 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
ENCLOSURES = (MAPPING, RIDERS, STATIONS)
_FILES = ("file", *ENCLOSURES)


class PartnerNotYours(Forbidden):
    code = "import-partner-not-yours"
    en = "A partner delivers files of its own. Leave `partner_id` out, or let an operator deliver the file."
    zh = "数据提供方只能提交自己的文件。请去掉 `partner_id`，或由运营方提交。"


_OPENS = (
    AdapterUnknown,
    AdapterNeeds,
    AdapterTakesNo,
    AdapterRehearsalOnly,
    MappingUnsound,
    StationsUnreadable,
    PartyNotFound,
    PartnerNotYours,
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


@writes(allowed=_WRITE, content=BEGIN, answer=ImportOut, status=202, raises=_OPENS)
def begin_import(call: Call) -> dict[str, Any]:
    """Deliver a file: as a whole (multipart), or announce one that comes in parts (JSON).

    While the same file is under way, this answers with its job and begins no other. A file is csv, tsv,
    NDJSON, xlsx or Parquet, plain, gzip or zstd. Delivered again after its end, its rows are duplicates.
    It is read by an adapter or by a mapping that is sent with it. An operator delivers for a partner.
    """
    if body.media_type() == body.JSON:
        told = _loaded(_IN, body.parse_json(call.body))
        enclosed = {name: told[name] for name in (RIDERS, STATIONS) if name in told}
        if MAPPING in told:
            enclosed[MAPPING] = told[MAPPING].encode()
        return _shown(call, _opened(call, told, control_of(told.get("control", {})), enclosed))
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
        told = {name: value for name, value in request.form.items() if name not in _FILES}
    except ValueError as error:
        raise BodyMalformed(why="it is no multipart body") from error
    if file is None or not file.filename:
        raise UploadMalformed(why="it has no part `file` with a file name")
    strange = {name: ["Unknown field."] for name in request.files if name not in _FILES}
    if strange:
        raise FieldsInvalid(strange)
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
    enclosed = {name: part for name in ENCLOSURES if (part := _part(name)) is not None}
    opened = _opened(call, delivered, control, enclosed)
    if opened.state != "receiving":
        return opened  # it is under way already
    return uploads.add_part(
        call.session,
        job_id=opened.id,
        first_byte=opened.received_bytes,
        body=content[opened.received_bytes :],
        now=call.now,
    )


def _part(name: str) -> bytes | None:
    """What was sent under this name, as a file or as text."""
    file = request.files.get(name)
    if file is None:
        text = request.form.get(name)
        return None if text is None else text.encode()
    with file.stream:
        return bytes(file.read())


def _opened(call: Call, told: dict[str, Any], control: Control, enclosed: Enclosed) -> JobRecord:
    caller = call.caller
    _require_sizes(enclosed)
    if ("adapter" in told) == (MAPPING in enclosed):
        raise FieldsInvalid({"adapter": ["Name an adapter or send a mapping, one of the two."]})
    partner_id = _partner(call, told.get("partner_id"))
    adapter, options = adapter_of(
        call.session, name=told.get("adapter"), enclosed=enclosed, programme=caller.programme
    )
    delivery = opening.Delivery(
        programme=caller.programme,
        partner_id=partner_id,
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
    known, new = opening.open_job(call.session, delivery=delivery, created_by=caller.key, now=call.now)
    if new:
        enclosures.keep(call.session, job_id=known.id, enclosed=enclosed)
    return known


def _require_sizes(enclosed: Enclosed) -> None:
    wrong = {name: ["Shorter than minimum length 1."] for name, part in enclosed.items() if not part}
    if len(enclosed.get(MAPPING, b"")) > MAX_MAPPING_BYTES:
        wrong[MAPPING] = [f"Longer than maximum length {MAX_MAPPING_BYTES}."]
    if wrong:
        raise FieldsInvalid(wrong)


def _partner(call: Call, named: uuid.UUID | None) -> uuid.UUID:
    """Whose file it is: the caller's own, or of the partner that an operator names."""
    if call.caller.role == PARTNER:
        if named not in (None, call.caller.id):
            raise PartnerNotYours
        return call.caller.id
    if named is None:
        raise FieldsInvalid({"partner_id": ["Missing data for required field."]})
    if party(call.session, party_id=named, programme=call.caller.programme).role != PARTNER:
        raise PartyNotFound
    return named


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
