"""The cashier's page in a real browser, against a real server."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import segno
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright
from werkzeug.serving import make_server

from carbon_credit.factory import application
from carbon_credit.identity import tills
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.settings import Settings
from carbon_credit.kernel.unit_of_work import unit_of_work
from tests.api.conftest import HOME, Town, build
from tests.api.test_till import grant, open_offer, redeem
from tests.conftest import missing

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
PICTURES = os.environ.get("TILL_PICTURES")  # a folder: what was seen is kept there
PHONE = {"width": 390, "height": 844}
WIDTH, HEIGHT = 640, 480


@dataclass
class Shop:
    """A merchant's till and a citizen with points. `address`: of the server."""

    town: Town
    address: str
    till_id: UUID
    credential: tuple[str, str]
    folder: Path
    playwright: Playwright
    opened: ExitStack

    def voucher(self, **terms: Any) -> dict[str, Any]:
        return redeem(self.town, open_offer(self.town, **terms))

    def used(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.town.get("merchant", "/v1/merchant/consumptions").json["items"]
        return found

    def phone(self, shows: str | None = None) -> Page:
        """A phone whose camera sees a QR code with this text, on the page, not signed in."""
        arguments = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
        if shows is not None:
            film = self.folder / "camera.y4m"
            film.write_bytes(filmed(shows))
            arguments.append(f"--use-file-for-fake-video-capture={film}")
        # As root there is no sandbox of Chromium's own.
        browser: Browser = self.playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*arguments, "--no-sandbox"]
        )
        self.opened.callback(browser.close)
        context: BrowserContext = browser.new_context(
            viewport=PHONE,  # type: ignore[arg-type]
            device_scale_factor=2,
            is_mobile=True,
            has_touch=True,
            locale="zh-CN",
            timezone_id="Asia/Shanghai",
            permissions=["camera"],
        )
        page = context.new_page()
        page.on("pageerror", lambda error: pytest.fail(f"the page broke: {error}"))
        page.goto(f"{self.address}/till")
        return page

    def signed_in(self, shows: str | None = None) -> Page:
        page = self.phone(shows)
        page.fill("#client-id", self.credential[0])
        page.fill("#secret", self.credential[1])
        page.click("#enter-form button")
        expect(page.locator("#till-name")).to_have_text("Till 1")
        return page


def filmed(text: str) -> bytes:
    """A film that a browser takes for its camera: a QR code, grey on white."""
    matrix = [list(row) for row in segno.make(text, error="m", micro=False).matrix]
    module = (HEIGHT - 80) // len(matrix)
    left, top = (WIDTH - module * len(matrix)) // 2, (HEIGHT - module * len(matrix)) // 2
    rows = [bytearray([235]) * WIDTH for _ in range(HEIGHT)]
    for y, line in enumerate(matrix):
        for x, dark in enumerate(line):
            if dark:
                for row in rows[top + y * module : top + (y + 1) * module]:
                    row[left + x * module : left + (x + 1) * module] = bytes([40]) * module
    picture = b"".join(map(bytes, rows)) + bytes([128]) * (WIDTH * HEIGHT // 2)
    return f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F10:1 Ip A1:1 C420jpeg\n".encode() + (b"FRAME\n" + picture) * 2


def seen(page: Page, name: str) -> None:
    """Keep a picture of what is seen, where somebody wants to look."""
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png")


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The application on a port of its own."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def shop(base_settings: Settings, sqlite_template: Path, tmp_path: Path) -> Iterator[Shop]:
    """A shop with one till, and a browser to open its page with."""
    if CHROMIUM is None:
        missing("no Chromium: install it (Debian: chromium), or name it in CHROMIUM")
    path = tmp_path / "town.db"
    shutil.copyfile(sqlite_template, path)
    database = Database(replace(base_settings, database_url=f"sqlite:///{path}", var_dir=tmp_path))
    town = build(database)
    grant(town, 500)
    merchant = town.parties["merchant"]
    with unit_of_work(database) as session:
        store = tills.open_store(
            session, programme=HOME, merchant_id=merchant, name="茶馆 Tea house", address="1", now=town.now
        )
        till = tills.open_till(session, merchant_id=merchant, store_id=store.id, name="Till 1", now=town.now)
        issued = tills.issue_till_credential(session, merchant_id=merchant, till_id=till.id, now=town.now)
    with ExitStack() as opened:
        opened.callback(database.dispose)
        address = opened.enter_context(serving(application(database.settings, database)))
        playwright = opened.enter_context(sync_playwright())
        credential = (issued.client_id, issued.secret)
        yield Shop(town, address, till.id, credential, tmp_path, playwright, opened)
