"""Whether the service lives, and whether it can serve."""

from marshmallow import fields

from carbon_credit.api.operation import Call, reads
from carbon_credit.api.schemas import Answer
from carbon_credit.kernel import schema
from carbon_credit.kernel.schema import SchemaBehind


class Health(Answer):
    """A word."""

    status = fields.String(required=True, metadata={"example": "ok"})


@reads(answer=Health, uses_database=False)
def get_health(call: Call) -> dict[str, str]:
    """Whether the process answers. Asks nothing of the database."""
    return {"status": "ok"}


@reads(answer=Health, raises=(SchemaBehind,))
def get_readiness(call: Call) -> dict[str, str]:
    """Whether the database answers and is at the migration that this version needs."""
    schema.require_head(call.runtime.database)
    return {"status": "ready"}
