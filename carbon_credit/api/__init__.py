"""HTTP v1. Every address is in the table below; each resource is one file with its schemas and views."""

from flask import Flask

from carbon_credit.api.addresses import register_converters
from carbon_credit.api.citizens import account, redemptions
from carbon_credit.api.citizens import facts as own_facts
from carbon_credit.api.errors import register_error_handlers
from carbon_credit.api.headers import register_headers
from carbon_credit.api.merchants import offers as merchant_offers
from carbon_credit.api.merchants import vouchers
from carbon_credit.api.operators import (
    batches,
    dry_runs,
    methodologies,
    offers,
    periods,
    programmes,
    projects,
    publications,
    reports,
    verifications,
)
from carbon_credit.api.partners import citizens as linked
from carbon_credit.api.partners import events, facts, imports, links, oauth
from carbon_credit.api.public import docs, health, keys, pages, serials, totals
from carbon_credit.api.runtime import Runtime

_ASSET = f"<any({','.join(repr(name) for name in docs.ASSETS)}):name>"
_VERSION = "/v1/methodologies/<slug:methodology_id>/versions/<slug:version>"

# fmt: off
ROUTES = (
    # partners
    ("POST",   "/v1/oauth/token", oauth.issue_token),
    ("POST",   "/v1/events", events.post_event),
    ("POST",   "/v1/events/batch", events.post_events),
    ("GET",    "/v1/events/<external:event_id>", events.get_event),
    ("POST",   "/v1/events/<external:event_id>/withdrawal", events.withdraw_event),
    ("POST",   "/v1/citizens", linked.register_citizen),
    ("GET",    "/v1/citizens/<uuid:citizen_id>", linked.get_citizen),
    ("POST",   "/v1/citizens/<uuid:citizen_id>/links", linked.add_citizen_link),
    ("PUT",    "/v1/citizens/<uuid:citizen_id>/consents/<scene:scene>", linked.give_consent),
    ("DELETE", "/v1/citizens/<uuid:citizen_id>/consents/<scene:scene>", linked.end_consent),
    ("PUT",    "/v1/citizens/<uuid:citizen_id>/mandate", linked.give_mandate),
    ("DELETE", "/v1/citizens/<uuid:citizen_id>/mandate", linked.end_mandate),
    ("GET",    "/v1/citizens/<uuid:citizen_id>/facts", facts.list_facts),
    ("PUT",    "/v1/citizens/<uuid:citizen_id>/facts/<slug:name>", facts.state_fact),
    ("POST",   "/v1/citizens/<uuid:citizen_id>/meters", facts.state_meter),
    ("GET",    "/v1/partner/match-keys", links.get_match_keys),
    ("GET",    "/v1/partner/link-hashes", links.list_link_hashes),
    ("POST",   "/v1/imports", imports.begin_import),
    ("GET",    "/v1/imports", imports.list_imports),
    ("GET",    "/v1/imports/<uuid:import_id>", imports.get_import),
    ("PUT",    "/v1/imports/<uuid:import_id>/parts/<offset:first_byte>", imports.add_import_part),
    ("POST",   "/v1/imports/<uuid:import_id>/cancellation", imports.cancel_import),
    ("GET",    "/v1/imports/<uuid:import_id>/rejects", imports.list_rejects),
    ("GET",    "/v1/imports/<uuid:import_id>/rejects.csv", imports.get_rejects_file),
    # citizens
    ("GET",    "/v1/me/account", account.get_account),
    ("GET",    "/v1/me/statement", account.get_statement),
    ("GET",    "/v1/me/reductions", account.list_reductions),
    ("GET",    "/v1/me/facts", own_facts.list_own_facts),
    ("GET",    "/v1/reductions/<uuid:reduction_id>/explanation", account.explain_reduction),
    ("GET",    "/v1/offers", redemptions.list_offers),
    ("POST",   "/v1/redemptions", redemptions.redeem),
    ("POST",   "/v1/redemptions/<uuid:redemption_id>/cancellation", redemptions.cancel_redemption),
    ("GET",    "/v1/me/vouchers", redemptions.list_vouchers),
    # merchants
    ("POST",   "/v1/merchant/vouchers/<voucher:code>/consumption", vouchers.consume_voucher),
    ("GET",    "/v1/merchant/consumptions", vouchers.list_consumptions),
    ("POST",   "/v1/merchant/offers", merchant_offers.propose_own_offer),
    ("GET",    "/v1/merchant/offers", merchant_offers.list_own_offers),
    ("POST",   "/v1/merchant/offers/<uuid:offer_id>/stock", merchant_offers.add_own_stock),
    ("POST",   "/v1/merchant/offers/<uuid:offer_id>/closing", merchant_offers.close_own_offer),
    # operators and verifiers
    ("GET",    "/v1/programmes", programmes.list_programmes),
    ("GET",    "/v1/programmes/<programme:programme>", programmes.get_programme),
    ("GET",    "/v1/programmes/<programme:programme>/offers", offers.list_programme_offers),
    ("POST",   "/v1/offers", offers.propose_offer_for_merchant),
    ("POST",   "/v1/offers/<uuid:offer_id>/approval", offers.approve_one_offer),
    ("POST",   "/v1/offers/<uuid:offer_id>/closing", offers.close_one_offer),
    ("POST",   "/v1/offers/<uuid:offer_id>/stock", offers.add_offer_stock),
    ("GET",    "/v1/methodologies", methodologies.list_methodologies),
    ("GET",    "/v1/methodologies/<slug:methodology_id>/<slug:version>", methodologies.get_methodology),
    ("POST",   "/v1/methodologies", publications.upload_methodology),
    ("POST",   f"{_VERSION}/publication", publications.publish_methodology),
    ("POST",   f"{_VERSION}/confirmations", publications.confirm_value),
    ("POST",   f"{_VERSION}/retirement", publications.retire_methodology),
    ("POST",   f"{_VERSION}/dry-runs", dry_runs.try_methodology),
    ("GET",    "/v1/periods", periods.list_periods),
    ("POST",   "/v1/periods", periods.close_period),
    ("GET",    "/v1/reports", reports.get_report),
    ("POST",   "/v1/projects", projects.register_project),
    ("GET",    "/v1/projects", projects.list_projects),
    ("GET",    "/v1/projects/<uuid:project_id>", projects.get_project),
    ("GET",    "/v1/projects/<uuid:project_id>/preview", projects.preview_batch),
    ("POST",   "/v1/batches", batches.open_batch),
    ("GET",    "/v1/batches", batches.list_batches),
    ("GET",    "/v1/batches/<uuid:batch_id>", batches.get_batch),
    ("POST",   "/v1/batches/<uuid:batch_id>/filling", batches.fill_batch),
    ("POST",   "/v1/batches/<uuid:batch_id>/freezing", batches.freeze_batch),
    ("POST",   "/v1/batches/<uuid:batch_id>/rejection", batches.give_up_batch),
    ("POST",   "/v1/batches/<uuid:batch_id>/application", batches.apply_for_registration),
    ("POST",   "/v1/batches/<uuid:batch_id>/return", batches.return_application),
    ("POST",   "/v1/batches/<uuid:batch_id>/registration", batches.register_batch),
    ("GET",    "/v1/batches/<uuid:batch_id>/dossier", batches.get_dossier),
    ("GET",    "/v1/verifications", verifications.list_verifications),
    ("POST",   "/v1/verifications", verifications.start_verification),
    ("POST",   "/v1/verifications/<uuid:batch_id>/corrections", verifications.request_corrections),
    ("POST",   "/v1/verifications/<uuid:batch_id>/statement", verifications.verify_batch),
    ("POST",   "/v1/verifications/<uuid:batch_id>/rejection", verifications.reject_batch),
    ("GET",    "/v1/audit", programmes.get_trial_balance),
    # everybody
    ("GET",    "/v1/public/programmes/<programme:programme>/totals", totals.get_programme_totals),
    ("GET",    "/v1/public/serials/<serial:serial>", serials.get_serial),
    ("GET",    "/.well-known/jwks.json", keys.get_token_keys),
    ("GET",    "/.well-known/dossier-key.pem", keys.get_dossier_key),
    ("GET",    "/healthz", health.get_health),
    ("GET",    "/readyz", health.get_readiness),
    ("GET",    "/openapi.json", docs.get_contract),
    ("GET",    "/docs", docs.get_docs),
    ("GET",    f"/docs/{_ASSET}", docs.get_docs_asset),
    ("GET",    "/docs/methodologies", pages.get_coverage_page),
    ("GET",    "/docs/methodologies/<slug:methodology_id>/<slug:version>", pages.get_methodology_page),
)
# fmt: on


def register(app: Flask, runtime: Runtime) -> None:
    """Serve all of it from `app`."""
    runtime.attach(app)
    app.config["MAX_CONTENT_LENGTH"] = runtime.settings.max_body_bytes
    # The parser holds 64 KiB of an uploaded file and what it has not cut yet against this limit.
    app.config["MAX_FORM_MEMORY_SIZE"] = 256 * 1024
    app.url_map.merge_slashes = False
    register_converters(app)
    register_error_handlers(app)
    register_headers(app, production=runtime.settings.production)
    for method, rule, operation in ROUTES:
        app.add_url_rule(rule, operation.name, operation, methods=[method])
