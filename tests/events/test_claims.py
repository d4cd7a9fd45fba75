"""A partner's event id is claimed once, on both databases; how a claim meets what was there before."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from carbon_credit.events.errors import EventNotFound, EventNotWithdrawable
from carbon_credit.events.models import EventClaim
from carbon_credit.events.operations import (
    Claim,
    Claimed,
    NewEvent,
    Standing,
    claim,
    delete_details,
    record,
    withdraw,
)
from carbon_credit.events.queries import event_by_id
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.ids import new_id
from carbon_credit.kernel.unit_of_work import unit_of_work

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
PARTNER = UUID(int=7)
FIRST = Claim(
    claim_key=UUID(int=100),
    partner_id=PARTNER,
    revision=2,
    content_digest=UUID(int=200),
    outcome="credited",
    reason=None,
    retryable=False,
    event_id=UUID(int=300),
)
REFUSED = msgspec.structs.replace(FIRST, outcome="rejected", reason="unlinked", retryable=True, event_id=None)


def claimed(database: Database, *claims: Claim) -> list[Claimed]:
    """Claim them in one unit of work; the answers in the order given."""
    with unit_of_work(database) as session:
        found = claim(session, claims=claims, now=NOW)
    return [found[one.claim_key] for one in claims]


def kept(database: Database, key: UUID = FIRST.claim_key) -> Claim:
    """The row as it stands."""
    with unit_of_work(database, read_only=True) as session:
        row = session.get_one(EventClaim, key)
        return Claim(*(getattr(row, name) for name in Claim.__struct_fields__))


def test_the_first_is_new_and_kept_as_given(database: Database) -> None:
    (answer,) = claimed(database, FIRST)
    assert answer == Claimed(Standing.NEW, None, FIRST)
    assert kept(database) == FIRST


@pytest.mark.parametrize(
    ("before", "changes", "standing"),
    [
        (FIRST, {}, Standing.REPLAY),
        (FIRST, {"content_digest": UUID(int=201)}, Standing.CONFLICT),
        (FIRST, {"revision": 1}, Standing.STALE),
        (FIRST, {"revision": 1, "content_digest": UUID(int=201)}, Standing.STALE),
        (FIRST, {"revision": 3}, Standing.SUPERSEDES),
        (FIRST, {"revision": 3, "content_digest": UUID(int=201)}, Standing.SUPERSEDES),
        (REFUSED, {"outcome": "credited", "reason": None, "retryable": False}, Standing.AGAIN),
        (REFUSED, {"content_digest": UUID(int=201)}, Standing.CONFLICT),
        (REFUSED, {"revision": 3}, Standing.SUPERSEDES),
        (msgspec.structs.replace(REFUSED, retryable=False, reason="no-consent"), {}, Standing.REPLAY),
    ],
)
def test_the_standing_of_a_second_claim(
    database: Database, before: Claim, changes: dict[str, object], standing: Standing
) -> None:
    claimed(database, before)
    second = msgspec.structs.replace(before, event_id=UUID(int=301), **changes)
    written = second if standing in (Standing.AGAIN, Standing.SUPERSEDES) else None
    assert claimed(database, second) == [Claimed(standing, before, written)]
    replaced = standing in (Standing.AGAIN, Standing.SUPERSEDES)
    assert kept(database) == (second if replaced else before)


def test_many_at_once_are_each_judged_alone(database: Database) -> None:
    known = [msgspec.structs.replace(FIRST, claim_key=UUID(int=number)) for number in (5, 3, 1)]
    claimed(database, *known)
    other = msgspec.structs.replace(FIRST, claim_key=UUID(int=4))
    higher = msgspec.structs.replace(known[0], revision=9)
    answers = claimed(database, higher, other, known[1])
    assert [one.standing for one in answers] == [Standing.SUPERSEDES, Standing.NEW, Standing.REPLAY]


def test_what_is_rolled_back_was_never_claimed(database: Database) -> None:
    with unit_of_work(database) as session:
        claim(session, claims=[FIRST], now=NOW)
        session.rollback()
    assert claimed(database, FIRST)[0].standing is Standing.NEW


def test_a_credited_claim_is_withdrawn_once(database: Database) -> None:
    claimed(database, FIRST)
    with unit_of_work(database) as session:
        assert withdraw(session, claim_key=FIRST.claim_key, external_id="M-1") == FIRST.event_id
    with pytest.raises(EventNotWithdrawable) as twice, unit_of_work(database) as session:
        withdraw(session, claim_key=FIRST.claim_key, external_id="M-1")
    assert twice.value.details == {"id": "M-1", "outcome": "withdrawn"}
    assert kept(database).outcome == "withdrawn"


def test_what_was_not_credited_cannot_be_withdrawn(database: Database) -> None:
    claimed(database, REFUSED)
    with pytest.raises(EventNotWithdrawable, match="rejected"), unit_of_work(database) as session:
        withdraw(session, claim_key=FIRST.claim_key, external_id="M-1")
    with pytest.raises(EventNotFound), unit_of_work(database) as session:
        withdraw(session, claim_key=UUID(int=1), external_id="M-2")


def test_two_connections_claim_the_same_id_once(postgresql_database: Database) -> None:
    with ThreadPoolExecutor(1) as pool:
        with unit_of_work(postgresql_database) as session:
            first = claim(session, claims=[FIRST], now=NOW)[FIRST.claim_key]
            later = pool.submit(claimed, postgresql_database, FIRST)
            _wait_for_a_waiter(postgresql_database)
            assert not later.done(), "it waits for the first to end"
        answer = later.result(timeout=10)
    assert first == Claimed(Standing.NEW, None, FIRST)
    assert answer == [Claimed(Standing.REPLAY, FIRST, None)]


def test_where_the_first_gives_up_the_second_is_new(postgresql_database: Database) -> None:
    with ThreadPoolExecutor(1) as pool:
        with unit_of_work(postgresql_database) as session:
            claim(session, claims=[FIRST], now=NOW)
            later = pool.submit(claimed, postgresql_database, FIRST)
            _wait_for_a_waiter(postgresql_database)
            session.rollback()
        assert later.result(timeout=10) == [Claimed(Standing.NEW, None, FIRST)]


def _wait_for_a_waiter(database: Database) -> None:
    waiting = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    for _ in range(500):
        with unit_of_work(database, read_only=True) as session:
            if session.execute(text(waiting)).scalar_one():
                return
            session.execute(text("SELECT pg_sleep(0.01)"))
    raise AssertionError("nobody waited for the first claim")


def with_detail(session: Session, delete_after: date, detail: str | None = '{"origin":"福田"}') -> UUID:
    """An event recorded now whose detail is kept up to and including `delete_after`."""
    event = NewEvent(
        id=new_id(),
        programme="x-gd-sz",
        partner_id=PARTNER,
        claim_key=new_id(),
        revision=1,
        activity_type="metro.ride",
        citizen_id=UUID(int=9),
        occurred_at=NOW,
        ended_at=None,
        received_at=NOW,
        business_day=NOW.date(),
        quantities='{"distance_m":8300}',
        tier="derived",
        declared_mg=None,
        content_digest=UUID(int=200),
        detail=detail,
        delete_detail_after=delete_after,
    )
    record(session, events=[event], now=NOW)
    return event.id


def details(database: Database, event_id: UUID) -> dict[str, str]:
    with unit_of_work(database, read_only=True) as session:
        found = event_by_id(session, event_id=event_id)
    assert found is not None, "the event itself stays"
    assert found.quantities == {"distance_m": 8300}
    return found.details


def test_details_are_deleted_when_their_time_is_over_and_nothing_else(database: Database) -> None:
    today = NOW.date()
    with unit_of_work(database) as session:
        due = [with_detail(session, today - timedelta(days=days)) for days in (1, 2, 400)]
        last_day, later = with_detail(session, today), with_detail(session, today + timedelta(days=1))
        without = with_detail(session, today - timedelta(days=1), detail=None)

    def sweep(limit: int) -> int:
        with unit_of_work(database) as session:
            return delete_details(session, today=today, limit=limit)

    assert [sweep(2), sweep(2), sweep(2)] == [2, 1, 0]
    assert [details(database, one) for one in (*due, without)] == [{}] * 4
    assert [details(database, one) for one in (last_day, later)] == [{"origin": "福田"}] * 2
