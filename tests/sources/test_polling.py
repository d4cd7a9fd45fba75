"""Polling: nothing that was committed late is missed, nothing is done twice, nothing is half-done."""

import contextlib
import threading
from collections import Counter
from datetime import timedelta

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.quantification.operations import credit
from carbon_credit.sources import operations
from carbon_credit.sources.errors import SourceAddressRefused, SourceFailed, SourceNameTaken
from carbon_credit.sources.hosts import allowed
from carbon_credit.sources.pages import read_page
from carbon_credit.sources.queries import refusals_of
from carbon_credit.sweeps.sources import MAX_PAGES, Polled, poll_due
from tests.sources.conftest import Answer, Partner, Pull, add, hands
from tests.world import NOW, World, metro

RIDE_MG = 388_440
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def fill(partner: Partner, count: int, *, start: int = 0) -> None:
    for number in range(start, start + count):
        partner.commit(f"T-{number}", NOW - 90 * MINUTE + number * SECOND, person=number % 2)


def credited(pull: Pull) -> int:
    return (pull.world.grams(0) + pull.world.grams(1)) // RIDE_MG


def test_pages_are_read_to_the_last_and_the_next_poll_begins_before_it(pull: Pull, partner: Partner) -> None:
    # The cap of six rides a day does not count here: three of each person.
    fill(partner, 6)
    pull_size(pull, partner, 4)
    polled = pull.poll()
    assert (polled.pages, polled.statuses, polled.problem) == (2, Counter(credited=6), None)
    assert partner.asked == [{"city": "sz", "limit": "4"}, {"city": "sz", "limit": "4", "cursor": "4"}]
    assert credited(pull) == 6
    last = NOW - 90 * MINUTE + 5 * SECOND
    assert (pull.source.received_at, pull.source.taken, pull.source.position) == (last, 6, None)
    again = pull.poll()
    since = (last - 600 * SECOND).isoformat().replace("+00:00", "Z")
    assert partner.asked[2] == {"city": "sz", "limit": "4", "received_after": since}
    assert again.statuses == Counter(duplicate=6)
    assert credited(pull) == 6


def pull_size(pull: Pull, partner: Partner, size: int) -> None:
    pull.source_id = add(pull.world, partner.url, name=f"of {size}", page_size=size)


def test_trips_that_are_committed_late_are_not_missed(pull: Pull, partner: Partner) -> None:
    # A partner stamps a trip when it comes in and commits it minutes later, after others with a later stamp
    # were served: a poll that began where the last one ended would never see it.
    partner.commit("early", NOW - 10 * MINUTE)
    partner.commit("latest", NOW - MINUTE, person=1)
    assert pull.poll().statuses == Counter(credited=2)
    partner.commit("late", NOW - 8 * MINUTE)
    assert pull.poll(later=MINUTE).statuses == Counter(credited=1, duplicate=2)
    partner.commit("later than the overlap", NOW - 20 * MINUTE)
    assert pull.poll(later=MINUTE).statuses["credited"] == 0
    assert credited(pull) == 3


def test_a_clock_that_runs_ahead_does_not_make_us_skip(pull: Pull, partner: Partner) -> None:
    partner.commit("ahead", NOW + timedelta(days=2))
    pull.poll()
    assert pull.source.received_at == NOW
    partner.commit("now", NOW)
    assert pull.poll(later=MINUTE).statuses["credited"] == 1


def test_a_server_that_dies_between_pages_is_asked_again_where_it_died(pull: Pull, partner: Partner) -> None:
    fill(partner, 6)
    pull_size(pull, partner, 2)
    partner.spoil = lambda number, answer: None if number in (1, 2, 3) else answer
    polled = pull.poll()
    assert (polled.pages, polled.statuses) == (1, Counter(credited=2))
    assert polled.problem is not None
    assert "does not answer" in polled.problem
    assert pull.waited == [1, 2]
    source = pull.source
    assert (source.position, source.failures, source.resume_at) == ("2", 1, NOW + MINUTE)
    polled = pull.poll(later=2 * MINUTE)
    assert (polled.statuses, polled.problem) == (Counter(credited=4), None)
    assert (pull.source.failures, pull.source.problem, pull.source.resume_at) == (0, None, None)
    assert credited(pull) == 6


def test_a_page_that_fails_once_is_asked_for_again(pull: Pull, partner: Partner) -> None:
    fill(partner, 2)
    partner.spoil = lambda number, answer: (503, b"", {}) if number == 0 else answer
    assert pull.poll().statuses == Counter(credited=2)
    assert pull.waited == [1]


@pytest.mark.parametrize(
    ("answer", "says", "rest"),
    [
        ((429, b"", {"Retry-After": "77"}), "status 429", 77 * SECOND),
        ((503, b"", {"Retry-After": "99999"}), "status 503", 3600 * SECOND),
        ((500, b"", {}), "status 500", MINUTE),
        ((401, b"", {}), "secret is not accepted", MINUTE),
        ((404, b"", {}), "status 404", MINUTE),
        ((302, b"", {"Location": "http://127.0.0.1:1/"}), "status 302", MINUTE),
        ((200, b"<html>", {}), "no JSON", MINUTE),
        ((200, b'{"events": [{"received_at": "2026-11-21T00:00:00"}]}', {}), "not as agreed", MINUTE),
        ((200, b'{"events": {}}', {}), "not as agreed", MINUTE),
        ((200, b'{"events": [], "next_cursor": ""}', {}), "not as agreed", MINUTE),
        ((200, b'{"events": [', {"Content-Length": "900"}), "does not answer", MINUTE),
    ],
)
def test_a_problem_does_nothing_and_is_told(
    pull: Pull, partner: Partner, answer: Answer, says: str, rest: timedelta
) -> None:
    fill(partner, 3)
    # A connection that promises more than it sends would wait for a minute; the server closes it.
    partner.spoil = lambda _number, _answer: (answer[0], answer[1], answer[2] | {"Connection": "close"})
    polled = pull.poll()
    assert polled.problem is not None
    assert says in polled.problem
    source = pull.source
    assert (source.received_at, source.position, source.taken, source.failures) == (None, None, 0, 1)
    assert source.problem == polled.problem
    assert source.resume_at == NOW + rest
    assert credited(pull) == 0
    # The sweep leaves it alone until then.
    asked = len(partner.asked)
    assert poll_due(hands(pull.database, NOW + rest - SECOND), {}) == 0
    assert len(partner.asked) == asked
    partner.spoil = lambda _number, page: page
    assert poll_due(hands(pull.database, NOW + rest), {}) == 1
    assert credited(pull) == 3


def test_the_same_page_twice_and_a_cursor_that_comes_again_end(pull: Pull, partner: Partner) -> None:
    fill(partner, 6)
    pull_size(pull, partner, 2)
    first: list[Answer] = []

    def stuck(number: int, answer: Answer) -> Answer:
        first.append(answer)
        return first[min(number, 1)]  # from the second on always the same page and cursor

    partner.spoil = stuck
    polled = pull.poll()
    assert polled.problem is not None
    assert "second time" in polled.problem
    assert polled.statuses == Counter(credited=4, duplicate=2)
    # The span is read again from where it began: nothing says what was not read of it.
    assert (pull.source.position, pull.source.received_at) == (None, None)
    partner.spoil = lambda _number, answer: answer
    assert pull.poll(later=MINUTE).statuses == Counter(credited=2, duplicate=4)


def test_a_cursor_that_the_partner_has_forgotten_is_given_up(pull: Pull, partner: Partner) -> None:
    fill(partner, 4)
    pull_size(pull, partner, 2)
    partner.spoil = lambda number, answer: (400, b"", {}) if number == 1 else answer
    assert pull.poll().problem is not None
    assert (pull.source.position, pull.source.received_at) == (None, None)
    assert pull.poll(later=MINUTE).statuses == Counter(credited=2, duplicate=2)


def test_a_poll_is_bounded_and_the_next_goes_on(pull: Pull, partner: Partner) -> None:
    def endless(number: int, _answer: Answer) -> Answer:
        return 200, orjson.dumps({"events": [], "next_cursor": f"{number + 1}"}), {}

    partner.spoil = endless
    polled = pull.poll()
    assert polled.pages == MAX_PAGES
    assert pull.source.position == f"{MAX_PAGES}"
    partner.spoil = lambda _number, _answer: (200, b'{"events": []}', {})
    assert pull.poll().problem is None
    assert partner.asked[MAX_PAGES]["cursor"] == f"{MAX_PAGES}"


def test_what_is_no_event_is_noted_once_and_the_rest_is_credited(pull: Pull, partner: Partner) -> None:
    fill(partner, 2)
    partner.trips += [(NOW, {"id": "X"}), (NOW, "no object"), (NOW, metro("far", distance_m=10**12))]  # type: ignore[list-item]
    partner.commit("unlinked", NOW, person=77)
    for _ in range(2):
        polled = pull.poll()
    # Within the overlap: what nobody is linked to is judged anew each time, and may be credited one day.
    assert polled.statuses == Counter(rejected=1, invalid=3)
    with unit_of_work(pull.database, read_only=True) as session:
        assert refusals_of(session, source_id=pull.source_id) == {"event-invalid": 3}
    later = NOW + operations.REFUSALS_KEPT
    with unit_of_work(pull.database) as session:
        assert operations.forget_refusals(session, now=later, limit=2) == 0
        assert operations.forget_refusals(session, now=later + SECOND, limit=2) == 2
        assert operations.forget_refusals(session, now=later + SECOND, limit=2) == 1
    assert credited(pull) == 2


@pytest.mark.parametrize("point", ["before the credit", "after the credit", "before the commit"])
def test_a_page_whose_commit_is_lost_comes_again(
    pull: Pull, partner: Partner, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    class Killed(BaseException):
        """Nothing catches it: as if the process were gone."""

    def dying(*arguments: object, **more: object) -> object:
        if point == "before the credit":
            raise Killed
        found = credit(*arguments, **more)  # type: ignore[arg-type]
        if point == "after the credit":
            raise Killed
        return found

    def dead(*_: object) -> None:
        raise Killed

    fill(partner, 3)
    with monkeypatch.context() as here:
        here.setattr(operations, "credit", dying)
        if point == "before the commit":
            here.setattr(operations, "_note", dead)
        with pytest.raises(Killed):
            pull.poll()
    assert (credited(pull), pull.source.taken, pull.source.received_at) == (0, 0, None)
    assert pull.poll().statuses == Counter(credited=3)
    assert credited(pull) == 3


def test_two_that_poll_at_once_take_each_page_once(postgresql_database: Database, partner: Partner) -> None:
    world = World(postgresql_database)
    pull = Pull(world, add(world, partner.url, page_size=1))
    fill(partner, 6)
    both = threading.Barrier(2)

    def together(_number: int, answer: Answer) -> Answer:
        # Both have read the same position before either is answered, as long as both are there.
        try:
            both.wait(timeout=1)
        except threading.BrokenBarrierError:
            both.reset()
        return answer

    partner.spoil = together
    found: list[Polled] = []
    threads = [threading.Thread(target=lambda: found.append(pull.poll())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    partner.spoil = lambda _number, answer: answer
    found.append(pull.poll(later=MINUTE))
    assert sum((one.statuses for one in found), Counter())["credited"] == 6
    assert pull.source.taken == sum(sum(one.statuses.values()) for one in found)
    assert credited(pull) == 6


def test_the_secret_is_sent_and_never_told(pull: Pull, partner: Partner, database: Database) -> None:
    pull.source_id = add(pull.world, partner.url, name="secret", secret_env="TRIPS_TOKEN")
    problem = pull.poll().problem
    assert problem is not None
    assert "TRIPS_TOKEN" in problem
    pull.environ["TRIPS_TOKEN"] = "s3cret"
    assert pull.poll().problem is None
    assert partner.headers[-1]["Authorization"] == "Bearer s3cret"
    pull.environ["TRIPS_TOKEN"] = "s3cret\nX: y"
    problem = pull.poll().problem
    assert problem is not None
    assert "s3cret" not in problem


def test_a_disabled_source_is_left_alone(pull: Pull, partner: Partner) -> None:
    with unit_of_work(pull.database) as session:
        operations.set_source_enabled(session, source_id=pull.source_id, enabled=False)
    assert poll_due(hands(pull.database, NOW), {}) == 0
    assert partner.asked == []


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "http://user:secret@127.0.0.1/",
        "http://127.0.0.1/#x",
        "http://127.0.0.1/a b",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1.example.org/",
        "http://127.0.0.1@example.org/",
        "//127.0.0.1/",
        "",
    ],
)
def test_only_hosts_that_are_named_are_asked(address: str) -> None:
    with pytest.raises(SourceAddressRefused) as refused:
        allowed(address, kind="poll", hosts=("127.0.0.1",))
    assert "secret" not in refused.value.message("en").replace("for the secret", "")
    assert allowed("https://127.0.0.1:8443/x?y=z", kind="poll", hosts=("127.0.0.1",)).port == 8443


def test_a_name_is_taken_once(pull: Pull, partner: Partner) -> None:
    with pytest.raises(SourceNameTaken):
        add(pull.world, partner.url)


@settings(max_examples=200)
@given(st.binary(max_size=60) | st.recursive(st.none() | st.text(), st.lists).map(lambda v: orjson.dumps(v)))
def test_whatever_comes_is_a_page_or_a_failure(body: bytes) -> None:
    with contextlib.suppress(SourceFailed):
        assert read_page(body).events is not None
