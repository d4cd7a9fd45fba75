"""`methodology upload|publish|parts|confirm|retire|lock`: the office of methodologies at the command line."""

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy.orm import Session

from carbon_credit.catalogue import confirmation, publication, queries
from carbon_credit.catalogue.parts import Part, parts_of
from carbon_credit.catalogue.publishable import lengthen_lock
from carbon_credit.catalogue.queries import VersionRecord
from carbon_credit.catalogue.recording import Actor
from carbon_credit.cli.context import (
    Installation,
    acting,
    as_option,
    emit,
    json_option,
    open_installation,
    programme_option,
    stderr,
    stdout,
)
from carbon_credit.kernel import clock
from carbon_credit.kernel.clock import business_day
from carbon_credit.kernel.digest import sha256_hex
from carbon_credit.kernel.settings import read_settings
from carbon_credit.methodology.document import read_document
from carbon_credit.methodology.loader import CASES, METHODOLOGY, OVERLAY

_ZONE = "Asia/Shanghai"


@click.command()
@programme_option
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@as_option
@json_option
def upload(programme: str, folder: Path, credential: str | None, as_json: bool) -> None:
    """Keep the package in FOLDER (methodology.yaml, cases.yaml, overlay.yaml) as a draft.

    Factor sets come from FOLDER/factors, and from methodologies/factors where they are not there.
    """
    here, actor = _office(programme, credential)
    files = files_of(folder, here.settings.methodologies_dir)
    record = here.act(lambda session, now: publication.upload(session, files=files, actor=actor, now=now))
    _tell(record, as_json, "is a draft now. To publish it: carbon-credit methodology publish")


@click.command()
@programme_option
@click.argument("name", metavar="ID/VERSION")
@click.option("--digest", help="Approve only if the version has this digest")
@as_option
@json_option
def publish(programme: str, name: str, digest: str | None, credential: str | None, as_json: bool) -> None:
    """Approve the publication of ID/VERSION; the second operator's approval publishes it."""
    here, actor = _office(programme, credential)
    methodology_id, version = named(name)

    def deed(session: Session, now: datetime) -> publication.Step:
        known = queries.version(session, methodology_id=methodology_id, version=version)
        return publication.approve_publication(
            session,
            methodology_id=methodology_id,
            version=version,
            digest=digest or known.digest,
            actor=actor,
            on=business_day(now, queries.time_zone(session, programme=programme)),
            now=now,
        )

    step = here.act(deed)
    done = "is published." if step.version.published_for == "all" else "is published for rehearsals."
    _tell(
        step.version, as_json, done if step.done else "has your approval; another operator must approve it."
    )


@click.command()
@programme_option
@click.argument("name", metavar="ID/VERSION")
@click.option("--reason", required=True, help="Why it is no longer applied")
@as_option
@json_option
def retire(programme: str, name: str, reason: str, credential: str | None, as_json: bool) -> None:
    """Approve that ID/VERSION is no longer applied; the second operator's approval retires it."""
    here, actor = _office(programme, credential)
    methodology_id, version = named(name)
    step = here.act(
        lambda session, now: publication.approve_retirement(
            session, methodology_id=methodology_id, version=version, reason=reason, actor=actor, now=now
        )
    )
    waits = "has your approval to be retired; another operator must approve it."
    _tell(step.version, as_json, "is retired." if step.done else waits)


@click.command()
@programme_option
@click.argument("name", metavar="ID/VERSION")
@click.argument("part")
@click.argument("stated")
@click.option("--file", "file", type=click.File("rb"), required=True, help="The official document's file")
@click.option("--document", required=True, help="Its title")
@click.option("--number", required=True, help="Its number, e.g. 深环〔2021〕1号")
@click.option("--clause", required=True, help="Where in it the value stands")
@click.option("--address", help="Where it can be read")
@as_option
@json_option
def confirm(
    programme: str,
    name: str,
    part: str,
    stated: str,
    file: Any,
    credential: str | None,
    as_json: bool,
    **document: Any,
) -> None:
    """Confirm that the document states STATED for PART of ID/VERSION. Of the file only its digest is kept.

    With a second operator's equal confirmation the next version is composed, in which PART is official.

    Example: methodology confirm sz-public-transit/v1 "parameters.RF_metro[0]" 46.8 --file 1.pdf ...
    """
    here, actor = _office(programme, credential)
    methodology_id, version = named(name)
    finding = confirmation.Finding(part=part, stated=stated, file_sha256=sha256_hex(file.read()), **document)
    found = here.act(
        lambda session, now: confirmation.confirm(
            session, methodology_id=methodology_id, version=version, finding=finding, actor=actor, now=now
        )
    )
    if as_json:
        draft = f"{methodology_id}/{found.draft.version}" if found.draft else None
        emit({"part": found.part, "grade": found.grade, "draft": draft, "file_sha256": finding.file_sha256})
    elif found.draft is None:
        stderr.print(f"{part}: recorded; another operator must confirm it from the same file.")
    else:
        stderr.print(
            f"{part} is official in the draft {methodology_id}/{found.draft.version}, "
            f"which supersedes {found.draft.supersedes}. To publish it: carbon-credit methodology publish"
        )


@click.command()
@click.argument("name", metavar="ID/VERSION")
@json_option
def parts(name: str, as_json: bool) -> None:
    """The parts of ID/VERSION that can be confirmed: what each says, and its grade now.

    The second column is what `methodology confirm` is told as STATED.
    """
    methodology_id, version = named(name)

    def look(session: Session, _now: datetime) -> list[Part]:
        digest = queries.version(session, methodology_id=methodology_id, version=version).digest
        return list(parts_of(queries.compiled_by_digest(session, digest=digest).package).values())

    found = open_installation().look(look)
    if as_json:
        emit({"parts": [{"part": one.name, "stated": one.stated, "grade": one.grade} for one in found]})
        return
    for one in found:
        stdout.print(
            one.name, one.stated or "null", one.grade or "no value", sep="\t", markup=False, soft_wrap=True
        )


@click.command()
@click.argument("names", nargs=-1, metavar="[ID or ID/VERSION]...")
@json_option
def lock(names: tuple[str, ...], as_json: bool) -> None:
    """Add what may be published to methodologies/published.lock: all of it, or what is named.

    A line that is there never changes. What stays a draft is listed with its reason.
    """
    root = read_settings(os.environ).methodologies_dir
    added, drafts = lengthen_lock(root, names=names, on=business_day(clock.now(), _ZONE))
    if as_json:
        left = {"/".join(key): why for key, why in drafts.items()}
        emit({"added": ["/".join(key) for key in added], "drafts": left})
        return
    for key, why in drafts.items():
        stderr.print(f"{'/'.join(key)} stays a draft: {why}", highlight=False)
    stderr.print(f"Added: {', '.join('/'.join(key) for key in added) or 'nothing'}", highlight=False)


COMMANDS = (upload, publish, retire, parts, confirm, lock)


def _office(programme: str, credential: str | None) -> tuple[Installation, Actor]:
    here = open_installation()
    party = acting(here, credential, programme=programme, role="operator")
    return here, Actor(party_id=party.id, programme=programme, key=party.key)


def files_of(folder: Path, root: Path) -> dict[str, bytes]:
    """The files of the package in `folder`; factor sets that are not there from `root`."""
    own = (METHODOLOGY, CASES, OVERLAY)
    files = {name: (folder / name).read_bytes() for name in own if (folder / name).is_file()}
    if METHODOLOGY not in files:
        raise click.UsageError(f"There is no {METHODOLOGY} in {folder}")
    told = read_document(files[METHODOLOGY], METHODOLOGY).value
    uses = told.get("factors") or [] if isinstance(told, dict) else []
    for name in sorted({str(use.get("set")) for use in uses if isinstance(use, dict)}):
        for place in (folder, root):
            path = place / "factors" / f"{name}.yaml"
            if path.is_file():
                files[f"factors/{path.name}"] = path.read_bytes()
                break
    return files


def named(name: str) -> tuple[str, str]:
    """(id, version) of ID/VERSION. Raises a usage error."""
    methodology_id, separator, version = name.partition("/")
    if not separator or not version:
        raise click.UsageError(f"{name!r} is no ID/VERSION, e.g. sz-public-transit/v1")
    return methodology_id, version


def _tell(record: VersionRecord, as_json: bool, done: str) -> None:
    if as_json:
        shown = ("methodology_id", "version", "digest", "state", "grade", "supersedes", "published_for")
        emit({name: getattr(record, name) for name in shown})
    else:
        stderr.print(
            f"{record.methodology_id}/{record.version} ({record.digest[:12]}) {done}", highlight=False
        )
