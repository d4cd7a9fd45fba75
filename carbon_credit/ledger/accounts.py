"""An account is its key: programme, asset, kind, owner and lot. Its id is computed, not looked up."""

import hashlib
import uuid
from typing import NamedTuple

from carbon_credit.kernel.ids import id_of

CO2E = "co2e_mg"
POINTS = "points"
FEN = "cny_fen"
UNIT_PREFIX = "unit:"


class AccountKey(NamedTuple):
    """`owner`: an opaque id, None for the programme itself. `lot`: expiry date (ISO) of points."""

    programme: str
    asset: str
    kind: str
    owner: uuid.UUID | None = None
    lot: str = ""


class Balance(NamedTuple):
    """The four sums of one account, in the asset's unit. As a difference, any may be negative."""

    debits_posted: int = 0
    credits_posted: int = 0
    debits_pending: int = 0
    credits_pending: int = 0

    @property
    def posted(self) -> int:
        """Credits less debits. Negative for debts and for the sources of the programme."""
        return self.credits_posted - self.debits_posted

    @property
    def available(self) -> int:
        """What may still be taken: posted less what is held."""
        return self.credits_posted - self.debits_posted - self.debits_pending

    def plus(self, other: "Balance") -> "Balance":
        """The sums of both."""
        return Balance(
            self.debits_posted + other.debits_posted,
            self.credits_posted + other.credits_posted,
            self.debits_pending + other.debits_pending,
            self.credits_pending + other.credits_pending,
        )


def unit_asset(offer_id: uuid.UUID) -> str:
    """The asset that counts the pieces of one offer."""
    return f"{UNIT_PREFIX}{offer_id.hex}"


def account_id(key: AccountKey) -> uuid.UUID:
    """The first 128 bits of SHA-256 over the key. The chart keeps "|" out of every part."""
    programme, asset, kind, owner, lot = key
    whose = "" if owner is None else owner.int.to_bytes(16, "big").hex()
    text = f"{programme}|{asset}|{kind}|{whose}|{lot}"
    return id_of(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))
