"""Headers that every answer carries."""

from flask import Flask, Response, request

_API = "default-src 'none'; frame-ancestors 'none'"
# The documentation page runs our own script and style; swagger-ui sets style attributes by itself.
_DOCS = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_DAY_S = 86_400


def register_headers(app: Flask, *, production: bool) -> None:
    """Add them to each answer of `app`."""

    @app.after_request
    def add(response: Response) -> Response:
        docs = request.path.startswith("/docs")
        headers = response.headers
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "no-referrer"
        headers["Content-Security-Policy"] = _DOCS if docs else _API
        headers["X-Frame-Options"] = "DENY"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        if "Cache-Control" not in headers:
            headers["Cache-Control"] = "no-store"
        if production:
            # TLS ends at the proxy in front; browsers must not come without it.
            headers["Strict-Transport-Security"] = f"max-age={365 * _DAY_S}; includeSubDomains"
        return response
