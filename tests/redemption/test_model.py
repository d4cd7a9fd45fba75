"""Any sequence of grants, withdrawals, redemptions, uses and days, against a model of a few dictionaries."""

import itertools
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)

from carbon_credit.kernel.clock import business_day
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.errors import CarbonError
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger.accounts import POINTS, AccountKey
from carbon_credit.ledger.errors import InsufficientBalance
from carbon_credit.ledger.points import dues, lot_key
from carbon_credit.ledger.queries import balances
from carbon_credit.redemption import queries
from carbon_credit.redemption.errors import (
    ConsumptionNotFound,
    LimitReached,
    OfferExhausted,
    UndoTooLate,
    VoucherCancelled,
    VoucherConsumed,
    VoucherExpired,
    VoucherLapsed,
    VoucherTooSmall,
)

from .conftest import HOUR, PROGRAMME, Mall
from .machines import on_postgresql, on_sqlite

LOTS = [date(2026, 11, 21), date(2026, 11, 22), date(2026, 11, 24), date(2027, 12, 31)]
ENDED = {"consumed": VoucherConsumed, "cancelled": VoucherCancelled, "expired": VoucherExpired}
VALUE_FEN = 500


@dataclass
class Kind:
    """An offer, as the model knows it."""

    id: uuid.UUID
    price: int
    ttl: timedelta
    limit: int | None
    left: int
    partial: bool


@dataclass
class Use:
    """A use that stands."""

    id: uuid.UUID
    fen: int
    at: datetime


@dataclass
class Piece:
    """A redemption, as the model knows it."""

    id: uuid.UUID
    code: str
    citizen: uuid.UUID
    offer: Kind
    parts: dict[date, int]
    expires_at: datetime
    state: str = "held"
    uses: list[Use] = field(default_factory=list)

    @property
    def left_fen(self) -> int:
        return VALUE_FEN - sum(use.fen for use in self.uses)


class Redeeming(RuleBasedStateMachine):
    """Every rule does the same to the books and to the model, and both must agree, refusals too."""

    make_mall: Callable[[], Mall]
    pieces = Bundle("pieces")

    @initialize()
    def open_the_mall(self) -> None:
        self.mall = type(self).make_mall()
        self.citizens = [self.mall.citizen(), self.mall.citizen()]
        self.points: dict[uuid.UUID, Counter[date]] = {citizen: Counter() for citizen in self.citizens}
        self.due: Counter[uuid.UUID] = Counter()
        terms = ((30, HOUR, None, 4, False), (70, 30 * HOUR, 2, 20, False), (40, 5 * HOUR, None, 20, True))
        self.kinds = [
            Kind(
                self.mall.offer(
                    points_price=price,
                    voucher_ttl_s=ttl,
                    per_citizen_limit=limit,
                    pieces=left,
                    value_fen=VALUE_FEN,
                    partial_use=partial,
                ),
                price,
                timedelta(seconds=ttl),
                limit,
                left,
                partial,
            )
            for price, ttl, limit, left, partial in terms
        ]
        self.all: list[Piece] = []
        self.granted = self.earned = self.lapsed = 0

    def teardown(self) -> None:
        if hasattr(self, "mall"):
            self.mall.audit()
            self.mall.database.dispose()

    @property
    def today(self) -> date:
        return business_day(self.mall.now, "Asia/Shanghai")

    @rule(who=st.integers(0, 1), lot=st.sampled_from(LOTS), points=st.integers(1, 120))
    def earn(self, who: int, lot: date, points: int) -> None:
        citizen = self.citizens[who]
        self.mall.grant(citizen, points, lot)
        recovered = min(points, self.due[citizen])
        self.due[citizen] -= recovered
        self.points[citizen][lot] += points - recovered
        self.granted += points

    @rule(who=st.integers(0, 1), lot=st.sampled_from(LOTS), points=st.integers(1, 150))
    def withdraw(self, who: int, lot: date, points: int) -> None:
        """A ride is taken back, whose points may be spent or held: what cannot be had is owed."""
        citizen = self.citizens[who]
        self.mall.take_back(citizen, points, lot, valid_on=self.today)
        own, rest = self.points[citizen], points
        for day in sorted(own, key=lambda day: (day != lot, day)):
            if day >= self.today:
                taken = min(own[day], rest)
                own[day] -= taken
                rest -= taken
        self.due[citizen] += rest
        self.granted -= points

    @rule(target=pieces, who=st.integers(0, 1), which=st.integers(0, 2))
    def reserve(self, who: int, which: int) -> Any:
        citizen, kind = self.citizens[who], self.kinds[which]
        own = self.points[citizen]
        usable = {lot: own[lot] for lot in sorted(own) if lot >= self.today and own[lot]}
        counted = [
            piece
            for piece in self.all
            if piece.offer is kind
            and piece.citizen == citizen
            and (piece.state == "consumed" or (piece.state == "held" and piece.expires_at > self.mall.now))
        ]
        if kind.limit is not None and len(counted) >= kind.limit:
            self.refused(LimitReached, lambda: self.mall.reserve(citizen, kind.id))
            return multiple()
        if kind.left == 0:
            self.refused(OfferExhausted, lambda: self.mall.reserve(citizen, kind.id))
            return multiple()
        if sum(usable.values()) < kind.price:
            self.refused(InsufficientBalance, lambda: self.mall.reserve(citizen, kind.id))
            return multiple()
        held = self.mall.reserve(citizen, kind.id)
        # Point by point, from a queue in the order of the lots: slow, and hard to get wrong.
        queue = itertools.chain.from_iterable([lot] * number for lot, number in usable.items())
        parts = Counter(itertools.islice(queue, kind.price))
        own.subtract(parts)
        kind.left -= 1
        assert held.code is not None
        piece = Piece(held.id, held.code, citizen, kind, dict(parts), self.mall.now + kind.ttl)
        self.all.append(piece)
        return piece

    @rule(piece=pieces, fen=st.sampled_from([None, None, 100, 200, 450]))
    def consume(self, piece: Piece, fen: int | None) -> None:
        if not piece.offer.partial:
            fen = None
        error = self.refusal(piece)
        if error is None and fen is not None and fen > piece.left_fen:
            error = VoucherTooSmall
        if error is not None:
            self.refused(error, lambda: self.mall.consume(piece.code, value_fen=fen))
            return
        used = self.mall.consume(piece.code, value_fen=fen)
        assert used.value_fen == (fen or piece.left_fen)
        piece.uses.append(Use(used.id, used.value_fen, self.mall.now))
        assert used.left_fen == piece.left_fen
        if piece.state == "held":
            piece.state = "consumed"
            self.earned += piece.offer.price

    @rule(piece=pieces)
    def undo(self, piece: Piece) -> None:
        if not piece.uses:
            self.refused(ConsumptionNotFound, lambda: self.mall.undo(piece.code))
        elif self.mall.now >= piece.uses[-1].at + timedelta(minutes=5):
            self.refused(UndoTooLate, lambda: self.mall.undo(piece.code))
        else:
            assert self.mall.undo(piece.code).id == piece.uses.pop().id
            if not piece.uses:
                piece.state = "held"
                self.earned -= piece.offer.price

    @rule(piece=pieces)
    def cancel(self, piece: Piece) -> None:
        error = ENDED["consumed"] if piece.state == "consumed" else self.refusal(piece)
        if error is not None:
            self.refused(error, lambda: self.mall.cancel(piece.citizen, piece.id))
        else:
            self.mall.cancel(piece.citizen, piece.id)
            self.give_back(piece, "cancelled")

    @rule(limit=st.integers(1, 3))
    def sweep(self, limit: int) -> None:
        due = [piece for piece in self.all if piece.state == "held" and piece.expires_at <= self.mall.now]
        due.sort(key=lambda piece: piece.expires_at)
        # Of holds that end in one instant any may come first; let the model not depend on it.
        if len(due) > limit and due[limit - 1].expires_at == due[limit].expires_at:
            limit = len(due)
        assert self.mall.sweep(limit=limit) == min(limit, len(due))
        for piece in due[:limit]:
            self.give_back(piece, "expired")

    @rule()
    def sweep_lots(self) -> None:
        over = [
            (citizen, lot)
            for citizen, own in self.points.items()
            for lot in own
            if lot < self.today and own[lot]
        ]
        assert self.mall.sweep_lots() == len(over)
        for citizen, lot in over:
            self.lapsed += self.points[citizen].pop(lot)

    @rule(minutes=st.sampled_from([1, 1, 4, 30, 60, 4 * 60, 25 * 60]))
    def wait(self, minutes: int) -> None:
        self.mall.later(minutes=minutes)

    def refusal(self, piece: Piece) -> type[CarbonError] | None:
        """Why nothing of the piece can be used now, if nothing can."""
        late = piece.expires_at <= self.mall.now
        if piece.state == "held":
            return VoucherExpired if late else None
        if piece.state == "consumed" and piece.offer.partial and piece.left_fen:
            return VoucherLapsed if late else None
        return ENDED[piece.state]

    def refused(self, error: type[CarbonError], deed: Callable[[], object]) -> None:
        with pytest.raises(error):
            deed()

    def give_back(self, piece: Piece, state: str) -> None:
        piece.state = state
        piece.offer.left += 1
        for lot, points in piece.parts.items():
            if lot < self.today:
                self.lapsed += points
            else:
                self.points[piece.citizen][lot] += points

    @invariant()
    def books_agree(self) -> None:
        if not hasattr(self, "mall"):
            return
        keys = {(citizen, lot): lot_key(PROGRAMME, citizen, lot) for citizen in self.citizens for lot in LOTS}
        till = AccountKey(PROGRAMME, POINTS, "merchant.points", self.mall.merchant)
        with unit_of_work(self.mall.database, read_only=True) as session:
            found = balances(session, keys=[*keys.values(), till])
            offers = [queries.offer(session, programme=PROGRAMME, offer_id=kind.id) for kind in self.kinds]
            counts = queries.counts(session, programme=PROGRAMME)
            owed = dues(session, programme=PROGRAMME, citizen_ids=self.citizens)
        assert {key: found[account].available for key, account in keys.items()} == {
            (citizen, lot): self.points[citizen][lot] for citizen, lot in keys
        }
        assert owed == {citizen: points for citizen, points in self.due.items() if points}
        assert found[till].posted == self.earned
        held = [piece for piece in self.all if piece.state == "held"]
        on_hold = sum(piece.offer.price for piece in held)
        assert found[till].credits_pending == on_hold
        assert self.mall.expired() == self.lapsed
        free = sum(sum(own.values()) for own in self.points.values())
        assert self.granted + self.due.total() == free + on_hold + self.earned + self.lapsed
        assert counts == {
            state: sum(piece.state == state for piece in self.all)
            for state in ("held", "consumed", "cancelled", "expired")
        }
        for kind, offer in zip(self.kinds, offers, strict=True):
            states = Counter(piece.state for piece in self.all if piece.offer is kind)
            assert (offer.left, offer.held, offer.given) == (kind.left, states["held"], states["consumed"])
        standing = {one.id: one.value_fen for one in self.mall.consumptions(limit=500) if not one.undone_at}
        assert standing == {use.id: use.fen for piece in self.all for use in piece.uses}


def test_books_agree_with_a_plain_model(sqlite_database: Database, tmp_path: Path) -> None:
    on_sqlite(Redeeming, sqlite_database, tmp_path, examples=30, steps=30)


@pytest.mark.long
def test_books_agree_for_long(sqlite_database: Database, tmp_path: Path) -> None:
    on_sqlite(Redeeming, sqlite_database, tmp_path, examples=300, steps=60)


def test_books_agree_on_postgresql_too(
    base_settings: Settings, postgresql_template: str | None, tmp_path: Path
) -> None:
    on_postgresql(Redeeming, base_settings, postgresql_template, tmp_path, examples=4, steps=25)
