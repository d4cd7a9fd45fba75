"""`adapter list|show|check|try`: mappings of operators' files, without a database."""

import os
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import click
import orjson
from rich.table import Table

from carbon_credit.catalogue.activities import load_activities
from carbon_credit.cli.context import emit, json_option, stderr, stdout
from carbon_credit.imports.adapters import load_mapping, make_adapter, names
from carbon_credit.imports.adapters.loading import mapping_problems
from carbon_credit.imports.formats import file_digest, open_rows
from carbon_credit.imports.reasons import reason_text
from carbon_credit.imports.rows import Event, Ride
from carbon_credit.imports.stations import Stations
from carbon_credit.kernel import clock
from carbon_credit.kernel.settings import read_settings
from carbon_credit.methodology.network import Network

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def adapter() -> None:
    """Mapping files: what the columns of operators' files mean (docs/adapters.md)."""


@adapter.command("list")
@json_option
def list_(as_json: bool) -> None:
    """The adapters that come with the program."""
    rows = []
    for name in names():
        loaded = load_mapping(name)
        title = loaded.mapping.title
        rows.append({"name": name, "zh": title.zh, "en": title.en, "digest": loaded.digest})
    if as_json:
        emit({"adapters": rows})
        return
    table = Table("name", "", "")
    for row in rows:
        table.add_row(row["name"], row["zh"], row["en"])
    stdout.print(table)


@adapter.command()
@click.argument("name")
def show(name: str) -> None:
    """Print the mapping NAME: a good beginning for one of your own."""
    click.echo(load_mapping(name).text, nl=False)


@adapter.command()
@click.argument("mapping")
@json_option
def check(mapping: str, as_json: bool) -> None:
    """Say everything that is wrong with MAPPING, a file or the name of an adapter."""
    _, found = mapping_problems(mapping, load_activities(read_settings(os.environ).methodologies_dir))
    if as_json:
        emit({"sound": not found, "problems": [{"code": one.code, **one.details} for one in found]})
    else:
        for one in found:
            click.secho(one.message("en"), fg="red")
            click.echo(f"  {one.message('zh')}")
        if not found:
            click.echo("The mapping is sound. 映射文件无误。")
    if found:
        raise click.exceptions.Exit(1)


@adapter.command("try")
@click.option("--network", "network_path", type=_FILE, help="Tracks between stations (rule network)")
@click.option("--city", help="Only these rows of the network's column city")
@click.option("--stations", "stations_path", type=_FILE, help="Coordinates (rule great-circle)")
@click.option("--riders", type=_FILE, help="Whose trips they were, for files that do not say it")
@click.option("--events", "shown", default=3, show_default=True, help="How many events to show")
@json_option
@click.argument("mapping")
@click.argument("rows", type=_FILE)
def try_(
    network_path: Path | None,
    city: str | None,
    stations_path: Path | None,
    riders: Path | None,
    shown: int,
    as_json: bool,
    mapping: str,
    rows: Path,
) -> None:
    """Read the file ROWS as MAPPING says, and show the first events and what becomes of the rows.

    Nothing is stored or credited. Of cards and accounts only the first letters are shown.
    """
    made = make_adapter(
        mapping,
        network=Network.from_csv(network_path.read_bytes(), city=city) if network_path else None,
        riders=riders,
        stations=Stations.from_csv(stations_path.read_bytes()) if stations_path else None,
    )
    events: list[Event] = []
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], int] = {}
    for item in made.items(open_rows(rows), now=clock.now()):
        if isinstance(item, Ride):
            counts["event", ""] += len(item.lines)
            if len(events) < shown:
                events.append(_masked(item))
        else:
            kind = (item.status, item.reason)
            counts[kind] += 1
            first.setdefault(kind, item.line)
    told = [
        {"outcome": status, "reason": reason, "rows": count, "first_line": first.get((status, reason))}
        for (status, reason), count in counts.most_common()
    ]
    if as_json:
        emit({"events": events, "rows": told, "totals": made.totals, "sha256": file_digest(rows)})
        return
    for event in events:
        click.echo(orjson.dumps(event))
    _tell(told, made.totals)


def _tell(told: list[dict[str, Any]], totals: dict[str, int | str]) -> None:
    table = Table("outcome", "reason", "rows", "first line", "")
    for row in islice(told, 100):
        text = " / ".join(reason_text(row["reason"])) if row["reason"] else ""
        table.add_row(row["outcome"], row["reason"], f"{row['rows']:,}", str(row["first_line"] or ""), text)
    stderr.print(table)
    stderr.print("  ".join(f"{name} {total}" for name, total in totals.items()))


def _masked(ride: Ride) -> Event:
    """The event with no more of the link's value than tells a person which column it was."""
    citizen: Any = ride.event["citizen"]
    link = {**citizen["link"], "value": ride.card[:2] + "…"}
    return {**ride.event, "citizen": {"link": link}}
