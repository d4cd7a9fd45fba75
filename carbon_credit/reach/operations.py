"""Standing on a board by one's own choice, leaving it at once, and computing the boards of closed days."""

import unicodedata
import uuid
from datetime import date, datetime, timedelta

from sqlalchemy import delete, exists, func, insert, literal, select, update
from sqlalchemy.orm import Session, aliased

from carbon_credit.catalogue.queries import programme_codes, time_zone
from carbon_credit.identity.districts import state_district
from carbon_credit.kernel.bulk import lock_alone
from carbon_credit.kernel.clock import business_day
from carbon_credit.quantification.daily import closed_between, credited_between
from carbon_credit.quantification.periods import first_of_month, next_month
from carbon_credit.reach.errors import NicknameInvalid, NotOnBoard
from carbon_credit.reach.models import BoardMember, BoardMonth, BoardPlace
from carbon_credit.reach.queries import Member, member

LONGEST_NICKNAME = 16
MOST_DIGITS = 6
# A month is closed soon after it ends; boards of longer ago stay as they are.
LOOKED_BACK = timedelta(days=400)


def join_board(
    session: Session, *, programme: str, citizen_id: uuid.UUID, district: str, nickname: str, now: datetime
) -> Member:
    """Stand on the board of `district` as `nickname`, from the next one that is computed; or change either.

    Whoever stands on a district's board has stated that district. Raises CitizenNotFound, DistrictInvalid,
    NicknameInvalid.
    """
    shown = _readable(nickname)
    state_district(session, programme=programme, citizen_id=citizen_id, district=district, now=now)
    lock_alone(session, _lock(programme))
    row = session.get(BoardMember, citizen_id)
    if row is None:
        row = BoardMember(citizen_id=citizen_id, programme=programme, joined_at=now)
        session.add(row)
    row.district, row.nickname = district, shown
    session.flush()
    return member(session, programme=programme, citizen_id=citizen_id)


def leave_board(session: Session, *, programme: str, citizen_id: uuid.UUID) -> None:
    """Stand on no board any more, of whatever month, at once. Nothing of it is kept. Raises NotOnBoard."""
    lock_alone(session, _lock(programme))
    gone = aliased(BoardPlace)
    # Whoever stood behind moves up: nobody can tell that somebody left.
    behind = exists().where(
        gone.citizen_id == citizen_id,
        gone.month == BoardPlace.month,
        gone.district == BoardPlace.district,
        gone.co2e_mg > BoardPlace.co2e_mg,
    )
    session.execute(
        update(BoardPlace)
        .where(BoardPlace.programme == programme, behind)
        .values(place=BoardPlace.place - 1)
        .execution_options(synchronize_session=False)
    )
    left = (
        delete(BoardMember)
        .where(BoardMember.citizen_id == citizen_id, BoardMember.programme == programme)
        .returning(BoardMember.citizen_id)
        .execution_options(synchronize_session=False)
    )
    if session.execute(left).scalar_one_or_none() is None:
        raise NotOnBoard


def compute_due(session: Session, *, now: datetime, limit: int) -> int:
    """Compute up to `limit` boards of months of which more days are closed than were counted; how many."""
    done = 0
    for programme in programme_codes(session):
        if done >= limit:
            break
        today = business_day(now, time_zone(session, programme=programme))
        for month, days, final in _due(session, programme, today)[: limit - done]:
            _compute(session, programme, month, days, final, now)
            done += 1
    return done


def _due(session: Session, programme: str, today: date) -> list[tuple[date, int, bool]]:
    since = first_of_month(today - LOOKED_BACK)
    days = closed_between(session, programme=programme, kind="day", first=since, last=today)
    months = set(closed_between(session, programme=programme, kind="month", first=since, last=today))
    counts: dict[date, int] = {}
    for day in days:
        counts[first_of_month(day)] = counts.get(first_of_month(day), 0) + 1
    known = {
        row.month: (row.days, row.final)
        for row in session.execute(
            select(BoardMonth.month, BoardMonth.days, BoardMonth.final).where(
                BoardMonth.programme == programme, BoardMonth.month >= since
            )
        )
    }
    wanted = [(month, count, month in months) for month, count in sorted(counts.items())]
    return [one for one in wanted if known.get(one[0]) != one[1:]]


def _compute(session: Session, programme: str, month: date, days: int, final: bool, now: datetime) -> None:
    """Two statements, however many stand on it: the former places go, the new ones come."""
    lock_alone(session, _lock(programme))
    of_month = (BoardPlace.programme == programme, BoardPlace.month == month)
    session.execute(delete(BoardPlace).where(*of_month).execution_options(synchronize_session=False))
    members = select(BoardMember.citizen_id).where(BoardMember.programme == programme)
    last = next_month(month) - timedelta(days=1)
    sums = credited_between(programme, month, last, citizens=members).subquery()
    ranked = (
        select(
            BoardMember.citizen_id,
            literal(month, BoardPlace.month.type),
            BoardMember.programme,
            BoardMember.district,
            sums.c.co2e_mg,
            func.rank().over(partition_by=BoardMember.district, order_by=sums.c.co2e_mg.desc()),
        )
        .join(sums, sums.c.citizen_id == BoardMember.citizen_id)
        .where(sums.c.co2e_mg > 0)
    )
    names = ["citizen_id", "month", "programme", "district", "co2e_mg", "place"]
    session.execute(insert(BoardPlace).from_select(names, ranked))
    row = session.get(BoardMonth, (programme, month))
    if row is None:
        row = BoardMonth(programme=programme, month=month)
        session.add(row)
    row.days, row.final, row.computed_at = days, final, now
    session.flush()


def _readable(nickname: str) -> str:
    """The nickname in one spelling, or NicknameInvalid."""
    shown = unicodedata.normalize("NFC", nickname).strip()
    if not 0 < len(shown) <= LONGEST_NICKNAME:
        raise NicknameInvalid(why=f"it is empty or longer than {LONGEST_NICKNAME} characters")
    # C: control, formatting (which can turn a line around), private, unassigned; Z: line ends, odd spaces.
    if any(unicodedata.category(one)[0] in "CZ" and one != " " for one in shown):
        raise NicknameInvalid(why="it holds characters that cannot be seen")
    if not any(unicodedata.category(one)[0] in "LNS" for one in shown):
        raise NicknameInvalid(why="it has no letter, digit or sign")
    if sum(unicodedata.category(one) == "Nd" for one in shown) > MOST_DIGITS:
        raise NicknameInvalid(why="it looks like a telephone or identity number")
    return shown


def _lock(programme: str) -> str:
    return f"board/{programme}"
