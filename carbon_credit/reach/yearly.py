"""A citizen's year: what was reduced, whose the grams are now, points, vouchers, medals, pictures.

Everything here is a pure function of what is stored, without a clock: the same rows give the same report.
"""

import uuid
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.catalogue.programme import ProgrammeProfile
from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.catalogue.recognition import Equivalent
from carbon_credit.kernel.clock import business_day, day_bounds
from carbon_credit.ledger.accounts import CO2E, POINTS, AccountKey
from carbon_credit.ledger.queries import accounts_of
from carbon_credit.ledger.turnover import held_by_group, moved_by_code
from carbon_credit.methodology.definition import Grade, Source, Texts
from carbon_credit.offsets.passed_on import passed_on, retired
from carbon_credit.quantification.daily import closed_between
from carbon_credit.quantification.lifetime import YearLine, counted_by_year, reductions_by_year, year_of
from carbon_credit.reach.errors import YearNotFound
from carbon_credit.reach.models import MedalAward
from carbon_credit.reach.wording import tenths_text
from carbon_credit.redemption.spending import used_by_citizen

GRADES = tuple(Grade)  # from the best to the worst
_GRAMS = ("reduction.credit", "reduction.revoke")


@dataclass(frozen=True, slots=True)
class MonthSum:
    """A month of the year, 1 to 12. `provisional_mg` of `co2e_mg` belongs to months that are not closed."""

    month: int
    events: int
    co2e_mg: int
    provisional_mg: int


@dataclass(frozen=True, slots=True)
class SceneSum:
    """A scene in the year. `grade`: the worst of its results."""

    scene: str
    label: Texts
    events: int
    co2e_mg: int
    grade: Grade


@dataclass(frozen=True, slots=True)
class Whose:
    """Where the year's grams are, in milligrams. They add up to what counts.

    `kept_mg`: the citizen's own. `passed_on_mg`: by mandate in a batch, so the programme's to sell, never
    claimed here. `retired_mg`: retired by the citizen for a footprint of their own. `partner_mg`: a data
    provider's by the programme's rule.
    """

    kept_mg: int
    passed_on_mg: int
    retired_mg: int
    partner_mg: int

    @property
    def claimed_mg(self) -> int:
        """What is the citizen's own claim: kept, or retired by themselves and for themselves."""
        return self.kept_mg + self.retired_mg

    @property
    def counted_mg(self) -> int:
        """All that counts of the year."""
        return self.kept_mg + self.passed_on_mg + self.retired_mg + self.partner_mg


@dataclass(frozen=True, slots=True)
class PointsSum:
    """Points of the year: earned less taken back, spent less refunded."""

    earned: int
    spent: int
    donated: int
    expired: int


@dataclass(frozen=True, slots=True)
class Likeness:
    """What the grams that a citizen claims are as much as. `tenths` of a unit, and whose figure it is."""

    equivalent: Equivalent
    source: Source
    tenths: int

    def told(self, language: str) -> str:
        """The sentence, in "zh" or "en"."""
        amount = tenths_text(self.tenths)
        return self.equivalent.sentence.text(language).replace("{amount}", amount)


@dataclass(frozen=True, slots=True)
class YearReport:
    """A citizen's year in a programme. `closed`: the whole year is, so no figure is provisional.

    `sandbox`: a grade below published is among the results.
    """

    programme: str
    name: Texts
    rehearsal: bool
    year: int
    closed: bool
    months: tuple[MonthSum, ...]
    scenes: tuple[SceneSum, ...]
    whose: Whose
    points: PointsSum
    vouchers: int
    value_fen: int
    medals: tuple[Texts, ...]
    likenesses: tuple[Likeness, ...]

    @property
    def events(self) -> int:
        """Credited events of the year."""
        return sum(one.events for one in self.months)

    @property
    def provisional_mg(self) -> int:
        """Of what counts: not yet final."""
        return sum(one.provisional_mg for one in self.months)

    @property
    def sandbox(self) -> bool:
        """Whether a result rests on a value below published."""
        return any(one.grade.is_sandbox for one in self.scenes)


def year_report(
    session: Session, *, programme: str, citizen_id: uuid.UUID, year: int, now: datetime
) -> YearReport:
    """The citizen's year as it stands. `now` only tells whether the year has begun. Raises YearNotFound."""
    rules = programme_rules(session, programme=programme)
    if not 2000 <= year <= business_day(now, rules.time_zone).year:
        raise YearNotFound(year=year)
    start = day_bounds(date(year, 1, 1), rules.time_zone)[0]
    end = day_bounds(date(year, 12, 31), rules.time_zone)[1]
    lines = year_of(session, programme=programme, citizen_id=citizen_id, year=year)
    whose = whose_by_year(session, programme=programme, citizen_id=citizen_id).get(year, Whose(0, 0, 0, 0))
    vouchers, value_fen = used_by_citizen(
        session, programme=programme, citizen_id=citizen_id, start=start, end=end
    )
    january = date(year, 1, 1)
    return YearReport(
        programme=programme,
        name=rules.profile.name,
        rehearsal=rules.rehearsal,
        year=year,
        closed=bool(closed_between(session, programme=programme, kind="year", first=january, last=january)),
        months=_months(lines),
        scenes=_scenes(lines, rules.profile),
        whose=whose,
        points=_points(session, programme, citizen_id, start, end),
        vouchers=vouchers,
        value_fen=value_fen,
        medals=_medals(session, rules.profile, citizen_id, year),
        likenesses=_likenesses(rules.profile, whose.claimed_mg),
    )


def whose_by_year(session: Session, *, programme: str, citizen_id: uuid.UUID) -> dict[int, Whose]:
    """Where the grams of each year are. Over all years `kept_mg` is what the citizen's account holds."""
    mine = reductions_by_year(programme, citizen_id)
    account = AccountKey(programme, CO2E, "citizen.reductions", citizen_id)
    counted = counted_by_year(session, programme=programme, citizen_id=citizen_id)
    credited = held_by_group(session, references=mine, key=account, codes=_GRAMS)
    given, own = passed_on(session, reductions=mine), retired(session, reductions=mine)
    return {
        year: Whose(
            kept_mg=credited.get(year, 0) - given.get(year, 0) - own.get(year, 0),
            passed_on_mg=given.get(year, 0),
            retired_mg=own.get(year, 0),
            partner_mg=counted.get(year, 0) - credited.get(year, 0),
        )
        for year in sorted({*counted, *credited, *given, *own})
    }


def _months(lines: list[YearLine]) -> tuple[MonthSum, ...]:
    sums = {month: [0, 0, 0] for month in range(1, 13)}
    for line in lines:
        found = sums[line.month.month]
        found[0] += line.events
        found[1] += line.co2e_mg
        found[2] += line.co2e_mg if line.provisional else 0
    return tuple(MonthSum(month, *found) for month, found in sums.items())


def _scenes(lines: list[YearLine], profile: ProgrammeProfile) -> tuple[SceneSum, ...]:
    """Most grams first."""
    labels = {scene.code: scene.label for scene in profile.scenes}
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    grades: dict[str, Grade] = {}
    for line in lines:
        sums[line.scene][0] += line.events
        sums[line.scene][1] += line.co2e_mg
        grade = Grade(line.grade)
        grades[line.scene] = max(grades.get(line.scene, grade), grade, key=GRADES.index)
    found = [
        SceneSum(code, labels.get(code, Texts(zh=code, en=code)), events, co2e_mg, grades[code])
        for code, (events, co2e_mg) in sums.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.co2e_mg, -one.events, one.scene)))


def _points(
    session: Session, programme: str, citizen_id: uuid.UUID, start: datetime, end: datetime
) -> PointsSum:
    keys = accounts_of(session, programme=programme, owner=citizen_id, asset=POINTS)
    moved = moved_by_code(session, keys=keys, start=start, end=end)
    earning = ("points.grant", "points.bonus", "points.recover", "points.revoke", "points.due")
    return PointsSum(
        earned=sum(moved.get(code, 0) for code in earning),
        spent=-sum(moved.get(code, 0) for code in ("points.redeem", "points.refund")),
        donated=-moved.get("points.donate", 0),
        expired=-moved.get("points.expire", 0),
    )


def _medals(
    session: Session, profile: ProgrammeProfile, citizen_id: uuid.UUID, year: int
) -> tuple[Texts, ...]:
    earned = set(
        session.scalars(
            select(MedalAward.medal).where(
                MedalAward.citizen_id == citizen_id,
                MedalAward.earned_on.between(date(year, 1, 1), date(year, 12, 31)),
            )
        )
    )
    return tuple(one.title for one in profile.medals if one.code in earned)


def _likenesses(profile: ProgrammeProfile, co2e_mg: int) -> tuple[Likeness, ...]:
    """Of what the citizen may claim only, and only where somebody's figure stands behind it."""
    sources = {source.name: source for source in profile.sources}
    return tuple(
        Likeness(one, sources[one.source], one.tenths(co2e_mg))
        for one in profile.equivalents
        if one.source is not None and one.tenths(co2e_mg) > 0
    )
