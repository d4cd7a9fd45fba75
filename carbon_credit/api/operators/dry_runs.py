"""What a version would do to the stored events of a period. Nothing is written."""

from typing import Any

from marshmallow import fields

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Day, Flag, Id, Text, Whole
from carbon_credit.api.operation import Call, reads
from carbon_credit.api.schemas import Answer, Strict
from carbon_credit.catalogue import queries as catalogue
from carbon_credit.catalogue.errors import MethodologyNotFound, ProgrammeNotFound
from carbon_credit.identity.scopes import OPERATOR
from carbon_credit.quantification.calendar import PATTERN
from carbon_credit.quantification.errors import DryRunTooLarge, PeriodUnclear
from carbon_credit.quantification.portions import count
from carbon_credit.sweeps.changing import change_to, report_of

MOST_REDUCTIONS = 5_000
_ANY = -(2**63)
_OLD = {"description": "What counts on accounts now.", "example": 388440}
_NEW = {"description": "What would count.", "example": 332000}
_DELTA = {"description": "What would be posted.", "example": -56440}


class DryRunIn(Strict):
    """Which business days: a day, a month, a quarter, a year, or from a day to a day."""

    period = Text(longest=22, pattern=PATTERN, required=True, metadata={"example": "2026-10"})


class SumOut(Answer):
    """Reductions and their milligrams, by what they are computed by now and by the version."""

    reductions = Whole(required=True, metadata={"example": 1})
    old_mg = Whole(required=True, metadata=_OLD)
    new_mg = Whole(required=True, metadata=_NEW)
    delta_mg = Whole(minimum=_ANY, required=True, metadata=_DELTA)


class SceneSum(SumOut):
    """The same of one scene."""

    scene = fields.String(required=True, metadata={"example": "metro"})


class Quantiles(Answer):
    """Of the citizens' differences, in milligrams, by nearest rank."""

    min = Whole(minimum=_ANY, required=True, metadata={"example": -56440})
    p5 = Whole(minimum=_ANY, required=True, metadata={"example": -56440})
    p25 = Whole(minimum=_ANY, required=True, metadata={"example": -56440})
    median = Whole(minimum=_ANY, required=True, metadata={"example": -56440})
    p75 = Whole(minimum=_ANY, required=True, metadata={"example": -56440})
    p95 = Whole(minimum=_ANY, required=True, metadata={"example": -56440})
    max = Whole(minimum=_ANY, required=True, metadata={"example": -56440})


class Mover(Answer):
    """A citizen, by random id, whose account would change much."""

    citizen_id = Id(required=True, metadata={"example": "0192f3c1-7a52-7b61-9d3e-0f6a1c2b3d42"})
    delta_mg = Whole(minimum=_ANY, required=True, metadata=_DELTA)


class LeftOut(Answer):
    """Reductions that stay as they are: the version refuses them (`code`), or they are `in-batch`."""

    code = fields.String(required=True, metadata={"example": "in-batch"})
    reductions = Whole(required=True, metadata={"example": 0})
    co2e_mg = Whole(required=True, metadata={"example": 0})


class WordChange(Answer):
    """How many reductions go from one word to another."""

    old = fields.String(required=True, metadata={"example": "secondary"})
    new = fields.String(required=True, metadata={"example": "official"})
    reductions = Whole(required=True, metadata={"example": 1})


class DryRun(SumOut):
    """The report. `digest` names exactly this change: to apply it, `methodology dry-run --apply --report`."""

    programme = fields.String(required=True, metadata={"example": "x-gd-sz"})
    methodology = fields.String(required=True, metadata={"example": "sz-public-transit/v2"})
    version_digest = fields.String(required=True, metadata={"example": "9f2b" * 16})
    first_day = Day(required=True, metadata={"example": "2026-10-01"})
    last_day = Day(required=True, metadata={"example": "2026-10-31"})
    governs = Flag(
        required=True,
        metadata={"description": "false: tried as if it governed; see `hindrance`.", "example": False},
    )
    hindrance = fields.String(required=True, allow_none=True, metadata={"example": "it is a draft"})
    hindrance_zh = fields.String(required=True, allow_none=True, metadata={"example": "该版本尚为草案"})
    digest = fields.String(required=True, metadata={"example": "5c05" * 16})
    scenes = fields.List(fields.Nested(SceneSum), required=True)
    citizens = Whole(required=True, metadata={"example": 1})
    citizen_delta_mg = fields.Nested(Quantiles, required=True, allow_none=True)
    largest_movers = fields.List(fields.Nested(Mover), required=True)
    left = fields.List(fields.Nested(LeftOut), required=True)
    grades = fields.List(fields.Nested(WordChange), required=True)
    uses = fields.List(fields.Nested(WordChange), required=True)
    applied = fields.Nested(
        SumOut, required=True, metadata={"description": "What was posted before; the digest covers it, too."}
    )


@reads(
    allowed=access(OPERATOR, scope="programme:read"),
    takes=DryRunIn,
    answer=DryRun,
    raises=(MethodologyNotFound, ProgrammeNotFound, PeriodUnclear, DryRunTooLarge),
)
def try_methodology(call: Call, methodology_id: str, version: str) -> dict[str, Any]:
    """Compute the period's stored events again by a draft or a published version.

    Nothing is written. Answers for at most 5,000 reductions; for more there is the command.
    """
    session = call.session
    known = catalogue.version(session, methodology_id=methodology_id, version=version)
    compiled = catalogue.compiled_by_digest(session, digest=known.digest)
    programme, period = call.caller.programme, call.body["period"]
    change = change_to(session, programme=programme, compiled=compiled, period=period)
    found = count(session, span=change.span)
    if found > MOST_REDUCTIONS:
        raise DryRunTooLarge(found=found, limit=MOST_REDUCTIONS)
    return change.as_dict() | report_of(session, change=change).as_dict()
