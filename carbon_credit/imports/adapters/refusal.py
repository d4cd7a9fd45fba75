"""Why a row becomes no event. Raised by whatever reads a part of it, turned into its outcome in one place."""

from typing import Literal


class RowRefused(Exception):
    """`reason` is a code of `imports.reasons`. Never holds what the row says."""

    def __init__(self, reason: str, status: Literal["rejected", "held"] = "rejected") -> None:
        self.reason = reason
        self.status: Literal["rejected", "held"] = status
        super().__init__(reason)
