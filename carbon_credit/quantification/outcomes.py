"""What became of one event, as it is told to the partner."""

from dataclasses import dataclass
from uuid import UUID

from msgspec import Struct

from carbon_credit.events.incoming import IncomingEvent
from carbon_credit.events.operations import Claim
from carbon_credit.events.reasons import REASONS
from carbon_credit.kernel.errors import CarbonError


@dataclass(frozen=True, slots=True)
class Present:
    """A reduction as it stands now. Milligrams; `net_mg` includes all corrections."""

    reduction_id: UUID
    event_id: UUID
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


class Outcome(Struct, frozen=True):
    """`status`: credited | held | rejected | duplicate | stale | invalid | withdrawn.

    `co2e_mg` is what counts now, `points` what was granted with this event. On a duplicate or stale
    event `first` is the outcome that is remembered and the figures are the present state.
    """

    id: str | None
    status: str
    revision: int = 1
    reason: str | None = None
    detail_en: str | None = None
    detail_zh: str | None = None
    first: str | None = None
    reduction_id: UUID | None = None
    gross_mg: int = 0
    co2e_mg: int = 0
    points: int = 0
    use: str | None = None
    grade: str | None = None
    sandbox: bool = False
    cap_code: str | None = None
    methodology: str | None = None
    digest: str | None = None
    error: CarbonError | None = None

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
    def refused(cls, event: IncomingEvent, reason: str) -> "Outcome":
        """A refusal that is remembered."""
        known = REASONS[reason]
        return cls(
            id=event.id,
            status="rejected",
            revision=event.revision,
            reason=reason,
            detail_en=known.en,
            detail_zh=known.zh,
        )

    @classmethod
    def known(cls, event: IncomingEvent, status: str, before: Claim, present: Present | None) -> "Outcome":
        """An event that was known: the first outcome and the present state."""
        reason = REASONS.get(before.reason or "")
        return cls(
            id=event.id,
            status=status,
            revision=before.revision,
            reason=before.reason,
            detail_en=reason.en if reason else None,
            detail_zh=reason.zh if reason else None,
            first=before.outcome,
            reduction_id=present.reduction_id if present else None,
            gross_mg=present.gross_mg if present else 0,
            co2e_mg=present.net_mg if present else 0,
            use=present.use if present else None,
            grade=present.grade if present else None,
            sandbox=present.sandbox if present else False,
            cap_code=present.cap_code if present else None,
            methodology=present.methodology if present else None,
            digest=present.digest if present else None,
        )
