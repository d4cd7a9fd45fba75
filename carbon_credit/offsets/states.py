"""The states of a batch and the steps between them: the whole machine on one screen.

open -> frozen -> under_verification -> corrections_requested | verified | rejected (released)
verified -> applied -> returned | registered
"""

from collections.abc import Mapping
from dataclasses import dataclass

from carbon_credit.offsets.errors import StepNotAllowed

# Corrections are answered, a returned application is handed in again: both lead back. An open batch is
# given up by rejecting it too, or its reductions would be tied for ever.
RELEASABLE = ("open", "frozen", "under_verification", "corrections_requested", "returned")


@dataclass(frozen=True, slots=True)
class Step:
    """From which states a step may be taken, and where it leads."""

    name: str
    allowed: tuple[str, ...]
    to: str


STEPS: Mapping[str, Step] = {
    step.name: step
    for step in (
        Step("fill", ("open",), "open"),
        Step("freeze", ("open",), "frozen"),
        Step("start_verification", ("frozen", "corrections_requested"), "under_verification"),
        Step("request_corrections", ("under_verification",), "corrections_requested"),
        Step("verify", ("under_verification",), "verified"),
        Step("reject", RELEASABLE, "rejected"),
        Step("apply", ("verified", "returned"), "applied"),
        Step("return", ("applied",), "returned"),
        Step("register", ("applied",), "registered"),
    )
}
# From here on the set, its root and its totals are fixed.
FIXED = (
    "frozen",
    "under_verification",
    "corrections_requested",
    "verified",
    "applied",
    "returned",
    "registered",
)


def require(step: str, state: str) -> Step:
    """The step, if a batch in `state` may take it. Raises StepNotAllowed."""
    found = STEPS[step]
    if state not in found.allowed:
        raise StepNotAllowed(state=state, step=step, allowed=", ".join(found.allowed))
    return found
