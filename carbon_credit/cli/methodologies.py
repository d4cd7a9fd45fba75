"""`methodology list|lint|test|explain`, `quantify`: what needs no database."""

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import click
import orjson
from rich.table import Table

from carbon_credit.catalogue.library import Library, library_problems, load_library
from carbon_credit.catalogue.profile import ProgrammeProfile
from carbon_credit.cli.context import emit, json_option, progress, stderr, stdout
from carbon_credit.events.errors import EventInvalid
from carbon_credit.events.incoming import read_event
from carbon_credit.kernel.clock import business_day
from carbon_credit.kernel.settings import read_settings
from carbon_credit.methodology.cases import run_cases
from carbon_credit.methodology.engine import (
    CompiledMethodology,
    Refusal,
    compile_package,
    weakest_grade,
)


def _root() -> Path:
    return read_settings(os.environ).methodologies_dir


@click.group()
def methodology() -> None:
    """The library of methodologies and programmes under methodologies/."""


@methodology.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Every version: its grade, since when, and which programmes use it for what."""
    library = load_library(_root())
    rows = [_described(library, key) for key in sorted(library.packages)]
    if as_json:
        emit({"methodologies": rows})
        return
    table = Table(title="Methodologies")
    for name in ("methodology", "version"):
        table.add_column(name, no_wrap=True)
    for name in ("title", "grade", "in force", "used by"):
        table.add_column(name, overflow="fold")
    for row in rows:
        uses = ", ".join(f"{use['programme']} {use['activity_type']}: {use['use']}" for use in row["uses"])
        span = f"{row['effective_from'] or '?'} – {row['effective_to'] or ''}"
        grade = f"{row['grade']} (sandbox)" if row["sandbox"] else row["grade"]
        table.add_row(row["id"], row["version"], row["title_zh"], grade, span, uses)
    stdout.print(table)


def _described(library: Library, key: tuple[str, int]) -> dict[str, Any]:
    package = library.packages[key]
    grade = weakest_grade(package)
    uses = [
        {"programme": profile.code, "activity_type": one.activity_type, "use": one.use}
        for profile in library.profiles.values()
        for one in profile.bindings
        if (one.methodology, one.version) == key
    ]
    method = package.methodology
    return {
        "id": method.id,
        "version": f"v{method.version}",
        "title_zh": method.title.zh,
        "title_en": method.title.en,
        "digest": package.digest,
        "grade": grade.value,
        "sandbox": grade.is_sandbox,
        "effective_from": method.effective_from.isoformat() if method.effective_from else None,
        "effective_to": method.effective_to.isoformat() if method.effective_to else None,
        "uses": uses,
    }


@methodology.command()
def lint() -> None:
    """Read everything, check dimensions, sources, periods, cases and programmes. Names file and line."""
    problems = library_problems(_root())
    for problem in problems:
        stderr.print(f"[red]{problem.code}[/] {problem.message('en')}", highlight=False)
    if problems:
        sys.exit(1)
    stderr.print("[green]The library is sound.[/]")


@methodology.command()
@click.argument("name", required=False)
@json_option
def test(name: str | None, as_json: bool) -> None:
    """Run the worked cases, of all methodologies or of NAME."""
    library = load_library(_root())
    failed = passed = 0
    for (method_id, version), package in sorted(library.packages.items()):
        if name in (None, method_id, f"{method_id}/v{version}"):
            for result in run_cases(package):
                passed += result.passed
                failed += not result.passed
                if not result.passed:
                    stderr.print(
                        f"[red]{method_id} v{version}[/] {result.name}: "
                        f"expected {result.expected}, found {result.found}"
                    )
    if as_json:
        emit({"passed": passed, "failed": failed})
    else:
        stderr.print(f"{passed} cases passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


@methodology.command()
@click.argument("name")
@click.argument("inputs", nargs=-1, metavar="[INPUT=VALUE]...")
@click.option("--on", "on", type=click.DateTime(["%Y-%m-%d"]), required=True, help="Day of the activity")
@click.option("--language", type=click.Choice(["zh", "en"]), default="en", show_default=True)
@json_option
def explain(name: str, inputs: tuple[str, ...], on: datetime, language: str, as_json: bool) -> None:
    """Show the calculation of NAME (id/vN) for INPUT=VALUE ..., step by step with sources.

    Example: carbon-credit methodology explain sz-public-transit/v1 mode=metro distance_m=8300 --on 2026-11-20
    """
    compiled = _compiled(load_library(_root()), name)
    values = dict(_input(text) for text in inputs)
    trace = compiled.explain(values, on=on.date())
    if as_json:
        emit(trace.as_dict())
    else:
        click.echo(trace.text(language))
    sys.exit(0 if trace.refusal is None else 1)


@click.command()
@click.option("--programme", required=True, metavar="CODE")
@click.argument("file", type=click.File("rb"))
def quantify(programme: str, file: BinaryIO) -> None:
    """Quantify the events in FILE (NDJSON, - for stdin) offline, with no database.

    Writes one line of JSON for each: id, co2e_mg, methodology, digest and grade, or refused.
    """
    library = load_library(_root())
    if programme not in library.profiles:
        raise click.UsageError(f"There is no programme {programme}; known: {', '.join(library.profiles)}")
    compiled = {
        key: compile_package(package, check_dimensions=True) for key, package in library.packages.items()
    }
    out = sys.stdout.buffer
    with progress("Quantifying") as done:
        for line in file:
            if line.strip():
                told = _quantified(library.profiles[programme], library, compiled, line)
                out.write(orjson.dumps(told) + b"\n")
                done(1)
    out.flush()


def _quantified(
    profile: ProgrammeProfile,
    library: Library,
    compiled: dict[tuple[str, int], CompiledMethodology],
    line: bytes,
) -> dict[str, Any]:
    try:
        payload = orjson.loads(line)
        event = read_event(payload)
    except orjson.JSONDecodeError as error:
        return {"id": None, "refused": "malformed-json", "detail": str(error)}
    except EventInvalid as error:
        named = payload.get("id") if isinstance(payload, dict) else None
        return {"id": named, "refused": error.code, "detail": error.message("en")}
    day = business_day(event.occurred_at, profile.time_zone)
    binding = profile.binding(event.type, day)
    if event.type not in library.activities or binding is None:
        return {"id": event.id, "refused": "no-methodology"}
    method = compiled[binding.methodology, binding.version]
    result = method.evaluate(method.inputs_of(event.type, event.data), on=day, earlier=binding.earlier_period)
    if isinstance(result, Refusal):
        return {"id": event.id, "refused": result.code, "detail": result.detail}
    return {
        "id": event.id,
        "co2e_mg": result.reduction_mg,
        "methodology": f"{binding.methodology}/v{binding.version}",
        "digest": method.digest,
        "grade": result.grade.value,
    }


def _compiled(library: Library, name: str) -> CompiledMethodology:
    method_id, _, version = name.partition("/v")
    wanted = [key for key in library.packages if key[0] == method_id and version in ("", str(key[1]))]
    if not wanted:
        known = ", ".join(f"{one}/v{number}" for one, number in sorted(library.packages))
        raise click.UsageError(f"There is no methodology {name}; known: {known}")
    return compile_package(library.packages[max(wanted)], check_dimensions=True)


def _input(text: str) -> tuple[str, int | str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise click.UsageError(f"{text!r} is no INPUT=VALUE")
    return name, int(value) if value.lstrip("-").isdigit() else value
