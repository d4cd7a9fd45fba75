"""Medals, and the boards that citizens chose to stand on.

None of it proves anything: every row can be deleted, and the ledger does not know of it.
"""

import uuid
from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.orm import Mapped, mapped_column

from carbon_credit.kernel.db import Base, UtcDateTime


class MedalAward(Base):
    """A citizen has a medal: once, by its key. `earned_on`: the business day whose closing brought it."""

    __tablename__ = "medal_award"
    __table_args__ = (ForeignKeyConstraint(["citizen_id", "programme"], ["citizen.id", "citizen.programme"]),)

    citizen_id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    medal: Mapped[str] = mapped_column(String(64), primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    earned_on: Mapped[date]
    awarded_at: Mapped[datetime] = mapped_column(UtcDateTime)


class MedalTally(Base):
    """How far a citizen is towards a medal; gone when it is awarded.

    `events` and `co2e_mg`: of the closed days. `last_day`: the last one with a credited event, `run_days`:
    so many in a row end there. `counted_on`: the day that changed it last.
    """

    __tablename__ = "medal_tally"
    __table_args__ = (
        ForeignKeyConstraint(["citizen_id", "programme"], ["citizen.id", "citizen.programme"]),
        CheckConstraint("run_days >= 0", name="run_days"),
        Index("ix_medal_tally_programme_medal_counted_on", "programme", "medal", "counted_on"),
    )

    citizen_id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    medal: Mapped[str] = mapped_column(String(64), primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    events: Mapped[int] = mapped_column(BigInteger)
    co2e_mg: Mapped[int] = mapped_column(BigInteger)
    last_day: Mapped[date | None]
    run_days: Mapped[int] = mapped_column(Integer)
    counted_on: Mapped[date]


class MedalDay(Base):
    """A closed day that was counted for a medal: once, by its key."""

    __tablename__ = "medal_day"
    __table_args__ = (CheckConstraint("awarded >= 0", name="awarded"),)

    programme: Mapped[str] = mapped_column(String(16), ForeignKey("programme.code"), primary_key=True)
    medal: Mapped[str] = mapped_column(String(64), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    awarded: Mapped[int] = mapped_column(BigInteger)
    counted_at: Mapped[datetime] = mapped_column(UtcDateTime)


class BoardMember(Base):
    """A citizen who chose to stand on the board of a district, under a name of their choice."""

    __tablename__ = "board_member"
    __table_args__ = (
        ForeignKeyConstraint(["citizen_id", "programme"], ["citizen.id", "citizen.programme"]),
        # So that a place can pin the programme of its member.
        UniqueConstraint("citizen_id", "programme"),
        CheckConstraint("length(district) = 6", name="district"),
        CheckConstraint("length(nickname) BETWEEN 1 AND 16", name="nickname"),
    )

    citizen_id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    district: Mapped[str] = mapped_column(String(6))
    nickname: Mapped[str] = mapped_column(String(16))
    joined_at: Mapped[datetime] = mapped_column(UtcDateTime)


class BoardMonth(Base):
    """The board of a month as it was last computed, from so many closed days. `month`: its first day."""

    __tablename__ = "board_month"
    __table_args__ = (CheckConstraint("days >= 0", name="days"),)

    programme: Mapped[str] = mapped_column(String(16), ForeignKey("programme.code"), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    days: Mapped[int] = mapped_column(Integer)
    final: Mapped[bool]
    computed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class BoardPlace(Base):
    """Where a member stands in a month: 1 is first, equal grams share a place, the next one is skipped.

    Gone with the member.
    """

    __tablename__ = "board_place"
    __table_args__ = (
        ForeignKeyConstraint(
            ["citizen_id", "programme"],
            ["board_member.citizen_id", "board_member.programme"],
            ondelete="CASCADE",
        ),
        CheckConstraint("co2e_mg > 0", name="co2e_mg"),
        CheckConstraint("place >= 1", name="place"),
        Index("ix_board_place_programme_month_district_place", "programme", "month", "district", "place"),
    )

    citizen_id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    district: Mapped[str] = mapped_column(String(6))
    co2e_mg: Mapped[int] = mapped_column(BigInteger)
    place: Mapped[int] = mapped_column(Integer)
