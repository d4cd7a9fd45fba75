"""What is said of a file when it is delivered, and of its import afterwards."""

from marshmallow import Schema, fields, validate

from carbon_credit.api import body
from carbon_credit.api.examples import example
from carbon_credit.api.fields import Base64, Flag, Id, Instant, QueryFlag, QueryWhole, Text, Whole, Word
from carbon_credit.api.schemas import SLUG, Answer, PageQuery, Strict
from carbon_credit.imports.jobs import uploads
from carbon_credit.imports.jobs.control import MAX_SUMS
from carbon_credit.imports.jobs.enclosures import MAX_MAPPING_BYTES
from carbon_credit.imports.jobs.states import MOVES
from carbon_credit.kernel.paging import DEFAULT_LIMIT

MULTIPART = "multipart/form-data"
MAX_REJECTS = 1_000
_HEX = r"^[0-9a-f]{64}$"
_SHOWN = "9f2b" * 16
_FILE_NAME = "rides-2026-11-20.csv.gz"
_LINES = r"^[^\u0000]+$"
_PARTNER_ID = "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d4f"
_ADAPTER = "An adapter that comes with the program. Left out where `mapping` is sent."
_MAPPING = "A mapping of your own, as YAML text, in place of an adapter."
_RIDERS = "CSV of whose trips they were, where the file does not say it."
_STATIONS = "CSV of stations with coordinates, where the adapter measures between them."
_PARTNER = "Whose file it is; only an operator says it, and always."


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

    adapter = Text(longest=64, pattern=SLUG, metadata={"description": _ADAPTER, "example": "generic-ride"})
    mapping = Text(longest=MAX_MAPPING_BYTES, pattern=_LINES, metadata={"description": _MAPPING})
    riders = Base64(metadata={"description": _RIDERS})
    stations = Base64(metadata={"description": _STATIONS})
    partner_id = Id(metadata={"description": _PARTNER})
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
    """The fields beside the files in a multipart request."""

    adapter = Text(longest=64, pattern=SLUG)
    partner_id = Id()
    sha256 = Text(longest=64, pattern=_HEX)
    control = Text(longest=8192, pattern=_LINES, metadata={"description": "JSON, or name=value lines."})
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
    partner_id = Id(required=True, metadata={"example": _PARTNER_ID})
    created_by = fields.String(
        required=True,
        metadata={"description": "Who delivered it.", "example": f"partner:{_PARTNER_ID}"},
    )
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


BEGIN = {
    MULTIPART: {
        "schema": {
            "type": "object",
            "required": ["file"],
            "properties": {
                "file": {"type": "string", "format": "binary"},
                "adapter": {"type": "string", "pattern": SLUG, "description": _ADAPTER},
                "mapping": {"type": "string", "description": _MAPPING, "maxLength": MAX_MAPPING_BYTES},
                "riders": {"type": "string", "format": "binary", "description": _RIDERS},
                "stations": {"type": "string", "format": "binary", "description": _STATIONS},
                "partner_id": {"type": "string", "format": "uuid", "description": _PARTNER},
                "sha256": {"type": "string", "pattern": _HEX},
                "control": {"type": "string", "description": "JSON, or name=value lines.", "maxLength": 8192},
                "drop_unknown": {"type": "string", "enum": ["true", "false"]},
                "replaces": {"type": "string", "format": "uuid"},
            },
        }
    },
    body.JSON: {"schema": ImportIn, "example": example(ImportIn())},
}
