"""The cashier's page and its files, all our own; see static/till/README.md."""

import json
from functools import cache
from importlib.resources import files

from flask import Response

from carbon_credit.api.operation import Call, reads
from carbon_credit.kernel.digest import sha256_hex

ASSETS = {
    "app.js": "text/javascript",
    "camera.js": "text/javascript",
    "handing.js": "text/javascript",
    "service.js": "text/javascript",
    "store.js": "text/javascript",
    "sw.js": "text/javascript",
    "taking.js": "text/javascript",
    "voucher.js": "text/javascript",
    "words.js": "text/javascript",
    "till.css": "text/css",
    "icon.svg": "image/svg+xml",
    "manifest.webmanifest": "application/manifest+json",
}
VENDORED = {
    "ed25519.js": "text/javascript",
    "zxing-reader.js": "text/javascript",
    "zxing_reader.wasm": "application/wasm",
}
_KINDS = tuple(sorted({*ASSETS.values(), *VENDORED.values()}))


@reads(answer=None, downloads=("text/html",), uses_database=False)
def get_till(call: Call) -> Response:
    """A page for a cashier's phone: scans and takes vouchers, without a connection too."""
    return Response(_file("index.html"), mimetype="text/html", headers={"Cache-Control": "no-cache"})


@reads(answer=None, downloads=_KINDS, uses_database=False)
def get_till_asset(call: Call, name: str) -> Response:
    """Scripts and styles of the page."""
    data = _worker() if name == "sw.js" else _file(name)
    # Asked for again each time, because the page must fit its scripts; the worker keeps them on the phone.
    response = Response(data, mimetype=ASSETS[name], headers={"Cache-Control": "no-cache"})
    if name == "sw.js":
        response.headers["Service-Worker-Allowed"] = "/till"
    return response


@reads(answer=None, downloads=_KINDS, uses_database=False)
def get_till_vendored(call: Call, name: str) -> Response:
    """The two libraries of the page."""
    headers = {"Cache-Control": "public, max-age=86400"}
    return Response(_file(f"vendor/{name}"), mimetype=VENDORED[name], headers=headers)


@cache
def _file(name: str) -> bytes:
    return (files("carbon_credit.api") / "static" / "till" / name).read_bytes()


@cache
def _worker() -> bytes:
    """The worker, with the files that it keeps and their digest: a changed file makes a new version."""
    names = [*sorted(set(ASSETS) - {"sw.js"}), *(f"vendor/{name}" for name in sorted(VENDORED))]
    version = sha256_hex(b"".join(map(_file, ["index.html", *names])))[:16]
    listed = json.dumps(["/till", *(f"/till/{name}" for name in names)])
    return _file("sw.js").replace(b"__VERSION__", version.encode()).replace(b"__FILES__", listed.encode())
