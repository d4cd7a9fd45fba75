"""What a verifier does with a batch. One that another verifier has taken on is not found."""

import uuid
from typing import Any

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Id, Text
from carbon_credit.api.operation import Call, reads, writes
from carbon_credit.api.operators.batches import Batch, ReasonIn, shown
from carbon_credit.api.schemas import PageQuery, Strict, page_of
from carbon_credit.identity.scopes import VERIFIER
from carbon_credit.kernel.paging import Page, cut, id_position
from carbon_credit.offsets import operations, queries
from carbon_credit.offsets.errors import BatchNotFound, NotIndependent, StepNotAllowed

_VERIFY = access(VERIFIER, scope="batches:verify")


class VerificationIn(Strict):
    """Which batch to take on."""

    batch_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d60"})


class FindingIn(Strict):
    """What has to be put right."""

    finding = Text(longest=1000, required=True, metadata={"example": "The boundary does not name line 16."})


class StatementIn(Strict):
    """The verification statement."""

    statement = Text(longest=64, required=True, metadata={"example": "CTI-2026-0117"})


@reads(allowed=_VERIFY, query=PageQuery, answer=page_of(Batch))
def list_verifications(call: Call) -> Page[dict[str, Any]]:
    """List the batches that this verifier has taken on."""
    limit = call.query["limit"]
    rows = queries.batches(
        call.session,
        programme=call.caller.programme,
        verifier=call.caller.key,
        after=id_position(call.query.get("cursor")),
        limit=limit + 1,
    )
    page = cut(rows, limit, lambda row: [str(row.id)])
    return Page(items=[shown(row) for row in page.items], next_cursor=page.next_cursor)


@writes(
    allowed=_VERIFY,
    takes=VerificationIn,
    answer=Batch,
    raises=(BatchNotFound, StepNotAllowed, NotIndependent),
)
def start_verification(call: Call) -> dict[str, Any]:
    """Take a frozen batch on, or take it up again after corrections."""
    _require_free_or_own(call, call.body["batch_id"])
    return shown(operations.start_verification(call.session, **_acting(call, call.body["batch_id"])))


@writes(
    allowed=_VERIFY,
    takes=FindingIn,
    answer=Batch,
    raises=(BatchNotFound, StepNotAllowed, NotIndependent),
)
def request_corrections(call: Call, batch_id: uuid.UUID) -> dict[str, Any]:
    """Ask for corrections."""
    _require_own(call, batch_id)
    return shown(operations.request_corrections(call.session, **_acting(call, batch_id), **call.body))


@writes(
    allowed=_VERIFY,
    takes=StatementIn,
    answer=Batch,
    raises=(BatchNotFound, StepNotAllowed, NotIndependent),
)
def verify_batch(call: Call, batch_id: uuid.UUID) -> dict[str, Any]:
    """State that the batch is right."""
    _require_own(call, batch_id)
    return shown(operations.verify_batch(call.session, **_acting(call, batch_id), **call.body))


@writes(allowed=_VERIFY, takes=ReasonIn, answer=Batch, raises=(BatchNotFound, StepNotAllowed))
def reject_batch(call: Call, batch_id: uuid.UUID) -> dict[str, Any]:
    """Refuse the batch: its grams go back to the citizens."""
    _require_own(call, batch_id)
    return shown(operations.reject_batch(call.session, **_acting(call, batch_id), **call.body))


def _require_free_or_own(call: Call, batch_id: uuid.UUID) -> None:
    record = queries.batch(call.session, programme=call.caller.programme, batch_id=batch_id)
    if record.verifier not in (None, call.caller.key):
        raise BatchNotFound


def _require_own(call: Call, batch_id: uuid.UUID) -> None:
    record = queries.batch(call.session, programme=call.caller.programme, batch_id=batch_id)
    if record.verifier != call.caller.key:
        raise BatchNotFound


def _acting(call: Call, batch_id: uuid.UUID) -> dict[str, Any]:
    return {
        "programme": call.caller.programme,
        "batch_id": batch_id,
        "actor": call.caller.key,
        "now": call.now,
    }
