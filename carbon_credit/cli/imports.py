"""`import`: an operator's file becomes events."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import click
from sqlalchemy.orm import Session

from carbon_credit.catalogue.operations import add_network
from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.cli.context import (
    Installation,
    emit,
    json_option,
    open_installation,
    programme_option,
    progress,
    stderr,
)
from carbon_credit.cli.enrolment import enrol_people
from carbon_credit.cli.importing import (
    credit_until_ended,
    hands_of,
    helpers,
    load,
    say,
    summary,
    wait_to_read,
)
from carbon_credit.identity.operations import create_party
from carbon_credit.identity.queries import party_named, resolve_links
from carbon_credit.imports.adapters import Adapter, make_adapter
from carbon_credit.imports.errors import EnrolOutsideRehearsal
from carbon_credit.imports.formats import file_digest
from carbon_credit.imports.jobs.control import Control, control_of, read_control
from carbon_credit.imports.jobs.errors import FileDigestDiffers
from carbon_credit.imports.jobs.opening import LOCAL, Delivery, open_job
from carbon_credit.imports.jobs.records import JobRecord, all_rejects
from carbon_credit.imports.jobs.rejects import write_rejects
from carbon_credit.imports.stations import Stations
from carbon_credit.methodology.network import Network
from carbon_credit.sweeps.deliveries import read_network
from carbon_credit.sweeps.importing import Enrol, stage

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("import")
@programme_option
@click.option("--partner", required=True, help="Name of the partner whose file it is")
@click.option("--adapter", required=True, help="Name of an adapter, or path of a mapping file")
@click.option("--network", "network_path", type=_FILE, help="Track segments, for distances between gates")
@click.option("--riders", type=_FILE, help="Whose trips they were: CSV with `citizen` and `trip` or `line`")
@click.option("--stations", "stations_path", type=_FILE, help="Stations with coordinates")
@click.option("--enrol-unlinked", is_flag=True, help="Rehearsal only: create test citizens for unknown cards")
@click.option(
    "--control", "control_path", type=_FILE, help="Control totals that must match: JSON or name=value"
)
@click.option("--expect-rows", type=click.IntRange(0), help="How many data rows the file must have")
@click.option(
    "--expect-sum", "sums", multiple=True, metavar="COLUMN=SUM", help="What a column must add up to"
)
@click.option(
    "--replaces", type=click.UUID, metavar="IMPORT", help="The earlier import that this file corrects"
)
@click.option("--workers", type=click.IntRange(1, 16), help="Processes that credit (2; on SQLite 1)")
@click.option("--rejects", type=click.Path(dir_okay=False, path_type=Path), help="Where to list refused rows")
@json_option
@click.argument("file", type=_FILE)
def import_(
    programme: str,
    partner: str,
    adapter: str,
    network_path: Path | None,
    riders: Path | None,
    stations_path: Path | None,
    enrol_unlinked: bool,
    control_path: Path | None,
    expect_rows: int | None,
    sums: tuple[str, ...],
    replaces: UUID | None,
    workers: int | None,
    rejects: Path | None,
    as_json: bool,
    file: Path,
) -> None:
    """Import FILE of PARTNER. The whole file is read and checked before anything of it is credited.

    May be stopped at any moment and run again: it goes on where it was, and nothing is credited twice.
    Refused rows go to a rejects file with line numbers and reasons.
    """
    here = open_installation()
    here.look(lambda session, _now: programme_rules(session, programme=programme))  # is there such a one?
    if enrol_unlinked and not programme.startswith("x-"):
        raise EnrolOutsideRehearsal(programme=programme)
    control = _control(control_path, expect_rows, sums)
    network = _network(here, programme, network_path) if network_path else None
    stations = Stations.from_csv(stations_path.read_bytes()) if stations_path else None
    reader = make_adapter(adapter, network=network, riders=riders, stations=stations)
    reader.check_programme(programme)
    partner_id = _partner(here, programme, partner, create=enrol_unlinked)
    options = {
        "network": network.digest if network else None,
        "stations": stations.digest if stations else None,
        "riders": file_digest(riders) if riders else None,
        "enrol": enrol_unlinked or None,
    }
    known = _open(
        here,
        file,
        Delivery(
            programme=programme,
            partner_id=partner_id,
            adapter=reader.name,
            mapping_digest=reader.digest,
            options={name: value for name, value in options.items() if value is not None},
            file_name=file.name[:255],
            sha256="",
            size=0,
            source=LOCAL,
            control=control,
            replaces_id=replaces,
        ),
    )
    enrol = _enrolling(programme, partner_id) if enrol_unlinked else None
    run(here, known, file, reader, enrol=enrol, workers=workers)
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


def run(
    here: Installation,
    known: JobRecord,
    file: Path,
    adapter: Adapter,
    *,
    enrol: Enrol | None = None,
    workers: int | None = None,
) -> JobRecord:
    """Read the file, unless that is done, and credit it, beside whoever else is at it."""
    number = workers or (1 if here.settings.embedded else 2)
    hands = hands_of(here)
    with helpers(here, known.id, number - 1):
        with progress(f"Reading {known.file_name}", total=known.size) as read:

            def reading(job: JobRecord, take_over: bool) -> bool:
                step = _steps(read)
                return stage(
                    hands,
                    known=job,
                    path=file,
                    adapter=adapter,
                    take_over=take_over,
                    progress=step,
                    enrol=enrol,
                )

            wait_to_read(here, known, reading)
        with progress(f"Crediting {known.file_name}", total=_rows(here, known)) as done:
            return credit_until_ended(here, known.id, progress=done)


def _open(here: Installation, file: Path, delivery: Delivery) -> JobRecord:
    sha256 = file_digest(file)
    if delivery.control.sha256 not in (None, sha256):
        raise FileDigestDiffers(file=file.name, found=sha256, expected=delivery.control.sha256)
    whole = replace(delivery, sha256=sha256, size=max(1, file.stat().st_size))
    known, new = here.act(
        lambda session, now: open_job(session, delivery=whole, created_by="command-line", now=now)
    )
    if not new:
        stderr.print(f"Going on with the import {known.id} ({known.state}).", highlight=False)
    return known


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


def _rows(here: Installation, known: JobRecord) -> int | None:
    return load(here, known.id).rows_total


def _network(here: Installation, programme: str, path: Path) -> Network:
    data = path.read_bytes()
    network = read_network(data, programme)
    here.act(
        lambda session, now: add_network(
            session, programme=programme, digest=network.digest, body=data, now=now
        )
    )
    return network


def _partner(here: Installation, programme: str, name: str, *, create: bool) -> UUID:
    def deed(session: Session, now: datetime) -> UUID | None:
        found = party_named(session, programme=programme, role="partner", name=name)
        if found is None and create:
            found = create_party(session, programme=programme, role="partner", name=name, now=now)
        return found.id if found else None

    partner_id = here.act(deed)
    if partner_id is None:
        raise click.UsageError(
            f"{programme} has no partner {name!r}. Add it: carbon-credit party add --programme {programme} "
            f"--role partner --name {name!r}"
        )
    return partner_id


def _enrolling(programme: str, partner_id: UUID) -> Enrol:
    """Test citizens for cards that lead to nobody, with test consent and mandate, all tier `assumed`."""

    def deed(session: Session, now: datetime, wanted: Sequence[tuple[str, str]]) -> None:
        rules = programme_rules(session, programme=programme)
        if not rules.may_enrol_unlinked:
            raise click.UsageError(f"{programme} does not allow enrolling unlinked cards.")
        known = resolve_links(session, programme=programme, links=wanted)
        new = [link for link in wanted if link not in known]
        if new:
            enrol_people(
                session,
                programme=programme,
                partners=[partner_id],
                links_of=[[link] for link in new],
                scenes=[scene.code for scene in rules.profile.scenes],
                tier="assumed",
                without_mandate=0,
                given_at=_LONG_AGO,
                now=now,
            )

    return deed


def _steps(done: Callable[[int], None]) -> Callable[[int, int], None]:
    """Turns totals so far into steps, for the bar."""
    before = 0

    def report(amount: int, _total: int) -> None:
        nonlocal before
        done(amount - before)
        before = amount

    return report
