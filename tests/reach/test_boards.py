"""Boards: only who chose to, computed from closed days, nothing of small districts, gone at once."""

import threading

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.identity.districts import stated_district
from carbon_credit.identity.errors import DistrictInvalid
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.reach.errors import BoardNotFound, NicknameInvalid, NotOnBoard
from carbon_credit.reach.operations import LONGEST_NICKNAME, _readable
from carbon_credit.tables import metadata
from tests.reach.conftest import DISTRICT, MONTH, board, compute, day_of, join, leave, ride
from tests.world import World

PLACE = metadata.tables["board_place"]


def crowd(database: Database, people: int = 12) -> World:
    """Ten ride as far as their number says, the eleventh as far as the tenth, the twelfth most."""
    world = World(database, people=people)
    metres = [1_000 * (n + 1) for n in range(10)] + [10_000, 20_000]
    world.credit(*(ride(f"M-{n}", day_of(5), person=n, distance_m=metres[n]) for n in range(people)))
    world.close(day_of(5))
    return world


def test_equal_grams_share_a_place_and_who_did_not_choose_is_not_there(database: Database) -> None:
    world = crowd(database)
    for person in range(11):
        join(world, person, f"骑手{person}")
    assert compute(world) == 1
    assert compute(world) == 0
    found = board(world, 0)
    assert (found.month, found.district, found.days, found.final) == (MONTH, DISTRICT, 1, False)
    assert (found.shown, found.ranked) == (True, 11)
    assert [(one.place, one.nickname) for one in found.places][:4] == [
        (1, "骑手10"),
        (1, "骑手9"),
        (3, "骑手8"),
        (4, "骑手7"),
    ]
    assert found.places[0].co2e_mg == found.places[1].co2e_mg == 468_000
    assert found.own is not None
    assert (found.own.place, found.own.nickname) == (11, "骑手0")
    # The twelfth rode most and is on no board; a look at the district does not need to be.
    assert board(world, 11, district=DISTRICT).own is None
    with pytest.raises(NotOnBoard):
        board(world, 11)


def test_who_leaves_is_gone_at_once_and_all_behind_move_up(database: Database) -> None:
    world = crowd(database)
    for person in range(12):
        join(world, person, f"骑手{person}")
    compute(world)
    leave(world, 11)
    found = board(world, 0)
    assert found.ranked == 11
    assert [one.place for one in found.places] == [1, 1, *range(3, 12)]
    leave(world, 9)
    assert [one.place for one in board(world, 0).places] == [*range(1, 11)]
    with unit_of_work(database, read_only=True) as session:
        for name in ("board_member", "board_place"):
            table = metadata.tables[name]
            left = sa.select(sa.func.count()).where(
                table.c.citizen_id.in_([world.citizens[9], world.citizens[11]])
            )
            assert session.scalar(left) == 0
    with pytest.raises(NotOnBoard):
        leave(world, 9)
    # Nine would be too few: then nothing is shown, not even one's own place.
    leave(world, 8)
    found = board(world, 0)
    assert (found.shown, found.ranked, found.places, found.own) == (False, None, (), None)
    assert found.min_participants == 10


def test_a_board_follows_closed_days_not_rides(database: Database) -> None:
    world = crowd(database)
    for person in range(10):
        join(world, person, f"骑手{person}")
    compute(world)
    before = board(world, 0)
    world.credit(ride("more", day_of(6), distance_m=50_000))
    assert compute(world) == 0
    assert board(world, 0) == before
    world.close(day_of(6))
    assert compute(world) == 1
    after = board(world, 0)
    assert after.own is not None
    assert (after.own.place, after.days) == (1, 2)
    world.withdraw("M-9")  # after its day was closed: of the day on which it is found, in another month
    world.close_month(MONTH)
    compute(world)
    assert board(world, 0).final
    assert {one.nickname: one.co2e_mg for one in board(world, 0).places}["骑手9"] == 468_000


def test_another_district_and_another_name(database: Database) -> None:
    world = crowd(database)
    for person in range(11):
        join(world, person, f"骑手{person}")
    compute(world)
    join(world, 0, "新名字")
    assert board(world, 0).places[-1].nickname == "新名字"  # the name is everywhere the one of now
    join(world, 0, "新名字", district="440305")
    world.credit(ride("more", day_of(6)))
    world.close(day_of(6))
    compute(world)
    assert not board(world, 0).shown
    assert board(world, 1).ranked == 10


def test_what_cannot_be_shown_is_refused(database: Database) -> None:
    world = World(database, people=1)
    for name in ("", "   ", "a" * 17, "a\u0000b", "a\nb", "\u202eabc", "\u200b", "13800138000", "..."):
        with pytest.raises(NicknameInvalid):
            join(world, 0, name)
    for district in ("44030", "4403041", "０４４０３０", "040304", "abcdef"):
        with pytest.raises(DistrictInvalid):
            join(world, 0, "好", district=district)
    join(world, 0, "  地铁 小能手 ")
    with pytest.raises(BoardNotFound):
        board(world, 0)


def test_who_joins_a_board_has_stated_its_district(database: Database) -> None:
    world = World(database, people=1)

    def stated() -> str | None:
        with unit_of_work(database, read_only=True) as session:
            found = stated_district(session, programme=world.programme, citizen_id=world.citizens[0])
        return found.district if found else None

    assert stated() is None
    join(world, 0, "骑手")
    join(world, 0, "骑手", district="440305")
    assert stated() == "440305"
    leave(world, 0)
    assert stated() == "440305"


@given(st.text(max_size=40))
def test_a_nickname_is_refused_or_short_visible_and_stays_itself(text: str) -> None:
    try:
        shown = _readable(text)
    except NicknameInvalid:
        return
    assert 0 < len(shown) <= LONGEST_NICKNAME
    assert shown.replace(" ", "").isprintable()
    assert _readable(shown) == shown


def test_joining_leaving_and_computing_at_once_leaves_no_place_without_its_member(database: Database) -> None:
    world = crowd(database)
    for person in range(12):
        join(world, person, f"骑手{person}")
    failed: list[BaseException] = []

    def act(number: int) -> None:
        try:
            own = World.__new__(World)
            own.__dict__.update(world.__dict__, database=Database(database.settings))
            if number % 3 == 0:
                compute(own)
            else:
                leave(own, number)
            own.database.dispose()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=act, args=(number,)) for number in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failed == []
    found = board(world, 11)
    if found.shown:
        assert [one.nickname for one in found.places if one.nickname in ("骑手1", "骑手2")] == []
    with unit_of_work(database, read_only=True) as session:
        assert (session.scalar(sa.select(sa.func.count()).select_from(PLACE)) or 0) <= 8
