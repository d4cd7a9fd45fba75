"""Reads: a citizen's medals, a citizen on a board, the board of a district and month."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.catalogue.recognition import Medal
from carbon_credit.reach.errors import BoardNotFound, NotOnBoard
from carbon_credit.reach.models import BoardMember, BoardMonth, BoardPlace, MedalAward, MedalTally

MOST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class MedalRecord:
    """A medal of the programme as a citizen sees it. `progress`: events, milligrams or days towards its
    target; the target itself once it is awarded. `earned_on` is None where it is not."""

    medal: Medal
    progress: int
    earned_on: date | None


@dataclass(frozen=True, slots=True)
class Member:
    """What a citizen chose to show."""

    district: str
    nickname: str
    joined_at: datetime


@dataclass(frozen=True, slots=True)
class Place:
    """One line of a board."""

    place: int
    nickname: str
    co2e_mg: int


@dataclass(frozen=True, slots=True)
class BoardRecord:
    """The board of a district and month, from `days` closed days; `final` when the month is closed.

    Where fewer than `min_participants` are ranked it is not `shown`: no places, no count, not even one's own.
    """

    month: date
    district: str
    days: int
    final: bool
    min_participants: int
    shown: bool
    ranked: int | None
    places: tuple[Place, ...]
    own: Place | None


def medals_of(session: Session, *, programme: str, citizen_id: uuid.UUID) -> list[MedalRecord]:
    """Every medal of the programme, as its profile is now."""
    medals = programme_rules(session, programme=programme).profile.medals
    awards = select(MedalAward.medal, MedalAward.earned_on).where(MedalAward.citizen_id == citizen_id)
    earned = {medal: day for medal, day in session.execute(awards)}  # noqa: C416
    tallies = {
        row.medal: row
        for row in session.scalars(select(MedalTally).where(MedalTally.citizen_id == citizen_id))
    }
    return [
        MedalRecord(medal, _progress(medal, tallies.get(medal.code), earned), earned.get(medal.code))
        for medal in medals
    ]


def member(session: Session, *, programme: str, citizen_id: uuid.UUID) -> Member:
    """What the citizen chose to show. Raises NotOnBoard."""
    row = session.get(BoardMember, citizen_id, populate_existing=True)
    if row is None or row.programme != programme:
        raise NotOnBoard
    return Member(row.district, row.nickname, row.joined_at)


def board(
    session: Session,
    *,
    programme: str,
    citizen_id: uuid.UUID,
    month: date | None = None,
    district: str | None = None,
) -> BoardRecord:
    """The first MOST_SHOWN places of a district (default: the citizen's own) in the month of a day (default:
    the newest). Raises NotOnBoard where no district is known, BoardNotFound."""
    if district is None:
        district = member(session, programme=programme, citizen_id=citizen_id).district
    statement = select(BoardMonth).where(BoardMonth.programme == programme).order_by(BoardMonth.month.desc())
    if month is not None:
        statement = statement.where(BoardMonth.month == month.replace(day=1))
    found = session.scalars(statement.limit(1).execution_options(populate_existing=True)).first()
    if found is None:
        raise BoardNotFound(month=month.strftime("%Y-%m") if month else "any month")
    least = programme_rules(session, programme=programme).profile.board_minimum
    wanted = (
        BoardPlace.programme == programme,
        BoardPlace.month == found.month,
        BoardPlace.district == district,
    )
    ranked = session.scalar(select(func.count()).where(*wanted)) or 0
    shown = ranked >= least
    lines = select(BoardPlace.place, BoardMember.nickname, BoardPlace.co2e_mg).join(
        BoardMember, BoardMember.citizen_id == BoardPlace.citizen_id
    )
    places: Sequence[Place] = ()
    own = None
    if shown:
        top = lines.where(*wanted).order_by(BoardPlace.place, BoardMember.nickname, BoardPlace.citizen_id)
        places = [Place(*row) for row in session.execute(top.limit(MOST_SHOWN))]
        mine = session.execute(lines.where(*wanted, BoardPlace.citizen_id == citizen_id)).first()
        own = Place(*mine) if mine else None
    return BoardRecord(
        month=found.month,
        district=district,
        days=found.days,
        final=found.final,
        min_participants=least,
        shown=shown,
        ranked=ranked if shown else None,
        places=tuple(places),
        own=own,
    )


def _progress(medal: Medal, tally: MedalTally | None, earned: dict[str, date]) -> int:
    if medal.code in earned:
        return medal.target
    if tally is None:
        return 0
    found = {"co2e_mg": tally.co2e_mg, "days_in_row": tally.run_days}.get(medal.rule, tally.events)
    return min(max(found, 0), medal.target)
