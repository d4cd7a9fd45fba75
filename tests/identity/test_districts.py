"""The district that a citizen states: their own word, kept once, gone when it is taken back."""

import uuid
from datetime import datetime, timedelta

import pytest

from carbon_credit.identity.districts import (
    StatedDistrict,
    forget_district,
    state_district,
    stated_district,
)
from carbon_credit.identity.errors import CitizenNotFound, DistrictInvalid, DistrictNotStated
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from tests.world import NOW, World

LATER = NOW + timedelta(days=1)


def state(
    world: World, district: str, *, citizen: uuid.UUID | None = None, at: datetime = NOW
) -> StatedDistrict:
    who = citizen or world.citizens[0]
    return transact(
        world.database,
        lambda session: state_district(
            session, programme=world.programme, citizen_id=who, district=district, now=at
        ),
    )


def stated(world: World, *, programme: str | None = None) -> StatedDistrict | None:
    with unit_of_work(world.database, read_only=True) as session:
        return stated_district(session, programme=programme or world.programme, citizen_id=world.citizens[0])


def forget(world: World, *, programme: str | None = None) -> None:
    transact(
        world.database,
        lambda session: forget_district(
            session, programme=programme or world.programme, citizen_id=world.citizens[0]
        ),
    )


def test_what_was_stated_last_holds_until_it_is_taken_back(database: Database) -> None:
    world = World(database)
    assert stated(world) is None
    assert state(world, "440304") == StatedDistrict("440304", NOW)
    assert state(world, "440304", at=LATER) == StatedDistrict("440304", NOW), "nothing new was said"
    assert state(world, "440305", at=LATER) == stated(world) == StatedDistrict("440305", LATER)
    assert stated(world, programme="x-gd-gz") is None
    with pytest.raises(DistrictNotStated):
        forget(world, programme="x-gd-gz")
    forget(world)
    assert stated(world) is None
    with pytest.raises(DistrictNotStated):
        forget(world)


def test_what_is_no_district_and_who_is_no_citizen_is_refused(database: Database) -> None:
    world = World(database)
    for wrong in ("", "44030", "4403041", "０４４０３０", "040304", "abcdef"):
        with pytest.raises(DistrictInvalid):
            state(world, wrong)
    with pytest.raises(CitizenNotFound):
        state(world, "440304", citizen=uuid.UUID(int=7))
    assert stated(world) is None
