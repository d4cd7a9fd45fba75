"""`demo`: the main job, end to end, on the embedded default."""

from typing import Any

import click
import orjson
from rich.table import Table

from carbon_credit.cli.context import Installation, emit, json_option, open_installation, progress, stderr
from carbon_credit.cli.demo_city import (
    PEOPLE,
    SHENZHEN,
    City,
    close_books,
    found_city,
    live_through,
    month_to_simulate,
    simulation_of,
)
from carbon_credit.cli.demo_market import Sold, redeem, sell
from carbon_credit.kernel.keys import private_key, public_pem
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.sweeps import SWEEPS
from carbon_credit.sweeps.audit import AuditReport, audit_everything
from carbon_credit.tasks import run_sweep
from carbon_credit.verifier.check import check_dossier
from carbon_credit.verifier.report import Report


@click.command()
@json_option
def demo(as_json: bool) -> None:
    """Run the main job end to end on SQLite, no servers: rides in, points redeemed, a dossier out.

    Run it again and it simulates the month before.
    """
    here = open_installation()
    month = month_to_simulate(here)
    stderr.print(f"Two rehearsal cities in {month:%B %Y}; nothing here can ever be sold.\n")
    cities = []
    for programme in PEOPLE:
        simulation = simulation_of(programme, month)
        city = found_city(here, programme, simulation)
        live_through(here, city, simulation)
        close_books(here, city, month)
        cities.append(city)
    shenzhen = next(city for city in cities if city.programme == SHENZHEN)
    redemptions = redeem(here, shenzhen)
    folder = here.settings.var_dir / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    sold = sell(here, shenzhen, month, folder)
    key_path = folder / "dossier-key.pem"
    key_path.write_bytes(public_pem(private_key(here.settings.keys.dossier_private_pem).public_key()))
    report = check_dossier(sold.verifier_edition, public_key=key_path.read_bytes())
    for name in ("seal", "openings"):  # a worker does this every few minutes
        run_sweep(here.database, SWEEPS[name])
    audit = _audited(here)
    summary = _summary(cities, dict(redemptions), sold, report, audit)
    (folder / "summary.json").write_bytes(
        orjson.dumps(summary, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"
    )
    _keep_credentials(here, cities)
    if as_json:
        emit(summary)
    else:
        _show(here, summary)
    if not (report.ok and not audit.findings):
        raise SystemExit(1)


def _audited(here: Installation) -> AuditReport:
    with progress("Auditing") as done, unit_of_work(here.database, read_only=True) as session:
        return audit_everything(session, progress=done)


def _summary(
    cities: list[City], redemptions: dict[str, int], sold: Sold, report: Report, audit: AuditReport
) -> dict[str, Any]:
    events: dict[str, int] = {}
    for city in cities:
        for status, count in city.outcomes.items():
            events[status] = events.get(status, 0) + count
    return {
        "programmes": [city.programme for city in cities],
        "citizens": sum(len(city.people) for city in cities),
        "events": events,
        "reasons": {city.programme: dict(city.reasons) for city in cities},
        "co2e_mg": sum(city.co2e_mg for city in cities),
        "points": sum(city.points for city in cities),
        "redemptions": redemptions,
        "batch": {
            "id": str(sold.batch.id),
            "state": sold.batch.state,
            "tonnes": sold.batch.tonnes,
            "reductions": sold.batch.leaf_count,
            "serials": sold.serials,
        },
        "dossier": {
            "verifier": str(sold.verifier_edition),
            "exchange": str(sold.exchange_edition),
        },
        "dossier_verified": report.ok,
        "audit": audit.as_dict(),
    }


def _keep_credentials(here: Installation, cities: list[City]) -> None:
    # For trying the API by hand; the embedded default holds nothing but invented people.
    told = {
        city.programme: {
            name: {"client_id": one.client_id, "client_secret": one.secret}
            for name, one in city.credentials.items()
        }
        for city in cities
    }
    path = here.settings.var_dir / "demo" / "credentials.json"
    path.touch(mode=0o600)
    path.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))


def _show(here: Installation, summary: dict[str, Any]) -> None:
    batch = summary["batch"]
    table = Table(title="演练 Rehearsal · not for sale", show_header=False, title_justify="left")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(
        "事件 events", ", ".join(f"{n} {count:,}" for n, count in sorted(summary["events"].items()))
    )
    table.add_row("用户 citizens", f"{summary['citizens']:,}")
    table.add_row("减排量 CO2e", f"{summary['co2e_mg'] // 1_000_000:,} kg")
    table.add_row("积分 points", f"{summary['points']:,}")
    table.add_row(
        "兑换 redemptions", ", ".join(f"{n} {c}" for n, c in sorted(summary["redemptions"].items()))
    )
    table.add_row(
        "批次 batch", f"{batch['tonnes']} t of {batch['reductions']:,} reductions, {batch['state']}"
    )
    table.add_row("编号 serials", ", ".join(batch["serials"]))
    table.add_row("核算档案 dossier", summary["dossier"]["verifier"])
    table.add_row("档案核验 verified", "no difference found" if summary["dossier_verified"] else "DIFFERS")
    audit = summary["audit"]
    table.add_row("总账审计 audit", f"holds, {audit['rows']:,} rows" if audit["ok"] else "BROKEN")
    stderr.print(table)
    key = here.settings.var_dir / "demo" / "dossier-key.pem"
    stderr.print(
        "\nNext:\n"
        "  make serve                                         the API, with documentation at /docs\n"
        f"  .venv/bin/carbon-credit dossier verify --key {key} {summary['dossier']['verifier']}\n"
        "  .venv/bin/carbon-credit ledger audit\n"
        "  .venv/bin/carbon-credit methodology explain sz-public-transit/v1 mode=metro distance_m=8300 "
        "--on 2026-11-20\n"
        f"  {here.settings.var_dir / 'demo' / 'credentials.json'}   client ids and secrets for the API",
        highlight=False,
        soft_wrap=True,
    )
