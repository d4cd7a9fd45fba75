"""What judging an event comes to: its credited parts, and what was refused and why."""

from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID

from msgspec import Struct

from carbon_credit.catalogue.activities import ActivityType
from carbon_credit.catalogue.rules import Binding
from carbon_credit.events.reasons import REASONS
from carbon_credit.methodology.definition import Grade


class Accepted(Struct, frozen=True, gc=False):
    """What the event's own row says: the event as a whole, whatever parts it was divided into."""

    citizen_id: UUID
    business_day: date
    tier: str
    quantities: Mapping[str, int | str]
    details: Mapping[str, str]


class Quantified(Struct, frozen=True, gc=False):
    """A credited part of an event (mostly the whole of it): who, under which consent and mandate, and
    how much before caps; less than nothing where results below zero are netted.

    `occurred_at`, `business_day`: where the part begins. `ends_before`: the first day that is not in
    it. `quantities`: the part's share of the event's. `pending`: a condition is decided at year end.
    `divided`: the event has other parts.
    """

    citizen_id: UUID
    consent_id: UUID
    mandate_id: UUID | None
    binding: Binding
    activity: ActivityType
    occurred_at: datetime
    business_day: date
    ends_before: date
    tier: str
    grade: Grade
    gross_mg: int
    inputs: str
    quantities: Mapping[str, int | str]
    pending: bool = False
    divided: bool = False


class Refused(Struct, frozen=True, gc=False):
    """Why nothing is credited: a `reason` code, and of `not-eligible` the predicate, in both languages.

    Of a part that is not credited, also which days.
    """

    reason: str
    predicate: str | None = None
    detail_en: str | None = None
    detail_zh: str | None = None
    starts_on: date | None = None
    ends_before: date | None = None


class Verdict(Struct, frozen=True, gc=False):
    """The credited parts (`quantified`, with what is `accepted`), and what was refused.

    An event is refused where no part is credited; then `refused` has one entry at least.
    """

    quantified: tuple[Quantified, ...] = ()
    refused: tuple[Refused, ...] = ()
    accepted: Accepted | None = None

    @property
    def reason(self) -> str | None:
        """The code of the refusal; None where anything is credited."""
        return None if self.quantified else self.refused[0].reason

    @property
    def retryable(self) -> bool:
        """True where the same id may come again."""
        return self.reason is not None and REASONS[self.reason].retryable


def refused(reason: str) -> Verdict:
    """A verdict that credits nothing."""
    return Verdict(refused=(Refused(REASONS[reason].code),))
