"""`batch ...`, `serials ...`: from verified reductions to serial numbers."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from sqlalchemy.orm import Session

from carbon_credit.cli.context import (
    Installation,
    acting,
    as_option,
    emit,
    json_option,
    open_installation,
    programme_option,
    progress,
    stderr,
)
from carbon_credit.cli.dossiers import export_dossier
from carbon_credit.offsets import operations, queries
from carbon_credit.offsets.dossier.rendering import Edition
from carbon_credit.offsets.queries import BatchRecord

_DAY = click.DateTime(["%Y-%m-%d"])
_MOST_RANGES = 10_000


@click.group()
def batch() -> None:
    """Batches of verified reductions: preview, open, fill, freeze, verify, apply, register, export."""


def _period_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--project", required=True, help="Code of the project"),
        click.option("--version", default="v1", show_default=True, help="Methodology version"),
        click.option("--from", "starts_on", type=_DAY, required=True, help="First day"),
        click.option("--to", "ends_before", type=_DAY, required=True, help="First day after"),
    ):
        command = option(command)
    return command


@batch.command()
@programme_option
@click.option("--code", required=True, help="Lower-case code, e.g. metro-2026")
@click.option("--name-zh", required=True)
@click.option("--name-en", required=True)
@click.option("--owner", required=True)
@click.option("--applicant", required=True)
@click.option("--methodology", "methodology_id", required=True)
@click.option("--activity", "activity_types", multiple=True, required=True)
@click.option("--from", "crediting_from", type=_DAY, required=True, help="Crediting period, first day")
@click.option("--to", "crediting_to", type=_DAY, required=True, help="First day after it")
@click.option("--boundary-zh", default="见项目文件")
@click.option("--boundary-en", default="See the project's documents")
@as_option
@json_option
def project(programme: str, credential: str | None, as_json: bool, **terms: Any) -> None:
    """Register a project, for which batches can be opened."""
    here = open_installation()
    actor = acting(here, credential, programme=programme, role="operator").key
    for name in ("crediting_from", "crediting_to"):
        terms[name] = terms[name].date()
    record = here.act(
        lambda session, now: operations.create_project(
            session, programme=programme, terms=operations.ProjectTerms(**terms), actor=actor, now=now
        )
    )
    if as_json:
        emit({"project": str(record.id), "code": record.code})
    else:
        stderr.print(f"Project {record.code} of {programme}: {record.id}")


@batch.command()
@programme_option
@_period_options
@click.option("--language", type=click.Choice(["zh", "en"]), default="en", show_default=True)
@json_option
def preview(
    programme: str,
    project: str,
    version: str,
    starts_on: datetime,
    ends_before: datetime,
    language: str,
    as_json: bool,
) -> None:
    """What a batch would hold and what not, with reasons and tonnes. Nothing is written."""
    here = open_installation()
    with progress("Looking at reductions") as done:
        found = here.look(
            lambda session, now: operations.preview(
                session,
                programme=programme,
                project_id=queries.project_by_code(session, programme=programme, code=project).id,
                methodology_version=version,
                starts_on=starts_on.date(),
                ends_before=ends_before.date(),
                now=now,
                progress=done,
            )
        )
    if as_json:
        emit(found.as_dict())
    else:
        stderr.print(found.text(language), highlight=False)


@batch.command("open")
@programme_option
@_period_options
@as_option
@json_option
def open_(
    programme: str,
    project: str,
    version: str,
    starts_on: datetime,
    ends_before: datetime,
    credential: str | None,
    as_json: bool,
) -> None:
    """Open an empty batch for a project, a methodology version and a monitoring period."""
    here = open_installation()
    actor = acting(here, credential, programme=programme, role="operator").key
    record = here.act(
        lambda session, now: operations.open_batch(
            session,
            programme=programme,
            project_id=queries.project_by_code(session, programme=programme, code=project).id,
            methodology_version=version,
            starts_on=starts_on.date(),
            ends_before=ends_before.date(),
            actor=actor,
            now=now,
        )
    )
    _tell(record, as_json)


@batch.command()
@programme_option
@click.argument("batch_id", type=click.UUID)
@as_option
@json_option
def fill(programme: str, batch_id: UUID, credential: str | None, as_json: bool) -> None:
    """Take whole tonnes of what may enter, in order of occurrence."""
    here = open_installation()
    actor = acting(here, credential, programme=programme, role="operator").key
    with progress("Filling") as done:
        found = here.act(
            lambda session, now: operations.fill_batch(
                session, programme=programme, batch_id=batch_id, actor=actor, now=now, progress=done
            )
        )
    if as_json:
        emit(found.as_dict())
    else:
        stderr.print(found.text("en"), highlight=False)


@batch.command()
@programme_option
@click.argument("batch_id", type=click.UUID)
@as_option
@json_option
def freeze(programme: str, batch_id: UUID, credential: str | None, as_json: bool) -> None:
    """Fix the set: Merkle root and totals; the milligrams move to the batch."""
    with progress("Freezing") as done:
        _step(programme, batch_id, credential, as_json, operations.freeze_batch, progress=done)


@batch.command()
@programme_option
@click.argument("batch_id", type=click.UUID)
@click.option("--statement", help="Number of the verification statement; without it, only begin")
@click.option("--reject", "reason", help="Reject instead, for this reason")
@as_option
@json_option
def verify(
    programme: str,
    batch_id: UUID,
    statement: str | None,
    reason: str | None,
    credential: str | None,
    as_json: bool,
) -> None:
    """Begin verification; with --statement, state that the batch is right. Never by who prepared it."""
    here = open_installation()
    actor = acting(here, credential, programme=programme, role="verifier").key

    def deed(session: Session, now: datetime) -> BatchRecord:
        state = queries.batch(session, programme=programme, batch_id=batch_id).state
        if reason is not None:
            return operations.reject_batch(
                session, programme=programme, batch_id=batch_id, actor=actor, now=now, reason=reason
            )
        if state != "under_verification":
            begun = operations.start_verification(
                session, programme=programme, batch_id=batch_id, actor=actor, now=now
            )
            if statement is None:
                return begun
        return operations.verify_batch(
            session,
            programme=programme,
            batch_id=batch_id,
            actor=actor,
            now=now,
            statement=statement or "",
        )

    _tell(here.act(deed), as_json)


@batch.command()
@programme_option
@click.argument("batch_id", type=click.UUID)
@click.option("--document", default="", help="Number of the application")
@as_option
@json_option
def apply(programme: str, batch_id: UUID, document: str, credential: str | None, as_json: bool) -> None:
    """Apply for registration of a verified batch."""
    _step(programme, batch_id, credential, as_json, operations.apply_batch, document=document)


@batch.command()
@programme_option
@click.argument("batch_id", type=click.UUID)
@as_option
@json_option
def register(programme: str, batch_id: UUID, credential: str | None, as_json: bool) -> None:
    """Enter the batch in the internal registry: one serial number a tonne."""
    _step(programme, batch_id, credential, as_json, operations.register_batch)


@batch.command()
@programme_option
@click.argument("batch_id", type=click.UUID)
@click.option("--edition", type=click.Choice(["verifier", "exchange"]), default="verifier", show_default=True)
@click.option("--to", "folder", type=click.Path(file_okay=False, path_type=Path), default=Path("."))
@as_option
def export(programme: str, batch_id: UUID, edition: Edition, folder: Path, credential: str | None) -> None:
    """Write the dossier: the same bytes each time. For an operator or a verifier."""
    here = open_installation()
    acting(here, credential, programme=programme, role="operator", or_role="verifier")
    folder.mkdir(parents=True, exist_ok=True)
    path = export_dossier(here, programme=programme, batch_id=batch_id, edition=edition, folder=folder)
    stderr.print(f"Wrote {path}")


@click.group()
def serials() -> None:
    """Serial numbers of registered tonnes."""


@serials.command("list")
@programme_option
@json_option
def list_(programme: str, as_json: bool) -> None:
    """Every range of the programme, first and last number in it."""
    here = open_installation()
    ranges = here.look(
        lambda session, _: queries.serial_ranges(session, programme=programme, limit=_MOST_RANGES)
    )
    if as_json:
        emit({"serials": [{"first": r.first, "last": r.last, "tonnes": r.tonnes} for r in ranges]})
        return
    for one in ranges:
        stderr.print(f"{one.first} .. {one.last}  {one.tonnes:,} t  {one.state}", highlight=False)


def _step(
    programme: str,
    batch_id: UUID,
    credential: str | None,
    as_json: bool,
    verb: Callable[..., BatchRecord],
    **more: Any,
) -> None:
    here: Installation = open_installation()
    actor = acting(here, credential, programme=programme, role="operator").key
    record = here.act(
        lambda session, now: verb(
            session, programme=programme, batch_id=batch_id, actor=actor, now=now, **more
        )
    )
    _tell(record, as_json)


def _tell(record: BatchRecord, as_json: bool) -> None:
    told: dict[str, Any] = {
        "batch": str(record.id),
        "state": record.state,
        "tonnes": record.tonnes,
        "merkle_root": record.merkle_root,
        "leaves": record.leaf_count,
    }
    if as_json:
        emit(told)
    else:
        stderr.print("  ".join(f"{name} {value}" for name, value in told.items() if value is not None))
