"""How the files of a partner are read: the options of `import` and `watch-folder`, the run of one file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import click
from sqlalchemy.orm import Session

from carbon_credit.catalogue.operations import add_network
from carbon_credit.catalogue.queries import programme_rules
from carbon_credit.cli.context import Installation, programme_option, progress, stderr
from carbon_credit.cli.enrolment import enrol_people
from carbon_credit.cli.importing import credit_until_ended, hands_of, helpers, load, wait_to_read
from carbon_credit.identity.operations import create_party
from carbon_credit.identity.queries import party_named, resolve_links
from carbon_credit.imports.adapters import Adapter, make_adapter
from carbon_credit.imports.errors import EnrolOutsideRehearsal
from carbon_credit.imports.formats import file_digest
from carbon_credit.imports.jobs.control import Control
from carbon_credit.imports.jobs.errors import FileDigestDiffers
from carbon_credit.imports.jobs.opening import LOCAL, Delivery, open_job
from carbon_credit.imports.jobs.records import JobRecord
from carbon_credit.imports.stations import Stations
from carbon_credit.methodology.network import Network
from carbon_credit.sweeps.deliveries import read_network
from carbon_credit.sweeps.importing import Enrol, stage

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_OPTIONS = (
    programme_option,
    click.option("--partner", required=True, help="Name of the partner whose file it is"),
    click.option("--adapter", required=True, help="Name of an adapter, or path of a mapping file"),
    click.option("--network", "network_path", type=FILE, help="Track segments, for distances between gates"),
    click.option(
        "--riders", type=FILE, help="Whose trips they were: CSV with `citizen` and `trip` or `line`"
    ),
    click.option("--stations", "stations_path", type=FILE, help="Stations with coordinates"),
    click.option(
        "--enrol-unlinked", is_flag=True, help="Rehearsal only: make test citizens of unknown cards"
    ),
    click.option("--drop-unknown", is_flag=True, help="Count rows of unknown cards and keep nothing of them"),
    click.option("--workers", type=click.IntRange(1, 16), help="Processes that credit (2; on SQLite 1)"),
)


def file_options(command: F) -> F:
    """The options that say how a partner's files are read."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Terms:
    """How files are read and for whom. `reader` makes an adapter for one file."""

    programme: str
    partner_id: UUID
    reader: Callable[[], Adapter]
    options: dict[str, Any]
    enrol: Enrol | None
    workers: int | None
    created_by: str = "command-line"


def terms_of(
    here: Installation,
    *,
    programme: str,
    partner: str,
    adapter: str,
    network_path: Path | None,
    riders: Path | None,
    stations_path: Path | None,
    enrol_unlinked: bool,
    drop_unknown: bool,
    workers: int | None,
) -> Terms:
    """What the options mean here. Raises what is wrong with them."""
    here.look(lambda session, _now: programme_rules(session, programme=programme))  # is there such a one?
    if enrol_unlinked and not programme.startswith("x-"):
        raise EnrolOutsideRehearsal(programme=programme)
    network = _network(here, programme, network_path) if network_path else None
    stations = Stations.from_csv(stations_path.read_bytes()) if stations_path else None

    def reader() -> Adapter:
        return make_adapter(adapter, network=network, riders=riders, stations=stations)

    reader().check_programme(programme)
    partner_id = _partner(here, programme, partner, create=enrol_unlinked)
    options = {
        "network": network.digest if network else None,
        "stations": stations.digest if stations else None,
        "riders": file_digest(riders) if riders else None,
        "enrol": enrol_unlinked or None,
        "drop_unknown": drop_unknown or None,
    }
    return Terms(
        programme=programme,
        partner_id=partner_id,
        reader=reader,
        options={name: value for name, value in options.items() if value is not None},
        enrol=_enrolling(programme, partner_id) if enrol_unlinked else None,
        workers=workers,
    )


def open_file(
    here: Installation, terms: Terms, file: Path, *, control: Control, replaces: UUID | None = None
) -> JobRecord:
    """The job for a file. Raises FileDigestDiffers and what `open_job` does."""
    sha256 = file_digest(file)
    if control.sha256 not in (None, sha256):
        raise FileDigestDiffers(file=file.name, found=sha256, expected=control.sha256)
    reader = terms.reader()
    delivery = Delivery(
        programme=terms.programme,
        partner_id=terms.partner_id,
        adapter=reader.name,
        mapping_digest=reader.digest,
        options=terms.options,
        file_name=file.name[:255],
        sha256=sha256,
        size=max(1, file.stat().st_size),
        source=LOCAL,
        control=control,
        replaces_id=replaces,
    )
    known, new = here.act(
        lambda session, now: open_job(session, delivery=delivery, created_by=terms.created_by, now=now)
    )
    if not new:
        stderr.print(f"Going on with the import {known.id} ({known.state}).", highlight=False)
    return known


def run_file(here: Installation, terms: Terms, known: JobRecord, file: Path) -> JobRecord:
    """Read the file, unless that is done, and credit it, beside whoever else is at it; the job at its end.

    Raises what refused or stopped it.
    """
    number = terms.workers or (1 if here.settings.embedded else 2)
    hands = hands_of(here)
    with helpers(here, known.id, number - 1):
        with progress(f"Reading {known.file_name}", total=known.size) as read:

            def reading(job: JobRecord, take_over: bool) -> bool:
                return stage(
                    hands,
                    known=job,
                    path=file,
                    adapter=terms.reader(),
                    take_over=take_over,
                    progress=_steps(read),
                    enrol=terms.enrol,
                    readers=number,
                )

            wait_to_read(here, known, reading)
        with progress(f"Crediting {known.file_name}", total=load(here, known.id).rows_total) as done:
            return credit_until_ended(here, known.id, progress=done)


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
