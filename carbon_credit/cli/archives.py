"""`archive export` and `verify`: a month in files that prove themselves. `shelve`: to cheaper disks."""

import sys
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path

import click
from rich.markup import escape

from carbon_credit.archive.exporting import export_month
from carbon_credit.archive.shelving import to_shelve
from carbon_credit.archive.verifying import verify_archive
from carbon_credit.cli.context import emit, json_option, open_installation, progress, stderr
from carbon_credit.kernel import clock
from carbon_credit.kernel.shelves import Moved, move_partition
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


@archive.command()
@click.option("--month", required=True, type=click.DateTime(["%Y-%m"]), help="e.g. 2026-01")
@click.option("--tablespace", required=True, help="e.g. slow")
@click.option(
    "--archive",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="What `archive export` wrote of the month. It is verified first.",
)
@json_option
def shelve(month: datetime, tablespace: str, folder: Path, as_json: bool) -> None:
    """Move a closed MONTH of the database to cheaper disks (PostgreSQL). Everything stays readable.

    One table at a time, each in a transaction of its own. Stopped in the middle it is run again: tables
    that are there already are passed over.
    """
    here = open_installation()
    with progress("Verifying") as done, unit_of_work(here.database, read_only=True) as session:
        waiting = to_shelve(
            session,
            month=month.date(),
            tablespace=tablespace,
            archive=folder,
            now=clock.now(),
            progress=done,
        )
    moved = []
    for partition in waiting:
        with progress(partition.name) as done, unit_of_work(here.database) as session:
            moved.append(
                move_partition(
                    session,
                    partition=partition,
                    tablespace=tablespace,
                    open_reader=partial(unit_of_work, here.database, read_only=True),
                    progress=done,
                )
            )
        stderr.print(_told(moved[-1]))
    if as_json:
        emit({"month": f"{month:%Y-%m}", "tablespace": tablespace, "moved": [asdict(one) for one in moved]})
    elif moved:
        total = sum(one.bytes_before for one in moved)
        stderr.print(f"[green]{month:%Y-%m} is in {escape(tablespace)}.[/] {total:,} bytes left their disk.")
    else:
        stderr.print(f"{month:%Y-%m} is in {escape(tablespace)} already. Nothing was moved.")


def _told(one: Moved) -> str:
    return f"{one.partition}: {one.rows:,} rows, {one.bytes_before:,} bytes before, {one.bytes_after:,} there"
