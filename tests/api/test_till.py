"""The till's resources: looking, taking a part, undoing, handing in, guessing; and a partner's own mall."""

import re
import struct
import uuid
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from werkzeug.test import TestResponse

from carbon_credit.identity import tills
from carbon_credit.kernel import clock
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.ledger import points as ledger_points
from carbon_credit.redemption import offers, voucher
from carbon_credit.redemption.offering import stock
from carbon_credit.redemption.till.guesses import LOCKED_FOR, MOST_FAILURES
from tests.api.conftest import HOME, Town


def open_offer(town: Town, *, merchant: str = "merchant", **terms: Any) -> UUID:
    now = town.now
    given: dict[str, Any] = {
        "title_zh": "茶",
        "title_en": "Tea",
        "points_price": 10,
        "value_fen": 500,
        "opens_at": now - timedelta(hours=1),
        "closes_at": now + timedelta(days=1),
        "voucher_ttl_s": 3600,
    }
    with unit_of_work(town.database) as session:
        made = offers.propose_offer(
            session,
            programme=HOME,
            merchant_id=town.parties[merchant],
            terms=offers.OfferTerms(**{**given, **terms}),
            now=now,
        )
        stock.add_stock(session, programme=HOME, offer_id=made, pieces=50, now=now)
        offers.approve_offer(
            session, programme=HOME, operator_id=town.parties["operator"], offer_id=made, now=now
        )
    return made


def grant(town: Town, points: int) -> None:
    lot = (town.now + timedelta(days=400)).date()
    with unit_of_work(town.database) as session:
        item = ledger_points.PointsGrant(town.citizens["citizen"], points, lot, None, town.now)
        ledger_points.grants(session, items=[item], programme=HOME, now=town.now)


def desk(town: Town, name: str = "Till 1") -> UUID:
    """A till with a token of its own, under its name."""
    merchant = town.parties["merchant"]
    with unit_of_work(town.database) as session:
        shop = tills.open_store(
            session, programme=HOME, merchant_id=merchant, name=f"Shop of {name}", address="1", now=town.now
        )
        made = tills.open_till(session, merchant_id=merchant, store_id=shop.id, name=name, now=town.now)
        issued = tills.issue_till_credential(session, merchant_id=merchant, till_id=made.id, now=town.now)
    form = {"grant_type": "client_credentials"}
    auth = (issued.client_id, issued.secret)
    answer = town.client.post("/v1/oauth/token", data=form, auth=auth)
    town.tokens[name] = answer.json["access_token"]
    return made.id


def redeem(town: Town, offer: UUID) -> dict[str, Any]:
    answer = town.post("citizen", "/v1/redemptions", {"offer_id": str(offer)})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json
    return found


def consume(town: Town, who: str, code: str, fen: int | None = None) -> TestResponse:
    body = None if fen is None else {"value_fen": fen}
    return town.post(who, f"/v1/merchant/vouchers/{code}/consumption", body)


def code_of(number: int) -> str:
    return voucher.grouped(voucher.code_of(bytes(32), redemption_id=uuid.UUID(int=number)))


def test_a_part_is_taken_looked_at_and_undone(town: Town) -> None:
    grant(town, 50)
    till, held = desk(town), redeem(town, open_offer(town, partial_use=True))
    assert (held["partial_use"], held["left_fen"]) == (True, 500)
    address = f"/v1/merchant/vouchers/{held['code']}"
    used = consume(town, "Till 1", held["qr_text"], 200)
    assert (used.status_code, used.json["value_fen"], used.json["left_fen"]) == (200, 200, 300)
    assert (used.json["till_id"], used.json["redemption_id"]) == (str(till), held["id"])
    seen = town.get("merchant", address)
    assert (seen.json["left_fen"], seen.json["refusal"]) == (300, None)
    too_much = consume(town, "Till 1", held["code"], 301)
    assert (too_much.status_code, too_much.json["code"]) == (409, "voucher-too-small")
    # Only the till that made a use undoes it.
    elsewhere = town.post("merchant", f"{address}/consumption/undo")
    assert (elsewhere.status_code, elsewhere.json["code"]) == (409, "undo-elsewhere")
    undone = town.post("Till 1", f"{address}/consumption/undo")
    assert (undone.status_code, undone.json["id"]) == (200, used.json["id"])
    again = town.post("Till 1", f"{address}/consumption/undo")
    assert (again.status_code, again.json["code"]) == (404, "consumption-not-found")
    assert consume(town, "Till 1", held["code"]).json["value_fen"] == 500
    gone = town.get("Till 1", address, headers={"Accept-Language": "zh"})
    assert (gone.json["left_fen"], gone.json["refusal"]["code"]) == (0, "voucher-consumed")
    assert "Till 1" in gone.json["refusal"]["detail"]
    listed = town.get("merchant", "/v1/merchant/consumptions").json["items"]
    assert [one["undone_at"] is None for one in listed] == [False, True]


def test_a_citizen_gets_the_picture_of_a_voucher_that_can_be_used(town: Town) -> None:
    grant(town, 50)
    held = redeem(town, open_offer(town))
    png = town.get("citizen", f"/v1/redemptions/{held['id']}/qr.png")
    assert (png.status_code, png.mimetype, png.data[:8]) == (200, "image/png", b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", png.data[16:24]) == (8 * (41 + 8), 8 * (41 + 8))  # version 6 and its margin
    svg = town.get("citizen", f"/v1/redemptions/{held['id']}/qr.svg")
    assert (svg.status_code, svg.mimetype) == (200, "image/svg+xml")
    assert "<script" not in svg.text
    stranger = town.get("citizen 2", f"/v1/redemptions/{held['id']}/qr.png")
    assert (stranger.status_code, stranger.json["code"]) == (404, "redemption-not-found")
    consume(town, "merchant", held["code"])
    used = town.get("citizen", f"/v1/redemptions/{held['id']}/qr.png")
    assert (used.status_code, used.json["code"]) == (409, "voucher-consumed")


def test_the_keys_of_vouchers_are_public(town: Town) -> None:
    (key,) = town.get(None, "/.well-known/voucher-keys.json").json["keys"]
    assert (key["kty"], key["crv"], len(key["kid"]), len(key["x"])) == ("OKP", "Ed25519", 4, 43)


def handed(town: Town, who: str, *scans: dict[str, Any], sent_at: datetime | None = None) -> TestResponse:
    body = {"sent_at": (sent_at or clock.now()).isoformat(), "scans": list(scans)}
    return town.post(who, "/v1/merchant/scans", body)


def scan(town: Town, held: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": str(uuid.uuid4()), "text": held["qr_text"], "scanned_at": clock.now().isoformat(), **more}


def test_a_till_hands_in_its_queue(town: Town) -> None:
    grant(town, 50)
    desk(town), desk(town, "Till 2")
    offer = open_offer(town)
    first, second = redeem(town, offer), redeem(town, offer)
    mine = [scan(town, first), scan(town, second), scan(town, first, text="CV2:FORGED")]
    answer = handed(town, "Till 1", *mine)
    assert answer.status_code == 200, answer.text
    outcomes = answer.json["outcomes"]
    assert [one["id"] for one in outcomes] == [one["id"] for one in mine]
    assert [one["outcome"] for one in outcomes] == ["consumed", "consumed", "refused"]
    assert outcomes[2]["problem"]["code"] == "voucher-invalid"
    again = handed(town, "Till 1", *mine).json["outcomes"]
    assert [one["replayed"] for one in again] == [True] * 3
    (lost,) = handed(town, "Till 2", scan(town, first)).json["outcomes"]
    assert (lost["outcome"], lost["borne_by"]) == ("lost", "merchant")
    assert (lost["problem"]["code"], lost["problem"]["details"]["till"]) == ("voucher-consumed", "Till 1")
    assert handed(town, "merchant", scan(town, first)).json["code"] == "till-needed"
    wrong = handed(town, "Till 1", scan(town, first), sent_at=clock.now() - timedelta(hours=1))
    assert (wrong.status_code, wrong.json["code"]) == (409, "till-clock-wrong")


def test_a_till_is_told_who_it_is(town: Town) -> None:
    till = desk(town)
    mine = town.get("Till 1", "/v1/merchant/till").json
    assert (mine["till_id"], mine["name"], mine["merchant_id"]) == (
        str(till),
        "Till 1",
        str(town.parties["merchant"]),
    )
    assert mine["offline"]["ceiling_fen"] == 20000
    assert town.get("merchant", "/v1/merchant/till").json["offline"] is None


def test_guessing_codes_locks_the_till_and_no_other(town: Town) -> None:
    grant(town, 100)
    desk(town), desk(town, "Till 2")
    offer = open_offer(town)
    held, foreign = redeem(town, offer), redeem(town, open_offer(town, merchant="merchant 2"))
    answers = [consume(town, "Till 1", code_of(number)) for number in range(MOST_FAILURES - 2)]
    # Another merchant's voucher and one that never was are answered alike, to the letter.
    answers.append(consume(town, "Till 1", foreign["code"]))
    assert {(one.status_code, one.text) for one in answers} == {(404, answers[0].text)}
    mistyped = consume(town, "Till 1", "1000-0000-0005-4")
    assert (mistyped.status_code, mistyped.json["code"]) == (422, "voucher-invalid")
    for deed in (
        lambda: consume(town, "Till 1", held["code"]),
        lambda: town.get("Till 1", f"/v1/merchant/vouchers/{held['code']}"),
        lambda: town.post("Till 1", f"/v1/merchant/vouchers/{held['code']}/consumption/undo"),
    ):
        locked = deed()
        assert (locked.status_code, locked.json["code"]) == (429, "till-locked")
        assert 0 < int(locked.headers["Retry-After"]) <= LOCKED_FOR.total_seconds()
        assert re.search(r"\d\d:\d\d:\d\d\+08:00", locked.json["detail"])  # when it may go on
    assert consume(town, "Till 2", held["code"]).status_code == 200


def test_looking_at_codes_counts_as_guessing(town: Town) -> None:
    desk(town)
    for number in range(MOST_FAILURES):
        assert town.get("Till 1", f"/v1/merchant/vouchers/{code_of(number)}").status_code == 404
    assert town.get("Till 1", f"/v1/merchant/vouchers/{code_of(99)}").json["code"] == "till-locked"


def partner_post(town: Town, who: str, address: str, json: Any = None) -> TestResponse:
    return town.post(who, f"/v1/partner/redemptions{address}", json)


@pytest.fixture
def mall(town: Town) -> Town:
    grant(town, 100)
    return town


def test_a_partner_holds_cancels_and_uses_for_its_citizen(mall: Town) -> None:
    body = {"offer_id": str(open_offer(mall)), "citizen_id": str(mall.citizens["citizen"])}
    held = partner_post(mall, "partner", "", body)
    assert (held.status_code, held.json["state"]) == (201, "held")
    number = held.json["id"]
    given_back = partner_post(mall, "partner", f"/{number}/cancellation")
    assert (given_back.status_code, given_back.json["state"]) == (200, "cancelled")
    second = partner_post(mall, "partner", "", body).json["id"]
    used = partner_post(mall, "partner", f"/{second}/consumption")
    assert (used.status_code, used.json["value_fen"]) == (200, 500)
    assert mall.get("partner", f"/v1/partner/redemptions/{second}").json["state"] == "consumed"
    twice = partner_post(mall, "partner", f"/{second}/consumption")
    assert (twice.status_code, twice.json["code"]) == (409, "voucher-consumed")
    # The merchant is owed for it as for any other.
    assert len(mall.get("merchant", "/v1/merchant/consumptions").json["items"]) == 1


def test_a_partner_without_a_link_finds_nobody(mall: Town) -> None:
    body = {"offer_id": str(open_offer(mall)), "citizen_id": str(mall.citizens["citizen"])}
    stranger = partner_post(mall, "partner 2", "", body)
    assert (stranger.status_code, stranger.json["code"]) == (404, "citizen-not-found")
    away = partner_post(mall, "away partner", "", body)
    assert (away.status_code, away.json["code"]) == (404, "citizen-not-found")
    number = partner_post(mall, "partner", "", body).json["id"]
    for who in ("partner 2", "away partner"):
        for act in ("cancellation", "consumption"):
            answer = partner_post(mall, who, f"/{number}/{act}")
            assert (answer.status_code, answer.json["code"]) == (404, "redemption-not-found")
        assert mall.get(who, f"/v1/partner/redemptions/{number}").status_code == 404


def test_the_page_and_all_its_files_are_served(town: Town) -> None:
    page = town.get(None, "/till")
    assert (page.status_code, page.mimetype) == (200, "text/html")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    worker = town.get(None, "/till/sw.js")
    assert worker.headers["Service-Worker-Allowed"] == "/till"
    names = re.findall(r'"(/till[^"]*)"', worker.text)
    assert len(names) == 15
    for name in names:
        assert town.get(None, name).status_code == 200, name
    used = set(re.findall(r'(?:href|src)="([^"]+)"', page.text))
    assert used <= set(names)
    assert not re.search(r"https?://", page.text + worker.text)
