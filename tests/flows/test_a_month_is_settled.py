"""A merchant's two months over HTTP, as people do it: taken in, used, settled, disputed, paid, once more."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import openpyxl
import pytest
from pypdf import PdfReader
from sqlalchemy.orm import Session

from carbon_credit.identity.operations import create_party, issue_credential
from carbon_credit.kernel import clock
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.sweeps.importing import Hands
from carbon_credit.sweeps.settling import settle_begun
from tests.api.conftest import HOME, Town, build
from tests.flows.conftest import findings
from tests.world import NOW, metro

T = TypeVar("T")
IN_DECEMBER, IN_JANUARY = datetime(2026, 12, 2, 2, 0, tzinfo=UTC), datetime(2027, 1, 2, 2, 0, tzinfo=UTC)
INVOICES = ("26442000000012345678", "26442000000012345679")
CSV = {"Content-Type": "text/csv"}


def ok(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json


def refused(answer: Any, status: int, code: str) -> None:
    assert (answer.status_code, answer.json["code"]) == (status, code), answer.text


@dataclass
class Story:
    """A town at a time that the story moves. `keys`: client and secret of who signs in with them."""

    town: Town
    keys: dict[str, dict[str, str]] = field(default_factory=dict)

    def at(self, now: datetime) -> None:
        """It is later, and everybody signs in again."""
        town = self.town
        town.now = now
        for name in ("operator", "operator 2", "partner", "merchant 2"):
            role = name.removesuffix(" 2")
            town.token(name, role=role, subject=town.parties[name], programme=HOME)
        whom = {"subject": town.citizens["citizen"], "actor": town.parties["partner"]}
        town.token("citizen", role="citizen", programme=HOME, **whom)
        for name in self.keys:
            self.sign_in(name)

    def sign_in(self, name: str) -> None:
        form = {"grant_type": "client_credentials", **self.keys[name]}
        told = ok(self.town.client.post("/v1/oauth/token", data=form))
        self.town.tokens[name] = told["access_token"]

    def credential(self, name: str, address: str) -> None:
        """The operator has one issued, and hands it over."""
        told = ok(self.town.post("operator", address), 201)
        self.keys[name] = {one: told[one] for one in ("client_id", "client_secret")}
        self.sign_in(name)

    def merchant(self) -> str:
        """Taken in, with a store, a till, terms and a payee that two have looked at; its address."""
        town = self.town
        made = ok(town.post("operator", "/v1/merchants", {"name": "珠江茶饮"}), 201)
        address = f"/v1/merchants/{made['id']}"
        self.credential("tea", f"{address}/credentials")
        store = {"name": "天河店", "address": "天河路1号", "district": "440106"}
        store = ok(town.post("operator", f"{address}/stores", store), 201)
        desk = {"store_id": store["id"], "name": "1"}
        desk = ok(town.post("operator", f"{address}/tills", desk), 201)
        self.credential("till", f"{address}/tills/{desk['id']}/credential")
        terms = {"effective_from": "2026-11-01", "fee_bps": 60, "fee_per_use_fen": 0}
        ok(town.post("operator", f"{address}/terms", {**terms, "invoice_required": True}), 201)
        payee = {"name": "珠江茶饮有限公司", "bank": "某银行广州天河支行", "account": "6222020200012345678"}
        payee = ok(town.post("operator", f"{address}/payees", payee), 201)
        confirmation = f"{address}/payees/{payee['id']}/confirmation"
        refused(town.post("operator", confirmation), 403, "payee-confirm-forbidden")
        ok(town.post("operator 2", confirmation))
        return address

    def offer(self) -> str:
        """Five pieces that the fund pays for."""
        town = self.town
        ok(town.post("operator", "/v1/fund/additions", {"fen": 10_000}))
        terms = {
            "title_zh": "五元茶饮券",
            "title_en": "Tea, 5 yuan",
            "points_price": 5,
            "value_fen": 500,
            "voucher_ttl_s": 3600,
            "funding": "fund",
            "opens_at": town.now.isoformat(),
            "closes_at": (town.now + timedelta(days=100)).isoformat(),
        }
        made = ok(town.post("tea", "/v1/merchant/offers", terms), 201)
        ok(town.post("operator", f"/v1/offers/{made['id']}/approval"))
        ok(town.post("operator", f"/v1/offers/{made['id']}/stock", {"pieces": 5}))
        assert ok(town.get("operator", "/v1/fund")) == {"free_fen": 7_500}
        return str(made["id"])

    def ride(self) -> None:
        """The citizen earns what the vouchers cost."""
        rides = [
            metro(f"M-{day}-{hour}", at=f"2026-11-{day}T{hour:02}:00:00+08:00", distance_m=20_000)
            for day in range(16, 21)
            for hour in (8, 18)
        ]
        told = ok(self.town.post("partner", "/v1/events/batch", rides))
        assert told["counts"] == {"credited": 10}

    def use(self, offer: str) -> str:
        """A citizen reserves, the till takes the voucher; its code."""
        town = self.town
        code = ok(town.post("citizen", "/v1/redemptions", {"offer_id": offer}), 201)["code"]
        ok(town.post("till", f"/v1/merchant/vouchers/{code}/consumption"))
        return str(code)

    def settled(self, month: str) -> str:
        """The operator asks for it, the sweep does it; the merchant's only statement of the month."""
        town = self.town
        begun = ok(town.post("operator", "/v1/settlements", {"month": month}), 202)
        assert begun["state"] == "running"
        assert settle_begun(hands(town)) == 1
        again = ok(town.post("operator", "/v1/settlements", {"month": month}), 202)
        assert again["state"] == "done"
        assert settle_begun(hands(town)) == 0
        assert ok(town.get("operator", f"/v1/settlements/{month}")) == again
        (found,) = ok(town.get("operator", f"/v1/statements?month={month}"))["items"]
        assert found["id"] in [one["id"] for one in ok(town.get("tea", "/v1/merchant/statements"))["items"]]
        return str(found["id"])

    def paid(self, statement: str, invoice: str) -> None:
        """Agreed, invoiced, sent to the bank, and confirmed by it."""
        town = self.town
        payable = ok(town.get("tea", statement))["payable_fen"]
        refused(town.post("operator", "/v1/payment-files"), 409, "nothing-to-pay")
        told = ok(town.post("tea", f"{statement}/invoice", {"invoice_number": invoice}))
        assert (told["state"], told["invoice_number"]) == ("invoiced", invoice)
        file = ok(town.post("operator", "/v1/payment-files"), 201)
        assert (file["payments"], file["total_fen"]) == (1, payable)
        sent = town.get("operator", f"/v1/payment-files/{file['id']}")
        (row,) = csv.DictReader(io.StringIO(sent.text, newline=""))
        assert (row["payee_name"], row["payee_account"]) == ("珠江茶饮有限公司", "6222020200012345678")
        answer = (
            f"reference,amount_fen,paid_on,result\r\n{row['reference']},{row['amount_fen']},2026-12-08,paid"
        )
        for outcome in ("paid", "already-confirmed"):
            told = ok(town.post("operator", "/v1/payment-confirmations", data=answer, headers=CSV))
            assert [one["outcome"] for one in told["items"]] == [outcome]
        assert ok(town.get("tea", statement))["state"] == "paid"

    def audit(self) -> None:
        """The books hold."""
        trial = ok(self.town.get("operator", "/v1/audit"))
        assert {one["difference"] for one in trial["assets"]} == {0}
        assert findings(self.town.database) == []


def hands(town: Town) -> Hands:
    """As a worker has them, at the town's time."""

    def act(deed: Callable[[Session, datetime], T], /) -> T:
        return transact(town.database, lambda session: deed(session, town.now))

    def look(deed: Callable[[Session, datetime], T], /) -> T:
        with unit_of_work(town.database, read_only=True) as session:
            return deed(session, town.now)

    return Hands(act, look, lambda: town.now, "test")


@pytest.fixture
def story(database: Database, monkeypatch: pytest.MonkeyPatch) -> Story:
    """The town on both databases, at noon of 21 November 2026, with a second operator."""
    monkeypatch.setattr(clock, "now", lambda: NOW)
    town = build(database)
    with unit_of_work(database) as session:
        other = create_party(session, programme=HOME, role="operator", name="operator 2", now=NOW)
        issued = issue_credential(session, party_id=other.id, now=NOW)
    town.parties["operator 2"] = other.id
    town.clients["operator 2"] = (issued.client_id, issued.secret)
    told = Story(town)
    told.at(NOW)
    monkeypatch.setattr(clock, "now", lambda: town.now)
    return told


def test_two_months_of_a_merchant(story: Story) -> None:
    town = story.town
    merchant = story.merchant()
    offer = story.offer()
    story.ride()
    story.use(offer)
    story.use(offer)
    undone = story.use(offer)
    ok(town.post("till", f"/v1/merchant/vouchers/{undone}/consumption/undo"))
    early = town.post("operator", "/v1/settlements", {"month": "2026-11"})
    refused(early, 409, "settlement-month-open")
    assert early.json["details"]["from_day"] == "2026-12-01"
    refused(town.get("operator", "/v1/settlements/2026-11"), 404, "settlement-not-found")

    story.at(IN_DECEMBER)
    first = f"/v1/merchant/statements/{story.settled('2026-11')}"
    told = ok(town.get("tea", first))
    assert (told["label"], told["state"], told["uses"], told["undos"]) == ("2026-000001", "issued", 3, 1)
    # 0.60 % of two uses of 5 yuan.
    assert (told["used_fen"], told["undone_fen"], told["fee_fen"], told["payable_fen"]) == (1500, 500, 6, 994)
    (line,) = told["lines"]
    assert (line["offer_id"], line["store_name"], line["funding"]) == (offer, "天河店", "fund")
    files_are_whole(town, first, told)
    for who in ("merchant 2", "till"):
        assert town.get(who, first).status_code in (403, 404)
    days = ok(town.get("operator", "/v1/periods?limit=200"))["items"]
    assert [one["kind"] for one in days].count("day") == 30  # the month's events were closed with it

    objection = {"offer_id": offer, "reason": "11 月 21 日少计一笔"}
    dispute = ok(town.post("tea", f"{first}/disputes", objection), 201)
    refused(town.post("tea", f"{first}/disputes", objection), 409, "dispute-exists")
    refused(town.post("tea", f"{first}/agreement"), 409, "statement-state")
    answer, address = (
        {"answer": "已核实，补 2 元", "adjusted_fen": 200},
        f"/v1/disputes/{dispute['id']}/answer",
    )
    refused(town.post("operator", address, answer), 403, "answer-forbidden")  # who issued it
    assert ok(town.post("operator 2", address, answer))["adjusted_fen"] == 200
    (heard,) = ok(town.get("tea", "/v1/merchant/disputes"))["items"]
    assert heard["answer"] == answer["answer"]
    assert ok(town.get("tea", first))["state"] == "agreed"  # the last answer ends the dispute
    story.paid(first, INVOICES[0])
    story.use(offer)

    story.at(IN_JANUARY)
    second = f"/v1/merchant/statements/{story.settled('2026-12')}"
    told = ok(town.get("tea", second))
    assert (told["opening_fen"], told["paid_fen"], told["used_fen"]) == (994, 994, 500)
    assert (told["adjusted_fen"], told["fee_fen"], told["closing_fen"]) == (200, 3, 697)
    (adjustment,) = told["adjustments"]
    assert adjustment == {"dispute_id": dispute["id"], "offer_id": offer, "adjusted_fen": 200}
    assert ok(town.post("tea", f"{second}/agreement"))["state"] == "agreed"
    refused(town.post("tea", f"{second}/invoice", {"invoice_number": INVOICES[0]}), 409, "invoice-taken")
    story.paid(second, INVOICES[1])
    late = {"effective_from": "2026-12-15", "fee_bps": 0, "fee_per_use_fen": 0, "invoice_required": False}
    refused(town.post("operator", f"{merchant}/terms", late), 409, "terms-backdated")
    story.audit()


def files_are_whole(town: Town, statement: str, told: dict[str, Any]) -> None:
    """The same bytes each time, and in each form what the statement says."""
    found = {}
    for form in ("csv", "xlsx", "pdf"):
        answer = town.get("tea", f"{statement}/{form}")
        assert (answer.status_code, answer.data) == (200, town.get("tea", f"{statement}/{form}").data)
        assert told["label"] in answer.headers["Content-Disposition"]
        found[form] = answer.data
    rows = list(csv.DictReader(io.StringIO(found["csv"].decode("utf-8-sig"), newline="")))
    assert [row["kind"] for row in rows].count("use") == told["uses"]
    book = openpyxl.load_workbook(io.BytesIO(found["xlsx"]), read_only=True)
    overview = {row[0]: row[2] for row in book.worksheets[0].iter_rows(values_only=True)}
    assert told["payable_fen"] in overview.values()
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(found["pdf"])).pages)
    assert told["label"] in text
