"""Who may have an offer, and when: windows, weekly hours, districts, eligibility, limits; the discount."""

import uuid
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.identity.districts import forget_district, state_district
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.quantification.achievements import Ask, done_since
from carbon_credit.redemption.errors import (
    BillNeeded,
    BillTooSmall,
    LimitReached,
    OfferClosed,
    OfferInvalid,
    VoucherNotFound,
)
from carbon_credit.redemption.offering.eligibility import unfulfilled
from carbon_credit.redemption.offering.errors import (
    DayLimitReached,
    DistrictNeeded,
    DistrictOutside,
    MonthLimitReached,
    NotEligible,
    OfferNotYetOpen,
    OfferOutOfHours,
    OtherWay,
)
from carbon_credit.redemption.terms import districts
from carbon_credit.redemption.terms.discount import discount_fen
from carbon_credit.redemption.terms.hours import Opening, next_opening, problem_of_hours
from carbon_credit.redemption.terms.rules import Events, First, Grams, Rule
from tests.redemption.conftest import LATER, NOW, PROGRAMME, Mall
from tests.redemption.test_races import kinds, race
from tests.world import World, metro

ZONE = ZoneInfo("Asia/Shanghai")
SATURDAY = (Opening(6, "09:00", "12:30"), Opening(6, "13:00", "24:00"))


def test_before_it_opens_the_time_is_said(mall: Mall) -> None:
    offer = mall.offer(opens_at=NOW + timedelta(hours=1))
    with pytest.raises(OfferNotYetOpen) as refused:
        mall.reserve(mall.citizen({LATER: 100}), offer)
    assert refused.value.details == {"opens_at": "2026-11-21T13:00:00+08:00"}


def test_outside_its_hours_the_next_ones_are_said(mall: Mall) -> None:
    offer, citizen = mall.offer(hours=SATURDAY), mall.citizen({LATER: 1000})
    assert mall.reserve(citizen, offer).state == "held"  # noon of a Saturday
    for minutes, next_one in ((40, "2026-11-21T13:00:00+08:00"), (13 * 60, "2026-11-28T09:00:00+08:00")):
        with pytest.raises(OfferOutOfHours) as refused:
            mall.reserve(citizen, offer, now=NOW + timedelta(minutes=minutes))
        assert refused.value.details == {"opens_at": next_one}
    closing = mall.offer(hours=(Opening(5, "09:00", "10:00"),), closes_at=NOW + timedelta(days=2))
    with pytest.raises(OfferClosed) as closed:  # it never opens again
        mall.reserve(citizen, closing)
    assert closed.type is OfferClosed


@given(minute=st.integers(0, 14 * 1440))
def test_the_next_opening_is_the_first_minute_that_is_open(minute: int) -> None:
    start = datetime(2026, 11, 16, tzinfo=ZONE) + timedelta(minutes=minute)

    def is_open(at: datetime) -> bool:
        local = at.astimezone(ZONE)
        clock = f"{local:%H:%M}"
        return local.isoweekday() == 6 and ("09:00" <= clock < "12:30" or clock >= "13:00")

    at = next_opening(SATURDAY, start.astimezone(UTC), ZONE)
    assert is_open(at)
    assert at == start or not is_open(start)
    assert at == start or not is_open(at - timedelta(minutes=1))


@pytest.mark.parametrize(
    "hours",
    [
        [Opening(1, "10:00", "10:00")],
        [Opening(1, "12:00", "09:00")],
        [Opening(1, "09:00", "12:00"), Opening(1, "11:59", "13:00")],
        [Opening(1, "00:00", "24:00")] * 29,
    ],
)
def test_hours_that_cannot_be(hours: list[Opening]) -> None:
    assert problem_of_hours(hours) is not None


def test_a_city_covers_its_districts() -> None:
    assert districts.stored(["440106", "440100", "510000"]) == " 4401 440106 51 "
    assert districts.shown(" 4401 440106 51 ") == ("440100", "440106", "510000")
    assert districts.covers(("440100",), "440106")
    assert districts.covers(("440000",), "440106")
    assert not districts.covers(("440300",), "440106")
    assert districts.covers((), "440106")
    assert [districts.is_district(code) for code in ("440106", "040106", "4401", "44010a")] == [
        True,
        False,
        False,
        False,
    ]


def test_an_offer_for_districts_is_for_who_has_stated_one_of_them(mall: Mall) -> None:
    offer, citizen = mall.offer(districts=("440100", "440304")), mall.citizen({LATER: 1000})

    def state(district: str) -> None:
        transact(
            mall.database,
            lambda session: state_district(
                session, programme=PROGRAMME, citizen_id=citizen, district=district, now=mall.now
            ),
        )

    with pytest.raises(DistrictNeeded, match="PUT /v1/me/district") as needed:
        mall.reserve(citizen, offer)
    assert needed.value.details == {"districts": "440100, 440304"}
    for elsewhere in ("440303", "440300", "441000"):
        state(elsewhere)
        with pytest.raises(DistrictOutside) as outside:
            mall.reserve(citizen, offer)
        assert outside.type is DistrictOutside
    for within in ("440304", "440106", "440100"):
        state(within)
        held = mall.reserve(citizen, offer)
    transact(
        mall.database,
        lambda session: forget_district(session, programme=PROGRAMME, citizen_id=citizen),
    )
    with pytest.raises(DistrictNeeded):
        mall.reserve(citizen, offer)
    assert mall.consume(held.code).value_fen == 500, "what is held stays good"
    assert mall.reserve(citizen, mall.offer()).state == "held"


def test_limits_of_a_day_and_a_month_by_the_programmes_calendar(mall: Mall) -> None:
    month = 30 * 86_400
    offer = mall.offer(
        pieces=50,
        per_day_limit=1,
        per_month_limit=2,
        closes_at=NOW + timedelta(days=60),
        voucher_ttl_s=month,
    )
    citizen = mall.citizen({LATER: 5000})
    mall.consume(mall.reserve(citizen, offer).code)
    with pytest.raises(DayLimitReached) as of_day:
        mall.reserve(citizen, offer, now=datetime(2026, 11, 21, 15, 59, 59, tzinfo=UTC))
    assert of_day.value.details == {"limit": 1, "again_at": "2026-11-22T00:00:00+08:00"}
    second = mall.reserve(citizen, offer, now=datetime(2026, 11, 21, 16, tzinfo=UTC))
    with pytest.raises(MonthLimitReached) as of_month:
        mall.reserve(citizen, offer, now=datetime(2026, 11, 30, 15, tzinfo=UTC))
    assert of_month.value.details == {"limit": 2, "again_at": "2026-12-01T00:00:00+08:00"}
    # What was given back does not count.
    mall.cancel(citizen, second.id, now=datetime(2026, 11, 21, 17, tzinfo=UTC))
    mall.reserve(citizen, offer, now=datetime(2026, 11, 22, 1, tzinfo=UTC))
    assert mall.reserve(citizen, offer, now=datetime(2026, 11, 30, 16, tzinfo=UTC)).state == "held"


def test_a_limit_of_the_day_holds_against_many_clicks(mall: Mall) -> None:
    offer, citizen = mall.offer(pieces=50, per_day_limit=3), mall.citizen({LATER: 5000})
    results = race(*[lambda: mall.reserve(citizen, offer)] * 8)
    assert kinds(results)[DayLimitReached] == 5, results
    mall.audit()


def test_only_a_first_redemption(mall: Mall) -> None:
    first, other = mall.offer(eligibility=(First(),)), mall.offer()
    citizen = mall.citizen({LATER: 1000})
    given_back = mall.reserve(citizen, other)
    with pytest.raises(NotEligible) as refused:
        mall.reserve(citizen, first)
    assert refused.value.details == {"rule_zh": "仅限首次兑换", "rule_en": "for a first redemption only"}
    mall.cancel(citizen, given_back.id)
    assert mall.reserve(citizen, first).state == "held"


def test_what_was_done_in_a_scene_decides(world: World) -> None:
    rides = [metro(f"M-{n}", at=f"2026-11-{day}T08:00:00+08:00") for n, day in enumerate((10, 19, 20))]
    world.credit(*rides)
    world.withdraw("M-2")
    day = date(2026, 11, 20)

    def fulfils(*rules: Rule, person: int = 0) -> bool:
        with unit_of_work(world.database, read_only=True) as session:
            ((broken,),) = unfulfilled(
                session,
                programme=world.programme,
                citizen_id=world.citizens[person],
                offers=[rules],
                today=day,
            )
        return broken is None

    assert fulfils(Events("metro", 2, 11), First())
    assert not fulfils(Events("metro", 3, 11))  # one was withdrawn
    assert not fulfils(Events("metro", 2, 10))  # one is too long ago
    assert not fulfils(Events("bus", 1, 30))
    assert fulfils(Grams(2 * 388_440, 11))
    assert fulfils(Grams(2 * 388_440, 11, "metro"))
    assert not fulfils(Grams(2 * 388_440 + 1, 11))
    assert not fulfils(Grams(1, 11, "bus"))
    assert not fulfils(Events("metro", 1, 30), person=1)
    assert fulfils()


def test_all_questions_of_a_page_are_one_statement(world: World) -> None:
    world.credit(metro("M-0"))
    asks = [Ask("metro", date(2026, 11, 1)), Ask(None, date(2026, 11, 20)), Ask("bus", date(2026, 1, 1))]
    with unit_of_work(world.database, read_only=True) as session:
        found = done_since(session, programme=world.programme, citizen_id=world.citizens[0], asks=asks)
    assert [tuple(one) for one in found] == [(1, 388_440), (1, 388_440), (0, 0)]


@pytest.mark.parametrize(
    "told",
    [
        {"rule": "events", "scene": "metro", "events": 0, "days": 30},
        {"rule": "events", "scene": "metro", "events": 1, "days": 367},
        {"rule": "events", "events": 1, "days": 30},
        {"rule": "grams", "co2e_mg": 1, "days": 30, "eval": "1"},
        {"rule": "python", "code": "1"},
    ],
)
def test_the_vocabulary_of_rules_is_closed(told: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert([told], tuple[Rule, ...])


@pytest.mark.parametrize(
    "wrong",
    [
        {"districts": ("4401",)},
        {"districts": ("440106",) * 41},
        {"eligibility": (First(),) * 9},
        {"hours": (Opening(1, "10:00", "09:00"),)},
        {"percent_off": 20, "kind": "goods"},
        {"percent_off": 100},
        {"partial_use": True, "percent_off": 20},
        {"partial_use": True, "kind": "goods"},
        {"kind": "neutralise"},
        {"kind": "neutralise", "points_price": 0, "value_fen": 0},
        {"kind": "donation", "stocked": False},
        {"stocked": False, "value_fen": 0},
        {"funding": "subsidy"},
        {"budget_id": uuid.UUID(int=1)},
        {"funding": "subsidy", "budget_id": uuid.UUID(int=1)},
        {"funding": "lottery"},
        {"kind": "donation", "funding": "fund", "value_fen": 0},
        {"replenish_pieces": 0},
        {"replenish_pieces": 5, "kind": "code_pool"},
        {"per_day_limit": 0},
        {"min_spend_fen": -1},
    ],
    ids=str,
)
def test_terms_of_no_sense_are_refused(mall: Mall, wrong: dict[str, object]) -> None:
    proposer = mall.operator if wrong.get("kind") == "neutralise" else None
    with pytest.raises(OfferInvalid):
        mall.offer(proposer=proposer, **wrong)


def test_terms_are_read_as_they_were_written(mall: Mall) -> None:
    rules = (Events("metro", 3, 30), Grams(5_000_000, 7), First())
    offer = mall.look(
        mall.offer(
            kind="goods",
            hours=SATURDAY,
            districts=("440106", "510000"),
            eligibility=rules,
            note_zh="到店自提",
            per_month_limit=3,
            replenish_pieces=7,
        )
    )
    assert (offer.kind, offer.hours, offer.eligibility) == ("goods", SATURDAY, rules)
    assert (offer.districts, offer.note_zh, offer.note_en) == (("440106", "510000"), "到店自提", None)
    assert (offer.per_month_limit, offer.replenish_pieces, offer.funding) == (3, 7, "merchant")


def test_a_percentage_of_the_bill_up_to_a_ceiling(mall: Mall) -> None:
    offer = mall.offer(percent_off=15, value_fen=500, min_spend_fen=1_000)
    citizen = mall.citizen({LATER: 1000})
    voucher = mall.reserve(citizen, offer)
    with pytest.raises(BillNeeded):
        mall.consume(voucher.code)
    with pytest.raises(BillTooSmall) as refused:
        mall.consume(voucher.code, bill_fen=999)
    assert refused.value.details == {"bill_fen": 999, "least_fen": 1_000}
    assert mall.consume(voucher.code, bill_fen=1_999).value_fen == 299
    second = mall.reserve(citizen, offer)
    assert mall.consume(second.code, bill_fen=1_000_000).value_fen == 500
    mall.audit()


@given(
    bill=st.integers(0, 10**7),
    percent=st.integers(1, 99),
    most=st.integers(1, 10**5),
    least=st.integers(0, 10**4),
)
def test_a_discount_is_whole_fen_and_never_more_than_said(
    bill: int, percent: int, most: int, least: int
) -> None:
    try:
        off = discount_fen(bill_fen=bill, percent_off=percent, most_fen=most, min_spend_fen=least)
    except BillTooSmall:
        off = None
    if off is None:
        assert bill < least or bill * percent < 100
        return
    assert 0 < off <= most
    assert off * 100 <= bill * percent < (off + 1) * 100 or off == most


def test_what_no_till_takes_is_not_found_there(mall: Mall) -> None:
    fund = mall.offer(kind="donation", stocked=False, value_fen=0)
    with pytest.raises(OtherWay) as other:
        mall.reserve(mall.citizen({LATER: 100}), fund)
    assert other.value.details == {"kind": "donation", "address": "/v1/me/donations"}
    pool = mall.offer(kind="code_pool", pieces=0)
    mall.upload(pool, "A-1")
    held = mall.reserve(mall.citizen({LATER: 100}), pool)
    with pytest.raises(VoucherNotFound):
        mall.consume(mall.code_of(held.id))


def test_a_limit_in_all_says_that_it_is_for_good(mall: Mall) -> None:
    offer, citizen = mall.offer(per_citizen_limit=1, per_day_limit=1), mall.citizen({LATER: 1000})
    mall.reserve(citizen, offer)
    with pytest.raises(LimitReached) as refused:
        mall.reserve(citizen, offer)
    assert (refused.type, refused.value.details) == (LimitReached, {"limit": 1})


@pytest.fixture
def world(database: object) -> World:
    return World(database)  # type: ignore[arg-type]
