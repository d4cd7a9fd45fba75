"""What the programme bears of a double scan is on the next statement of the merchant, once; its fund pays."""

import csv
import io
import uuid
from datetime import date, timedelta

import pytest
from pypdf import PdfReader
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger.accounts import FEN, AccountKey
from carbon_credit.reach.funding import funding_of
from carbon_credit.redemption.queries import Voucher
from carbon_credit.redemption.till.consuming import place_of
from carbon_credit.redemption.till.scans import Scan, ScanOutcome, hand_in
from tests.redemption.conftest import LATER, PROGRAMME
from tests.redemption.test_scans import RULES
from tests.settlement.conftest import DECEMBER, DECEMBER_BEGINS, FUND, JANUARY, Market
from tests.settlement.test_rendering import file_of


class Offline(Market):
    """A market whose programme bears what is lost of scans without a connection."""

    offline = RULES

    def scanned(self, till: uuid.UUID, held: Voucher) -> ScanOutcome:
        """Handed in at once by this till."""
        assert held.qr_text is not None
        scan = Scan(uuid.uuid4(), held.qr_text, self.now)
        return self.act(
            lambda session: hand_in(
                session,
                programme=PROGRAMME,
                place=place_of(session, merchant_id=self.tea, till_id=till),
                scan=scan,
                sent_at=self.now,
                now=self.now,
            )
        )

    def scanned_twice(self, offer: uuid.UUID) -> uuid.UUID:
        """A voucher that two tills took; the number of the scan that was lost."""
        held = self.reserve(self.citizen({LATER: 100}), offer)
        first, second = (self.scanned(till, held) for till in self.desks)
        assert (first.outcome, second.outcome, second.borne_by) == ("consumed", "lost", self.bearer)
        return second.id

    bearer = "programme"

    @property
    def desks(self) -> tuple[uuid.UUID, uuid.UUID]:
        if not hasattr(self, "_desks"):
            self._desks = (self.desk("Till 1"), self.desk("Till 2"))
        return self._desks


class OfflineAtOwnRisk(Offline):
    """A market whose merchants bear it."""

    offline = RULES.replace("loss_borne_by: programme", "loss_borne_by: merchant")
    bearer = "merchant"


@pytest.fixture
def offline(database: Database) -> Offline:
    return Offline(database)


def borne(market: Market, month: date) -> int:
    with unit_of_work(market.database, read_only=True) as session:
        found = funding_of(session, programme=PROGRAMME, month=month)
    assert found.holds, found.checks
    return found.borne_fen


def empty_the_fund(market: Market) -> AccountKey:
    """All that is left of it is set aside for something else, whose budget this is."""
    other = AccountKey(PROGRAMME, FEN, "offer.budget", market.offer(value_fen=1))
    market._money("offer.reserve", FUND, other, market.balance(FUND).available)
    return other


def test_it_is_on_the_next_statement_and_on_no_other(offline: Offline) -> None:
    offline.terms_from(date(2026, 1, 1), bps=100)
    tea, own = offline.funded(), offline.offer(value_fen=300)
    fund = offline.balance(FUND).available
    lost = {offline.scanned_twice(tea): 500, offline.scanned_twice(own): 300}
    found = offline.issued()
    # One use that the fund pays for, less one per cent; and without a fee what was lost of both offers.
    assert (found.used_fen, found.own_fen, found.fee_fen, found.adjusted_fen) == (500, 300, 5, 800)
    assert (found.payable_fen, found.closing_fen, offline.payable()) == (1_295, 1_295, 1_295)
    told = offline.content(found.id).losses
    assert {one.scan_id: one.value_fen for one in told} == lost
    assert {one.offer_id for one in told} == {tea, own}
    assert offline.balance(FUND).available == fund - 800
    assert (borne(offline, date(2026, 11, 1)), borne(offline, DECEMBER)) == (0, 800)
    second = offline.issued(DECEMBER)
    assert (second.adjusted_fen, offline.content(second.id).losses) == (0, [])
    offline.audit()


def test_every_form_names_it(offline: Offline) -> None:
    lost = offline.scanned_twice(offline.funded())
    found = offline.issued()
    body = file_of(offline, found.id, "csv").decode("utf-8-sig")
    (row,) = [one for one in csv.DictReader(io.StringIO(body, newline="")) if one["kind"] == "loss"]
    assert (row["consumption_id"], row["value_fen"], row["till"]) == (str(lost), "500", "Till 2")
    pages = PdfReader(io.BytesIO(file_of(offline, found.id, "pdf"))).pages
    assert "脱机重复核销" in "".join(page.extract_text() for page in pages)
    for form in ("csv", "xlsx", "pdf"):
        assert file_of(offline, found.id, form) == file_of(offline, found.id, form)


def test_what_the_fund_cannot_pay_waits(offline: Offline) -> None:
    tea = offline.funded()
    offline.scanned_twice(tea)
    offline.later(minutes=1)
    offline.scanned_twice(tea)
    other = empty_the_fund(offline)
    first = offline.issued()
    assert (first.used_fen, first.adjusted_fen, first.payable_fen) == (1_000, 0, 1_000)
    offline._money("offer.unreserve", other, FUND, 700)  # enough for one
    assert offline.issued(DECEMBER).adjusted_fen == 500
    offline._money("offer.unreserve", other, FUND, 500)
    assert offline.issued(JANUARY).adjusted_fen == 500
    assert offline.balance(FUND).available == 200
    offline.audit()


def test_what_comes_after_the_cut_off_is_on_the_next(offline: Offline) -> None:
    tea = offline.funded()
    offline.now = DECEMBER_BEGINS - timedelta(seconds=30)
    held = offline.reserve(offline.citizen({LATER: 100}), tea)
    first, second = offline.desks
    assert offline.scanned(first, held).outcome == "consumed"
    offline.now = DECEMBER_BEGINS
    assert offline.scanned(second, held).outcome == "lost"
    assert offline.issued(now=DECEMBER_BEGINS + timedelta(hours=1)).adjusted_fen == 0
    assert offline.issued(DECEMBER).adjusted_fen == 500


def test_what_the_merchant_bears_is_paid_by_nobody(database: Database) -> None:
    market = OfflineAtOwnRisk(database)
    market.scanned_twice(market.funded())
    found = market.issued()
    assert (found.used_fen, found.adjusted_fen) == (500, 0)
    market.audit()


def test_the_database_takes_each_scan_once(offline: Offline) -> None:
    offline.scanned_twice(offline.funded())
    offline.issued()
    # The same scan again, of whichever offer.
    again = (
        "INSERT INTO statement_loss SELECT till_id, scan_id, statement_id, offer_id, 1 FROM statement_loss"
    )
    with pytest.raises(DBAPIError), unit_of_work(offline.database) as session:
        session.execute(text(again))
