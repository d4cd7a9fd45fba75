"""HTTP v1. Every address is in the table below; each resource is one file with its schemas and views."""

from flask import Flask

from carbon_credit.api.addresses import register_converters
from carbon_credit.api.errors import register_error_handlers
from carbon_credit.api.headers import register_headers
from carbon_credit.api.partners import citizens, oauth
from carbon_credit.api.public import docs, health, keys
from carbon_credit.api.runtime import Runtime

_ASSET = f"<any({','.join(repr(name) for name in docs.ASSETS)}):name>"

# fmt: off
ROUTES = (
    # partners
    ("POST",   "/v1/oauth/token", oauth.issue_token),
    ("POST",   "/v1/citizens", citizens.register_citizen),
    ("GET",    "/v1/citizens/<uuid:citizen_id>", citizens.get_citizen),
    ("POST",   "/v1/citizens/<uuid:citizen_id>/links", citizens.add_citizen_link),
    ("PUT",    "/v1/citizens/<uuid:citizen_id>/consents/<scene:scene>", citizens.give_consent),
    ("DELETE", "/v1/citizens/<uuid:citizen_id>/consents/<scene:scene>", citizens.end_consent),
    ("PUT",    "/v1/citizens/<uuid:citizen_id>/mandate", citizens.give_mandate),
    ("DELETE", "/v1/citizens/<uuid:citizen_id>/mandate", citizens.end_mandate),
    # everybody
    ("GET",    "/.well-known/jwks.json", keys.get_token_keys),
    ("GET",    "/.well-known/dossier-key.pem", keys.get_dossier_key),
    ("GET",    "/healthz", health.get_health),
    ("GET",    "/readyz", health.get_readiness),
    ("GET",    "/openapi.json", docs.get_contract),
    ("GET",    "/docs", docs.get_docs),
    ("GET",    f"/docs/{_ASSET}", docs.get_docs_asset),
)
# fmt: on


def register(app: Flask, runtime: Runtime) -> None:
    """Serve all of it from `app`."""
    runtime.attach(app)
    app.config["MAX_CONTENT_LENGTH"] = runtime.settings.max_body_bytes
    app.config["MAX_FORM_MEMORY_SIZE"] = 64 * 1024
    app.url_map.merge_slashes = False
    register_converters(app)
    register_error_handlers(app)
    register_headers(app, production=runtime.settings.production)
    for method, rule, operation in ROUTES:
        app.add_url_rule(rule, operation.name, operation, methods=[method])
