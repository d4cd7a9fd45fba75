"""HTTP v1. Every address is in the table below; each resource is one file with its schemas and views."""

from flask import Flask

from carbon_credit.api.addresses import register_converters
from carbon_credit.api.citizens import (
    account,
    district,
    giving,
    leaderboards,
    medals,
    redemptions,
    retirements,
    yearly,
)
from carbon_credit.api.citizens import facts as own_facts
from carbon_credit.api.errors import register_error_handlers
from carbon_credit.api.headers import register_headers
from carbon_credit.api.malls import redemptions as malls
from carbon_credit.api.merchants import codes, scans, statements, tills, vouchers
from carbon_credit.api.merchants import offers as merchant_offers
from carbon_credit.api.operators import (
    batches,
    budgets,
    dry_runs,
    funding,
    merchants,
    methodologies,
    offers,
    outstanding,
    payments,
    periods,
    programmes,
    projects,
    publications,
    reports,
    settlements,
    verifications,
)
from carbon_credit.api.partners import citizens as linked
from carbon_credit.api.partners import events, facts, imports, links, oauth
from carbon_credit.api.public import docs, health, keys, pages, points, serials, till, totals
from carbon_credit.api.public import giving as public_giving
from carbon_credit.api.public import retirements as public_retirements
from carbon_credit.api.runtime import Runtime
from carbon_credit.api.webhooks import endpoints, messages, troubles

_ASSET = f"<any({','.join(repr(name) for name in docs.ASSETS)}):name>"
_MESSAGE = "/v1/webhooks/<uuid:webhook_id>/messages/<uuid:message_id>"
_TILL = f"<any({','.join(repr(name) for name in till.ASSETS)}):name>"
_VENDORED = f"<any({','.join(repr(name) for name in till.VENDORED)}):name>"
_VERSION = "/v1/methodologies/<slug:methodology_id>/versions/<slug:version>"
_MERCHANT = "/v1/merchants/<uuid:merchant_id>"
_FORM = "<any('csv','xlsx','pdf'):form>"

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
    ("POST",   "/v1/partner/redemptions", malls.redeem_for_citizen),
    ("GET",    "/v1/partner/redemptions/<uuid:redemption_id>", malls.get_redemption),
    ("POST",   "/v1/partner/redemptions/<uuid:redemption_id>/cancellation", malls.cancel_for_citizen),
    ("POST",   "/v1/partner/redemptions/<uuid:redemption_id>/consumption", malls.consume_for_citizen),
    # citizens
    ("GET",    "/v1/me/account", account.get_account),
    ("GET",    "/v1/me/statement", account.get_statement),
    ("GET",    "/v1/me/reductions", account.list_reductions),
    ("GET",    "/v1/me/facts", own_facts.list_own_facts),
    ("GET",    "/v1/reductions/<uuid:reduction_id>/explanation", account.explain_reduction),
    ("GET",    "/v1/offers", redemptions.list_offers),
    ("POST",   "/v1/redemptions", redemptions.redeem),
    ("POST",   "/v1/redemptions/<uuid:redemption_id>/cancellation", redemptions.cancel_redemption),
    ("GET",    "/v1/redemptions/<uuid:redemption_id>/qr.png", redemptions.get_voucher_png),
    ("GET",    "/v1/redemptions/<uuid:redemption_id>/qr.svg", redemptions.get_voucher_svg),
    ("GET",    "/v1/me/vouchers", redemptions.list_vouchers),
    ("GET",    "/v1/me/medals", medals.list_medals),
    ("GET",    "/v1/me/district", district.get_district),
    ("PUT",    "/v1/me/district", district.put_district),
    ("DELETE", "/v1/me/district", district.delete_district),
    ("GET",    "/v1/me/leaderboard", leaderboards.get_membership),
    ("PUT",    "/v1/me/leaderboard", leaderboards.join_leaderboard),
    ("DELETE", "/v1/me/leaderboard", leaderboards.leave_leaderboard),
    ("GET",    "/v1/me/reports/<year:year>", yearly.get_year_report),
    ("GET",    "/v1/me/reports/<year:year>/report.pdf", yearly.get_year_pages),
    ("GET",    "/v1/me/reports/<year:year>/card.png", yearly.get_year_card),
    ("GET",    "/v1/me/reports/<year:year>/card.svg", yearly.get_year_drawing),
    ("GET",    "/v1/leaderboards", leaderboards.get_leaderboard),
    ("POST",   "/v1/redemptions/<uuid:redemption_id>/code", giving.show_pool_code),
    ("POST",   "/v1/me/donations", giving.give_points),
    ("GET",    "/v1/me/donations", giving.list_donations),
    ("POST",   "/v1/me/retirements", retirements.retire_own_grams),
    ("GET",    "/v1/me/retirements", retirements.list_own_retirements),
    ("GET",    "/v1/me/retirements/available", retirements.get_retirable),
    ("POST",   "/v1/me/subsidies", giving.ask_for_subsidy),
    ("GET",    "/v1/me/subsidies", giving.list_own_subsidies),
    ("DELETE", "/v1/me/subsidies/<uuid:redemption_id>/name", giving.forget_subsidy_name),
    # merchants
    ("GET",    "/v1/merchant/vouchers/<voucher:code>", vouchers.look_at_voucher),
    ("POST",   "/v1/merchant/vouchers/<voucher:code>/consumption", vouchers.consume_voucher),
    ("POST",   "/v1/merchant/vouchers/<voucher:code>/consumption/undo", vouchers.undo_consumption),
    ("POST",   "/v1/merchant/scans", scans.hand_in_scans),
    ("GET",    "/v1/merchant/till", scans.get_own_till),
    ("GET",    "/v1/merchant/consumptions", vouchers.list_consumptions),
    ("POST",   "/v1/merchant/offers", merchant_offers.propose_own_offer),
    ("GET",    "/v1/merchant/offers", merchant_offers.list_own_offers),
    ("POST",   "/v1/merchant/offers/<uuid:offer_id>/stock", merchant_offers.add_own_stock),
    ("POST",   "/v1/merchant/offers/<uuid:offer_id>/stock/withdrawal", merchant_offers.remove_own_stock),
    ("POST",   "/v1/merchant/offers/<uuid:offer_id>/closing", merchant_offers.close_own_offer),
    ("POST",   "/v1/merchant/offers/<uuid:offer_id>/codes", codes.add_own_codes),
    ("GET",    "/v1/merchant/offers/<uuid:offer_id>/codes", codes.get_own_pool),
    ("POST",   "/v1/merchant/offers/<uuid:offer_id>/codes/withdrawal", codes.withdraw_own_codes),
    ("GET",    "/v1/merchant/stores", tills.list_own_stores),
    ("GET",    "/v1/merchant/tills", tills.list_own_tills),
    ("POST",   "/v1/merchant/tills/<uuid:till_id>/credential", tills.replace_own_till_credential),
    ("PUT",    "/v1/merchant/tills/<uuid:till_id>/standing", tills.set_own_till_standing),
    ("GET",    "/v1/merchant/statements", statements.list_own_statements),
    ("GET",    "/v1/merchant/statements/<uuid:statement_id>", statements.get_own_statement),
    ("GET",    f"/v1/merchant/statements/<uuid:statement_id>/{_FORM}", statements.get_own_statement_file),
    ("POST",   "/v1/merchant/statements/<uuid:statement_id>/agreement", statements.agree_to_own_statement),
    ("POST",   "/v1/merchant/statements/<uuid:statement_id>/disputes", statements.dispute_own_statement),
    ("POST",   "/v1/merchant/statements/<uuid:statement_id>/invoice", statements.state_own_invoice),
    ("GET",    "/v1/merchant/disputes", statements.list_own_disputes),
    # operators and verifiers
    ("POST",   "/v1/merchants", merchants.register_merchant),
    ("GET",    "/v1/merchants", merchants.list_merchants),
    ("GET",    _MERCHANT, merchants.get_merchant),
    ("PUT",    f"{_MERCHANT}/standing", merchants.set_merchant_standing),
    ("POST",   f"{_MERCHANT}/credentials", merchants.issue_merchant_credential),
    ("DELETE", f"{_MERCHANT}/credentials/<slug:client_id>", merchants.revoke_merchant_credential),
    ("POST",   f"{_MERCHANT}/stores", merchants.open_merchant_store),
    ("GET",    f"{_MERCHANT}/stores", merchants.list_merchant_stores),
    ("PUT",    f"{_MERCHANT}/stores/<uuid:store_id>/standing", merchants.set_merchant_store_standing),
    ("POST",   f"{_MERCHANT}/tills", merchants.open_merchant_till),
    ("GET",    f"{_MERCHANT}/tills", merchants.list_merchant_tills),
    ("PUT",    f"{_MERCHANT}/tills/<uuid:till_id>/standing", merchants.set_merchant_till_standing),
    ("POST",   f"{_MERCHANT}/tills/<uuid:till_id>/credential", merchants.replace_merchant_till_credential),
    ("GET",    "/v1/programmes", programmes.list_programmes),
    ("GET",    "/v1/programmes/<programme:programme>", programmes.get_programme),
    ("GET",    "/v1/programmes/<programme:programme>/offers", offers.list_programme_offers),
    ("POST",   "/v1/offers", offers.propose_offer_for_merchant),
    ("POST",   "/v1/offers/<uuid:offer_id>/approval", offers.approve_one_offer),
    ("POST",   "/v1/offers/<uuid:offer_id>/closing", offers.close_one_offer),
    ("POST",   "/v1/offers/<uuid:offer_id>/stock", offers.add_offer_stock),
    ("POST",   f"{_MERCHANT}/terms", payments.record_merchant_terms),
    ("GET",    f"{_MERCHANT}/terms", payments.list_merchant_terms),
    ("POST",   f"{_MERCHANT}/payees", payments.record_merchant_payee),
    ("GET",    f"{_MERCHANT}/payees", payments.list_merchant_payees),
    ("POST",   f"{_MERCHANT}/payees/<uuid:payee_id>/confirmation", payments.confirm_merchant_payee),
    ("POST",   "/v1/settlements", settlements.settle_a_month),
    ("GET",    "/v1/settlements", settlements.list_settlements),
    ("GET",    "/v1/settlements/<month:month>", settlements.get_settlement),
    ("GET",    "/v1/statements", settlements.list_merchant_statements),
    ("GET",    "/v1/statements/<uuid:statement_id>", settlements.get_merchant_statement),
    ("GET",    f"/v1/statements/<uuid:statement_id>/{_FORM}", settlements.get_merchant_statement_file),
    ("POST",   "/v1/statements/<uuid:statement_id>/agreement", settlements.agree_for_merchant),
    ("POST",   "/v1/statements/<uuid:statement_id>/invoice", settlements.state_invoice_for_merchant),
    ("GET",    "/v1/disputes", settlements.list_disputes),
    ("POST",   "/v1/disputes/<uuid:dispute_id>/answer", settlements.answer_a_dispute),
    ("POST",   "/v1/payment-files", payments.make_a_payment_file),
    ("GET",    "/v1/payment-files", payments.list_payment_files),
    ("GET",    "/v1/payment-files/<uuid:file_id>", payments.get_payment_file),
    ("POST",   "/v1/payment-confirmations", payments.confirm_bank_payments),
    ("POST",   "/v1/offers/<uuid:offer_id>/stock/withdrawal", offers.remove_offer_stock),
    ("POST",   "/v1/budgets", budgets.open_budget),
    ("GET",    "/v1/budgets", budgets.list_budgets),
    ("POST",   "/v1/budgets/<uuid:budget_id>/additions", budgets.pay_into_budget),
    ("POST",   "/v1/budgets/<uuid:budget_id>/returns", budgets.pay_back_from_budget),
    ("GET",    "/v1/fund", budgets.get_fund),
    ("POST",   "/v1/fund/additions", budgets.pay_into_fund),
    ("GET",    "/v1/subsidies", budgets.list_open_subsidies),
    ("POST",   "/v1/subsidies/<uuid:redemption_id>/grant", budgets.grant_one_subsidy),
    ("POST",   "/v1/subsidies/<uuid:redemption_id>/refusal", budgets.refuse_one_subsidy),
    ("POST",   "/v1/subsidies/<uuid:redemption_id>/payment", budgets.confirm_subsidy_payment),
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
    ("GET",    "/v1/reports/funding", funding.get_funding_report),
    ("GET",    "/v1/reports/points", outstanding.get_outstanding_points),
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
    # merchants and partners, to be told
    ("POST",   "/v1/webhooks", endpoints.create_webhook),
    ("GET",    "/v1/webhooks", endpoints.list_webhooks),
    ("GET",    "/v1/webhooks/<uuid:webhook_id>", endpoints.get_webhook),
    ("PATCH",  "/v1/webhooks/<uuid:webhook_id>", endpoints.change_webhook),
    ("DELETE", "/v1/webhooks/<uuid:webhook_id>", endpoints.delete_webhook),
    ("POST",   "/v1/webhooks/<uuid:webhook_id>/secret", endpoints.rotate_webhook_secret),
    ("POST",   "/v1/webhooks/<uuid:webhook_id>/test", endpoints.send_test_webhook),
    ("GET",    "/v1/webhooks/<uuid:webhook_id>/messages", messages.list_webhook_messages),
    ("GET",    _MESSAGE, messages.get_webhook_message),
    ("POST",   f"{_MESSAGE}/replay", messages.replay_webhook_message),
    ("POST",   "/v1/webhooks/<uuid:webhook_id>/replays", messages.replay_webhook_span),
    ("GET",    "/v1/webhook-troubles", troubles.list_webhook_troubles),
    # everybody
    ("GET",    "/v1/public/programmes/<programme:programme>/totals", totals.get_programme_totals),
    ("GET",    "/v1/public/programmes/<programme:programme>/points", points.get_points_rules),
    ("GET",    "/v1/public/programmes/<programme:programme>/subsidies", public_giving.list_public_subsidies),
    ("GET",    "/v1/public/donations/<voucher:code>", public_giving.get_public_donation),
    ("GET",    "/v1/public/retirements/<voucher:code>", public_retirements.get_public_retirement),
    ("GET",    "/v1/public/serials/<serial:serial>", serials.get_serial),
    ("GET",    "/.well-known/jwks.json", keys.get_token_keys),
    ("GET",    "/.well-known/voucher-keys.json", keys.get_voucher_keys),
    ("GET",    "/.well-known/dossier-key.pem", keys.get_dossier_key),
    ("GET",    "/healthz", health.get_health),
    ("GET",    "/readyz", health.get_readiness),
    ("GET",    "/openapi.json", docs.get_contract),
    ("GET",    "/till", till.get_till),
    ("GET",    f"/till/{_TILL}", till.get_till_asset),
    ("GET",    f"/till/vendor/{_VENDORED}", till.get_till_vendored),
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
