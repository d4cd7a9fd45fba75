"""`quantify`: activity data in, reductions out, with no database."""

import os
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

import click
import orjson

from carbon_credit.catalogue.library import Library, load_library
from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.cli.context import progress
from carbon_credit.events.errors import EventInvalid
from carbon_credit.events.incoming import decode_event
from carbon_credit.events.reasons import REASONS
from carbon_credit.kernel import clock
from carbon_credit.kernel.settings import read_settings
from carbon_credit.methodology.engine import compile_package
from carbon_credit.quantification.offline import Offline
from carbon_credit.quantification.verdicts import Quantified, Refused, Verdict

_AT_ONCE = 2_000


@click.command()
@click.option("--programme", required=True, metavar="CODE")
@click.argument("file", type=click.File("rb"))
def quantify(programme: str, file: BinaryIO) -> None:
    """Quantify the events in FILE (NDJSON, - for stdin) offline, with no database.

    Writes one line of JSON for each: id, co2e_mg, methodology, digest and grade, or refused. A period that
    was divided by days has its parts. Everybody is taken to be known and consenting; caps are the
    programme's and are not applied. Lines are read one after the other, so a file may be of any length.
    """
    library = load_library(read_settings(os.environ).methodologies_dir)
    if programme not in library.profiles:
        raise click.UsageError(f"There is no programme {programme}; known: {', '.join(library.profiles)}")
    judge = Offline(rules_of(library, programme), now=clock.now())
    out = sys.stdout.buffer
    lines = (line for line in file if not line.isspace())
    with progress("Quantifying") as done:
        while portion := list(islice(lines, _AT_ONCE)):
            out.write(b"".join(_answers(judge, portion)))
            done(len(portion))
    out.flush()


def rules_of(library: Library, code: str) -> ProgrammeRules:
    """The rules of a programme as the folder says them, with the versions that it binds ready to run."""
    profile = library.profiles[code]
    wanted = {(spec.methodology, spec.version_name) for spec in profile.bindings}
    return ProgrammeRules(
        profile=profile,
        activities=library.activities,
        compiled={key: compile_package(library.packages[key], check_dimensions=True) for key in wanted},
        digest=profile.digest,
        phase=profile.phase,
    )


def _answers(judge: Offline, lines: list[bytes]) -> Iterator[bytes]:
    for line in lines:
        try:
            event = decode_event(line)
        except EventInvalid as error:
            yield _line({"id": _named(line), "refused": error.code, "detail": error.message("en")})
            continue
        try:
            yield _line({"id": event.id} | _told(judge.judge(event)))
        except EventInvalid as error:
            yield _line({"id": event.id, "refused": error.code, "detail": error.message("en")})


def _told(verdict: Verdict) -> dict[str, Any]:
    if not verdict.quantified:
        return _refused(verdict.refused[0])
    first = verdict.quantified[0]
    told: dict[str, Any] = {
        "co2e_mg": sum(part.gross_mg for part in verdict.quantified),
        "methodology": f"{first.binding.methodology_id}/{first.binding.version}",
        "digest": first.binding.digest,
        "grade": first.grade.value,
    }
    if any(part.pending for part in verdict.quantified):
        told["pending"] = "year"
    if first.divided or verdict.refused:
        told["parts"] = [_part(part) for part in verdict.quantified]
        told["refused_parts"] = [
            {"from": part.starts_on, "to": part.ends_before} | _refused(part) for part in verdict.refused
        ]
    return told


def _part(part: Quantified) -> dict[str, Any]:
    return {
        "from": part.business_day,
        "to": part.ends_before,
        "co2e_mg": part.gross_mg,
        "vintage": part.business_day.year,
        "methodology": f"{part.binding.methodology_id}/{part.binding.version}",
    }


def _refused(part: Refused) -> dict[str, Any]:
    known = REASONS.get(part.reason)
    return {"refused": part.reason, "detail": part.detail_en or (known.en if known else "")}


def _named(line: bytes) -> str | None:
    """The id of a line that is no event, where it has one."""
    try:
        payload = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    named = payload.get("id") if isinstance(payload, dict) else None
    return named if isinstance(named, str) else None


def _line(told: dict[str, Any]) -> bytes:
    return orjson.dumps(told) + b"\n"
