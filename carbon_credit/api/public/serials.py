"""What everybody may know of a serial number."""

from marshmallow import fields

from carbon_credit.api.fields import Day, Flag, Id, Instant, Whole
from carbon_credit.api.operation import Call, reads
from carbon_credit.api.schemas import Answer
from carbon_credit.offsets.errors import SerialNotFound
from carbon_credit.offsets.queries import batch, range_of
from carbon_credit.verifier.serial import parse_serial


class SerialNumber(Answer):
    """One tonne: where it comes from, and what became of it."""

    serial = fields.String(required=True, metadata={"example": "X-GD-SZ-metro-2026-000000002"})
    programme = fields.String(required=True, metadata={"example": "x-gd-sz"})
    rehearsal = Flag(required=True, metadata={"description": "Practice: never sold.", "example": True})
    state = fields.String(required=True, metadata={"example": "issued"})
    vintage = Whole(required=True, metadata={"example": 2026})
    batch_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d60"})
    range_first = fields.String(required=True, metadata={"example": "X-GD-SZ-metro-2026-000000001"})
    range_last = fields.String(required=True, metadata={"example": "X-GD-SZ-metro-2026-000000003"})
    methodology = fields.String(required=True, metadata={"example": "sz-public-transit/v1"})
    starts_on = Day(required=True, metadata={"example": "2026-10-01"})
    ends_before = Day(required=True, metadata={"example": "2026-11-01"})
    merkle_root = fields.String(required=True, allow_none=True, metadata={"example": "ab12" * 16})
    issued_at = Instant(required=True, metadata={"example": "2026-11-21T05:00:00Z"})


@reads(answer=SerialNumber, raises=(SerialNotFound,))
def get_serial(call: Call, serial: str) -> dict[str, object]:
    """Read what a serial number stands for."""
    parsed = parse_serial(serial)
    if parsed is None:
        raise SerialNotFound
    found = range_of(call.session, serial=parsed)
    of = batch(call.session, programme=found.programme, batch_id=found.batch_id)
    return {
        "serial": str(parsed),
        "programme": found.programme,
        "rehearsal": of.rehearsal,
        "state": found.state,
        "vintage": found.vintage,
        "batch_id": found.batch_id,
        "range_first": found.first,
        "range_last": found.last,
        "methodology": f"{of.methodology_id}/{of.methodology_version}",
        "starts_on": of.starts_on,
        "ends_before": of.ends_before,
        "merkle_root": of.merkle_root,
        "issued_at": found.issued_at,
    }
