"""Settling a month: its steps in order, once each, and going on after being killed anywhere."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.settlement.errors import MonthNotOver, RunNotFound
from carbon_credit.settlement.runs import STEPS, run_of, runs
from carbon_credit.sweeps import settling
from carbon_credit.sweeps.importing import Hands
from carbon_credit.sweeps.settling import settle_begun, settle_month
from tests.redemption.conftest import PROGRAMME
from tests.settlement.conftest import DECEMBER, ISSUER, NOVEMBER, Market

OVER = datetime(2026, 12, 5, 2, 0, tzinfo=UTC)


class Killed(BaseException):
    """As a process ends: nobody catches it."""


def hands(market: Market, *, kill_at: int | None = None) -> Hands:
    """Units of work at the market's time; the `kill_at`th dies before it commits."""
    units = 0

    def act(deed: Callable[[Session, datetime], Any], /) -> Any:
        def once(session: Session) -> Any:
            nonlocal units
            found = deed(session, market.now)
            units += 1
            if units == kill_at:
                raise Killed
            return found

        return transact(market.database, once)

    def look(deed: Callable[[Session, datetime], Any], /) -> Any:
        with unit_of_work(market.database, read_only=True) as session:
            return deed(session, market.now)

    return Hands(act, look, lambda: market.now, "test")


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The days of the month are closed elsewhere: this mall has no rules of a programme."""
    monkeypatch.setattr(settling, "open_days", lambda *_args, **_more: [])
    monkeypatch.setattr(settling, "closed_months", lambda *_args: {NOVEMBER})


def settle(market: Market, **more: Any) -> Any:
    return settle_month(hands(market, **more), programme=PROGRAMME, month=NOVEMBER, actor=ISSUER)


def test_every_step_is_done_in_order_and_nothing_twice(market: Market, closed: None) -> None:
    market.sell(market.funded(), 2)
    market.now = OVER
    told: list[str] = []
    run = settle_month(
        hands(market),
        programme=PROGRAMME,
        month=NOVEMBER,
        actor=ISSUER,
        progress=lambda step, _count: told.append(step),
    )
    assert tuple(dict.fromkeys(told)) == STEPS
    assert (run.state, run.started_by) == ("done", ISSUER)
    done = {step.step: step.done for step in run.steps}
    assert done["statements"] == 1  # the bookshop has nothing to tell
    note = next(step.note for step in run.steps if step.step == "cut-off")
    assert note == "2026-11-30T16:00:00+00:00"
    before = market.payable()
    assert settle(market) == run
    assert market.payable() == before == 1_000
    market.audit()


def test_killed_anywhere_it_goes_on_where_it_was(market: Market, closed: None) -> None:
    market.sell(market.funded(), 2)
    market.now = OVER
    kills = 0
    for kill_at in range(1, 40):
        try:
            run = settle(market, kill_at=kill_at)
        except Killed:
            kills += 1
            continue
        break
    assert kills >= 3
    assert run.state == "done"
    assert {step.step: step.done for step in run.steps}["statements"] == 1
    assert market.payable() == 1_000
    market.audit()


def test_the_last_step_fills_up_what_is_due(market: Market, closed: None) -> None:
    closes_at = market.now + timedelta(days=90)
    monthly = market.offer(pieces=3, replenish_pieces=5, closes_at=closes_at)
    once = market.offer(pieces=3, closes_at=closes_at)
    market.now = OVER
    run = settle(market)
    assert {step.step: step.done for step in run.steps}["replenishment"] == 1
    assert (market.stock(monthly)[0], market.stock(once)[0]) == (5, 3)
    settle(market)
    assert market.stock(monthly)[0] == 5
    market.audit()


def test_a_month_that_is_not_over_begins_nothing(market: Market, closed: None) -> None:
    with pytest.raises(MonthNotOver):
        settle(market)
    with unit_of_work(market.database, read_only=True) as session:
        assert runs(session, programme=PROGRAMME) == []
        with pytest.raises(RunNotFound):
            run_of(session, programme=PROGRAMME, month=NOVEMBER)


def test_the_sweep_goes_on_with_what_was_begun(market: Market, closed: None) -> None:
    market.sell(market.funded())
    market.now = OVER
    with pytest.raises(Killed):
        settle(market, kill_at=3)
    assert settle_begun(hands(market)) == 1
    assert settle_begun(hands(market)) == 0
    assert market.payable() == 500
    with unit_of_work(market.database, read_only=True) as session:
        assert [run.month for run in runs(session, programme=PROGRAMME)] == [NOVEMBER]
        assert runs(session, programme=PROGRAMME, before=NOVEMBER) == []
        assert len(runs(session, programme=PROGRAMME, before=DECEMBER)) == 1


def test_a_step_that_refuses_is_tried_again(
    market: Market, closed: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    market.sell(market.funded())
    market.now = OVER
    refused = MonthNotOver(month="2026-11", programme=PROGRAMME, from_day="2026-12-01")

    def refuse(*_args: object) -> Any:
        raise refused

    with monkeypatch.context() as patched:
        patched.setitem(settling._WORK, "statements", refuse)
        with pytest.raises(MonthNotOver):
            settle(market)
        assert settle_begun(hands(market)) == 0
    assert "settlement-month-open" in caplog.text
    assert settle(market).state == "done"
    market.audit()
