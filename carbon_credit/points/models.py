"""Whom this installation has reminded of which points. The points themselves are the ledger's."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from carbon_credit.kernel.db import Base, UtcDateTime


class PointsReminder(Base):
    """A citizen has been reminded of a lot: once, by its key. `points`: what was in it then."""

    __tablename__ = "points_reminder"
    __table_args__ = (CheckConstraint("points > 0", name="points"),)

    citizen_id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    lot: Mapped[str] = mapped_column(String(32), primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    points: Mapped[int] = mapped_column(BigInteger)
    reminded_at: Mapped[datetime] = mapped_column(UtcDateTime)
