"""`methodology dry-run`: what a version would do to the reductions of a period; with --apply, doing it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click
from sqlalchemy.orm import Session

from carbon_credit.catalogue import queries as catalogue
from carbon_credit.catalogue.library import check_package
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
from carbon_credit.cli.publication import files_of, named
from carbon_credit.cli.reporting import language_option, show
from carbon_credit.kernel.quantity import grams_text
from carbon_credit.methodology.engine import CompiledMethodology, compile_package
from carbon_credit.methodology.loader import package_from_files
from carbon_credit.quantification.errors import ReportDiffers
from carbon_credit.quantification.portions import Row, count
from carbon_credit.quantification.reports import Report
from carbon_credit.sweeps.changing import Change, Part, apply_part, change_to, report_of


@dataclass
class Posted:
    """What a run has posted."""

    reductions: int = 0
    mg: int = 0

    def add(self, rows: list[Row]) -> None:
        """Count in what one unit of work has posted."""
        self.reductions += len(rows)
        self.mg += sum(row.delta_mg for row in rows)


@click.command("dry-run")
@click.argument("name", metavar="[ID/VERSION]", required=False)
@programme_option
@click.option("--period", required=True, help="2026-10-05, 2026-10, 2026-Q4, 2026 or 2026-10-01..2026-10-15")
@click.option(
    "--folder", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Try the package in this folder in place of ID/VERSION",
)  # fmt: skip
@click.option("--apply", "applying", is_flag=True, help="Post the differences, if they are those of --report")
@click.option("--report", "given", metavar="DIGEST", help="The digest that the dry run printed")
@language_option
@as_option
@json_option
def dry_run(
    name: str | None,
    programme: str,
    period: str,
    folder: Path | None,
    applying: bool,
    given: str | None,
    language: str,
    credential: str | None,
    as_json: bool,
) -> None:
    """Compute the stored events of a period again by ID/VERSION and report the differences.

    Nothing is written without --apply. With it, and for a version that governs the period by now, the
    differences are posted in portions: broken off, the same command goes on; run twice, it posts nothing
    the second time. What was not in the report is never posted.
    """
    if (name is None) == (folder is None):
        raise click.UsageError("Give either ID/VERSION or --folder.")
    if applying and (folder is not None or not given):
        raise click.UsageError(
            "--apply takes ID/VERSION and --report DIGEST: run without --apply first, and read its report."
        )
    here = open_installation()
    if applying:
        acting(here, credential, programme=programme, role="operator")
    compiled = _in_folder(here, folder, programme) if folder else _stored(here, *named(name or ""))
    change = here.look(
        lambda session, _now: change_to(session, programme=programme, compiled=compiled, period=period)
    )
    if applying:
        change.require_governing()
    parts: list[Part] = []
    report = _report(here, change, parts if applying else None)
    if parts and given and report.digest != given:
        raise ReportDiffers(what=change.period, given=given[:12], posted_mg=0)
    if not as_json:
        show(change, report, language)
    posted = _apply(here, change, parts, given) if applying and given else None
    if as_json:
        emit(_told(change, report, posted))
    elif posted is not None:
        _say(report, posted)
    elif change.hindrance is None and report.reductions:
        stderr.print(
            f"To apply it: carbon-credit methodology dry-run {change.name} --programme {programme} "
            f"--period {period} --apply --report {report.digest} --as CLIENT_ID:SECRET",
            highlight=False,
        )


def _stored(here: Installation, methodology_id: str, version: str) -> CompiledMethodology:
    def found(session: Session, _now: datetime) -> CompiledMethodology:
        known = catalogue.version(session, methodology_id=methodology_id, version=version)
        return catalogue.compiled_by_digest(session, digest=known.digest)

    return here.look(found)


def _in_folder(here: Installation, folder: Path, programme: str) -> CompiledMethodology:
    package = package_from_files(files_of(folder, here.settings.methodologies_dir))
    rules = here.look(lambda session, _now: catalogue.programme_rules(session, programme=programme))
    check_package(package, rules.activities)
    return compile_package(package, check_dimensions=True)


def _report(here: Installation, change: Change, parts: list[Part] | None) -> Report:
    total = here.look(lambda session, _now: count(session, span=change.span))
    with progress(f"Computing again by {change.name}", total=total) as done:
        return here.look(lambda session, _now: report_of(session, change=change, progress=done, parts=parts))


def _apply(here: Installation, change: Change, parts: list[Part], given: str) -> Posted:
    posted = Posted()
    if not parts:
        return posted
    with progress(f"Posting by {change.name}", total=len(parts)) as done:
        for part in parts:
            try:
                posted.add(here.act(_deed(change, part, given)))
            except ReportDiffers as error:
                raise ReportDiffers(**error.details | {"posted_mg": posted.mg}) from None
            done(1)
    return posted


def _deed(change: Change, part: Part, given: str) -> Callable[[Session, datetime], list[Row]]:
    return lambda session, now: apply_part(session, change=change, part=part, given=given, now=now)


def _told(change: Change, report: Report, posted: Posted | None) -> dict[str, object]:
    told: dict[str, object] = change.as_dict() | report.as_dict()
    if posted is not None:
        told["posted"] = {"reductions": posted.reductions, "delta_mg": posted.mg}
    return told


def _say(report: Report, posted: Posted) -> None:
    if not posted.reductions:
        stderr.print("Nothing was left to post: the change has been applied before.")
        return
    stderr.print(
        f"[green]Applied.[/] {posted.reductions:,} reductions, {grams_text(posted.mg)} g posted; "
        f"the report says {grams_text(report.delta_mg)} g."
    )
    if posted.mg != report.delta_mg:
        stderr.print("The rest was posted by another run at the same time.")
