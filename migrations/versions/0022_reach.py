"""Medals, and the boards that citizens chose to stand on.

Revision: 0022
Follows: 0021
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
OF_CITIZEN = ("citizen_id", "programme"), ("citizen.id", "citizen.programme")


def upgrade() -> None:
    op.create_table(
        "medal_award",
        sa.Column("citizen_id", sa.Uuid(), primary_key=True),
        sa.Column("medal", sa.String(64), primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("earned_on", sa.Date, nullable=False),
        sa.Column("awarded_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(*OF_CITIZEN),
    )
    op.create_table(
        "medal_tally",
        sa.Column("citizen_id", sa.Uuid(), primary_key=True),
        sa.Column("medal", sa.String(64), primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("events", sa.BigInteger, nullable=False),
        sa.Column("co2e_mg", sa.BigInteger, nullable=False),
        sa.Column("last_day", sa.Date, nullable=True),
        sa.Column("run_days", sa.Integer, nullable=False),
        sa.Column("counted_on", sa.Date, nullable=False),
        sa.ForeignKeyConstraint(*OF_CITIZEN),
        sa.CheckConstraint("run_days >= 0", name="run_days"),
    )
    op.create_index(
        "ix_medal_tally_programme_medal_counted_on", "medal_tally", ["programme", "medal", "counted_on"]
    )
    op.create_table(
        "medal_day",
        sa.Column("programme", sa.String(16), sa.ForeignKey("programme.code"), primary_key=True),
        sa.Column("medal", sa.String(64), primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("awarded", sa.BigInteger, nullable=False),
        sa.Column("counted_at", INSTANT, nullable=False),
        sa.CheckConstraint("awarded >= 0", name="awarded"),
    )
    op.create_table(
        "board_member",
        sa.Column("citizen_id", sa.Uuid(), primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("district", sa.String(6), nullable=False),
        sa.Column("nickname", sa.String(16), nullable=False),
        sa.Column("joined_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(*OF_CITIZEN),
        sa.UniqueConstraint("citizen_id", "programme"),
        sa.CheckConstraint("length(district) = 6", name="district"),
        sa.CheckConstraint("length(nickname) BETWEEN 1 AND 16", name="nickname"),
    )
    op.create_table(
        "board_month",
        sa.Column("programme", sa.String(16), sa.ForeignKey("programme.code"), primary_key=True),
        sa.Column("month", sa.Date, primary_key=True),
        sa.Column("days", sa.Integer, nullable=False),
        sa.Column("final", sa.Boolean, nullable=False),
        sa.Column("computed_at", INSTANT, nullable=False),
        sa.CheckConstraint("days >= 0", name="days"),
    )
    op.create_table(
        "board_place",
        sa.Column("citizen_id", sa.Uuid(), primary_key=True),
        sa.Column("month", sa.Date, primary_key=True),
        sa.Column("programme", sa.String(16), nullable=False),
        sa.Column("district", sa.String(6), nullable=False),
        sa.Column("co2e_mg", sa.BigInteger, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(
            ["citizen_id", "programme"],
            ["board_member.citizen_id", "board_member.programme"],
            ondelete="CASCADE",
        ),
        sa.CheckConstraint("co2e_mg > 0", name="co2e_mg"),
        sa.CheckConstraint("place >= 1", name="place"),
    )
    op.create_index(
        "ix_board_place_programme_month_district_place",
        "board_place",
        ["programme", "month", "district", "place"],
    )


def downgrade() -> None:
    for table in ("board_place", "board_month", "board_member", "medal_day", "medal_tally", "medal_award"):
        op.drop_table(table)
