"""Which milligrams may enter a batch, in a fixed order, and why the others may not.

The order is (occurred_at, id) and nothing else, so that two operators with the same data get the same
batch. Reading is in portions; memory does not grow with the period.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeAlias
from uuid import UUID

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.identity.queries import MandateSpan, mandates_of
from carbon_credit.kernel.bulk import one_of
from carbon_credit.kernel.quantity import MG_PER_KG, MG_PER_TONNE
from carbon_credit.methodology.definition import Grade
from carbon_credit.methodology.engine import CompiledMethodology, Evaluation
from carbon_credit.offsets.models import BatchItem
from carbon_credit.quantification.selection import Candidate, final_reductions

PORTION = 2_000
# Why a reduction stays outside a batch, or cannot be retired by its citizen, in the order in which it is
# asked. The first that holds is given.
REASONS = {
    "outside-project": ("项目边界之外", "outside the boundary of the project"),
    "withdrawn": ("事件已撤回或被更正", "the event was withdrawn or superseded"),
    "nothing-credited": ("达到上限，未计入减排量", "capped to nothing"),
    "other-vintage": ("不属于该年份", "of another vintage year"),
    "no-mandate": ("用户未委托", "the citizen gave no mandate"),
    "mandate-withdrawn": ("用户已撤销委托", "the citizen withdrew the mandate"),
    "year-open": (
        "该年度的资格条件尚未核定",
        "awaits year: what decides on it is known when the year is over",
    ),
    "other-text": (
        "由该版本的较早文本核算，请重新核算",
        "computed by an earlier text of the version: re-quantify",
    ),
    "netted": (
        "按月或按年轧差，同期其他记录更正后可能减少",
        "netted over months with others: a correction of these can still lower it",
    ),
    "grade": ("证据等级不是官方", "a value or an input is not official"),
    "sandbox": ("证据等级低于已公布（沙盒）", "a value or an input is below published (sandbox)"),
    "in-batch": ("已在其他批次中", "in a batch already"),
    "retired": ("用户已为本人足迹注销", "retired by the citizen for a footprint of their own"),
    "partner": ("按规则归数据提供方", "the data provider's, by the programme's rule"),
    "corrected-after-batch": ("部分已入批后又被更正", "corrected after a part of it was batched"),
    "not-closed": ("所属日期或月份尚未关账", "the day or month is not closed yet"),
    "remainder": ("不足整吨的余量", "left over below a whole tonne"),
}

Progress: TypeAlias = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a batch is made of. The period is half-open: `ends_before` is the first day after.

    `method` is the version whose reductions it takes, as text that is fixed by its digest. `year_closed`:
    the year of the vintage is, so that what only a whole year decides is decided.
    """

    programme: str
    rehearsal: bool
    methodology_id: str
    methodology_version: str
    method: CompiledMethodology
    year_closed: bool
    activity_types: frozenset[str]
    starts_on: date
    ends_before: date
    vintage: int


@dataclass(frozen=True, slots=True)
class Free:
    """Milligrams [from_mg, to_mg) of a reduction that may be taken. `stored`: there is a row for them."""

    candidate: Candidate
    from_mg: int
    to_mg: int
    stored: bool

    @property
    def mg(self) -> int:
        return self.to_mg - self.from_mg


@dataclass(frozen=True, slots=True)
class Exclusion:
    """How many reductions, and milligrams, are outside for one reason. `count` is None where unknown."""

    reason: str
    count: int | None
    mg: int


@dataclass
class Exclusions:
    """Adds up what is left out."""

    _sums: dict[str, list[int]] = field(default_factory=dict)

    def add(self, reason: str, mg: int) -> None:
        sums = self._sums.setdefault(reason, [0, 0])
        sums[0] += 1
        sums[1] += mg

    def listed(self) -> tuple[Exclusion, ...]:
        """In the order of REASONS."""
        return tuple(Exclusion(reason, *self._sums[reason]) for reason in REASONS if reason in self._sums)


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be in a batch and what not. `left_mg` is what the last whole tonne leaves over."""

    reductions: int
    eligible_mg: int
    exclusions: tuple[Exclusion, ...]

    @property
    def tonnes(self) -> int:
        return self.eligible_mg // MG_PER_TONNE

    @property
    def left_mg(self) -> int:
        return self.eligible_mg % MG_PER_TONNE

    def as_dict(self) -> dict[str, object]:
        """JSON-able; milligrams are integers."""
        return {
            "reductions": self.reductions,
            "eligible_mg": self.eligible_mg,
            "tonnes": self.tonnes,
            "left_mg": self.left_mg,
            "exclusions": [
                {"reason": one.reason, "reductions": one.count, "mg": one.mg} for one in self.exclusions
            ],
        }

    def text(self, language: str) -> str:
        """Lines for a person; `language` is "zh" or "en"."""
        chinese = language == "zh"
        left = kilograms_text(self.left_mg)
        head = (
            f"可组批 {self.reductions} 条减排量，共 {self.tonnes} 整吨，余 {left} 千克。"
            if chinese
            else f"{self.reductions} reductions may enter: {self.tonnes} whole tonnes, {left} kg left over."
        )
        lines = [head]
        for one in self.exclusions:
            count = "" if one.count is None else f"{one.count} × "
            zh, en = REASONS[one.reason]
            lines.append(f"- {count}{zh if chinese else en}: {kilograms_text(one.mg)} kg")
        return "\n".join(lines)


def kilograms_text(mg: int) -> str:
    """Milligrams as kilograms, exact: 41200000 -> "41.2"."""
    fraction = f"{mg % MG_PER_KG:06d}".rstrip("0")
    return f"{mg // MG_PER_KG}" + (f".{fraction}" if fraction else "")


def free_ranges(
    session: Session,
    criteria: Criteria,
    *,
    now: datetime,
    exclusions: Exclusions,
    progress: Progress | None = None,
    own_batch: UUID | None = None,
) -> Iterator[Free]:
    """What may be taken, in order; what may not is added to `exclusions`. `progress` hears of portions.

    Ranges of `own_batch` count as free: a preview of an open batch says what filling it anew would give.
    """
    after: tuple[datetime, UUID] | None = None
    while True:
        portion = final_reductions(
            session,
            programme=criteria.programme,
            methodology_id=criteria.methodology_id,
            methodology_version=criteria.methodology_version,
            starts_on=criteria.starts_on,
            ends_before=criteria.ends_before,
            after=after,
            limit=PORTION,
        )
        mandates = mandates_by_id(session, portion)
        items = items_of(session, [candidate.id for candidate in portion])
        for candidate in portion:
            reason = unfit(candidate, criteria, mandates, now=now)
            if reason is not None:
                exclusions.add(reason, candidate.net_mg)
                continue
            yield from free_of(candidate, items.get(candidate.id, ()), exclusions, own_batch)
        if progress is not None:
            progress(len(portion))
        if len(portion) < PORTION:
            return
        after = (portion[-1].occurred_at, portion[-1].id)


def unfit(
    candidate: Candidate, criteria: Criteria, mandates: Mapping[UUID, MandateSpan], *, now: datetime
) -> str | None:
    """The first reason why the reduction may not be in such a batch, or None."""
    if candidate.activity_type not in criteria.activity_types:
        return "outside-project"
    if candidate.ended:
        return "withdrawn"
    if candidate.net_mg <= 0:
        return "nothing-credited"
    if candidate.vintage != criteria.vintage:
        return "other-vintage"
    if candidate.mandate_id is None:
        return "no-mandate"
    mandate = mandates.get(candidate.mandate_id)
    if mandate is None or (mandate.withdrawn_at is not None and mandate.withdrawn_at <= now):
        return "mandate-withdrawn"
    if candidate.version_digest != criteria.method.digest:
        return "other-text"
    if awaits_year(
        candidate, criteria.method, year_closed=criteria.year_closed, rehearsal=criteria.rehearsal
    ):
        return "year-open"
    if not criteria.rehearsal and candidate.grade != Grade.OFFICIAL:
        return "grade"
    return None


def awaits_year(
    candidate: Candidate, method: CompiledMethodology, *, year_closed: bool, rehearsal: bool
) -> bool:
    """Whether a condition is still open that only the whole year decides (a tariff tier). `year_closed`:
    the year of the reduction is."""
    if not method.annual:
        return False
    if not year_closed:
        return True
    inputs = orjson.loads(candidate.inputs)
    # Only a rehearsal may have declared a version in force before its first day.
    result = method.evaluate(inputs, on=candidate.business_day, earlier=rehearsal)
    return isinstance(result, Evaluation) and result.pending


def mandates_by_id(session: Session, candidates: Sequence[Candidate]) -> dict[UUID, MandateSpan]:
    """Every mandate of these citizens, by its id."""
    citizens = {candidate.citizen_id for candidate in candidates}
    found = mandates_of(session, citizen_ids=citizens) if citizens else {}
    return {span.id: span for spans in found.values() for span in spans}


def items_of(session: Session, ids: Sequence[UUID]) -> dict[UUID, list[BatchItem]]:
    """The stored ranges of these reductions, each in order."""
    if not ids:
        return {}
    statement = (
        select(BatchItem)
        .where(one_of(session, BatchItem.reduction_id, ids))
        .order_by(BatchItem.reduction_id, BatchItem.from_mg)
        .execution_options(populate_existing=True)
    )
    found: dict[UUID, list[BatchItem]] = {}
    for item in session.scalars(statement):
        found.setdefault(item.reduction_id, []).append(item)
    return found


def free_of(
    candidate: Candidate,
    items: Sequence[BatchItem],
    exclusions: Exclusions,
    own_batch: UUID | None = None,
) -> Iterator[Free]:
    """What of a reduction is in no batch and not retired; the rest is added to `exclusions`."""
    taken = [item for item in items if not item.is_free and (own_batch is None or item.batch_id != own_batch)]
    if not taken:
        # Rows of ranges that are all free are only remembered cuts: they are made anew, so that a reduction
        # that was cut before is one leaf again.
        yield Free(candidate, 0, candidate.net_mg, stored=False)
        return
    if any(item.total_mg != candidate.net_mg for item in items):
        # What is in a batch stays as it was frozen, and the rest waits for a person.
        exclusions.add("corrected-after-batch", candidate.net_mg)
        return
    for item in items:
        if item in taken:
            reason = "in-batch" if item.retirement_id is None else "retired"
            exclusions.add(reason, item.to_mg - item.from_mg)
        else:
            yield Free(candidate, item.from_mg, item.to_mg, stored=True)
