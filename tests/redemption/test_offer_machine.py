"""An offer from its proposal until nobody can use a piece of it, in any order, against plain sums of pieces
and of fen: what the fund has, what is set aside, what is held, used and settled."""

import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from sqlalchemy import select
from sqlalchemy.orm import Session

from carbon_credit.identity.operations import set_party_status
from carbon_credit.kernel.clock import day_bounds
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.errors import CarbonError
from carbon_credit.kernel.ids import new_id
from carbon_credit.kernel.outbox import Outgoing
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.ledger import operations as ledger
from carbon_credit.ledger.accounts import FEN, POINTS, AccountKey
from carbon_credit.ledger.entries import Transfer
from carbon_credit.ledger.errors import InsufficientBalance
from carbon_credit.ledger.points import lot_key
from carbon_credit.ledger.queries import balances
from carbon_credit.redemption import offers, queries
from carbon_credit.redemption.errors import (
    MerchantInactive,
    OfferClosed,
    OfferExhausted,
    OfferNotFound,
    OfferState,
    VoucherCancelled,
    VoucherConsumed,
    VoucherExpired,
    VoucherLapsed,
    VoucherTooSmall,
)
from carbon_credit.redemption.offering import stock
from carbon_credit.redemption.offering.errors import BudgetExhausted
from carbon_credit.redemption.offering.exhausting import note_exhausted
from carbon_credit.redemption.offering.replenishing import due_at, replenish_due
from tests.redemption.conftest import HOUR, PROGRAMME, Mall
from tests.redemption.machines import on_postgresql, on_sqlite
from tests.redemption.test_money import FUND, budget_of, pay_in

ZONE = ZoneInfo("Asia/Shanghai")
LOT = date(2040, 12, 31)  # points are not what is looked at here
GRANTED, PRICE, VALUE_FEN, FUND_FEN = 1_000_000, 10, 500, 5_000
BILL_FEN, OFF_FEN = 600, 300  # half of the bill
MOST = 6  # offers of one example
ENDED = {"consumed": VoucherConsumed, "cancelled": VoucherCancelled, "expired": VoucherExpired}
KINDS: list[dict[str, Any]] = [
    {"funding": "merchant", "days": 3, "ttl": HOUR, "replenish_pieces": 4},
    {"funding": "fund", "days": 90, "ttl": 30 * HOUR, "replenish_pieces": 3},
    {"funding": "fund", "days": 2, "ttl": 5 * HOUR, "percent_off": 50},
    {"funding": "fund", "days": 30, "ttl": 30 * HOUR, "partial_use": True},
]


@dataclass
class Piece:
    """A redemption, as the model knows it. `resolved_at`: when it was first used, given back or swept."""

    id: uuid.UUID
    code: str
    citizen: uuid.UUID
    offer: "Made"
    expires_at: datetime
    state: str = "held"
    used_fen: int = 0
    resolved_at: datetime | None = None

    def owed_fen(self, now: datetime) -> int:
        """What a merchant may still have of it, or has had."""
        if self.state == "held" or (
            self.state == "consumed" and self.offer.partial and now < self.expires_at
        ):
            return VALUE_FEN
        return self.used_fen

    def is_live(self, now: datetime) -> bool:
        """Whether something can still become of it: used, used again, or taken back at the till."""
        young = self.resolved_at is not None and self.resolved_at > now - timedelta(hours=1)
        return self.state == "held" or young or (self.offer.partial and now < self.expires_at)


@dataclass
class Made:
    """An offer, as the model knows it."""

    id: uuid.UUID
    funded: bool
    partial: bool
    percent: bool
    fill: int | None
    created_at: datetime
    closes_at: datetime
    state: str = "draft"
    wound_up: bool = False
    left: int = 0
    budget_fen: int = 0
    settled_fen: int = 0
    noted: bool = False
    filled: set[date] = field(default_factory=set)
    pieces: list[Piece] = field(default_factory=list)

    def count(self, state: str) -> int:
        return sum(piece.state == state for piece in self.pieces)

    @property
    def used_fen(self) -> int:
        return sum(piece.used_fen for piece in self.pieces)


class Offering(RuleBasedStateMachine):
    """Every rule does the same to the books and to the model, and both must agree, refusals too."""

    make_mall: Callable[[], Mall]
    offers = Bundle("offers")
    pieces = Bundle("pieces")

    @initialize(target=offers)
    def open_the_mall(self) -> Any:
        """With an approved offer of each kind, so that not every example has to get that far by itself."""
        self.mall = type(self).make_mall()
        self.citizens = [self.mall.citizen({LOT: GRANTED}) for _ in range(2)]
        self.all: list[Made] = []
        self.active = True
        self.fund_fen = 0
        self.told: Counter[tuple[str, uuid.UUID]] = Counter()
        self.pay_in(FUND_FEN)
        for kind in KINDS:
            made = self.made(kind)
            self.approve(made)
            self.add(made, 2)
        return multiple(*self.all)

    def teardown(self) -> None:
        if hasattr(self, "mall"):
            self.mall.audit()
            self.mall.database.dispose()

    @property
    def now(self) -> datetime:
        return self.mall.now

    @precondition(lambda self: len(self.all) < MOST)
    @rule(target=offers, kind=st.sampled_from(KINDS))
    def propose(self, kind: dict[str, Any]) -> Any:
        if self.active:
            return self.made(kind)
        self.refused(MerchantInactive, lambda: self.made(kind))
        return multiple()

    def made(self, kind: dict[str, Any]) -> Made:
        """A draft."""
        more = {name: value for name, value in kind.items() if name not in ("days", "ttl")}
        closes_at = self.now + timedelta(days=kind["days"])
        number = self.mall.offer(
            pieces=0,
            approve=False,
            points_price=PRICE,
            value_fen=VALUE_FEN,
            voucher_ttl_s=kind["ttl"],
            opens_at=self.now,
            closes_at=closes_at,
            **more,
        )
        made = Made(
            number,
            funded=kind["funding"] == "fund",
            partial="partial_use" in kind,
            percent="percent_off" in kind,
            fill=kind.get("replenish_pieces"),
            created_at=self.now,
            closes_at=closes_at,
        )
        self.all.append(made)
        return made

    @rule(offer=offers)
    def approve(self, offer: Made) -> None:
        deed = self.act(offers.approve_offer, offer, operator_id=self.mall.operator)
        if offer.state != "draft":
            self.refused(OfferState, deed)
            return
        deed()
        offer.state = "approved"
        self.told["offer.approved", offer.id] += 1

    @rule(offer=offers)
    def close(self, offer: Made) -> None:
        deed = self.act(offers.close_offer, offer)
        if offer.state == "closed":
            self.refused(OfferState, deed)
            return
        deed()
        offer.state = "closed"
        self.take_the_rest(offer)

    @rule(offer=offers, pieces=st.integers(1, 4))
    def add(self, offer: Made, pieces: int) -> None:
        deed = self.act(stock.add_stock, offer, pieces=pieces)
        if offer.state == "closed":
            self.refused(OfferState, deed)
        elif offer.funded and self.fund_fen < pieces * VALUE_FEN:
            self.refused(BudgetExhausted, deed)
        else:
            deed()
            self.put_in(offer, pieces)

    @rule(offer=offers, pieces=st.integers(1, 3))
    def remove(self, offer: Made, pieces: int) -> None:
        deed = self.act(stock.remove_stock, offer, pieces=pieces)
        if offer.state == "closed":
            self.refused(OfferState, deed)
        elif offer.left < pieces:
            self.refused(InsufficientBalance, deed)
        else:
            deed()
            offer.left -= pieces
            self.set_aside(offer, -pieces * VALUE_FEN)

    @rule(target=pieces, offer=offers, who=st.integers(0, 1), times=st.integers(1, 3))
    def reserve(self, offer: Made, who: int, times: int) -> Any:
        held = [self.held(offer, self.citizens[who]) for _ in range(times)]
        return multiple(*(piece for piece in held if piece is not None))

    def held(self, offer: Made, citizen: uuid.UUID) -> Piece | None:
        error: type[CarbonError] | None = None
        if offer.state == "draft":
            error = OfferNotFound
        elif offer.state == "closed" or self.now >= offer.closes_at:
            error = OfferClosed
        elif not self.active:
            error = MerchantInactive
        elif offer.left == 0:
            error = OfferExhausted
        if error is not None:
            self.refused(error, lambda: self.mall.reserve(citizen, offer.id))
            return None
        held = self.mall.reserve(citizen, offer.id)
        assert held.code is not None
        piece = Piece(held.id, held.code, citizen, offer, held.expires_at)
        offer.pieces.append(piece)
        offer.left -= 1
        return piece

    @rule(piece=pieces, fen=st.sampled_from([None, 200, 450]))
    def consume(self, piece: Piece, fen: int | None) -> None:
        partial, percent = piece.offer.partial, piece.offer.percent
        fen = fen if partial else None
        left = VALUE_FEN - piece.used_fen
        error = self.refusal(piece)
        if error is None and fen is not None and fen > left:
            error = VoucherTooSmall
        deed = lambda: self.mall.consume(  # noqa: E731
            piece.code, value_fen=fen, bill_fen=BILL_FEN if percent else None
        )
        if error is not None:
            self.refused(error, deed)
            return
        taken = OFF_FEN if percent else fen or left
        assert deed().value_fen == taken
        piece.used_fen += taken
        if piece.state == "held":
            piece.state, piece.resolved_at = "consumed", self.now

    @rule(piece=pieces)
    def cancel(self, piece: Piece) -> None:
        error = ENDED["consumed"] if piece.state == "consumed" else self.refusal(piece)
        if error is not None:
            self.refused(error, lambda: self.mall.cancel(piece.citizen, piece.id))
            return
        self.mall.cancel(piece.citizen, piece.id)
        self.give_back(piece, "cancelled")

    @rule(what=st.sampled_from(["expire", "replenish", "wind_up", "note"]))
    def sweep(self, what: str) -> None:
        {"expire": self.expire, "replenish": self.replenish, "wind_up": self.wind_up, "note": self.note}[
            what
        ]()

    def expire(self) -> None:
        due = [
            piece
            for offer in self.all
            for piece in offer.pieces
            if piece.state == "held" and piece.expires_at <= self.now
        ]
        assert self.mall.sweep() == len(due)
        for piece in due:
            self.give_back(piece, "expired")

    @rule(offer=offers)
    def settle(self, offer: Made) -> None:
        """As the month's settlement does: the merchant gets what was used and not yet settled."""
        fen = offer.used_fen - offer.settled_fen
        if not offer.funded or fen == 0:
            return
        payable = AccountKey(PROGRAMME, FEN, "merchant.payable", self.mall.merchant)
        with unit_of_work(self.mall.database) as session:
            paid = Transfer(new_id(), "merchant.accrue", budget_of(offer.id), payable, fen, self.now)
            ledger.post(session, transfers=[paid], now=self.now)
        offer.settled_fen += fen
        offer.budget_fen -= fen

    def replenish(self) -> None:
        month = self.now.astimezone(ZONE).date().replace(day=1)
        start, _ = day_bounds(month, ZONE.key)
        due = [
            offer
            for offer in sorted(self.all, key=lambda offer: offer.id)
            if offer.state == "approved"
            and offer.fill is not None
            and offer.created_at < start
            and self.now < offer.closes_at
            and month not in offer.filled
            and due_at(offer.id, month, ZONE) <= self.now
        ]
        assert self.batch(replenish_due) == len(due)
        for offer in due:
            wanted = max((offer.fill or 0) - offer.left, 0)
            self.put_in(offer, min(wanted, self.fund_fen // VALUE_FEN) if offer.funded else wanted)
            offer.filled.add(month)

    def wind_up(self) -> None:
        for offer in self.all:
            if offer.state == "approved" and offer.closes_at <= self.now:
                offer.state = "closed"
        over = [
            offer
            for offer in self.all
            if offer.state == "closed"
            and not offer.wound_up
            and not any(piece.is_live(self.now) for piece in offer.pieces)
        ]
        assert self.batch(stock.wind_up) == len(over)
        for offer in over:
            self.take_the_rest(offer)
            offer.wound_up = True

    def note(self) -> None:
        gone = []
        for offer in self.all:
            if offer.state == "approved":
                offer.noted = offer.noted and offer.left == 0
                if not offer.noted and offer.left == 0 and offer.count("held") + offer.count("consumed"):
                    gone.append(offer)
        assert self.batch(note_exhausted) == len(gone)
        for offer in gone:
            offer.noted = True
            self.told["offer.exhausted", offer.id] += 1

    @rule()
    def suspend_or_readmit(self) -> None:
        self.active = not self.active
        with unit_of_work(self.mall.database) as session:
            set_party_status(session, party_id=self.mall.merchant, active=self.active)

    @rule(fen=st.sampled_from([300, 1_000, 5_000]))
    def pay_in(self, fen: int) -> None:
        pay_in(self.mall, fen)
        self.fund_fen += fen

    @rule(minutes=st.sampled_from([1, 20, 70, 6 * 60, 26 * 60, 20 * 24 * 60]))
    def wait(self, minutes: int) -> None:
        self.mall.later(minutes=minutes)

    def act(self, verb: Callable[..., object], offer: Made, **more: object) -> Callable[[], object]:
        """What runs a verb on the offer."""
        return lambda: transact(
            self.mall.database,
            lambda session: verb(session, programme=PROGRAMME, offer_id=offer.id, now=self.now, **more),
        )

    def batch(self, batch: Callable[..., int]) -> int:
        def deed(session: Session) -> int:
            return batch(session, now=self.now, limit=100)

        return transact(self.mall.database, deed)

    def refused(self, error: type[CarbonError], deed: Callable[[], object]) -> None:
        with pytest.raises(error) as refused:
            deed()
        assert refused.type is error

    def refusal(self, piece: Piece) -> type[CarbonError] | None:
        """Why nothing of the piece can be used now, if nothing can."""
        late = piece.expires_at <= self.now
        if piece.state == "held":
            return VoucherExpired if late else None
        if piece.state == "consumed" and piece.offer.partial and piece.used_fen < VALUE_FEN:
            return VoucherLapsed if late else None
        return ENDED[piece.state]

    def put_in(self, offer: Made, pieces: int) -> None:
        offer.left += pieces
        self.set_aside(offer, pieces * VALUE_FEN)
        offer.noted = offer.noted and pieces == 0

    def set_aside(self, offer: Made, fen: int) -> None:
        if offer.funded:
            offer.budget_fen += fen
            self.fund_fen -= fen

    def take_the_rest(self, offer: Made) -> None:
        """All pieces that nobody holds, and all fen that are owed to nobody."""
        offer.left = 0
        owed = sum(piece.owed_fen(self.now) for piece in offer.pieces) - offer.settled_fen
        self.set_aside(offer, owed - offer.budget_fen)

    def give_back(self, piece: Piece, state: str) -> None:
        piece.state, piece.resolved_at = state, self.now
        piece.offer.left += 1

    @invariant()
    def books_agree(self) -> None:
        if not hasattr(self, "mall"):
            return
        budgets = {offer.id: budget_of(offer.id) for offer in self.all}
        points = [lot_key(PROGRAMME, citizen, LOT) for citizen in self.citizens]
        till = AccountKey(PROGRAMME, POINTS, "merchant.points", self.mall.merchant)
        with unit_of_work(self.mall.database, read_only=True) as session:
            seen = {one.id: one for one in queries.offers(session, programme=PROGRAMME, limit=500)}
            found = balances(session, keys=[*budgets.values(), *points, till, FUND])
            heard = session.execute(select(Outgoing.type, Outgoing.subject_id)).all()
        for offer in self.all:
            one = seen[offer.id]
            assert (one.state, one.left) == (offer.state, offer.left)
            assert (one.held, one.given) == (offer.count("held"), offer.count("consumed"))
            assert found[budgets[offer.id]].available == offer.budget_fen
            if offer.wound_up and offer.funded:
                assert offer.budget_fen == offer.used_fen - offer.settled_fen, "the rest has gone back"
        assert found[FUND].available == self.fund_fen
        held, given = (sum(offer.count(state) for offer in self.all) for state in ("held", "consumed"))
        assert (found[till].credits_pending, found[till].posted) == (PRICE * held, PRICE * given)
        assert sum(GRANTED - found[one].available for one in points) == PRICE * (held + given)
        assert Counter((what, about) for what, about in heard if what.startswith("offer.")) == self.told


def test_an_offers_life_agrees_with_a_plain_model(sqlite_database: Database, tmp_path: Path) -> None:
    on_sqlite(Offering, sqlite_database, tmp_path, examples=25, steps=50)


@pytest.mark.long
def test_an_offers_life_agrees_for_long(sqlite_database: Database, tmp_path: Path) -> None:
    on_sqlite(Offering, sqlite_database, tmp_path, examples=400, steps=80)


def test_an_offers_life_agrees_on_postgresql_too(
    base_settings: Settings, postgresql_template: str | None, tmp_path: Path
) -> None:
    on_postgresql(Offering, base_settings, postgresql_template, tmp_path, examples=5, steps=40)
