"""One connection to a running API, as a partner's server has it."""

import base64
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

import click
import orjson

TIMEOUT_S = 60
AGAIN = frozenset({429, 500, 502, 503, 504})  # statuses after which the same request may succeed


class Remote:
    """`client`: CLIENT_ID:SECRET of a partner. Not for several threads at once."""

    def __init__(self, url: str, client: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise click.UsageError(f"{url!r} is no address such as http://127.0.0.1:8000")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_S)
        self._path, self._client = parts.path.rstrip("/"), client
        self._token: str | None = None

    def ask(
        self, method: str, path: str, body: bytes | None = None, kind: str | None = None
    ) -> tuple[int, int | None, bytes]:
        """(status, Retry-After in seconds, body), with a token. Raises OSError or HTTPException where there
        is no answer, click.ClickException where the client is refused."""
        self._token = self._token or self._fetch_token()
        headers = {"Authorization": f"Bearer {self._token}"}
        if kind is not None:
            headers["Content-Type"] = kind
        return self._request(method, path, body, headers)

    def forget_token(self) -> None:
        """The token has expired: fetch another."""
        self._token = None

    def close(self) -> None:
        """The next request opens the connection again."""
        self._connection.close()

    def _fetch_token(self) -> str:
        basic = base64.b64encode(self._client.encode()).decode()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Basic {basic}"}
        grant = b"grant_type=client_credentials"
        status, _, answer = self._request("POST", "/v1/oauth/token", grant, headers)
        if status in AGAIN:
            raise HTTPException("no token yet")
        if status != 200:
            raise click.ClickException(f"The client is refused: {orjson.loads(answer).get('detail', status)}")
        return str(orjson.loads(answer)["access_token"])

    def _request(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, int | None, bytes]:
        self._connection.request(method, self._path + path, body, headers)
        response = self._connection.getresponse()
        after = response.headers.get("Retry-After", "")
        return response.status, int(after) if after.isdigit() else None, response.read()
