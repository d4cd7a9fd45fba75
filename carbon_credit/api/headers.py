"""Headers that every answer carries."""

from flask import Flask, Response, request

_API = "default-src 'none'; frame-ancestors 'none'"
# The documentation page runs our own script and style; swagger-ui sets style attributes by itself.
_DOCS = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
# The cashier's page runs our own scripts, and one library that is WebAssembly; its store and worker are ours.
_TILL = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; media-src 'self' blob:; manifest-src 'self'; worker-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_DAY_S = 86_400
_ALWAYS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)


def register_headers(app: Flask, *, production: bool) -> None:
    """Add them to each answer of `app`."""
    # TLS ends at the proxy in front; browsers must not come without it.
    strict = (("Strict-Transport-Security", f"max-age={365 * _DAY_S}; includeSubDomains"),)
    always = _ALWAYS + (strict if production else ())
    api = [*always, ("Content-Security-Policy", _API)]
    docs = [*always, ("Content-Security-Policy", _DOCS)]
    till = [*always, ("Content-Security-Policy", _TILL)]

    @app.after_request
    def add(response: Response) -> Response:
        headers = response.headers
        # No view sets any of these, so they need not be looked for.
        path = request.path
        headers.extend(docs if path.startswith("/docs") else till if path.startswith("/till") else api)
        if "Cache-Control" not in headers:
            headers["Cache-Control"] = "no-store"
        return response
