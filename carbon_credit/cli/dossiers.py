"""`dossier verify`: offline, from nothing but the zip."""

import sys
from pathlib import Path
from uuid import UUID

import click

from carbon_credit.cli.context import Installation, emit, json_option, progress, stderr
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.offsets.dossier import exporting
from carbon_credit.offsets.dossier.rendering import Edition
from carbon_credit.verifier.check import check_dossier


@click.group()
def dossier() -> None:
    """Dossiers: what an operator hands to a verifier."""


@dossier.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--key", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Public key, PEM")
@click.option("--language", type=click.Choice(["zh", "en"]), default="en", show_default=True)
@json_option
def verify(file: Path, key: Path | None, language: str, as_json: bool) -> None:
    """Recompute every reduction and every digest in FILE, and say the first difference, or none.

    Needs no database. Ends with status 1 where there is a difference.
    """
    with progress(f"Verifying {file.name}") as done:
        before = 0

        def report_progress(now_done: int, _all: int) -> None:
            nonlocal before
            done(now_done - before)
            before = now_done

        try:
            report = check_dossier(
                file, public_key=key.read_bytes() if key else None, progress=report_progress
            )
        except ValueError as error:
            raise click.UsageError(f"{key} is no Ed25519 public key: {error}") from error
    if as_json:
        emit(report.as_dict())
    else:
        stderr.print(report.text(language), highlight=False)
    sys.exit(0 if report.ok else 1)


def export_dossier(
    here: Installation, *, programme: str, batch_id: UUID, edition: Edition, folder: Path
) -> Path:
    """Write one edition into `folder`; whole or not at all."""
    path = folder / f"{programme}-{batch_id}-{edition}.zip"
    draft = path.with_suffix(".part")
    try:
        with (
            progress(f"Exporting the {edition} edition") as done,
            unit_of_work(here.database, read_only=True) as session,
            draft.open("w+b") as out,
        ):
            exporting.export_dossier(
                session,
                programme=programme,
                batch_id=batch_id,
                edition=edition,
                target=out,
                progress=done,
            )
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
    return path
