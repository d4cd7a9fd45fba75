"""What a cashier does and sees."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import update

from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.redemption.models import Redemption
from tests.till.conftest import Shop, seen


def answered(page: Page, word: str, amount: str = "") -> None:
    """The one large answer."""
    expect(page.locator("#answer-word")).to_have_text(word)
    expect(page.locator("#answer-sum")).to_have_text(amount)


def typed(page: Page, code: str) -> None:
    page.fill("#code", code)
    page.click("#code-form button")


def test_a_code_is_typed_taken_undone_and_taken_again(shop: Shop) -> None:
    held = shop.voucher(title_zh="五元茶饮券")
    page = shop.signed_in()
    seen(page, "desk")
    typed(page, held["code"].lower())
    answered(page, "可用", "¥5.00")
    expect(page.locator("#answer-title")).to_have_text("五元茶饮券")
    expect(page.locator("#undo")).to_have_text(re.compile(r"撤销核销 [45]:\d\d"))
    seen(page, "good")
    page.click("#undo")
    answered(page, "已撤销", "¥5.00")
    seen(page, "undone")
    page.click("#next")
    typed(page, held["code"])
    answered(page, "可用", "¥5.00")
    page.click("#next")
    expect(page.locator("#answer")).to_be_hidden()
    typed(page, held["code"])
    answered(page, "已用")
    expect(page.locator("#answer-why")).to_contain_text("Till 1")
    expect(page.locator("#undo")).to_be_hidden()
    seen(page, "used")
    assert [one["undone_at"] is None for one in shop.used()] == [False, True]
    assert shop.used()[1]["till_id"] == str(shop.till_id)


def test_the_camera_sees_a_voucher(shop: Shop) -> None:
    held = shop.voucher()
    page = shop.signed_in(shows=held["qr_text"])
    page.click("#camera")
    answered(page, "可用", "¥5.00")
    assert [one["redemption_id"] for one in shop.used()] == [held["id"]]


def test_a_part_is_asked_for(shop: Shop) -> None:
    held = shop.voucher(partial_use=True, value_fen=5000)
    page = shop.signed_in()
    typed(page, held["code"])
    expect(page.locator("#amount-left")).to_have_text("余额 ¥50.00")
    seen(page, "amount")
    page.fill("#amount-yuan", "60")
    page.click("#amount-form .main")
    expect(page.locator("#amount-problem")).not_to_be_empty()
    page.fill("#amount-yuan", "12.5")
    page.click("#amount-form .main")
    answered(page, "可用", "¥12.50")
    expect(page.locator("#answer-why")).to_have_text("剩余 ¥37.50")
    page.click("#next")
    typed(page, held["code"])
    page.click("#amount-not")
    expect(page.locator("#answer")).to_be_hidden()
    assert [one["value_fen"] for one in shop.used()] == [1250]


def test_the_bill_is_asked_for_where_it_decides(shop: Shop) -> None:
    first, second = (shop.voucher(percent_off=20, value_fen=1000, min_spend_fen=500) for _ in range(2))
    page = shop.signed_in()
    typed(page, first["code"])
    expect(page.locator("#amount-question")).to_have_text("应付金额是多少？")
    seen(page, "bill")
    page.click("#amount-form .main")
    expect(page.locator("#amount-problem")).not_to_be_empty()
    page.fill("#amount-yuan", "30.07")
    page.click("#amount-form .main")
    answered(page, "可用", "¥6.01")
    assert [one["value_fen"] for one in shop.used()] == [601]
    page.click("#next")
    typed(page, second["code"])
    page.fill("#amount-yuan", "4.99")
    page.click("#amount-form .main")
    answered(page, "不能核销")
    assert len(shop.used()) == 1


def test_expired_unknown_and_mistyped(shop: Shop) -> None:
    held, foreign = shop.voucher(), shop.voucher(merchant="merchant 2")
    with unit_of_work(shop.town.database) as session:
        hour = timedelta(hours=2)
        session.execute(
            update(Redemption).values(
                held_at=shop.town.now - 2 * hour, expires_at=shop.town.now - hour, late_until=None
            )
        )
    page = shop.signed_in()
    typed(page, held["code"])
    answered(page, "过期")
    seen(page, "expired")
    page.click("#next")
    typed(page, foreign["code"])
    answered(page, "无此券")
    page.click("#next")
    typed(page, "7K3M-9QXD-2TVW5")
    expect(page.locator("#code-problem")).to_contain_text("券码有误")
    expect(page.locator("#answer")).to_be_hidden()
    page.click("#language")
    typed(page, held["code"])
    answered(page, "Expired")
    expect(page.locator("#answer-other")).to_have_text("过期")
    assert shop.used() == []


def test_without_a_connection_it_takes_what_is_signed_and_hands_it_in_later(shop: Shop) -> None:
    held = shop.voucher()
    page = shop.signed_in(shows=held["qr_text"])
    page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    page.context.set_offline(True)
    page.reload()  # the worker has the page
    expect(page.locator("#till-line")).to_have_text("离线")
    page.click("#camera")
    answered(page, "可用", "¥5.00")
    expect(page.locator("#answer-why")).to_contain_text("离线核销")
    seen(page, "offline-good")
    page.click("#next")
    expect(page.locator("#queue")).to_have_text(re.compile(r"1 笔离线核销待上传 · ¥5.00"))
    seen(page, "offline-queue")
    page.click("#camera")
    answered(page, "已用")
    page.click("#next")
    typed(page, held["code"])
    answered(page, "不能核销")
    page.click("#next")
    assert shop.used() == []
    page.context.set_offline(False)
    expect(page.locator("#queue")).to_be_hidden(timeout=15_000)
    expect(page.locator("#till-line")).to_have_text("在线")
    (used,) = shop.used()
    assert (used["redemption_id"], used["offline"]) == (held["id"], True)
    assert used["consumed_at"] < used["recorded_at"]


def test_what_depends_on_the_bill_is_not_taken_offline(shop: Shop) -> None:
    held = shop.voucher(percent_off=20)
    page = shop.signed_in(shows=held["qr_text"])
    page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    page.context.set_offline(True)
    page.reload()
    page.click("#camera")
    answered(page, "不能核销")
    expect(page.locator("#answer-why")).to_contain_text("按账单优惠的券须联网核销")
    expect(page.locator("#queue")).to_be_hidden()


def test_who_comes_second_is_told_and_a_queued_one_can_be_undone(shop: Shop) -> None:
    held = shop.voucher()
    page = shop.signed_in(shows=held["qr_text"])
    page.context.set_offline(True)
    page.click("#camera")
    answered(page, "可用", "¥5.00")
    page.click("#undo")
    answered(page, "已撤销")
    page.click("#next")
    expect(page.locator("#queue")).to_be_hidden()
    page.click("#camera")
    answered(page, "可用", "¥5.00")
    page.click("#next")
    # Meanwhile somebody else takes it.
    shop.town.post("merchant", f"/v1/merchant/vouchers/{held['code']}/consumption")
    page.context.set_offline(False)
    told = page.locator("#told li")
    expect(told).to_contain_text("离线核销未成功", timeout=15_000)
    expect(told).to_contain_text("由商户承担")
    seen(page, "lost")
    told.click()
    expect(told).to_have_count(0)
    assert len(shop.used()) == 1


@pytest.mark.parametrize("native", [True, False])
def test_what_nobody_signed_is_not_taken_offline(shop: Shop, native: bool) -> None:
    held = shop.voucher()
    text = held["qr_text"]
    # One bit of the value: the reader finds nothing wrong, the signature does.
    forged = text[:30] + ("0" if text[30] != "0" else "1") + text[31:]
    page = shop.signed_in(shows=forged)
    if not native:  # an older phone: the library has to do it
        page.evaluate("void (crypto.subtle.importKey = () => Promise.reject(new Error('no Ed25519')))")
    page.context.set_offline(True)
    page.click("#camera")
    answered(page, "假券")
    page.click("#next")
    seen(page, "forged")
    good = page.evaluate(
        """async ([good, forged, address]) => {
            const { read, isGenuine } = await import(`${address}/till/voucher.js`);
            const keys = await new Promise((resolve) => {
                indexedDB.open("till").onsuccess = (event) => {
                    const store = event.target.result.transaction("kept").objectStore("kept");
                    store.get("till").onsuccess = (found) => resolve(found.target.result.keys);
                };
            });
            return [await isGenuine(read(good), keys), await isGenuine(read(forged), keys)];
        }""",
        [text, forged, shop.address],
    )
    assert good == [True, False]


def test_signing_in_needs_the_secret_and_leaving_forgets_it(shop: Shop) -> None:
    page = shop.phone()
    seen(page, "enter")
    page.fill("#client-id", shop.credential[0])
    page.fill("#secret", "wrong")
    page.click("#enter-form button")
    expect(page.locator("#enter-problem")).to_contain_text("不正确")
    page.fill("#secret", shop.credential[1])
    page.click("#enter-form button")
    expect(page.locator("#desk")).to_be_visible()
    assert shop.credential[1] not in page.evaluate("JSON.stringify({...sessionStorage, ...localStorage})")
    page.click("#leave")
    expect(page.locator("#enter")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0
