"""A programme with two merchants and an operator, and short words for what these tests do all the time."""

import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from carbon_credit.identity import tills
from carbon_credit.identity.operations import create_party, register_citizens
from carbon_credit.kernel import outbox
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.digest import sha256_hex
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.ledger import points as ledger_points
from carbon_credit.ledger.accounts import POINTS, AccountKey, Balance
from carbon_credit.ledger.audit import audit
from carbon_credit.ledger.queries import balances
from carbon_credit.redemption import audit as redemption_audit
from carbon_credit.redemption import lots, offers, operations, queries, voucher
from carbon_credit.redemption.offering import codes, stock
from carbon_credit.redemption.queries import OfferRecord, Voucher
from carbon_credit.redemption.till import consuming, uses
from carbon_credit.redemption.till.uses import Consumption

PROGRAMME = "x-gd-gz"
NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)  # noon in Guangzhou
TODAY = date(2026, 11, 21)
LATER = date(2027, 12, 31)
HOUR = 3600


class Mall:
    """One programme's offers, citizens and tills, at a time that the test moves."""

    offline = ""  # the programme's term for tills without a connection, as its file has it

    def __init__(self, database: Database, *, seed: bool = True) -> None:
        self.database = database
        self.now = NOW
        if seed:
            self._seed()
        with unit_of_work(database, read_only=True) as session:
            named = session.execute(text("SELECT name, id FROM party WHERE programme = :p"), {"p": PROGRAMME})
            ids = {name: found if isinstance(found, uuid.UUID) else uuid.UUID(found) for name, found in named}
        self.merchant, self.rival = ids["Tea house"], ids["Bookshop"]
        self.operator, self.partner = ids["Office"], ids["Metro app"]

    def _seed(self) -> None:
        body = self.profile()
        digest = sha256_hex(body)
        with unit_of_work(self.database) as session:
            session.execute(
                text("INSERT INTO profile (digest, programme, body, loaded_at) VALUES (:d, :c, :b, :t)"),
                {"d": digest, "c": PROGRAMME, "b": body, "t": NOW},
            )
            session.execute(
                text(
                    "INSERT INTO programme (code, rehearsal, phase, time_zone, profile_digest) "
                    "VALUES (:c, :r, 'pilot', 'Asia/Shanghai', :d)"
                ),
                {"c": PROGRAMME, "r": True, "d": digest},
            )
            for name, role in (
                ("Tea house", "merchant"),
                ("Bookshop", "merchant"),
                ("Office", "operator"),
                ("Metro app", "partner"),
            ):
                create_party(session, programme=PROGRAMME, role=role, name=name, now=NOW)

    def profile(self) -> bytes:
        """The rehearsal's file, with the term for tills without a connection that is wanted here."""
        path = self.database.settings.methodologies_dir / "programmes" / f"{PROGRAMME}.yaml"
        text, _, _ = path.read_text(encoding="utf-8").partition("# No programme is known to have tills")
        return orjson.dumps({"profile": text + self.offline})

    def citizen(self, granted: dict[date, int] | None = None) -> uuid.UUID:
        """A new citizen with points: lot -> how many."""
        with unit_of_work(self.database) as session:
            (made,) = register_citizens(session, partner_id=self.partner, links_of=[[]], now=self.now)
        for lot, points in (granted or {}).items():
            self.grant(made, points, lot)
        return made

    def grant(self, citizen_id: uuid.UUID, points: int, lot: date = LATER) -> None:
        item = ledger_points.PointsGrant(citizen_id, points, lot, None, self.now)
        with unit_of_work(self.database) as session:
            ledger_points.grants(session, items=[item], programme=PROGRAMME, now=self.now)

    def take_back(self, citizen_id: uuid.UUID, points: int, lot: date, *, valid_on: date) -> None:
        """What the withdrawal of a ride does to points."""
        item = ledger_points.PointsTakeBack(citizen_id, points, None, self.now, lot)
        with unit_of_work(self.database) as session:
            ledger_points.take_backs(
                session, items=[item], programme=PROGRAMME, now=self.now, valid_on=valid_on
            )

    def terms(self, **more: object) -> offers.OfferTerms:
        given: dict[str, object] = {
            "title_zh": "五元茶券",
            "title_en": "Tea, 5 yuan off",
            "points_price": 100,
            "value_fen": 500,
            "opens_at": NOW,
            "closes_at": NOW + timedelta(days=30),
            "voucher_ttl_s": 24 * HOUR,
            **more,
        }
        return offers.OfferTerms(**given)  # type: ignore[arg-type]

    def offer(
        self, *, pieces: int = 10, approve: bool = True, proposer: uuid.UUID | None = None, **terms: object
    ) -> uuid.UUID:
        """An approved offer of the tea house (or of `proposer`) with so many pieces."""
        with unit_of_work(self.database) as session:
            made = offers.propose_offer(
                session,
                programme=PROGRAMME,
                merchant_id=proposer or self.merchant,
                terms=self.terms(**terms),
                now=self.now,
            )
            if pieces and terms.get("stocked", True) and terms.get("kind") != "code_pool":
                stock.add_stock(session, programme=PROGRAMME, offer_id=made, pieces=pieces, now=self.now)
            if approve:
                offers.approve_offer(
                    session, programme=PROGRAMME, operator_id=self.operator, offer_id=made, now=self.now
                )
        return made

    def add(self, offer_id: uuid.UUID, pieces: int) -> None:
        """So many pieces more."""
        transact(
            self.database,
            lambda session: stock.add_stock(
                session, programme=PROGRAMME, offer_id=offer_id, pieces=pieces, now=self.now
            ),
        )

    def upload(self, offer_id: uuid.UUID, *given: str) -> int:
        """Codes for a pool, each on its line."""
        lines = [codes.GivenCode(line, code) for line, code in enumerate(given, start=1)]
        return transact(
            self.database,
            lambda session: codes.add_codes(
                session, programme=PROGRAMME, offer_id=offer_id, codes=lines, now=self.now
            ),
        )

    def code_of(self, redemption_id: uuid.UUID) -> str:
        """The voucher's code, whether or not its citizen is shown it."""
        return voucher.code_of(self.database.settings.keys.voucher, redemption_id=redemption_id)

    def reserve(self, citizen_id: uuid.UUID, offer_id: uuid.UUID, now: datetime | None = None) -> Voucher:
        return transact(
            self.database,
            lambda session: operations.reserve(
                session, programme=PROGRAMME, citizen_id=citizen_id, offer_id=offer_id, now=now or self.now
            ),
        )

    def consume(
        self,
        code: str | None,
        *,
        merchant: uuid.UUID | None = None,
        now: datetime | None = None,
        value_fen: int | None = None,
        bill_fen: int | None = None,
        till: uuid.UUID | None = None,
    ) -> Consumption:
        assert code is not None
        return transact(
            self.database,
            lambda session: consuming.consume(
                session,
                place=consuming.place_of(session, merchant_id=merchant or self.merchant, till_id=till),
                text=code,
                now=now or self.now,
                value_fen=value_fen,
                bill_fen=bill_fen,
            ),
        )

    def undo(
        self, code: str | None, *, now: datetime | None = None, till: uuid.UUID | None = None
    ) -> Consumption:
        assert code is not None
        return transact(
            self.database,
            lambda session: consuming.undo(
                session,
                place=consuming.place_of(session, merchant_id=self.merchant, till_id=till),
                text=code,
                now=now or self.now,
            ),
        )

    def desk(self, name: str = "Till 1") -> uuid.UUID:
        """A till of the tea house, in a store of its own."""
        with unit_of_work(self.database) as session:
            shop = tills.open_store(
                session,
                programme=PROGRAMME,
                merchant_id=self.merchant,
                name=f"Shop of {name}",
                address="1 Road",
                now=self.now,
            )
            made = tills.open_till(
                session, merchant_id=self.merchant, store_id=shop.id, name=name, now=self.now
            )
        return made.id

    def consumptions(self, merchant: uuid.UUID | None = None, **more: Any) -> list[Consumption]:
        with unit_of_work(self.database, read_only=True) as session:
            return uses.consumptions(session, merchant_id=merchant or self.merchant, now=self.now, **more)

    def cancel(self, citizen_id: uuid.UUID, redemption_id: uuid.UUID, now: datetime | None = None) -> Voucher:
        return transact(
            self.database,
            lambda session: operations.cancel(
                session,
                programme=PROGRAMME,
                citizen_id=citizen_id,
                redemption_id=redemption_id,
                now=now or self.now,
            ),
        )

    def sweep(self, *, limit: int = 100, now: datetime | None = None) -> int:
        return transact(
            self.database,
            lambda session: operations.expire_due(session, now=now or self.now, limit=limit),
        )

    def told(self) -> list[tuple[str, uuid.UUID]]:
        """What has been lined up to be told since the last look, and about what: it is taken away."""
        with unit_of_work(self.database) as session:
            return [(one.type, one.subject_id) for one in outbox.take(session, limit=1000)]

    def sweep_lots(self, *, limit: int = 100) -> int:
        with unit_of_work(self.database) as session:
            return lots.expire_lots(session, programme=PROGRAMME, now=self.now, limit=limit)

    def later(self, **by: int) -> datetime:
        self.now += timedelta(**by)
        return self.now

    def points(self, citizen_id: uuid.UUID, lot: date = LATER) -> Balance:
        return self.balance(ledger_points.lot_key(PROGRAMME, citizen_id, lot))

    def till(self) -> Balance:
        return self.balance(AccountKey(PROGRAMME, POINTS, "merchant.points", self.merchant))

    def expired(self) -> int:
        return self.balance(AccountKey(PROGRAMME, POINTS, "programme.expired")).posted

    def balance(self, key: AccountKey) -> Balance:
        with unit_of_work(self.database, read_only=True) as session:
            return balances(session, keys=[key])[key]

    def stock(self, offer_id: uuid.UUID) -> tuple[int, int, int]:
        """Pieces of the offer: left, held, given."""
        found = self.look(offer_id)
        return found.left, found.held, found.given

    def look(self, offer_id: uuid.UUID) -> OfferRecord:
        with unit_of_work(self.database, read_only=True) as session:
            return queries.offer(session, programme=PROGRAMME, offer_id=offer_id)

    def vouchers(self, citizen_id: uuid.UUID) -> list[Voucher]:
        with unit_of_work(self.database, read_only=True) as session:
            return queries.vouchers(session, programme=PROGRAMME, citizen_id=citizen_id, now=self.now)

    def audit(self) -> None:
        """Raises unless the ledger and the redemptions hold."""
        with unit_of_work(self.database, read_only=True) as session:
            assert list(audit(session)) == []
            assert redemption_audit.audit(session) == []


@pytest.fixture
def mall(database: Database) -> Mall:
    """The same mall on both databases."""
    return Mall(database)
