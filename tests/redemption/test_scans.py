"""Scans that a till hands in later: in time by its clock, within the grace, under its ceiling, first come."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact
from carbon_credit.redemption.errors import (
    OfflineRefused,
    ScanConflict,
    TillClockWrong,
    TillNeeded,
    VoucherExpired,
)
from carbon_credit.redemption.queries import Voucher
from carbon_credit.redemption.till.consuming import place_of
from carbon_credit.redemption.till.scans import Scan, ScanOutcome, hand_in
from tests.redemption.conftest import HOUR, LATER, PROGRAMME, Mall
from tests.redemption.test_races import race

RULES = (
    "offline_tills: {grace_s: 3600, ceiling_fen: 1200, clock_skew_s: 60, loss_borne_by: programme, "
    "grade: assumed, source: null}\n"
)


class Offline(Mall):
    """A mall whose programme lets tills scan without a connection."""

    offline = RULES

    def scan(self, held: Voucher, *, at: datetime | None = None, value_fen: int | None = None) -> Scan:
        assert held.qr_text is not None
        return Scan(uuid.uuid4(), held.qr_text, at or self.now, value_fen)

    def hand_in(
        self,
        till: uuid.UUID | None,
        scan: Scan,
        *,
        now: datetime | None = None,
        sent_at: datetime | None = None,
        merchant: uuid.UUID | None = None,
    ) -> ScanOutcome:
        return transact(
            self.database,
            lambda session: hand_in(
                session,
                programme=PROGRAMME,
                place=place_of(session, merchant_id=merchant or self.merchant, till_id=till),
                scan=scan,
                sent_at=sent_at or now or self.now,
                now=now or self.now,
            ),
        )


@pytest.fixture
def mall(database: Database) -> Offline:
    return Offline(database)


def why(outcome: ScanOutcome) -> tuple[str, str | None, str | None]:
    return outcome.outcome, outcome.refusal.code if outcome.refusal else None, outcome.borne_by


def test_a_scan_made_in_time_counts_until_the_grace_is_over(mall: Offline) -> None:
    citizen, till = mall.citizen({LATER: 500}), mall.desk()
    offer = mall.offer(voucher_ttl_s=HOUR)
    early, late = mall.reserve(citizen, offer), mall.reserve(citizen, offer)
    scans = [mall.scan(one, at=mall.now + timedelta(minutes=59)) for one in (early, late)]
    mall.later(minutes=119, seconds=59)
    # Past its time it is of no use with a connection, and yet the sweep leaves it alone.
    with pytest.raises(VoucherExpired):
        mall.consume(early.code)
    assert mall.sweep() == 0
    found = mall.hand_in(till, scans[0])
    assert why(found) == ("consumed", None, None)
    (used,) = mall.consumptions()
    assert (used.id, used.offline, used.till_id) == (found.consumption_id, True, till)
    assert (used.consumed_at, used.recorded_at) == (scans[0].scanned_at, mall.now)
    mall.later(seconds=1)
    assert why(mall.hand_in(till, scans[1])) == ("refused", "scan-late", "merchant")
    assert mall.sweep() == 1
    assert why(mall.hand_in(till, replace(scans[1], id=uuid.uuid4()))) == ("refused", "scan-late", "merchant")
    assert (mall.till().posted, mall.points(citizen).available) == (100, 400)
    mall.audit()


def test_a_scan_at_or_after_the_vouchers_time_does_not_count(mall: Offline) -> None:
    till, held = mall.desk(), mall.reserve(mall.citizen({LATER: 100}), mall.offer(voucher_ttl_s=HOUR))
    scan = mall.scan(held, at=held.expires_at)
    mall.later(minutes=70)
    assert why(mall.hand_in(till, scan)) == ("refused", "voucher-expired", "merchant")
    just_before = replace(scan, id=uuid.uuid4(), scanned_at=held.expires_at - timedelta(microseconds=1))
    assert mall.hand_in(till, just_before).outcome == "consumed"
    mall.audit()


def test_the_first_to_arrive_wins_and_the_second_is_told(mall: Offline) -> None:
    offer, one, two = mall.offer(), mall.desk("Till 1"), mall.desk("Till 2")
    held = mall.reserve(mall.citizen({LATER: 100}), offer)
    first, second = mall.scan(held), mall.scan(held, at=mall.now + timedelta(minutes=1))
    mall.later(minutes=30)
    # Who scanned later and hands in first has it.
    assert mall.hand_in(two, second).outcome == "consumed"
    lost = mall.hand_in(one, first)
    assert why(lost) == ("lost", "voucher-consumed", "programme")
    assert lost.refusal is not None
    assert lost.refusal.details == {"resolved_at": "2026-11-21T12:01:00+08:00", "till": "Till 2"}
    assert lost.value_fen == 500
    assert mall.till().posted == 100
    mall.audit()


def test_two_tills_hand_in_one_voucher_at_the_same_moment(mall: Offline) -> None:
    offer, tills = mall.offer(), [mall.desk(f"Till {n}") for n in range(4)]
    citizen = mall.citizen({LATER: 500})
    for _ in range(3):
        held = mall.reserve(citizen, offer)
        scans = [mall.scan(held) for _ in tills]
        results = race(
            *[
                lambda till=till, scan=scan: mall.hand_in(till, scan)
                for till, scan in zip(tills, scans, strict=True)
            ]
        )
        assert sorted(one.outcome for one in results) == ["consumed", "lost", "lost", "lost"], results
        mall.later(minutes=1)
    assert mall.till().posted == 300
    mall.audit()


def test_a_queue_that_is_sent_again_changes_nothing(mall: Offline) -> None:
    till, held = mall.desk(), mall.reserve(mall.citizen({LATER: 200}), mall.offer())
    scan, other = mall.scan(held), mall.scan(held)
    first = [mall.hand_in(till, one) for one in (scan, other)]
    mall.later(minutes=30)
    again = [mall.hand_in(till, one) for one in (scan, other)]
    assert [(one.outcome, one.consumption_id, one.replayed) for one in again] == [
        ("consumed", first[0].consumption_id, True),
        ("lost", None, True),
    ]
    assert str(again[1].refusal) == str(first[1].refusal)
    with pytest.raises(ScanConflict):
        mall.hand_in(till, replace(scan, value_fen=400))
    assert len(mall.consumptions()) == 1
    mall.audit()


def test_what_is_open_at_a_till_has_a_ceiling(mall: Offline) -> None:
    citizen, till, other = mall.citizen({LATER: 900}), mall.desk(), mall.desk("Till 2")
    offer = mall.offer()
    held = [mall.reserve(citizen, offer) for _ in range(5)]
    scans = [mall.scan(one, at=mall.now + timedelta(minutes=n)) for n, one in enumerate(held)]
    mall.later(minutes=10)
    # 500 each, 1,200 at most: the third of a queue is beyond, and another till has a ceiling of its own.
    assert [mall.hand_in(till, one).outcome for one in scans[:2]] == ["consumed", "consumed"]
    beyond = mall.hand_in(till, scans[2])
    assert why(beyond) == ("refused", "offline-ceiling", "merchant")
    assert beyond.refusal is not None
    assert beyond.refusal.details == {"open_fen": 1000, "ceiling_fen": 1200}
    assert mall.hand_in(other, scans[3]).outcome == "consumed"
    # What was handed in is open no more.
    assert mall.hand_in(till, replace(scans[4], scanned_at=mall.now)).outcome == "consumed"
    # The cashier may still take the refused one with a connection.
    mall.consume(held[2].code)
    mall.audit()


def test_a_voucher_that_was_cancelled_meanwhile_is_lost(mall: Offline) -> None:
    till, citizen = mall.desk(), mall.citizen({LATER: 100})
    held = mall.reserve(citizen, mall.offer())
    scan = mall.scan(held)
    mall.cancel(citizen, held.id, now=mall.later(minutes=5))
    assert why(mall.hand_in(till, scan)) == ("lost", "voucher-cancelled", "programme")
    mall.audit()


def test_a_part_is_taken_and_what_is_left_is_the_next_ones(mall: Offline) -> None:
    till, held = mall.desk(), mall.reserve(mall.citizen({LATER: 100}), mall.offer(partial_use=True))
    scans = [mall.scan(held, value_fen=200) for _ in range(3)]
    results = [mall.hand_in(till, one) for one in scans]
    assert [why(one) for one in results] == [
        ("consumed", None, None),
        ("consumed", None, None),
        ("lost", "voucher-too-small", "programme"),
    ]
    mall.audit()


@pytest.mark.parametrize(
    ("ahead_s", "reason"), [(-61, "scan-out-of-time"), (-59, None), (59, None), (61, "scan-out-of-time")]
)
def test_a_scan_lies_between_hold_and_now_but_for_the_skew(
    mall: Offline, ahead_s: int, reason: str | None
) -> None:
    till, held = mall.desk(), mall.reserve(mall.citizen({LATER: 100}), mall.offer())
    found = mall.hand_in(till, mall.scan(held, at=mall.now + timedelta(seconds=ahead_s)))
    assert (found.refusal.code if found.refusal else None) == reason
    for used in mall.consumptions():
        assert used.consumed_at <= used.recorded_at
    mall.audit()


@pytest.mark.parametrize("off_s", [-61, 61])
def test_a_till_whose_clock_is_wrong_hands_in_nothing(mall: Offline, off_s: int) -> None:
    till, held = mall.desk(), mall.reserve(mall.citizen({LATER: 100}), mall.offer())
    scan = mall.scan(held)
    with pytest.raises(TillClockWrong) as told:
        mall.hand_in(till, scan, sent_at=mall.now + timedelta(seconds=off_s))
    assert told.value.details == {"skew_s": 61, "clock_skew_s": 60}
    # Nothing is remembered: with the clock set right the same scan counts.
    assert mall.hand_in(till, scan).outcome == "consumed"


def test_what_nobody_signed_and_what_is_anothers_is_refused(mall: Offline) -> None:
    till, held = mall.desk(), mall.reserve(mall.citizen({LATER: 100}), mall.offer())
    scan = mall.scan(held)
    typed = replace(scan, id=uuid.uuid4(), text=str(held.code))
    worth_more = scan.text[:30] + ("1" if scan.text[30] == "0" else "0") + scan.text[31:]
    forged = replace(scan, id=uuid.uuid4(), text=worth_more)
    assert why(mall.hand_in(till, typed)) == ("refused", "voucher-invalid", "merchant")
    assert why(mall.hand_in(till, forged)) == ("refused", "voucher-forged", "merchant")
    mall.merchant, mall.rival = mall.rival, mall.merchant
    other = mall.desk("Elsewhere")
    assert why(mall.hand_in(other, scan)) == ("refused", "voucher-not-found", "merchant")


def test_only_tills_of_programmes_that_allow_it_hand_in(mall: Offline) -> None:
    held = mall.reserve(mall.citizen({LATER: 100}), mall.offer())
    with pytest.raises(TillNeeded):
        mall.hand_in(None, mall.scan(held))


def test_without_the_term_there_are_no_offline_tills(database: Database) -> None:
    mall = type("Online", (Offline,), {"offline": ""})(database)
    till, held = mall.desk(), mall.reserve(mall.citizen({LATER: 100}), mall.offer(voucher_ttl_s=HOUR))
    with pytest.raises(OfflineRefused):
        mall.hand_in(till, mall.scan(held))
    mall.later(hours=1)
    assert mall.sweep() == 1


def test_till_and_sweep_at_the_end_of_the_grace(mall: Offline) -> None:
    # One of the two reads its clock just before the end of the grace, the other just after.
    offer, citizen, till = mall.offer(voucher_ttl_s=HOUR), mall.citizen({LATER: 500}), mall.desk()
    deeds: list[Callable[[], Any]]
    for _ in range(4):
        held = mall.reserve(citizen, offer)
        scan = mall.scan(held)
        before, after = mall.later(minutes=119), mall.later(minutes=1)
        deeds = [
            lambda scan=scan, now=before: mall.hand_in(till, scan, now=now),
            lambda now=after: mall.sweep(now=now),
        ]
        handed, swept = race(*deeds)
        assert (handed.outcome, swept) in (("consumed", 0), ("refused", 1)), (handed, swept)
    mall.audit()
