"""What a running application holds, and where the views find it."""

from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app

from carbon_credit.api.gate import Gate
from carbon_credit.api.grouping import Groups
from carbon_credit.api.standing import Standings
from carbon_credit.identity.tokens import Tokens
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.limits import Limiter
from carbon_credit.kernel.settings import Settings

_NAME = "carbon-credit"


@dataclass(frozen=True, slots=True)
class Runtime:
    """What one application was made of."""

    settings: Settings
    database: Database
    tokens: Tokens
    standings: Standings
    limiter: Limiter
    groups: Groups
    batches: Gate

    def attach(self, app: Flask) -> None:
        """Make this the runtime of `app`."""
        app.extensions[_NAME] = self


def runtime() -> Runtime:
    """The runtime of the application that handles this request."""
    return cast(Runtime, current_app.extensions[_NAME])
