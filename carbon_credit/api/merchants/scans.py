"""What a till scanned without a connection: it hands in its queue, each scan has its own outcome."""

from functools import partial
from typing import Any

from marshmallow import fields, validate
from sqlalchemy.orm import Session

from carbon_credit.api.auth import access
from carbon_credit.api.errors import problem
from carbon_credit.api.fields import Id, Instant, Text, Whole, Word
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.schemas import Answer, Problem, Strict
from carbon_credit.catalogue.offline import offline_tills
from carbon_credit.identity.scopes import MERCHANT
from carbon_credit.identity.tills import TillRecord, till
from carbon_credit.kernel.unit_of_work import transact
from carbon_credit.redemption.errors import OfflineRefused, ScanConflict, TillClockWrong, TillNeeded
from carbon_credit.redemption.till.consuming import place_of
from carbon_credit.redemption.till.scans import Scan, ScanOutcome, hand_in

MAX_SCANS = 200
_CONSUME = access(MERCHANT, scope="vouchers:consume")


class ScanIn(Strict):
    """One scan. The same `id` again is answered with what became of it."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-4b61-9d3e-0f6a1c2b3d51"})
    text = Text(
        longest=200,
        required=True,
        metadata={"description": "What the QR code said.", "example": "CV2:00PYJ0RKP7B9..."},
    )
    scanned_at = Instant(
        required=True,
        metadata={"description": "By the till's clock.", "example": "2026-11-21T12:00:00+08:00"},
    )
    value_fen = Whole(
        minimum=1,
        metadata={"description": "Where the offer allows partial use; all of it where it is absent."},
    )


class ScansIn(Strict):
    """A till's queue, or a part of it, oldest first."""

    sent_at = Instant(
        required=True,
        metadata={"description": "The till's clock now.", "example": "2026-11-21T13:00:00+08:00"},
    )
    scans = fields.List(fields.Nested(ScanIn), required=True, validate=validate.Length(min=1, max=MAX_SCANS))


class ScanOut(Answer):
    """What became of one scan."""

    id = Id(required=True, metadata={"example": "0192f3c1-7a52-4b61-9d3e-0f6a1c2b3d51"})
    outcome = Word(
        "consumed",
        "lost",
        "refused",
        required=True,
        metadata={
            "description": "lost: another was first. refused: the rules were not kept.",
            "example": "lost",
        },
    )
    value_fen = Whole(required=True, metadata={"example": 500})
    consumption_id = Id(required=True, allow_none=True, metadata={"example": None})
    borne_by = Word(
        "merchant",
        "programme",
        required=True,
        allow_none=True,
        metadata={"description": "Who bears what is lost or refused.", "example": "merchant"},
    )
    replayed = fields.Boolean(
        required=True, metadata={"description": "It was handed in before.", "example": False}
    )
    problem = fields.Nested(Problem, required=True, allow_none=True)


class ScansOut(Answer):
    """The outcomes, in the order of the scans."""

    outcomes = fields.List(fields.Nested(ScanOut), required=True)


class OfflineRules(Answer):
    """What a till may do without a connection."""

    grace_s = Whole(required=True, metadata={"example": 86400})
    ceiling_fen = Whole(required=True, metadata={"example": 20000})
    clock_skew_s = Whole(required=True, metadata={"example": 300})
    loss_borne_by = Word("merchant", "programme", required=True, metadata={"example": "merchant"})


class OwnTill(Answer):
    """Whose credential this is."""

    programme = fields.String(required=True, metadata={"example": "x-gd-sz"})
    merchant_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d40"})
    till_id = Id(required=True, allow_none=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d60"})
    name = fields.String(required=True, allow_none=True, metadata={"example": "Till 1"})
    now = Instant(required=True, metadata={"example": "2026-11-21T05:00:00Z"})
    offline = fields.Nested(OfflineRules, required=True, allow_none=True)


@reads(allowed=_CONSUME, answer=OwnTill)
def get_own_till(call: Call) -> dict[str, Any]:
    """Tell a till who it is, what time it is, and what it may take without a connection."""
    caller, rules = call.caller, offline_tills(call.session, programme=call.caller.programme)
    desk: TillRecord | None = None
    if caller.till_id is not None:
        desk = till(call.session, merchant_id=caller.id, till_id=caller.till_id)
    return {
        "programme": caller.programme,
        "merchant_id": caller.id,
        "till_id": caller.till_id,
        "name": desk.name if desk else None,
        "now": call.now,
        "offline": rules if desk else None,
    }


@writes(
    allowed=_CONSUME,
    takes=ScansIn,
    answer=ScansOut,
    keyed=False,
    own_units=True,
    raises=(TillNeeded, OfflineRefused, TillClockWrong, ScanConflict),
)
def hand_in_scans(call: Call) -> dict[str, Any]:
    """Hand in what a till scanned without a connection.

    The first to arrive takes the voucher; the second is told by whom and when, and the programme's rule says
    who bears it. Each scan is judged by itself and once: the same queue may be sent again.
    """
    scans = [Scan(**one) for one in call.body["scans"]]
    outcomes = []
    for scan in sorted(scans, key=lambda one: (one.scanned_at, one.id)):
        # Each in a unit of work of its own: what was taken stays taken, whatever comes of the next.
        outcomes.append(transact(call.runtime.database, partial(_one, call, scan)))
    places = {one.id: place for place, one in enumerate(scans)}
    return {"outcomes": [_shown(one) for one in sorted(outcomes, key=lambda one: places[one.id])]}


def _one(call: Call, scan: Scan, session: Session) -> ScanOutcome:
    place = place_of(session, merchant_id=call.caller.id, till_id=call.caller.till_id)
    return hand_in(
        session,
        programme=call.caller.programme,
        place=place,
        scan=scan,
        sent_at=call.body["sent_at"],
        now=call.now,
    )


def _shown(one: ScanOutcome) -> dict[str, Any]:
    shown = {name: getattr(one, name) for name in ScanOutcome.__dataclass_fields__ if name != "refusal"}
    return {**shown, "problem": None if one.refusal is None else problem(one.refusal)}
