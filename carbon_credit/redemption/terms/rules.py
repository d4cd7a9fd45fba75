"""Who may have an offer, as data: a list of rules of a small closed vocabulary, all of which must hold.

    {"rule": "events", "scene": "metro", "events": 10, "days": 30}   ten metro rides in thirty days
    {"rule": "grams", "co2e_mg": 5000000, "days": 30}                five kilograms saved, in whatever scene
    {"rule": "first"}                                                nothing redeemed yet

The days are the last so many in the programme's time, today included. What was withdrawn does not count;
what is provisional does: a reward is for having done it.
"""

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Struct

from carbon_credit.kernel.quantity import grams_text
from carbon_credit.kernel.structs import learned

MAX_RULES = 8
_Days = Annotated[int, Meta(ge=1, le=366)]
_Amount = Annotated[int, Meta(ge=1, le=10**15)]
_Code = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,32}$")]


class Events(Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="events"):
    """At least so many events in a scene."""

    scene: _Code
    events: _Amount
    days: _Days

    def said(self) -> tuple[str, str]:
        """In Chinese and English."""
        return (
            f"近 {self.days} 天内「{self.scene}」场景至少 {self.events} 次",
            f"at least {self.events} in the scene “{self.scene}” within {self.days} days",
        )


class Grams(Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="grams"):
    """At least so many milligrams, in a scene or in all of them."""

    co2e_mg: _Amount
    days: _Days
    scene: _Code | None = None

    def said(self) -> tuple[str, str]:
        """In Chinese and English."""
        zh = f"「{self.scene}」场景" if self.scene else ""
        en = f" in the scene “{self.scene}”" if self.scene else ""
        amount = grams_text(self.co2e_mg)
        return (
            f"近 {self.days} 天内{zh}减排至少 {amount} 克",
            f"at least {amount} g saved{en} within {self.days} days",
        )


class First(Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="first"):
    """Nothing redeemed yet."""

    def said(self) -> tuple[str, str]:
        """In Chinese and English."""
        return "仅限首次兑换", "for a first redemption only"


Rule: TypeAlias = Events | Grams | First


def read_rules(text: str) -> tuple[Rule, ...]:
    """Rules as they are stored."""
    return msgspec.json.decode(text, type=learned(tuple[Rule, ...]))
