"""Match digests: who is listed to whom, under which key, and what nobody can compute back."""

import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from carbon_credit.identity.consents import ConsentGrant, give_consents, withdraw_consent
from carbon_credit.identity.matching import key_id, match_digest, match_key
from carbon_credit.identity.operations import register_citizens
from carbon_credit.identity.queries import known_links, match_digests, match_key_ids
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.keys import Keys
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from tests.world import LONG_AGO, NOW, World

HOME = "x-gd-sz"
CARD = "transit-card"


def key_of(keys: Keys, *, programme: str = HOME, kind: str = CARD, previous: bool = False) -> bytes:
    return match_key(keys, programme=programme, kind=kind, previous=previous)


def listed(
    world: World, *, scene: str | None = None, partner: UUID | None = None, **more: object
) -> list[UUID]:
    asked = {"key_id": key_id(key_of(world.database.settings.keys)), "after": None, "limit": 100} | more
    with unit_of_work(world.database, read_only=True) as session:
        return match_digests(
            session,
            programme=HOME,
            partner_id=partner or world.partner,
            kind=CARD,
            scene=scene,
            **asked,  # type: ignore[arg-type]
        )


def digests_of(world: World, *cards: str) -> set[UUID]:
    key = key_of(world.database.settings.keys)
    return {match_digest(key, card) for card in cards}


def test_a_digest_can_be_computed_by_anyone_who_has_the_key() -> None:
    key = bytes(range(32))
    told = hmac.new(key, "深圳通123".encode(), hashlib.sha256).hexdigest()[:32]
    assert match_digest(key, " 深圳通１２３ ").hex == told


def test_each_programme_and_kind_has_a_key_of_its_own(base_settings: object, database: Database) -> None:
    keys = database.settings.keys
    made = {
        key_of(keys),
        key_of(keys, programme="x-gd-gz"),
        key_of(keys, kind="phone"),
        keys.link,
        keys.mac,
    }
    assert len(made) == 5
    assert len({key_id(key) for key in made}) == 5
    changed = replace(keys, link=bytes(32), link_previous=keys.link)
    assert key_of(changed, previous=True) == key_of(keys) != key_of(changed)


def test_only_confirmed_links_of_active_citizens_who_consent_are_listed(database: Database) -> None:
    world = World(database, people=4)
    assert set(listed(world)) == digests_of(world, "CARD-0", "CARD-1", "CARD-2", "CARD-3")
    assert listed(world) == sorted(listed(world))
    other = world.party("partner", "another")
    assert listed(world, partner=other) == []

    def change(session: Session) -> None:
        for scene in ("metro", "bus"):
            withdraw_consent(
                session, partner_id=world.partner, citizen_id=world.citizens[0], scene=scene, now=NOW
            )
        close = text("UPDATE citizen SET status = 'closed' WHERE id = :id")
        session.execute(close, {"id": stored(session, world.citizens[1])})
        claim = text("UPDATE citizen_link SET state = 'claimed' WHERE citizen_id = :id")
        session.execute(claim, {"id": stored(session, world.citizens[2])})

    transact(database, change)
    assert set(listed(world)) == digests_of(world, "CARD-0", "CARD-3")
    assert set(listed(world, scene="metro")) == digests_of(world, "CARD-3")
    assert set(listed(world, scene="bike")) == digests_of(world, "CARD-0", "CARD-3")


def stored(session: Session, citizen_id: UUID) -> object:
    return citizen_id if session.get_bind().dialect.name == "postgresql" else citizen_id.hex


def test_pages_follow_each_other(database: Database) -> None:
    world = World(database, people=7)
    whole = listed(world)
    found: list[UUID] = []
    while page := listed(world, after=found[-1] if found else None, limit=3):
        found += page
    assert found == whole
    assert len(found) == 7


def test_after_a_change_of_keys_both_are_told_and_links_without_a_digest_too(database: Database) -> None:
    world = World(database, people=2)
    old = database.settings.keys
    new = replace(old, link=b"n" * 32, link_previous=old.link)
    later = Database(replace(database.settings, keys=new))
    known = [key_id(key_of(new)), key_id(key_of(new, previous=True))]

    def enrol(session: Session) -> None:
        (person,) = register_citizens(
            session, partner_id=world.partner, links_of=[[(CARD, "NEW")]], now=NOW + timedelta(days=1)
        )
        grant = ConsentGrant(citizen_id=person, scene="metro", text_version="1", given_at=LONG_AGO)
        give_consents(session, partner_id=world.partner, grants=[grant], now=NOW + timedelta(days=1))

    def told() -> tuple[list[str], bool]:
        with unit_of_work(later, read_only=True) as session:
            return match_key_ids(session, programme=HOME, partner_id=world.partner, kind=CARD, known=known)

    assert told() == (known[1:], False)
    transact(later, enrol)
    assert told() == (known, False)
    assert listed(world, key_id=known[0]) == [match_digest(key_of(new), "NEW")]
    assert set(listed(world, key_id=known[1])) == digests_of(world, "CARD-0", "CARD-1")
    forget = text("UPDATE citizen_link SET match_digest = NULL, match_key_id = NULL WHERE citizen_id = :id")
    transact(later, lambda session: session.execute(forget, {"id": stored(session, world.citizens[0])}))
    assert told() == (known, True)
    later.dispose()


@pytest.mark.parametrize("size", [1, 700])
def test_known_links_are_those_that_lead_to_somebody(database: Database, size: int) -> None:
    world = World(database, people=3)
    asked = {(CARD, f"CARD-{number}") for number in range(size)} | {(CARD, "nobody's"), ("phone", "CARD-0")}
    with unit_of_work(database, read_only=True) as session:
        found = known_links(session, programme=HOME, links=asked)
        elsewhere = known_links(session, programme="x-gd-gz", links=asked)
        nothing = known_links(session, programme=HOME, links=[])
    assert found == {(CARD, f"CARD-{number}") for number in range(min(size, 3))}
    assert elsewhere == nothing == set()
    assert world.now == datetime(2026, 11, 21, 4, tzinfo=UTC)
