"""What became of one event, as it is told to the partner."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from msgspec import Struct, structs

from carbon_credit.events.incoming import IncomingEvent
from carbon_credit.events.operations import Claim
from carbon_credit.events.reasons import REASONS
from carbon_credit.kernel.errors import CarbonError
from carbon_credit.methodology.definition import Grade
from carbon_credit.quantification.verdicts import Refused


@dataclass(frozen=True, slots=True)
class Present:
    """A reduction as it stands now. Milligrams; `net_mg` includes all corrections."""

    reduction_id: UUID
    event_id: UUID
    business_day: date
    gross_mg: int
    credited_mg: int
    net_mg: int
    ended: str | None
    use: str
    grade: str
    sandbox: bool
    cap_code: str | None
    methodology: str
    digest: str


class OutcomePart(Struct, frozen=True):
    """One part of an event that was divided by days; `ends_before` is the first day not in it.

    A part without `reduction_id` was refused, for `reason`; one that was withdrawn says so there.
    """

    reduction_id: UUID | None
    starts_on: date
    ends_before: date
    co2e_mg: int
    vintage: int
    reason: str | None = None


class Outcome(Struct, frozen=True):
    """`status`: credited | accepted | held | rejected | duplicate | stale | invalid | withdrawn.

    `co2e_mg` is what counts now, `points` what was granted with this event, `points_withheld` what was
    due beyond the programme's budget. On a duplicate or stale
    event `first` is the outcome that is remembered and the figures are the present state. `parts`: where
    the event was divided; the figures are their sums, and words are those of the first part. `due_at`: from
    when on an accepted event is credited.
    """

    id: str | None
    status: str
    revision: int = 1
    reason: str | None = None
    condition: str | None = None
    detail_en: str | None = None
    detail_zh: str | None = None
    first: str | None = None
    reduction_id: UUID | None = None
    gross_mg: int = 0
    co2e_mg: int = 0
    points: int = 0
    points_withheld: int = 0
    use: str | None = None
    grade: str | None = None
    sandbox: bool = False
    cap_code: str | None = None
    methodology: str | None = None
    digest: str | None = None
    error: CarbonError | None = None
    starts_on: date | None = None
    ends_before: date | None = None
    parts: tuple[OutcomePart, ...] = ()
    due_at: datetime | None = None

    @classmethod
    def joined(cls, outcomes: Sequence["Outcome"]) -> "Outcome":
        """The outcomes of an event's credited parts, in order, as one."""
        if len(outcomes) == 1:
            return outcomes[0]
        parts = tuple(one.as_part() for one in outcomes)
        weakest = max(outcomes, key=lambda one: Grade(one.grade).rank if one.grade else 0)
        return structs.replace(
            outcomes[0],
            gross_mg=sum(one.gross_mg for one in outcomes),
            co2e_mg=sum(one.co2e_mg for one in outcomes),
            points=sum(one.points for one in outcomes),
            points_withheld=sum(one.points_withheld for one in outcomes),
            grade=weakest.grade,
            sandbox=weakest.sandbox,
            cap_code=next((one.cap_code for one in outcomes if one.cap_code), None),
            ends_before=outcomes[-1].ends_before,
            parts=parts,
        )

    def as_part(self) -> OutcomePart:
        """This credited outcome as one part of another."""
        assert self.starts_on is not None and self.ends_before is not None  # noqa: S101, PT018
        vintage = self.starts_on.year
        return OutcomePart(self.reduction_id, self.starts_on, self.ends_before, self.co2e_mg, vintage)

    @classmethod
    def invalid(cls, payload: object, error: CarbonError) -> "Outcome":
        """A payload that could not be read; its id is told where there is one."""
        named = payload.get("id") if isinstance(payload, dict) else None
        return cls(
            id=named if isinstance(named, str) else None,
            status="invalid",
            reason=error.code,
            detail_en=error.message("en"),
            detail_zh=error.message("zh"),
            error=error,
        )

    @classmethod
    def of_error(cls, event: IncomingEvent, error: CarbonError) -> "Outcome":
        """An event that is not acceptable as it is. Nothing was claimed for it."""
        return cls(
            id=event.id,
            status="invalid",
            revision=event.revision,
            reason=error.code,
            detail_en=error.message("en"),
            detail_zh=error.message("zh"),
            error=error,
        )

    @classmethod
    def accepted(cls, event: IncomingEvent, revision: int, due_at: datetime | None) -> "Outcome":
        """An event that is credited from `due_at` on."""
        return cls(id=event.id, status="accepted", revision=revision, due_at=due_at)

    @classmethod
    def refused(cls, event: IncomingEvent, revision: int, refused: Refused) -> "Outcome":
        """A refusal that is remembered."""
        return cls(id=event.id, status="rejected", revision=revision).because(refused)

    def because(self, refused: Refused) -> "Outcome":
        """With the reason of the refusal; of a condition that does not hold, which one it is."""
        known = REASONS[refused.reason]
        return structs.replace(
            self,
            reason=refused.reason,
            condition=refused.predicate,
            detail_en=refused.detail_en or known.en,
            detail_zh=refused.detail_zh or known.zh,
        )

    def with_parts(self, parts: tuple[OutcomePart, ...]) -> "Outcome":
        """With the parts of a divided event."""
        return structs.replace(self, parts=parts) if parts else self

    def with_refused_parts(self, refused: Sequence[Refused]) -> "Outcome":
        """A credited outcome that also tells the parts which were not credited, by their days."""
        if not refused:
            return self
        told = [
            OutcomePart(None, one.starts_on, one.ends_before, 0, one.starts_on.year, one.reason)
            for one in refused
            if one.starts_on is not None and one.ends_before is not None
        ]
        parts = [*(self.parts or (self.as_part(),)), *told]
        return structs.replace(self, parts=tuple(sorted(parts, key=lambda part: part.starts_on)))

    @classmethod
    def known(cls, event: IncomingEvent, status: str, before: Claim, present: Sequence[Present]) -> "Outcome":
        """An event that was known: the first outcome and the present state, over all parts of it."""
        reason = REASONS.get(before.reason or "")
        first = present[0] if present else None
        weakest = max((one.grade for one in present), key=lambda grade: Grade(grade).rank, default=None)
        return cls(
            id=event.id,
            status=status,
            revision=before.revision,
            reason=before.reason,
            detail_en=reason.en if reason else None,
            detail_zh=reason.zh if reason else None,
            first=before.outcome,
            reduction_id=first.reduction_id if first else None,
            gross_mg=sum(one.gross_mg for one in present),
            co2e_mg=sum(one.net_mg for one in present),
            use=first.use if first else None,
            grade=weakest,
            sandbox=any(one.sandbox for one in present),
            cap_code=next((one.cap_code for one in present if one.cap_code), None),
            methodology=first.methodology if first else None,
            digest=first.digest if first else None,
        )
