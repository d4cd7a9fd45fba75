"""`simulate`: realistic days of a programme, to files or live to an API."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from importlib.util import find_spec
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import click

from carbon_credit.catalogue.library import load_library
from carbon_credit.cli.context import emit, json_option, open_installation, programme_option, progress, stderr
from carbon_credit.cli.crowds import creditable, enrol_crowd
from carbon_credit.cli.posting import Target, post
from carbon_credit.kernel import clock
from carbon_credit.kernel.settings import read_settings
from carbon_credit.simulator.city import metro_csv
from carbon_credit.simulator.crowd import Crowd, Delivery
from carbon_credit.simulator.stream import Mess
from carbon_credit.simulator.writing import LAYOUTS, Written, sayable, write_file
from carbon_credit.sweeps.deliveries import CITIES

_DAY = "{day}"


class Share(click.ParamType):  # type: ignore[type-arg]
    """A share such as 1% or 0.25%, as a number per 10,000."""

    name = "percent"

    def convert(self, value: Any, _param: click.Parameter | None, _context: click.Context | None) -> int:
        """Per 10,000. Fails for what is no share, or is finer than that."""
        if isinstance(value, int):
            return value
        try:
            share = Decimal(str(value).strip().removesuffix("%")) * 100
        except InvalidOperation:
            share = Decimal(-1)
        if not 0 <= share <= 10_000 or share != int(share):
            self.fail(f"{value!r} is no share from 0% to 100% with at most two decimals")
        return int(share)


SHARE = Share()


@dataclass(slots=True)
class Meant:
    """What was delivered, by what it was meant to be; and the outcomes that it must have."""

    kinds: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)

    def counted(self, deliveries: Iterator[Delivery]) -> Iterator[Delivery]:
        """The same deliveries, counted as they pass."""
        kinds, outcomes, types = self.kinds, self.outcomes, self.types
        for one in deliveries:
            kinds[one.kind] += 1
            outcomes[one.meant] += 1
            types[str(one.event["type"])] += 1
            if one.fault is not None:
                self.faults[one.fault] += 1
            yield one

    def as_dict(self) -> dict[str, Any]:
        """For comparing with what became of it."""
        counters = {
            "kinds": self.kinds,
            "outcomes": self.outcomes,
            "types": self.types,
            "faults": self.faults,
        }
        told: dict[str, Any] = {name: dict(sorted(counted.items())) for name, counted in counters.items()}
        return {"events": sum(self.kinds.values())} | told


@click.command()
@programme_option
@click.option("--citizens", type=click.IntRange(1, 9_999_999), default=1_000, show_default=True)
@click.option("--days", type=click.IntRange(1, 3660), default=1, show_default=True)
@click.option("--events", type=click.IntRange(min=1), help="Stop after so many events")
@click.option(
    "--from", "from_day", type=click.DateTime(["%Y-%m-%d"]), help="First day; default: so that all is over"
)
@click.option("--seed", type=click.IntRange(0, 2**31), default=1, show_default=True)
@click.option("--types", help="Only these activity types, e.g. metro.ride,bus.ride")
@click.option("--late", type=SHARE, default=0, help="Share delivered days later, e.g. 1%")
@click.option("--late-days", type=click.IntRange(1, 60), default=3, show_default=True)
@click.option("--duplicate", type=SHARE, default=0, help="Share sent twice")
@click.option("--conflict", type=SHARE, default=0, help="Share sent again with other content")
@click.option(
    "--bad", type=SHARE, default=0, help="Share that is wrong: no such card, negative, in the future …"
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="File; {day} in its name: one a day"
)
@click.option("--layout", type=click.Choice(["events", *LAYOUTS]), default="events", show_default=True)
@click.option("--control", is_flag=True, help="Also write FILE.ctl (rows, sums, sha256) and FILE.ok")
@click.option(
    "--network-out", type=click.Path(dir_okay=False, path_type=Path), help="The metro network as CSV"
)
@click.option("--to", "url", help="Post to this API instead, e.g. http://127.0.0.1:8000")
@click.option(
    "--client", envvar="CARBON_CREDIT_AS", metavar="CLIENT_ID:SECRET", help="Of the partner that posts"
)
@click.option("--connections", type=click.IntRange(1, 256), default=1, show_default=True)
@click.option(
    "--batch", type=click.IntRange(1, 10_000), default=1_000, show_default=True, help="1: one by one"
)
@click.option("--rate", type=click.IntRange(min=1), help="Events a second, at most")
@click.option(
    "--enrol", is_flag=True, help="Rehearsal only: register the citizens in this installation first"
)
@click.option(
    "--partner", default="Simulated", show_default=True, help="Who brings the citizens that are enrolled"
)
@json_option
def simulate(
    programme: str, citizens: int, days: int, events: int | None, from_day: datetime | None, seed: int,
    types: str | None, late: int, late_days: int, duplicate: int, conflict: int, bad: int, out: Path | None,
    layout: str, control: bool, network_out: Path | None, url: str | None, client: str | None,
    connections: int, batch: int, rate: int | None, enrol: bool, partner: str, as_json: bool,
) -> None:  # fmt: skip
    """Simulate days of PROGRAMME: the activities that it credits, by invented people, with the given mess.

    The same arguments give the same events, and --json tells what they were meant to be: kinds, and the
    outcomes that they must have where they are credited in this order and the citizens are enrolled.
    """
    if sum((duplicate, conflict, bad)) > 10_000:
        raise click.UsageError("The shares of --duplicate, --conflict and --bad add up to more than 100%.")
    if url is not None and (client is None or ":" not in client):
        raise click.UsageError("Say who posts: --client CLIENT_ID:SECRET of a partner.")
    if out is not None and out.suffix == ".zst" and find_spec("zstandard") is None:
        raise click.UsageError("Writing .zst needs a library: pip install 'carbon-credit[files]'")
    settings = read_settings(os.environ)
    mess = Mess(late=late, duplicate=duplicate, conflict=conflict, bad=bad, late_days=late_days)
    library = load_library(settings.methodologies_dir)
    if programme not in library.profiles:
        raise click.UsageError(f"There is no programme {programme}; known: {', '.join(library.profiles)}")
    today = clock.business_day(clock.now(), library.profiles[programme].time_zone)
    start = from_day.date() if from_day else today - timedelta(days=days + (late_days if late else 0))
    base = Crowd(
        seed=seed, programme=programme, citizens=citizens, start_day=start, days=days, mess=mess,
        time_zone=library.profiles[programme].time_zone,
    )  # fmt: skip
    crowd, left_out = creditable(
        library, base, settings.methodologies_dir, _wanted(types, layout), now=clock.now()
    )
    told: dict[str, Any] = {"programme": programme, "seed": seed, "from": str(start), "left_out": left_out}
    if network_out is not None:
        # As an import of this programme looks for it.
        city = CITIES.get(programme.removeprefix("x-"))
        network_out.write_bytes(metro_csv(seed=seed, programme=programme, city=city))
    if enrol:
        here = open_installation(settings)
        try:
            told["enrolled"] = enrol_crowd(here, crowd, partner=partner)
        finally:
            here.database.dispose()
    meant = Meant()
    deliveries = meant.counted(islice(sayable(crowd.deliveries(), layout=layout), events))
    if out is not None:
        files = _write(out, deliveries, layout, control)
        told["files"] = [{"path": str(one.path)} | one.control() for one in files]
    elif url is not None and client is not None:
        with progress(f"Posting to {url}", total=events) as done:
            target = Target(url, client, connections, batch, rate)
            told["posted"] = post(target, (one.event for one in deliveries), done=done).as_dict()
    told["meant"] = meant.as_dict()
    if as_json:
        emit(told)
        return
    _tell(told)


def _wanted(types: str | None, layout: str) -> tuple[str, ...] | None:
    said = LAYOUTS[layout].types if layout in LAYOUTS else None
    if types is None:
        return said
    wanted = tuple(one.strip() for one in types.split(","))
    if said is not None and (other := [one for one in wanted if one not in said]):
        raise click.UsageError(f"A file of {layout} cannot say {', '.join(other)}.")
    return wanted


def _write(out: Path, deliveries: Iterator[Delivery], layout: str, control: bool) -> list[Written]:
    out.parent.mkdir(parents=True, exist_ok=True)
    with progress(f"Writing {out.name}") as done:
        if _DAY not in out.name:
            return [write_file(out, deliveries, layout=layout, control=control, wrote=done)]
        return [
            write_file(_of_day(out, day), of_day, layout=layout, control=control, wrote=done)
            for day, of_day in groupby(deliveries, key=lambda one: one.day)
        ]


def _of_day(out: Path, day: date) -> Path:
    return out.with_name(out.name.replace(_DAY, f"{day:%Y%m%d}"))


def _tell(told: dict[str, Any]) -> None:
    for name, reason in told["left_out"].items():
        stderr.print(f"[yellow]{name} is left out: {reason}[/yellow]")
    if "enrolled" in told:
        stderr.print(f"{told['enrolled']:,} citizens enrolled")
    for one in told.get("files", ()):
        stderr.print(f"{one['path']}: {one['rows']:,} rows")
    if "posted" in told:
        stderr.print("  ".join(f"{name} {value}" for name, value in told["posted"].items()))
    for name in ("kinds", "outcomes", "types", "faults"):
        stderr.print(
            f"{name:9}" + "  ".join(f"{key} {value:,}" for key, value in told["meant"][name].items())
        )
