"""`imports`: the import jobs of an installation."""

import os
from datetime import datetime
from typing import Any
from uuid import UUID

import click
from rich.markup import escape

from carbon_credit.cli.context import emit, json_option, open_installation, programme_option, progress, stdout
from carbon_credit.cli.importing import credit_until_ended, load, say, summary
from carbon_credit.imports.jobs import opening
from carbon_credit.imports.jobs.records import JobRecord
from carbon_credit.imports.jobs.records import jobs as jobs_of

_JOB = click.argument("job_id", metavar="IMPORT", type=click.UUID)


@click.group()
def imports() -> None:
    """Import jobs: what became of the files that were delivered."""


@imports.command("list")
@programme_option
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@json_option
def list_(programme: str, limit: int, as_json: bool) -> None:
    """List the import jobs of a programme, the newest first."""
    here = open_installation()
    found = here.look(lambda session, _now: jobs_of(session, programme=programme, limit=limit))
    if as_json:
        emit({"imports": [_told(one) for one in found]})
        return
    # One line each, the id whole: it is what other commands ask for. A narrow window breaks the line.
    for one in found:
        rows = "" if one.rows_total is None else f"{one.rows_total:,} rows"
        told = f"{one.id}  {one.created_at:%Y-%m-%d %H:%M} UTC  {one.state:11} {rows:>17}"
        stdout.print(escape(f"{told}  {one.adapter}  {one.file_name}"), soft_wrap=True, highlight=False)


@imports.command()
@_JOB
@json_option
def show(job_id: UUID, as_json: bool) -> None:
    """Show where an import stands and what became of its rows."""
    here = open_installation()
    known, told = load(here, job_id), summary(here, job_id)
    if as_json:
        emit({**_told(known), **told})
        return
    for name, value in {**_told(known), **told}.items():
        if value not in (None, {}, 0):
            stdout.print(f"{name:14} {value}", highlight=False)


@imports.command()
@_JOB
@json_option
def resume(job_id: UUID, as_json: bool) -> None:
    """Go on with an import that stopped after its file was read; what was credited is not credited twice."""
    here = open_installation()
    known = load(here, job_id)
    if known.state == "failed":
        here.act(lambda session, now: opening.run_again(session, job_id=job_id, now=now))
        known = load(here, job_id)
    if known.staged_at is None and known.source == opening.LOCAL and known.state != "cancelled":
        raise click.UsageError(
            f"{known.file_name} was not read to its end, and it lies elsewhere: run `import` on it again."
        )
    if known.staged_at is not None:
        with progress(f"Crediting {known.file_name}", total=known.rows_total) as done:
            credit_until_ended(here, job_id, progress=done)
    told = summary(here, job_id)
    if as_json:
        emit(told)
    else:
        say(told)


@imports.command()
@_JOB
def cancel(job_id: UUID) -> None:
    """End an import that is under way. What was credited stays; the rest is forgotten."""
    here = open_installation()
    here.act(lambda session, now: opening.cancel(session, job_id=job_id, now=now))


@imports.command()
@_JOB
@click.option("--parent", type=int, help="Stop when this process is no more the parent")
def work(job_id: UUID, parent: int | None) -> None:
    """Credit chunks of an import beside other processes, on this host or another, until it has ended."""
    here = open_installation()
    credit_until_ended(here, job_id, go_on=lambda: parent is None or os.getppid() == parent)


def _told(known: JobRecord) -> dict[str, Any]:
    return {
        "import": str(known.id),
        "programme": known.programme,
        "partner": str(known.partner_id),
        "adapter": known.adapter,
        "mapping": known.mapping_digest,
        "options": known.options,
        "file": known.file_name,
        "sha256": known.sha256,
        "size": known.size,
        "state": known.state,
        "expected": known.expected,
        "rows_total": known.rows_total,
        "problem": known.problem,
        "created_at": _iso(known.created_at),
        "ended_at": _iso(known.ended_at),
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
