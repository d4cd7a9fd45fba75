"""`methodology list|lint|test|explain`, `quantify`: what needs no database."""

import os
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from carbon_credit.catalogue.library import Library, library_problems, load_library
from carbon_credit.catalogue.lock import read_lock
from carbon_credit.cli.context import emit, json_option, stderr, stdout
from carbon_credit.kernel import clock
from carbon_credit.kernel.settings import read_settings
from carbon_credit.methodology.cases import run_cases
from carbon_credit.methodology.engine import (
    CompiledMethodology,
    best_before,
    compile_package,
    weakest_grade,
)
from carbon_credit.pages.methodology_page import has_null


def _root() -> Path:
    return read_settings(os.environ).methodologies_dir


@click.group()
def methodology() -> None:
    """The library of methodologies and programmes under methodologies/."""


@methodology.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Every version of the folder: state, grade, since when, and which programmes use it for what."""
    library = load_library(_root())
    lock = read_lock(_root())
    rows = [
        {"state": "published" if key in lock else "draft"} | _described(library, key)
        for key in sorted(library.packages)
    ]
    if as_json:
        emit({"methodologies": rows})
        return
    table = Table(title="Methodologies", caption="* sandbox: below `published`. All of it: --json.")
    names = [f"{row['id']}/{row['version']}" for row in rows]
    longest = max(map(len, names))
    for name, width in (("no.", 3), ("methodology", longest), ("state", 9), ("grade", 11)):
        table.add_column(name, no_wrap=True, width=width)
    # A row stays one line: what does not fit beside the columns that identify it is cut. In a narrow
    # window the line goes on over its edge; a file or a pipe has room.
    wide = max(stdout.width if stdout.is_terminal else 200, longest + 58)
    for name in ("title", "used by"):
        table.add_column(name, no_wrap=True, overflow="ellipsis", max_width=(wide - longest - 42) // 2)
    for name, row in zip(names, rows, strict=True):
        uses = ", ".join(sorted({f"{use['programme']}: {use['use']}" for use in row["uses"]}))
        grade = "no values" if row["null"] else f"{row['grade']}{' *' if row['sandbox'] else ''}"
        table.add_row(row["number"] or "", name, row["state"], grade, row["title_zh"], uses)
    Console(width=wide).print(table)


def _described(library: Library, key: tuple[str, str]) -> dict[str, Any]:
    package = library.packages[key]
    grade = weakest_grade(package)
    uses = [
        {"programme": profile.code, "activity_type": one.activity_type, "use": one.use}
        for profile in library.profiles.values()
        for one in profile.bindings
        if (one.methodology, one.version_name) == key
    ]
    method = package.methodology
    return {
        "id": method.id,
        "version": package.version,
        "number": method.number,
        "null": has_null(method),
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
@click.option("--on", "on", type=click.DateTime(["%Y-%m-%d"]), help="Day for best-before dates; today")
def lint(on: datetime | None) -> None:
    """Read everything, check dimensions, sources, periods, cases and programmes. Names file and line.

    Warns of values that want a review, from 30 days before; a value that has ended is a problem.
    """
    problems = library_problems(_root())
    for problem in problems:
        stderr.print(f"[red]{problem.code}[/] {escape(problem.message('en'))}", highlight=False)
    day = (on or clock.now()).date()
    ended = 0 if problems else _told_dates(load_library(_root()), day)
    if problems or ended:
        sys.exit(1)
    stderr.print("[green]The library is sound.[/]")


def _told_dates(library: Library, day: date) -> int:
    """Print the best-before dates of the newest versions; how many values have ended."""
    # Earlier versions are history, and an overlay shares the dates of its methodology.
    plain = [package for package in library.packages.values() if package.overlay is None]
    newest = {
        package.methodology.id: package for package in sorted(plain, key=lambda p: p.methodology.version)
    }
    ended = 0
    for name, package in sorted(newest.items()):
        for one in best_before(package, on=day):
            what = "review" if one.kind == "review" else "end of validity"
            over = one.past(day) and one.kind == "validity"
            state = "[red]ended[/]" if over else "[yellow]overdue[/]" if one.past(day) else "[yellow]due[/]"
            stderr.print(
                f"{state} {name} {package.version} {one.name}: {what} {one.day}",
                highlight=False,
                soft_wrap=True,
            )
            ended += over
    _told_approvals(library, day)
    return ended


def _told_approvals(library: Library, day: date) -> None:
    """Print the scenes whose approval ends soon or has ended: what is reported after it is refused."""
    for code, profile in sorted(library.profiles.items()):
        for scene in profile.scenes:
            if scene.approval is not None and scene.approval.wants_renewal(day):
                until = scene.approval.approved_to
                state = "[yellow]due[/]" if scene.approval.holds_on(day) else "[yellow]ended[/]"
                stderr.print(f"{state} {code} {scene.code}: approved to {until}", highlight=False)


@methodology.command()
@click.argument("name", required=False)
@json_option
def test(name: str | None, as_json: bool) -> None:
    """Run the worked cases, of all methodologies or of NAME."""
    library = load_library(_root())
    failed = passed = 0
    for (method_id, version), package in sorted(library.packages.items()):
        if name in (None, method_id, f"{method_id}/{version}"):
            for result in run_cases(package):
                passed += result.passed
                failed += not result.passed
                if not result.passed:
                    stderr.print(
                        f"[red]{method_id} {version}[/] {escape(result.name)}: "
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


def _compiled(library: Library, name: str) -> CompiledMethodology:
    method_id, _, version = name.partition("/")
    wanted = [key for key in library.packages if key[0] == method_id and version in ("", key[1])]
    if not wanted:
        known = ", ".join("/".join(key) for key in sorted(library.packages))
        raise click.UsageError(f"There is no methodology {name}; known: {known}")
    return compile_package(library.packages[max(wanted)], check_dimensions=True)


def _input(text: str) -> tuple[str, int | str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise click.UsageError(f"{text!r} is no INPUT=VALUE")
    return name, int(value) if value.lstrip("-").isdigit() else value
