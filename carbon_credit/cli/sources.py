"""`source`: from where events are fetched, and how far that has come."""

import os
import signal
import sys
import threading
from dataclasses import asdict
from types import FrameType
from typing import Any
from uuid import UUID

import click

from carbon_credit.cli.context import (
    Installation,
    emit,
    json_option,
    open_installation,
    programme_option,
    progress,
    stderr,
)
from carbon_credit.identity.queries import party_named
from carbon_credit.sources.operations import add_source, set_source_enabled
from carbon_credit.sources.queries import SourceRecord, refusals_of, source_named, sources_of
from carbon_credit.sweeps.sources import poll as poll_source
from carbon_credit.tasks import hands_of
from carbon_credit.tasks.consuming import Consumer


@click.group()
def source() -> None:
    """Partners that are asked for their events, and queues that events are read from."""


@source.command()
@programme_option
@click.option("--partner", required=True, help="Whose events these are")
@click.option("--name", required=True)
@click.option("--kind", type=click.Choice(["poll", "rabbitmq"]), default="poll", show_default=True)
@click.option(
    "--address", required=True, help="https://host/path, or amqp://host:5672/vhost; no secret in it"
)
@click.option("--queue", help="Of RabbitMQ")
@click.option("--secret-env", help="Variable with the bearer token, or with user:password of RabbitMQ")
@click.option("--page-size", type=click.IntRange(1, 10_000), default=1_000, show_default=True)
@click.option(
    "--overlap-s",
    type=click.IntRange(0, 2_678_400),
    default=900,
    show_default=True,
    help="How far before the last event the next poll begins: longer than the partner takes to commit",
)
@json_option
def add(programme: str, partner: str, as_json: bool, **given: Any) -> None:
    """Add a source. The host must stand in SOURCE_HOSTS."""
    if (given["kind"] == "rabbitmq") != (given["queue"] is not None):
        raise click.UsageError("--queue belongs to --kind rabbitmq, and to nothing else.")
    here = open_installation()
    found = here.look(
        lambda session, _now: party_named(session, programme=programme, role="partner", name=partner)
    )
    if found is None:
        raise click.UsageError(f"{programme} has no partner {partner!r}.")
    record = here.act(
        lambda session, now: add_source(
            session,
            programme=programme,
            partner_id=found.id,
            hosts=here.settings.source_hosts,
            now=now,
            **given,
        )
    )
    _tell(record, {}, as_json=as_json)


@source.command("list")
@programme_option
@json_option
def list_(programme: str, as_json: bool) -> None:
    """Where events come from, how far that has come, and what was wrong."""
    here = open_installation()
    records = here.look(lambda session, _now: sources_of(session, programme=programme))
    refused = {one.id: _refusals(here, one.id) for one in records}
    if as_json:
        emit({"sources": [_as_dict(one, refused[one.id]) for one in records]})
        return
    for one in records:
        _tell(one, refused[one.id], as_json=False)


@source.command()
@programme_option
@click.argument("name")
@json_option
def poll(programme: str, name: str, as_json: bool) -> None:
    """Poll the source NAME now, to its end."""
    here = open_installation()
    record = _named(here, programme, name, "poll")
    with progress(f"Polling {name}") as done:
        polled = poll_source(hands_of(here.database), record.id, environ=os.environ)
        done(sum(polled.statuses.values()))
    told = {
        "pages": polled.pages,
        "outcomes": dict(sorted(polled.statuses.items())),
        "problem": polled.problem,
    }
    if as_json:
        emit(told)
    else:
        stderr.print("  ".join(f"{key} {value}" for key, value in told.items()))
    sys.exit(0 if polled.problem is None else 1)


@source.command()
@programme_option
@click.argument("name")
@click.option("--wait-ms", type=click.IntRange(1, 60_000), default=200, show_default=True, help="For a group")
@click.option("--until-empty", is_flag=True, help="End when the queue holds nothing more")
@json_option
def consume(programme: str, name: str, wait_ms: int, until_empty: bool, as_json: bool) -> None:
    """Read the queue of the source NAME until stopped (SIGTERM, Ctrl-C). Any number may run at once."""
    here = open_installation()
    record = _named(here, programme, name, "rabbitmq")
    stop = threading.Event()

    def ask_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, ask_to_stop)
    consumer = Consumer(here.database, record, environ=os.environ, wait_ms=wait_ms)
    with progress(f"Consuming {name}") as done:
        statuses = consumer.run(stop, until_empty=until_empty, done=done)
    told = dict(sorted(statuses.items()))
    if as_json:
        emit({"outcomes": told})
    else:
        stderr.print("  ".join(f"{key} {value:,}" for key, value in told.items()) or "nothing")


@source.command()
@programme_option
@click.argument("name")
@click.option("--on/--off", "enabled", required=True)
def enable(programme: str, name: str, enabled: bool) -> None:
    """Poll NAME on schedule, or leave it alone."""
    here = open_installation()
    record = here.look(lambda session, _now: source_named(session, programme=programme, name=name))
    here.act(lambda session, _now: set_source_enabled(session, source_id=record.id, enabled=enabled))
    stderr.print(f"{name} is {'on' if enabled else 'off'}")


def _named(here: Installation, programme: str, name: str, kind: str) -> SourceRecord:
    record = here.look(lambda session, _now: source_named(session, programme=programme, name=name))
    if record.kind != kind:
        raise click.UsageError(f"{name} is a source of the kind {record.kind}.")
    return record


def _refusals(here: Installation, source_id: UUID) -> dict[str, int]:
    return here.look(lambda session, _now: refusals_of(session, source_id=source_id))


def _as_dict(record: SourceRecord, refused: dict[str, int]) -> dict[str, Any]:
    hidden = {"version", "since", "position"}
    return {name: value for name, value in asdict(record).items() if name not in hidden} | {
        "refused": refused
    }


def _tell(record: SourceRecord, refused: dict[str, int], *, as_json: bool) -> None:
    if as_json:
        emit(_as_dict(record, refused))
        return
    state = "on" if record.enabled else "off"
    stderr.print(
        f"{record.name}  {record.kind}  {state}  {record.address}  read to {record.received_at or '-'}"
    )
    stderr.print(f"  {record.taken:,} events taken" + (f"; refused: {refused}" if refused else ""))
    if record.problem is not None:
        stderr.print(f"  [red]{record.failures} failures: {record.problem}; next at {record.resume_at}[/red]")
