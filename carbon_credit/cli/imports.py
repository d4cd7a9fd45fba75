"""`import`: an operator's file becomes events."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from carbon_credit.cli.context import emit, json_option, open_installation, stderr
from carbon_credit.cli.files import FILE, file_options, open_file, run_file, terms_of
from carbon_credit.cli.importing import say, summary
from carbon_credit.imports.jobs.control import Control, control_of, read_control
from carbon_credit.imports.jobs.records import all_rejects
from carbon_credit.imports.jobs.rejects import write_rejects


@click.command("import")
@file_options
@click.option(
    "--control", "control_path", type=FILE, help="Control totals that must match: JSON or name=value"
)
@click.option("--expect-rows", type=click.IntRange(0), help="How many data rows the file must have")
@click.option(
    "--expect-sum", "sums", multiple=True, metavar="COLUMN=SUM", help="What a column must add up to"
)
@click.option(
    "--replaces", type=click.UUID, metavar="IMPORT", help="The earlier import that this file corrects"
)
@click.option("--rejects", type=click.Path(dir_okay=False, path_type=Path), help="Where to list refused rows")
@json_option
@click.argument("file", type=FILE)
def import_(
    control_path: Path | None,
    expect_rows: int | None,
    sums: tuple[str, ...],
    replaces: UUID | None,
    rejects: Path | None,
    as_json: bool,
    file: Path,
    **options: Any,
) -> None:
    """Import FILE of PARTNER. The whole file is read and checked before anything of it is credited.

    May be stopped at any moment and run again: it goes on where it was, and nothing is credited twice.
    Refused rows go to a rejects file with line numbers and reasons.
    """
    here = open_installation()
    control = _control(control_path, expect_rows, sums)
    terms = terms_of(here, **options)
    known = open_file(here, terms, file, control=control, replaces=replaces)
    run_file(here, terms, known, file)
    rejects = rejects or here.settings.var_dir / "rejects" / f"{file.name}.rejects.csv"
    rejects.parent.mkdir(parents=True, exist_ok=True)
    here.look(lambda session, _now: write_rejects(rejects, all_rejects(session, job_id=known.id)))
    told = summary(here, known.id)
    here.database.dispose()
    if as_json:
        emit({**told, "rejects": str(rejects)})
        return
    say(told)
    stderr.print(f"Refused and held rows: {rejects}", highlight=False)


def _control(path: Path | None, rows: int | None, sums: tuple[str, ...]) -> Control:
    told = read_control(path.read_bytes()) if path else Control()
    more: dict[str, object] = {} if rows is None else {"rows": rows}
    for one in sums:
        name, equals, value = one.partition("=")
        if not equals:
            raise click.UsageError("--expect-sum takes COLUMN=SUM.")
        more[name] = value
    given = control_of(more)
    return replace(
        told,
        rows=told.rows if given.rows is None else given.rows,
        sums={**told.sums, **given.sums},
    )
