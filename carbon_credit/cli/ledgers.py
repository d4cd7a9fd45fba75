"""`ledger audit`: proof that the books hold."""

import sys

import click
from rich.markup import escape

from carbon_credit.cli.context import emit, json_option, open_installation, progress, stderr
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.sweeps.audit import audit_everything


@click.group()
def ledger() -> None:
    """The two ledgers, grams and points."""


@ledger.command()
@click.option("--recent", is_flag=True, help="Read transfers from the last opening balances on")
@json_option
def audit(recent: bool, as_json: bool) -> None:
    """Prove the books: balances, zero sums, nothing below zero, every row's seal.

    Ends with status 1 and names the rows where a rule is broken.
    """
    here = open_installation()
    with progress("Auditing") as done, unit_of_work(here.database, read_only=True) as session:
        report = audit_everything(session, full=not recent, progress=done)
    for finding in report.findings:
        told = escape(f"{finding.table} {finding.row}: {finding.detail}")
        stderr.print(f"[red]{finding.rule}[/] {told}")
    if as_json:
        emit(report.as_dict())
    elif not report.findings:
        stderr.print(f"[green]The books hold.[/] {report.rows:,} rows checked.")
    sys.exit(1 if report.findings else 0)
