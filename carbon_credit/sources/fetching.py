"""Asking a partner for a page over HTTP: bounded in time and size, no redirections."""

from collections.abc import Collection
from datetime import datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import urlencode

from carbon_credit.sources.errors import SourceBusy, SourceFailed
from carbon_credit.sources.hosts import allowed
from carbon_credit.sources.pages import SourcePage, read_page

TIMEOUT_S = 30
MAX_PAGE_BYTES = 32 * 1024 * 1024
MAX_WAIT_S = 3600


def fetch_page(
    address: str,
    *,
    hosts: Collection[str],
    secret: str | None,
    since: datetime | None,
    cursor: str | None,
    limit: int,
) -> SourcePage:
    """GET `address?received_after=…&cursor=…&limit=…`. Raises SourceBusy where the same request may succeed
    later, SourceFailed where somebody has to look, SourceAddressRefused."""
    parts = allowed(address, kind="poll", hosts=hosts)
    asked: dict[str, str | int] = {"limit": limit}
    if since is not None:
        asked["received_after"] = since.isoformat().replace("+00:00", "Z")
    if cursor is not None:
        asked["cursor"] = cursor
    query = "&".join(filter(None, (parts.query, urlencode(asked))))
    headers = {"Accept": "application/json"}
    if secret is not None:
        headers["Authorization"] = f"Bearer {secret}"
    connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = connect(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", f"{parts.path or '/'}?{query}", headers=headers)
        return read_page(_body(connection.getresponse()))
    except (OSError, HTTPException, ValueError) as error:
        # ValueError: a secret with a line break in it. Neither it nor the address is repeated.
        raise SourceBusy(why=f"the connection failed ({type(error).__name__})") from error
    finally:
        connection.close()


def _body(response: HTTPResponse) -> bytes:
    if response.status == 429 or response.status >= 500:
        after = response.headers.get("Retry-After", "")
        wait_s = min(int(after), MAX_WAIT_S) if after.isascii() and after.isdigit() else None
        raise SourceBusy(why=f"status {response.status}", retry_after_s=wait_s)
    if response.status in (401, 403):
        raise SourceFailed(why=f"status {response.status}: the secret is not accepted")
    if response.status != 200:
        raise SourceFailed(why=f"status {response.status}")
    body = response.read(MAX_PAGE_BYTES + 1)
    if len(body) > MAX_PAGE_BYTES:
        raise SourceFailed(why=f"the page has more than {MAX_PAGE_BYTES:,} bytes; ask for fewer events")
    if response.length:
        raise SourceBusy(why=f"the answer ended {response.length:,} bytes too early")
    return body
