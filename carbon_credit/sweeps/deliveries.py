"""Import jobs that wait in the database: uploads are staged, staged files credited, forgotten jobs ended."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import network_of, programme_rules
from carbon_credit.imports.adapters import Adapter, make_adapter, names
from carbon_credit.imports.adapters.loading import problems_of, read_mapping
from carbon_credit.imports.errors import AdapterTakesNo, AdapterUnknown, MappingUnsound
from carbon_credit.imports.jobs import uploads
from carbon_credit.imports.jobs.enclosures import MAPPING, RIDERS, STATIONS, Enclosed, enclosed_with
from carbon_credit.imports.jobs.opening import UPLOAD, forget_left
from carbon_credit.imports.jobs.records import JobRecord, jobs_in
from carbon_credit.imports.stations import Stations
from carbon_credit.kernel.digest import sha256_hex
from carbon_credit.kernel.errors import Busy
from carbon_credit.methodology.network import Network
from carbon_credit.sweeps.importing import Hands, credit_all, stage

WORK_FOR = timedelta(seconds=50)
LEFT_AFTER = timedelta(days=14)
# The rows of a segments file that belong to the programme, where the file holds several cities.
CITIES = {"gd-sz": "shenzhen", "gd-gz": "guangzhou"}
_UNREAD = Path(RIDERS)  # stands for the list while nothing is read yet
_log = logging.getLogger(__name__)


def work_off(hands: Hands) -> int:
    """Do what there is to do for a while; how many rows were credited or refused.

    A job that fails is written down and the others go on. Raises Busy where the database is away.
    """
    until = hands.clock() + WORK_FOR
    rows = 0

    def count(done: int) -> None:
        nonlocal rows
        rows += done

    for known in _jobs(hands, "received", "staging", source=UPLOAD):
        if hands.clock() < until:
            _attempt(known.id, lambda known=known: _stage_upload(hands, known))  # type: ignore[misc]
    for known in _jobs(hands, "crediting", "withdrawing"):
        if hands.clock() < until:
            _attempt(
                known.id,
                lambda known=known: credit_all(  # type: ignore[misc]
                    hands, job_id=known.id, done=count, go_on=lambda: hands.clock() < until
                ),
            )
    return rows


def end_left(session: Session, now: datetime, limit: int) -> int:
    """Cancel jobs that nobody has touched for two weeks: what they hold of people is not kept for ever."""
    return forget_left(session, before=now - LEFT_AFTER, now=now, limit=limit)


def adapter_of(
    session: Session, *, name: str | None, enclosed: Enclosed, programme: str
) -> tuple[Adapter, dict[str, str]]:
    """How an upload is read, by the shipped adapter `name` or by the mapping that came with it, and the
    options that go with it: the programme's newest network, where it has one, and digests of what was sent.

    Raises AdapterUnknown, MappingUnsound, AdapterNeeds, AdapterTakesNo, StationsUnreadable and
    AdapterRehearsalOnly.
    """
    if MAPPING in enclosed:
        activities = programme_rules(session, programme=programme).activities
        _, found = problems_of(enclosed[MAPPING], MAPPING, activities)
        if found:
            raise MappingUnsound(found)
    elif name not in names():
        raise AdapterUnknown(adapter=name, known=", ".join(names()))
    network = network_of(session, programme=programme)
    adapter = _made(name or "", enclosed, network, programme, riders=_UNREAD if RIDERS in enclosed else None)
    adapter.check_programme(programme)
    for what in sorted({RIDERS, STATIONS} & set(enclosed) - adapter.uses):
        raise AdapterTakesNo(adapter=adapter.name, what=what)
    options = {name: sha256_hex(enclosed[name]) for name in (RIDERS, STATIONS) if name in enclosed}
    return adapter, options | ({"network": network[0]} if network else {})


def read_network(data: bytes, programme: str) -> Network:
    """The programme's network out of a segments file."""
    return Network.from_csv(data, city=CITIES.get(programme.removeprefix("x-")))


def _jobs(hands: Hands, *states: str, source: str | None = None) -> list[JobRecord]:
    return hands.look(lambda session, _now: jobs_in(session, *states, source=source))


def _attempt(job_id: UUID, deed: Callable[[], object]) -> None:
    try:
        deed()
    except Busy:
        raise
    except Exception as error:
        # It is written down in the job; here only the kind, as the text may name a card.
        _log.warning("import %s: %s", job_id, getattr(error, "code", type(error).__name__))


def _stage_upload(hands: Hands, known: JobRecord) -> None:
    with TemporaryDirectory(prefix="carbon-credit-import-") as folder:
        path = Path(folder) / "upload"

        def prepare() -> Adapter:
            with path.open("wb") as file:
                hands.look(lambda session, _now: uploads.write_parts(session, known=known, file=file))
            return hands.look(lambda session, _now: _reader(session, known, Path(folder)))

        stage(hands, known=known, path=path, adapter=prepare)


def _reader(session: Session, known: JobRecord, folder: Path) -> Adapter:
    digest = known.options.get("network")
    network = network_of(session, programme=known.programme, digest=digest) if digest else None
    enclosed = enclosed_with(session, job_id=known.id)
    riders = None
    if RIDERS in enclosed:
        riders = folder / RIDERS
        riders.write_bytes(enclosed[RIDERS])
    return _made(known.adapter, enclosed, network, known.programme, riders=riders)


def _made(
    name: str, enclosed: Enclosed, network: tuple[str, bytes] | None, programme: str, *, riders: Path | None
) -> Adapter:
    own = enclosed.get(MAPPING)
    stations = enclosed.get(STATIONS)
    return make_adapter(
        name if own is None else read_mapping(own, MAPPING),
        network=read_network(network[1], programme) if network else None,
        riders=riders,
        stations=None if stations is None else Stations.from_csv(stations),
    )
