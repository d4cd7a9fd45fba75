"""`source`: added, listed, polled at the command line and by the sweep."""

from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from carbon_credit.sources.queries import source_named
from tests.cli.conftest import Run
from tests.sources.conftest import Partner
from tests.sources.conftest import partner as partner
from tests.world import NOW, World

HOME = ("--programme", "x-gd-sz")


def test_a_source_is_added_polled_and_listed(run: Run, embedded: Database, partner: Partner) -> None:
    World(embedded, people=1)
    embedded.dispose()
    partner.commit("T-1", NOW)
    partner.trips.append((NOW, {"id": "no event"}))
    add = ("source", "add", *HOME, "--partner", "metro", "--name", "trips", "--address", partner.url)
    assert run(*add, "--json").json["taken"] == 0
    run(*add).refused("source-name-taken")
    told = run("source", "poll", *HOME, "trips", "--json")
    assert (told.status, told.json["pages"], told.json["problem"]) == (0, 1, None)
    assert told.json["outcomes"] == {"credited": 1, "invalid": 1}
    (listed,) = run("source", "list", *HOME, "--json").json["sources"]
    assert (listed["taken"], listed["refused"]) == (2, {"event-invalid": 1})
    assert run("sweep", "sources", "--json").json == {"sources": 1}
    assert run("source", "enable", *HOME, "trips", "--off").status == 0
    assert run("sweep", "sources", "--json").json == {"sources": 0}
    told = run("source", "list", *HOME)
    assert "off" in told.err
    with unit_of_work(embedded, read_only=True) as session:
        assert source_named(session, programme="x-gd-sz", name="trips").taken == 4
    embedded.dispose()


def test_a_poll_that_fails_says_why(run: Run, embedded: Database, partner: Partner) -> None:
    World(embedded, people=1)
    embedded.dispose()
    partner.spoil = lambda _number, _answer: (401, b"", {})
    where = ("--address", partner.url, "--secret-env", "TRIPS_TOKEN")
    run("source", "add", *HOME, "--partner", "metro", "--name", "trips", *where)
    told = run("source", "poll", *HOME, "trips", "--json", TRIPS_TOKEN="t")
    assert told.status == 1
    assert "not accepted" in told.json["problem"]
    assert "status 401" in run("source", "list", *HOME).err


def test_what_cannot_be_a_source_is_refused(run: Run, embedded: Database) -> None:
    World(embedded, people=1)
    embedded.dispose()
    add = ("source", "add", *HOME, "--name", "trips")
    run(*add, "--partner", "metro", "--address", "http://10.0.0.1/").refused("SOURCE_HOSTS does not name")
    run(*add, "--partner", "nobody", "--address", "http://127.0.0.1/").refused("has no partner")
    run(*add, "--partner", "metro", "--address", "http://127.0.0.1/", "--queue", "q").refused("--queue")
    run("source", "poll", *HOME, "trips").refused("source-not-found")
    amqp = ("--kind", "rabbitmq", "--queue", "q", "--address", "amqp://127.0.0.1/")
    assert run(*add, "--partner", "metro", *amqp).status == 0
    run("source", "poll", *HOME, "trips").refused("of the kind rabbitmq")
    named = {"SOURCE_HOSTS": "trips.example.org, other.example.org"}
    told = run("source", "add", *HOME, "--name", "far", "--partner", "metro", "--address",
               "https://trips.example.org/v1", **named)  # fmt: skip
    assert told.status == 0
