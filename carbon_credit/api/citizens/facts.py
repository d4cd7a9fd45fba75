"""What is kept about a citizen beside activities, for the citizen."""

from typing import Any

from carbon_credit.api.auth import access
from carbon_credit.api.operation import Call, reads
from carbon_credit.api.partners.facts import Facts, facts_about
from carbon_credit.identity.scopes import CITIZEN

_READ = access(CITIZEN, scope="account:read")


@reads(allowed=_READ, answer=Facts)
def list_own_facts(call: Call) -> dict[str, Any]:
    """Read what is known of oneself: facts and meters."""
    return facts_about(call, call.caller.id)
