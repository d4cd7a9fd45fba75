"""Deliveries that replace others: what differs is a revision, what is missing is taken back."""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from sqlalchemy import event

from carbon_credit.events.audit import audit as audit_events
from carbon_credit.events.incoming import claim_key
from carbon_credit.identity.errors import PartyNotFound
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.ids import new_id
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.ledger.audit import audit as audit_ledger
from carbon_credit.quantification.audit import audit as audit_reductions
from carbon_credit.quantification.operations import credit, withdraw_known
from carbon_credit.quantification.outcomes import Outcome
from tests.world import World, metro, statuses


def correct(world: World, *payloads: dict[str, Any]) -> list[Outcome]:
    return transact(
        world.database,
        lambda session: credit(
            session,
            programme=world.programme,
            partner_id=world.partner,
            payloads=list(payloads),
            now=world.now,
            corrects=new_id(),
        ),
    )


def take_back(world: World, ids: Sequence[str], *, programme: str | None = None) -> int:
    key = world.database.settings.keys.mac
    keys = [claim_key(key, partner_id=world.partner, event_id=one) for one in ids]
    return transact(
        world.database,
        lambda session: withdraw_known(
            session,
            programme=programme or world.programme,
            partner_id=world.partner,
            claim_keys=keys,
            now=world.now,
        ),
    )


def assert_books_are_whole(database: Database) -> None:
    with unit_of_work(database, read_only=True) as session:
        assert audit_ledger(session) == []
        assert audit_events(session, progress=lambda _: None) == []
        assert audit_reductions(session, progress=lambda _: None) == []


def test_a_changed_row_is_a_revision_and_only_the_difference_stays(database: Database) -> None:
    world = World(database)
    world.credit(metro("M-1"), metro("M-2"), metro("M-3", person=1))
    told = correct(world, metro("M-1"), metro("M-2", distance_m=10_000), metro("M-4", person=1))
    assert [(one.status, one.revision, one.co2e_mg) for one in told] == [
        ("duplicate", 1, 388_440),
        ("credited", 2, 468_000),
        ("credited", 1, 388_440),
    ]
    assert (world.grams(0), world.grams(1)) == (388_440 + 468_000, 2 * 388_440)
    assert world.points(0) == (388_440 + 468_000) // 100_000
    assert_books_are_whole(database)
    # The same delivery once more changes nothing: what it says is what is known.
    again = correct(world, metro("M-1"), metro("M-2", distance_m=10_000), metro("M-4", person=1))
    assert statuses(again) == ["duplicate"] * 3
    assert [one.revision for one in again] == [1, 2, 1]
    # And a third one that says otherwise corrects the second, though its rows know of no revisions.
    (third,) = correct(world, metro("M-2", distance_m=9_000))
    assert (third.status, third.revision, world.grams(0)) == ("credited", 3, 388_440 + 421_200)
    assert_books_are_whole(database)


def test_without_correcting_the_same_row_is_a_conflict(database: Database) -> None:
    world = World(database)
    world.credit(metro("M-1"))
    (told,) = world.credit(metro("M-1", distance_m=10_000))
    assert (told.status, told.reason) == ("invalid", "event-conflict")


def test_a_revision_in_the_row_is_taken_as_it_is_where_it_is_higher(database: Database) -> None:
    world = World(database)
    world.credit(metro("M-1", revision=4))
    told = correct(world, metro("M-1", revision=4, distance_m=10_000))
    assert [(one.status, one.revision) for one in told] == [("credited", 5)]
    told = correct(world, metro("M-1", revision=9, distance_m=11_000))
    assert [(one.status, one.revision) for one in told] == [("credited", 9)]
    assert world.grams() == 514_800


def test_one_id_with_two_contents_in_one_call_is_a_conflict_still(database: Database) -> None:
    world = World(database)
    rows = [metro("M-1"), metro("M-1", distance_m=10_000)]
    for statuses_wanted in (["credited", "invalid"], ["duplicate", "invalid"]):
        told = correct(world, *rows)
        assert statuses(told) == statuses_wanted
        assert told[1].reason == "event-conflict"
    assert world.grams() == 388_440


def test_what_was_refused_or_withdrawn_can_be_corrected(database: Database) -> None:
    world = World(database)
    stranger = metro("M-1", person=77)
    world.credit(stranger, metro("M-2"), metro("M-3"))
    world.withdraw("M-2")
    told = correct(world, metro("M-1", person=1), metro("M-2"), metro("M-3", person=77))
    assert [(one.status, one.revision, one.reason) for one in told] == [
        ("credited", 2, None),
        ("credited", 2, None),
        ("rejected", 2, "unlinked"),
    ]
    assert (world.grams(0), world.grams(1)) == (388_440, 388_440)
    assert_books_are_whole(database)


def test_known_events_of_all_kinds_are_taken_back_at_once(database: Database) -> None:
    world = World(database, people=3)
    world.credit(*[metro(f"M-{n}", person=n) for n in range(3)], metro("M-9", person=77), metro("M-8"))
    world.withdraw("M-8")
    assert [world.points(n) for n in range(3)] == [3, 3, 3]
    assert take_back(world, ["M-0", "M-2", "M-8", "M-9", "M-none", "M-0"]) == 2
    assert [world.grams(n) for n in range(3)] == [0, 388_440, 0]
    assert [world.points(n) for n in range(3)] == [0, 3, 0]
    assert take_back(world, ["M-0", "M-2"]) == 0
    assert take_back(world, []) == 0
    assert_books_are_whole(database)
    # What comes back in a later delivery counts again.
    assert statuses(correct(world, metro("M-0"))) == ["credited"]
    assert (world.grams(0), world.points(0)) == (388_440, 3)


def test_only_the_partner_and_the_programme_of_the_events_can_take_them_back(database: Database) -> None:
    world = World(database)
    other = world.party("partner", "another")
    world.credit(metro("M-1"))
    mine = claim_key(database.settings.keys.mac, partner_id=world.partner, event_id="M-1")
    with unit_of_work(database) as session:
        wanted = {"programme": world.programme, "claim_keys": [mine], "now": world.now}
        assert withdraw_known(session, partner_id=other, **wanted) == 0
    with pytest.raises(PartyNotFound):
        take_back(world, ["M-1"], programme="ant")
    assert world.grams() == 388_440


def test_thousands_are_taken_back_in_a_few_statements(database: Database) -> None:
    world = World(database, people=100)
    days = [date(2026, 11, 1 + n).isoformat() for n in range(20)]
    rows = [
        metro(f"M-{day}-{n}", person=n, at=f"{day}T08:00:00+08:00", distance_m=3000)
        for day in days
        for n in range(100)
    ]
    assert Counter(statuses(world.credit(*rows))) == {"credited": 2_000}
    said: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *told: said.append(told[2]))
    assert take_back(world, [row["id"] for row in rows]) == 2_000
    assert len(said) < 60, said
    assert {world.grams(n) for n in range(100)} == {0}
    assert {world.points(n) for n in range(100)} == {0}
    assert_books_are_whole(database)
