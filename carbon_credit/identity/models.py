"""Tables of who acts. Nothing here holds a name, number or card of a citizen, only keyed digests."""

import uuid
from datetime import date, datetime

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    String,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from carbon_credit.kernel.db import Base, UtcDateTime

ROLES_SQL = "role IN ('partner', 'merchant', 'operator', 'verifier', 'buyer')"
TIERS_SQL = "tier IN ('measured', 'derived', 'declared', 'assumed')"


class Party(Base):
    """An organisation in one programme. `(id, programme)` is a key, so that others can pin the programme."""

    __tablename__ = "party"
    __table_args__ = (
        UniqueConstraint("programme", "role", "name"),
        UniqueConstraint("id", "programme"),
        CheckConstraint(ROLES_SQL, name="role"),
        CheckConstraint("status IN ('active', 'suspended')", name="status"),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    programme: Mapped[str] = mapped_column(String(16), ForeignKey("programme.code"))
    role: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(120))
    status: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Store(Base):
    """A shop of a merchant. `district`: six digits of GB/T 2260, None where it is not said."""

    __tablename__ = "store"
    __table_args__ = (
        ForeignKeyConstraint(["merchant_id", "programme"], ["party.id", "party.programme"]),
        UniqueConstraint("merchant_id", "name"),
        # So that a till, and what was consumed at it, can pin programme and merchant.
        UniqueConstraint("id", "programme", "merchant_id"),
        CheckConstraint("status IN ('active', 'suspended')", name="status"),
        CheckConstraint("district IS NULL OR length(district) = 6", name="district"),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    merchant_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    name: Mapped[str] = mapped_column(String(120))
    address: Mapped[str] = mapped_column(String(200))
    district: Mapped[str | None] = mapped_column(String(6))
    status: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Till(Base):
    """A cash desk, or the phone of a cashier. It has credentials of its own and acts as its merchant."""

    __tablename__ = "till"
    __table_args__ = (
        ForeignKeyConstraint(
            ["store_id", "programme", "merchant_id"], ["store.id", "store.programme", "store.merchant_id"]
        ),
        UniqueConstraint("store_id", "name"),
        # So that a credential can pin the merchant.
        UniqueConstraint("id", "merchant_id"),
        CheckConstraint("status IN ('active', 'suspended')", name="status"),
        Index("ix_till_merchant_id_id", "merchant_id", "id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    store_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    programme: Mapped[str] = mapped_column(String(16))
    merchant_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    name: Mapped[str] = mapped_column(String(60))
    status: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Credential(Base):
    """A client id with the scrypt hash of its secret. `scopes`: words separated by spaces.

    `till_id`: the till that it belongs to; None for the party's own.
    """

    __tablename__ = "credential"
    __table_args__ = (
        # A till acts for the merchant whose it is, and for no other.
        ForeignKeyConstraint(["till_id", "party_id"], ["till.id", "till.merchant_id"]),
        Index("ix_credential_till_id", "till_id"),
    )

    client_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    party_id: Mapped[uuid.UUID] = mapped_column(Uuid, ForeignKey("party.id"), index=True)
    secret_hash: Mapped[str] = mapped_column(String(200))
    scopes: Mapped[str] = mapped_column(String(400))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    till_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)


class Citizen(Base):
    """A person, as a random id in one programme."""

    __tablename__ = "citizen"
    __table_args__ = (
        UniqueConstraint("id", "programme"),
        CheckConstraint("status IN ('active', 'closed')", name="status"),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    programme: Mapped[str] = mapped_column(String(16), ForeignKey("programme.code"))
    status: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class CitizenLink(Base):
    """An outer id that leads to a citizen. `linked_by`: the partner that brought it.

    `match_digest`: what a partner matches its cards by, under the match key `match_key_id`; none of links
    that were made before there were such keys.
    """

    __tablename__ = "citizen_link"
    __table_args__ = (
        ForeignKeyConstraint(["citizen_id", "programme"], ["citizen.id", "citizen.programme"]),
        ForeignKeyConstraint(["linked_by", "programme"], ["party.id", "party.programme"]),
        CheckConstraint("state IN ('claimed', 'confirmed')", name="state"),
        # One citizen at a time; former links stay as history.
        Index(
            "uq_citizen_link_value_digest",
            "value_digest",
            "programme",
            "kind",
            unique=True,
            sqlite_where=text("unlinked_at IS NULL"),
            postgresql_where=text("unlinked_at IS NULL"),
        ),
        Index("ix_citizen_link_citizen_id", "citizen_id"),
        Index("ix_citizen_link_match", "programme", "kind", "match_key_id", "match_digest"),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    kind: Mapped[str] = mapped_column(String(32))
    value_digest: Mapped[uuid.UUID] = mapped_column(Uuid)
    citizen_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    state: Mapped[str] = mapped_column(String(16))
    linked_by: Mapped[uuid.UUID] = mapped_column(Uuid)
    linked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    unlinked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    match_digest: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    match_key_id: Mapped[str | None] = mapped_column(String(16))


class Consent(Base):
    """A citizen lets one partner's data of one scene be processed, from `given_at` until withdrawn."""

    __tablename__ = "consent"
    __table_args__ = (
        ForeignKeyConstraint(["citizen_id", "programme"], ["citizen.id", "citizen.programme"]),
        ForeignKeyConstraint(["partner_id", "programme"], ["party.id", "party.programme"]),
        CheckConstraint(TIERS_SQL, name="tier"),
        CheckConstraint("withdrawn_at IS NULL OR withdrawn_at >= given_at", name="span"),
        Index(
            "uq_consent_in_force",
            "citizen_id",
            "partner_id",
            "scene",
            unique=True,
            sqlite_where=text("withdrawn_at IS NULL"),
            postgresql_where=text("withdrawn_at IS NULL"),
        ),
        Index("ix_consent_citizen_id", "citizen_id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    citizen_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    scene: Mapped[str] = mapped_column(String(32))
    partner_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    text_version: Mapped[str] = mapped_column(String(32))
    tier: Mapped[str] = mapped_column(String(16))
    given_at: Mapped[datetime] = mapped_column(UtcDateTime)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Mandate(Base):
    """A citizen passes on the right to apply and sell, for `share_percent` of what it brings."""

    __tablename__ = "mandate"
    __table_args__ = (
        ForeignKeyConstraint(["citizen_id", "programme"], ["citizen.id", "citizen.programme"]),
        CheckConstraint(TIERS_SQL, name="tier"),
        CheckConstraint("share_percent BETWEEN 0 AND 100", name="share_percent"),
        CheckConstraint("withdrawn_at IS NULL OR withdrawn_at >= given_at", name="span"),
        Index(
            "uq_mandate_in_force",
            "citizen_id",
            unique=True,
            sqlite_where=text("withdrawn_at IS NULL"),
            postgresql_where=text("withdrawn_at IS NULL"),
        ),
        Index("ix_mandate_citizen_id", "citizen_id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    citizen_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    text_version: Mapped[str] = mapped_column(String(32))
    share_percent: Mapped[int] = mapped_column(SmallInteger)
    tier: Mapped[str] = mapped_column(String(16))
    given_at: Mapped[datetime] = mapped_column(UtcDateTime)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class CitizenFact(Base):
    """What the programme knows of a citizen or household under a name, in [from_day, to_day).

    `value`: a word or an ISO date; null says that nothing is known. Of several rows over one day the
    one recorded last holds. Personal: rows can be deleted, and no proof needs them.
    """

    __tablename__ = "citizen_fact"
    __table_args__ = (
        ForeignKeyConstraint(["citizen_id", "programme"], ["citizen.id", "citizen.programme"]),
        CheckConstraint(TIERS_SQL, name="tier"),
        CheckConstraint("to_day IS NULL OR to_day > from_day", name="span"),
        Index("ix_citizen_fact_citizen_id", "citizen_id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    citizen_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    name: Mapped[str] = mapped_column(String(64))
    value: Mapped[str | None] = mapped_column(String(64))
    from_day: Mapped[date]
    to_day: Mapped[date | None]
    tier: Mapped[str] = mapped_column(String(16))
    source: Mapped[str] = mapped_column(String(500))
    recorded_by: Mapped[str] = mapped_column(String(64))
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)


class CitizenDistrict(Base):
    """The district that a citizen has stated, six digits of GB/T 2260: their own word, taken back at will."""

    __tablename__ = "citizen_district"
    __table_args__ = (
        ForeignKeyConstraint(["citizen_id", "programme"], ["citizen.id", "citizen.programme"]),
        CheckConstraint("length(district) = 6", name="district"),
    )

    citizen_id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    district: Mapped[str] = mapped_column(String(6))
    stated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class MeterOccupancy(Base):
    """Whose use a meter counts in [from_day, to_day). Spans of one meter never overlap: a trigger.

    A meter that has such rows belongs to nobody on the other days.
    """

    __tablename__ = "meter_occupancy"
    __table_args__ = (
        ForeignKeyConstraint(["citizen_id", "programme"], ["citizen.id", "citizen.programme"]),
        CheckConstraint("to_day IS NULL OR to_day > from_day", name="span"),
        Index("ix_meter_occupancy_value_digest", "value_digest", "from_day"),
        Index("ix_meter_occupancy_citizen_id", "citizen_id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    programme: Mapped[str] = mapped_column(String(16))
    kind: Mapped[str] = mapped_column(String(32))
    value_digest: Mapped[uuid.UUID] = mapped_column(Uuid)
    citizen_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    from_day: Mapped[date]
    to_day: Mapped[date | None]
    recorded_by: Mapped[str] = mapped_column(String(64))
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
