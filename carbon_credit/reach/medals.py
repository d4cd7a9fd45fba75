"""Medals are counted when a day is closed: each day once for each medal, in the order of the calendar.

A medal stays, whatever is withdrawn later: it is worth nothing that could be taken back. What is withdrawn
before lowers what counts towards it.
"""

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Insert, case, delete, exists, literal, null, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import programme_codes, programme_rules
from carbon_credit.catalogue.recognition import Medal
from carbon_credit.kernel.bulk import lock_alone
from carbon_credit.kernel.clock import business_day
from carbon_credit.kernel.db import is_postgresql
from carbon_credit.quantification.daily import busy_days, closed_between, credited_on, first_open_day
from carbon_credit.reach.models import MedalAward, MedalDay, MedalTally

ONE_DAY = timedelta(days=1)


def award_due(session: Session, *, now: datetime, limit: int) -> int:
    """Count up to `limit` closed days for medals, the earliest first; how many."""
    done = 0
    for programme in programme_codes(session):
        rules = programme_rules(session, programme=programme)
        if not rules.profile.medals:
            continue
        today = business_day(now, rules.time_zone)
        lock_alone(session, f"medals/{programme}")
        for medal in rules.profile.medals:
            due = _due(session, programme, medal, today)
            if not due:
                continue
            busy = busy_days(session, programme=programme, first=due[0], last=due[-1])
            _mark(session, programme, medal, {day: 0 for day in due if day not in busy}, now)
            for day in [day for day in due if day in busy][: limit - done]:
                _mark(session, programme, medal, {day: _count(session, programme, medal, day, now)}, now)
                done += 1
    return done


def _due(session: Session, programme: str, medal: Medal, today: date) -> list[date]:
    """Closed days that were not counted for the medal; none behind a day that is still to be closed."""
    last = min(today, medal.effective_to or today) - ONE_DAY
    first = medal.effective_from
    closed = closed_between(session, programme=programme, kind="day", first=first, last=last)
    counted = set(
        session.scalars(
            select(MedalDay.day).where(MedalDay.programme == programme, MedalDay.medal == medal.code)
        )
    )
    due = [day for day in closed if day not in counted]
    if not due:
        return []
    gap = first_open_day(session, programme=programme, first=first, before=due[-1])
    return [day for day in due if gap is None or day < gap]


def _mark(session: Session, programme: str, medal: Medal, awarded: dict[date, int], now: datetime) -> None:
    """Days that are counted, with the medals that each brought; days on which nothing was done at once."""
    session.add_all(
        MedalDay(programme=programme, medal=medal.code, day=day, awarded=count, counted_at=now)
        for day, count in awarded.items()
    )
    session.flush()


def _count(session: Session, programme: str, medal: Medal, day: date, now: datetime) -> int:
    """How many have the medal now. Three statements, however many citizens: what the day added, who has
    reached the target, who needs no tally any more."""
    session.execute(_added(session, programme, medal, day))
    reached = (
        MedalTally.programme == programme,
        MedalTally.medal == medal.code,
        MedalTally.counted_on == day,
        _progress(medal) >= medal.target,
    )
    awards = _insert(session, MedalAward).from_select(
        ["citizen_id", "medal", "programme", "earned_on", "awarded_at"],
        select(
            MedalTally.citizen_id,
            MedalTally.medal,
            MedalTally.programme,
            literal(day, MedalAward.earned_on.type),
            literal(now, MedalAward.awarded_at.type),
        ).where(*reached),
    )
    awarded: Any = session.execute(awards.on_conflict_do_nothing())
    session.execute(delete(MedalTally).where(*reached).execution_options(synchronize_session=False))
    return max(int(awarded.rowcount), 0)


def _added(session: Session, programme: str, medal: Medal, day: date) -> Any:
    added = credited_on(programme, day, scene=medal.scene, activity_type=medal.activity_type).subquery()
    on = literal(day, MedalTally.counted_on.type)
    rows = (
        select(
            added.c.citizen_id,
            literal(medal.code),
            literal(programme),
            added.c.events,
            added.c.co2e_mg,
            case((added.c.active == 1, on), else_=null()),
            added.c.active,
            on,
        )
        .where(
            or_(added.c.events != 0, added.c.co2e_mg != 0),
            ~exists().where(MedalAward.citizen_id == added.c.citizen_id, MedalAward.medal == medal.code),
        )
        .order_by(added.c.citizen_id)
    )
    names = ["citizen_id", "medal", "programme", "events", "co2e_mg", "last_day", "run_days", "counted_on"]
    insert = _insert(session, MedalTally).from_select(names, rows)
    new = insert.excluded
    # A day that was closed late, behind days that count already, does not mend a run.
    later = new.last_day.is_not(None) & or_(MedalTally.last_day.is_(None), new.last_day > MedalTally.last_day)
    follows = MedalTally.last_day == literal(day - ONE_DAY, MedalTally.last_day.type)
    return insert.on_conflict_do_update(
        index_elements=["citizen_id", "medal"],
        set_={
            "events": MedalTally.events + new.events,
            "co2e_mg": MedalTally.co2e_mg + new.co2e_mg,
            "run_days": case((~later, MedalTally.run_days), (follows, MedalTally.run_days + 1), else_=1),
            "last_day": case((later, new.last_day), else_=MedalTally.last_day),
            "counted_on": new.counted_on,
        },
    )


def _progress(medal: Medal) -> ColumnElement[int]:
    columns = {"co2e_mg": MedalTally.co2e_mg, "days_in_row": MedalTally.run_days}
    found: Any = columns.get(medal.rule, MedalTally.events)
    return found  # type: ignore[no-any-return]


def _insert(session: Session, table: type[Any]) -> Any:
    make: Any = postgresql.insert if is_postgresql(session) else sqlite.insert
    statement: Insert = make(table)
    return statement
