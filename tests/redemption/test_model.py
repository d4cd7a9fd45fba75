"""Any sequence of grants, redemptions and days, against a model that is a few dictionaries."""

import itertools
import shutil
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from carbon_credit.kernel.clock import business_day
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.errors import CarbonError
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger.accounts import POINTS, AccountKey
from carbon_credit.ledger.errors import InsufficientBalance
from carbon_credit.ledger.points import lot_key
from carbon_credit.ledger.queries import balances
from carbon_credit.redemption import queries
from carbon_credit.redemption.errors import (
    LimitReached,
    OfferExhausted,
    VoucherCancelled,
    VoucherConsumed,
    VoucherExpired,
)

from .conftest import HOUR, PROGRAMME, Mall

LOTS = [date(2026, 11, 21), date(2026, 11, 22), date(2026, 11, 24), date(2027, 12, 31)]
ENDED = {"consumed": VoucherConsumed, "cancelled": VoucherCancelled, "expired": VoucherExpired}


@dataclass
class Kind:
    """An offer, as the model knows it."""

    id: uuid.UUID
    price: int
    ttl: timedelta
    limit: int | None
    left: int


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


class Redeeming(RuleBasedStateMachine):
    """Every rule does the same to the books and to the model, and both must agree, refusals too."""

    make_mall: Callable[[], Mall]
    pieces = Bundle("pieces")

    @initialize()
    def open_the_mall(self) -> None:
        self.mall = type(self).make_mall()
        self.citizens = [self.mall.citizen(), self.mall.citizen()]
        self.points: dict[uuid.UUID, Counter[date]] = {citizen: Counter() for citizen in self.citizens}
        self.kinds = [
            Kind(
                self.mall.offer(points_price=price, voucher_ttl_s=ttl, per_citizen_limit=limit, pieces=left),
                price,
                timedelta(seconds=ttl),
                limit,
                left,
            )
            for price, ttl, limit, left in ((30, HOUR, None, 4), (70, 30 * HOUR, 2, 20))
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
    def grant(self, who: int, lot: date, points: int) -> None:
        self.mall.grant(self.citizens[who], points, lot)
        self.points[self.citizens[who]][lot] += points
        self.granted += points

    @rule(target=pieces, who=st.integers(0, 1), which=st.integers(0, 1))
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

    @rule(piece=pieces)
    def consume(self, piece: Piece) -> None:
        error = self.refusal(piece)
        if error is not None:
            self.refused(error, lambda: self.mall.consume(piece.code))
        else:
            self.mall.consume(piece.code)
            piece.state = "consumed"
            self.earned += piece.offer.price

    @rule(piece=pieces)
    def cancel(self, piece: Piece) -> None:
        error = self.refusal(piece)
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

    @rule(minutes=st.sampled_from([1, 30, 60, 4 * 60, 25 * 60]))
    def wait(self, minutes: int) -> None:
        self.mall.later(minutes=minutes)

    def refusal(self, piece: Piece) -> type[CarbonError] | None:
        """Why the piece cannot be consumed or cancelled now, if it cannot."""
        if piece.state == "held":
            return VoucherExpired if piece.expires_at <= self.mall.now else None
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
    def books_and_model_agree(self) -> None:
        if not hasattr(self, "mall"):
            return
        till = AccountKey(PROGRAMME, POINTS, "merchant.points", self.mall.merchant)
        keys = {(citizen, lot): lot_key(PROGRAMME, citizen, lot) for citizen in self.citizens for lot in LOTS}
        with unit_of_work(self.mall.database, read_only=True) as session:
            found = balances(session, keys=[*keys.values(), till])
            offers = [queries.offer(session, programme=PROGRAMME, offer_id=kind.id) for kind in self.kinds]
            counts = queries.counts(session, programme=PROGRAMME)
        assert {key: found[account].available for key, account in keys.items()} == {
            (citizen, lot): self.points[citizen][lot] for citizen, lot in keys
        }
        assert found[till].posted == self.earned
        held = [piece for piece in self.all if piece.state == "held"]
        on_hold = sum(piece.offer.price for piece in held)
        assert found[till].credits_pending == on_hold
        assert self.mall.expired() == self.lapsed
        free = sum(sum(own.values()) for own in self.points.values())
        assert self.granted == free + on_hold + self.earned + self.lapsed
        assert counts == {
            state: sum(piece.state == state for piece in self.all)
            for state in ("held", "consumed", "cancelled", "expired")
        }
        for kind, offer in zip(self.kinds, offers, strict=True):
            states = Counter(piece.state for piece in self.all if piece.offer is kind)
            assert (offer.left, offer.held, offer.given) == (kind.left, states["held"], states["consumed"])


def test_books_agree_with_a_plain_model(sqlite_database: Database, tmp_path: Path) -> None:
    Mall(sqlite_database)
    with sqlite_database.engine.connect() as connection:
        connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
    sqlite_database.dispose()
    template = Path(sqlite_database.settings.database_url.removeprefix("sqlite:///"))
    numbers = itertools.count()

    def make_mall() -> Mall:
        path = tmp_path / f"{next(numbers)}.db"
        shutil.copyfile(template, path)
        changed = replace(sqlite_database.settings, database_url=f"sqlite:///{path}")
        return Mall(Database(changed), seed=False)

    machine = type("Machine", (Redeeming,), {"make_mall": staticmethod(make_mall)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=30,
            stateful_step_count=30,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
