"""`import`: an operator's file becomes events."""

import threading
from collections.abc import Callable, Sequence
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
from carbon_credit.identity.operations import create_party
from carbon_credit.identity.queries import party_named, resolve_links
from carbon_credit.imports.adapters import make_adapter
from carbon_credit.imports.operations import CreditBatch, EnrolCards, Progress, run_import
from carbon_credit.kernel import clock
from carbon_credit.kernel.quantity import grams_text
from carbon_credit.methodology.network import Network
from carbon_credit.quantification.operations import credit

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_CITIES = {"gd-sz": "shenzhen", "gd-gz": "guangzhou"}


@click.command("import")
@programme_option
@click.option("--partner", required=True, help="Name of the partner whose file it is")
@click.option("--adapter", required=True, help="Name of an adapter, or path of a mapping file")
@click.option("--network", "network_path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--enrol-unlinked", is_flag=True, help="Rehearsal only: create test citizens for unknown cards")
@click.option("--rejects", type=click.Path(dir_okay=False, path_type=Path), help="Where to list refused rows")
@json_option
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_(
    programme: str,
    partner: str,
    adapter: str,
    network_path: Path | None,
    enrol_unlinked: bool,
    rejects: Path | None,
    as_json: bool,
    file: Path,
) -> None:
    """Import FILE (plain or .gz) of PARTNER.

    May be stopped and run again: nothing is credited twice. Refused rows go to a rejects file with
    line numbers and reasons.
    """
    here = open_installation()
    here.look(lambda session, _now: programme_rules(session, programme=programme))  # is there such a one?
    network = _network(here, programme, network_path)
    partner_id = _partner(here, programme, partner, create=enrol_unlinked and programme.startswith("x-"))
    rejects = rejects or here.settings.var_dir / "rejects" / f"{file.name}.rejects.csv"
    rejects.parent.mkdir(parents=True, exist_ok=True)
    with progress(f"Importing {file.name}") as done:
        summary = run_import(
            path=file,
            adapter=make_adapter(adapter, network=network),
            programme=programme,
            credit=crediting(here, programme, partner_id),
            now=clock.now(),
            enrol=_enrolling(here, programme, partner_id) if enrol_unlinked else None,
            rejects=rejects,
            progress=_as_rows(done),
        )
    if as_json:
        emit({**summary.as_dict(), "rejects": str(rejects)})
        return
    told = summary.as_dict()
    stderr.print("  ".join(f"{name} {value:,}" for name, value in told.items()))
    stderr.print(f"{grams_text(summary.co2e_mg)} g credited. Refused and held rows: {rejects}")


def crediting(here: Installation, programme: str, partner_id: UUID) -> CreditBatch:
    """Credits each batch in a unit of work of its own; operators' files may be old."""

    def credit_batch(payloads: Sequence[object]) -> Sequence[object]:
        return here.act(
            lambda session, now: credit(
                session,
                programme=programme,
                partner_id=partner_id,
                payloads=payloads,
                now=now,
                backfill=True,
            )
        )

    return credit_batch  # type: ignore[return-value]


def _network(here: Installation, programme: str, path: Path | None) -> Network:
    if path is None:
        raise click.UsageError("This adapter computes distances between gates: give --network FILE.")
    data = path.read_bytes()
    city = _CITIES.get(programme.removeprefix("x-"))
    network = Network.from_csv(data, city=city)
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


def _enrolling(here: Installation, programme: str, partner_id: UUID) -> EnrolCards:
    """Test citizens for cards that lead to nobody, with test consent and mandate, all tier `assumed`."""

    def deed(session: Session, now: datetime, cards: Sequence[str]) -> None:
        rules = programme_rules(session, programme=programme)
        if not rules.may_enrol_unlinked:
            raise click.UsageError(f"{programme} does not allow enrolling unlinked cards.")
        wanted = [("transit-card", card) for card in cards]
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

    return lambda cards: here.act(lambda session, now: deed(session, now, cards))


def _as_rows(done: Callable[[int], None]) -> Progress:
    """Turns totals so far into steps, for the bar."""
    before = {"reading": 0, "crediting": 0}
    lock = threading.Lock()

    def report(phase: str, amount: int, _total: int) -> None:
        with lock:
            if phase == "crediting":
                done(amount - before[phase])
                before[phase] = amount

    return report
