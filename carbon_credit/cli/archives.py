"""`archive export`, `archive verify`: a month of the large tables in files that prove themselves."""

import sys
from datetime import datetime
from pathlib import Path

import click
from rich.markup import escape

from carbon_credit.archive.exporting import export_month
from carbon_credit.archive.verifying import verify_archive
from carbon_credit.cli.context import emit, json_option, open_installation, progress, stderr
from carbon_credit.kernel import clock
from carbon_credit.kernel.unit_of_work import unit_of_work


@click.group()
def archive() -> None:
    """Months of events, reductions and transfers in Parquet files."""


@archive.command()
@click.option("--month", required=True, type=click.DateTime(["%Y-%m"]), help="e.g. 2026-10")
@click.option("--to", "folder", required=True, type=click.Path(file_okay=False, path_type=Path))
@json_option
def export(month: datetime, folder: Path, as_json: bool) -> None:
    """Write a closed MONTH to FOLDER/2026-10: one file a table, and a manifest. Nothing is deleted."""
    here = open_installation()
    with progress("Writing") as done, unit_of_work(here.database, read_only=True) as session:
        place, manifest = export_month(
            session, month=month.date(), folder=folder, now=clock.now(), progress=done
        )
    if as_json:
        rows = {name: part.rows for name, part in manifest.tables.items()}
        emit({"folder": str(place), "month": manifest.month, "rows": rows, "blocks": len(manifest.blocks)})
        return
    for part in manifest.tables.values():
        stderr.print(f"{part.file}: {part.rows:,} rows, {part.bytes:,} bytes")
    stderr.print(f"[green]Written[/] to {escape(str(place))}. Keep it apart, and verify it there.")


@archive.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@json_option
def verify(folder: Path, as_json: bool) -> None:
    """Check the archive in FOLDER: files, every row's MAC, and the seal blocks of the ledger.

    Ends with status 1 and names what is wrong.
    """
    here = open_installation()
    with progress("Verifying") as done, unit_of_work(here.database, read_only=True) as session:
        verdict = verify_archive(session, folder=folder, progress=done)
    for problem in verdict.problems:
        stderr.print(f"[red]{escape(problem.file)}[/] {escape(problem.detail)}")
    if as_json:
        emit(verdict.as_dict())
    elif not verdict.problems:
        stderr.print(f"[green]{verdict.month} is what was written.[/] {verdict.rows:,} rows checked.")
    sys.exit(1 if verdict.problems else 0)
