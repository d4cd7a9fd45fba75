"""When a message is tried again. The steps are the example of the Standard Webhooks specification."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import TypeAlias

# After the first attempt, which is made at once. Three days and a bit in all.
STEPS_S = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
ATTEMPTS = len(STEPS_S) + 1
JITTER_PERCENT = 10
# An endpoint that asks to be left alone is, within reason.
MAX_RETRY_AFTER_S = 86400
# While an endpoint fails it gets one message at a time, and rests in between.
MAX_REST_S = 60

Chance: TypeAlias = Callable[[int], int]  # a number from 0 up to, not including, the given one


def wait_after(
    rung: int, *, retry_after_s: int | None = None, chance: Chance = secrets.randbelow
) -> timedelta | None:
    """How long to wait after failed attempt number `rung` (from 1); None where that was the last.

    What the receiver asks for counts where it is longer than the step.
    """
    if rung >= ATTEMPTS:
        return None
    step_ms = STEPS_S[rung - 1] * 1000
    spread_ms = step_ms * JITTER_PERCENT // 100
    wait = timedelta(milliseconds=step_ms - spread_ms + chance(2 * spread_ms + 1))
    return max(wait, _asked(retry_after_s))


def rest_after(failures: int, *, retry_after_s: int | None = None) -> timedelta:
    """How long an endpoint is left alone after so many failures in a row."""
    rest_s = min(2 ** min(failures - 1, 10), MAX_REST_S)
    return max(timedelta(seconds=rest_s), _asked(retry_after_s))


def _asked(retry_after_s: int | None) -> timedelta:
    return timedelta(seconds=min(max(retry_after_s or 0, 0), MAX_RETRY_AFTER_S))
