"""平台归集: the platform's part and the citizen's add up to the milligram, whatever the order."""

import random
from collections import defaultdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact
from carbon_credit.offsets.ended import take_back_ended
from carbon_credit.quantification.sharing import after_loss, partner_parts
from tests.quantification.cities import assert_books, cap, city, net_by_person, partner_mg
from tests.world import metro

AMOUNTS = st.lists(st.integers(0, 10**9), max_size=30)
DAYS = [date(2026, 10, 30), date(2026, 10, 31), date(2026, 11, 1), date(2026, 11, 2)]
PEOPLE = 8


def overflow(per: str, threshold_mg: int, partner: str | None = None) -> dict[str, Any]:
    return {
        "activity_types": ["metro.ride", "bus.ride"],
        "partner": partner,
        "threshold_mg": threshold_mg,
        "per": per,
        "grade": "assumed",
        "source": None,
    }


@given(AMOUNTS, st.integers(0, 10**10), st.integers(0, 10**10))
def test_both_parts_add_up_and_the_partner_gets_up_to_the_threshold(
    amounts: list[int], threshold_mg: int, held_mg: int
) -> None:
    parts = partner_parts(amounts, threshold_mg=threshold_mg, held_before_mg=held_mg)
    assert all(0 <= part <= net for part, net in zip(parts, amounts, strict=True))
    assert sum(parts) == min(sum(amounts), max(threshold_mg - held_mg, 0))
    spilled = [place for place, net in enumerate(amounts) if parts[place] < net]
    if spilled:
        assert not any(parts[spilled[0] + 1 :]), "after the first excess everything is the citizen's"


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_loss_is_the_citizens_first(net_mg: int, partner_part_mg: int) -> None:
    left = after_loss(net_mg, partner_part_mg)
    assert 0 <= left <= partner_part_mg
    assert left + max(net_mg - left, 0) == net_mg


@pytest.mark.parametrize("per", ["citizen-day", "citizen-month", "citizen-year"])
def test_every_order_ends_with_the_same_two_accounts(database: Database, tmp_path: Path, per: str) -> None:
    draw = random.Random(per)
    threshold, day_cap = 900_000, 1_000_000
    caps = [cap("person-day", mg=day_cap)]
    events: list[tuple[int, datetime, int]] = []
    for person in range(PEOPLE):
        for number in range(9):
            at = datetime.combine(draw.choice(DAYS), datetime.min.time())
            events.append((person, at + timedelta(minutes=97 * number), draw.randint(1_000, 12_345)))
    expected: dict[int, int] = defaultdict(int)
    net: dict[int, int] = defaultdict(int)
    for person in range(PEOPLE):
        spans: dict[object, int] = defaultdict(int)
        days: dict[date, int] = defaultdict(int)
        for _, at, distance_m in sorted(one for one in events if one[0] == person):
            counted = min(distance_m * 468 // 10, day_cap - days[at.date()])
            days[at.date()] += counted
            span = {"citizen-day": at.date(), "citizen-month": at.month, "citizen-year": at.year}[per]
            part = min(counted, threshold - spans[span])
            spans[span] += part
            expected[person] += counted - part
            net[person] += counted
    with city(database, tmp_path, people=PEOPLE, caps=caps, overflow=[overflow(per, threshold)]) as world:
        payloads = [
            metro(f"M-{n}", person=person, at=f"{at.isoformat()}+08:00", distance_m=distance_m)
            for n, (person, at, distance_m) in enumerate(events)
        ]
        draw.shuffle(payloads)
        while payloads:
            size = draw.randint(1, 20)
            world.credit(*payloads[:size])
            payloads = payloads[size:]
        world.close(*DAYS)
        assert [world.grams(person) for person in range(PEOPLE)] == [expected[p] for p in range(PEOPLE)]
        assert net_by_person(world) == [net[p] for p in range(PEOPLE)]
        assert partner_mg(world) == sum(net.values()) - sum(expected.values())
        # Points count the whole, whoever's the grams are.
        assert sum(world.points(person) for person in range(PEOPLE)) > sum(expected.values()) // 100_000
        assert_books(world)


def test_one_event_may_be_divided_and_both_give_back(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, overflow=[overflow("citizen-day", 100_000)]) as world:
        world.credit(metro("M-1", distance_m=10_000))
        assert (partner_mg(world), world.grams()) == (100_000, 368_000)
        world.credit(metro("M-1", distance_m=1_000, revision=2))
        assert (partner_mg(world), world.grams()) == (46_800, 0)
        world.credit(metro("M-2", distance_m=2_000, at="2026-11-20T09:00:00+08:00"))
        assert (partner_mg(world), world.grams()) == (100_000, 40_400)
        world.withdraw("M-2")
        assert (partner_mg(world), world.grams()) == (46_800, 0)
        assert_books(world)


def test_after_the_month_was_closed_both_give_back_by_sweep(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, overflow=[overflow("citizen-month", 500_000)]) as world:
        world.credit(
            metro("M-1", distance_m=10_000, at="2026-10-20T08:00:00+08:00"),
            metro("M-2", distance_m=10_000, at="2026-10-21T08:00:00+08:00"),
        )
        world.close_month(date(2026, 10, 1))
        assert (partner_mg(world), world.grams()) == (500_000, 436_000)
        world.withdraw("M-2")
        transact(world.database, lambda session: take_back_ended(session, now=world.now, limit=10))
        assert (partner_mg(world), world.grams()) == (468_000, 0)
        assert_books(world)


def test_a_partner_that_is_named_is_the_only_one_who_shares(database: Database, tmp_path: Path) -> None:
    shares = [overflow("citizen-day", 100_000, partner="somebody else")]
    with city(database, tmp_path, overflow=shares) as world:
        world.credit(metro("M-1", distance_m=10_000))
        assert (partner_mg(world), world.grams()) == (0, 468_000)


def test_and_shares_what_it_reports(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, overflow=[overflow("citizen-day", 100_000, "metro")]) as world:
        world.credit(metro("M-1", distance_m=10_000))
        assert (partner_mg(world), world.grams()) == (100_000, 368_000)


def test_a_claim_rule_may_give_a_partner_everything(database: Database, tmp_path: Path) -> None:
    with city(database, tmp_path, claim_rule="partner") as world:
        world.credit(metro("M-1", distance_m=10_000))
        world.close(date(2026, 11, 20))
        assert (partner_mg(world), world.grams(), world.points()) == (468_000, 0, 4)
        assert_books(world)
