"""A rehearsal with grams of closed months, an operator's offers of neutralising, and short words for them."""

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.neutrality.audit import audit
from carbon_credit.neutrality.certificates import Certificate, certificate_by_number, certificates
from carbon_credit.neutrality.operations import neutralise
from carbon_credit.redemption import offers
from carbon_credit.redemption.audit import audit as audit_redemptions
from tests.offsets.conftest import Yard
from tests.world import NOW

KG = 1_000_000


class Square:
    """Citizens who have grams, and what an operator offers them to retire these for."""

    def __init__(self, database: Database, programme: str = "x-gd-sz") -> None:
        self.database = database
        self.yard = Yard(database, programme=programme, people=2)
        self.world = self.yard.world
        self.programme = programme
        self.operator = self.world.party("operator", "Office")
        self.yard.reductions(3 * KG, 2 * KG)
        self.yard.close()

    def offer(self, *, approve: bool = True, **more: Any) -> uuid.UUID:
        """An approved offer of the operator's, open for a month."""
        given: dict[str, Any] = {
            "kind": "neutralise",
            "title_zh": "我的 2026 年出行足迹",
            "title_en": "My trips of 2026",
            "points_price": 0,
            "value_fen": 0,
            "stocked": False,
            "opens_at": NOW,
            "closes_at": NOW + timedelta(days=30),
            "voucher_ttl_s": 3600,
            **more,
        }
        common: dict[str, Any] = {"programme": self.programme}

        def deed(session: Any) -> uuid.UUID:
            made = offers.propose_offer(
                session, merchant_id=self.operator, terms=offers.OfferTerms(**given), now=NOW, **common
            )
            if approve:
                offers.approve_offer(session, operator_id=self.operator, offer_id=made, now=NOW, **common)
            return made

        return transact(self.database, deed)

    def neutralise(
        self, offer_id: uuid.UUID, mg: int | None = None, person: int = 0, now: datetime = NOW
    ) -> Certificate:
        """One of the citizens does."""
        return transact(
            self.database,
            lambda session: neutralise(
                session,
                programme=self.programme,
                citizen_id=self.world.citizens[person],
                offer_id=offer_id,
                co2e_mg=mg,
                now=now,
            ),
        )

    def by_number(self, text: str) -> Certificate:
        """As anybody looks it up."""
        with unit_of_work(self.database, read_only=True) as session:
            return certificate_by_number(session, text=text)

    def certificates(self, person: int = 0, **more: Any) -> list[Certificate]:
        """A citizen's own."""
        with unit_of_work(self.database, read_only=True) as session:
            return certificates(
                session, programme=self.programme, citizen_id=self.world.citizens[person], **more
            )

    def audit(self) -> None:
        """Raises unless offers, retirements and redemptions agree."""
        with unit_of_work(self.database, read_only=True) as session:
            assert audit(session) == []
            assert audit_redemptions(session) == []
        assert self.yard.findings() == []


@pytest.fixture
def square(database: Database) -> Square:
    """The same on both databases."""
    return Square(database)
