"""`merchant …`: taking a merchant in, from its name to where it is paid, and what is refused."""

import pytest

from carbon_credit.identity.errors import CallerSuspended, CredentialRefused
from carbon_credit.identity.operations import authenticate_client
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import unit_of_work
from tests.cli.conftest import Run, Told, operator
from tests.world import World

P, TEA = ("--programme", "x-gd-sz"), ("--merchant", "珠江茶饮")
STORE = ("--store", "天河店", "--address", "天河路1号", "--district", "440106")
TERMS = ("--from", "2027-01-01", "--fee-bps", "60", "--invoice")
PAYEE = ("--payee-name", "珠江茶饮有限公司", "--bank", "某银行", "--account", "6222020200012345678")


@pytest.fixture
def city(either: tuple[Run, Database]) -> tuple[Run, Database]:
    """A programme with a merchant of that name."""
    run, database = either
    World(database)
    assert run("party", "add", *P, "--role", "merchant", "--name", TEA[1]).status == 0
    return either


def signs_in(database: Database, told: Told) -> None:
    with unit_of_work(database) as session:
        authenticate_client(session, client_id=told.json["client_id"], secret=told.json["client_secret"])


def test_a_store_a_till_and_its_secret(city: tuple[Run, Database]) -> None:
    run, database = city
    store = run("merchant", "store", *P, *TEA, *STORE, "--json").json["store"]
    run("merchant", "store", *P, *TEA, *STORE).refused("store-name-taken")
    open_till = ("merchant", "till", *P, *TEA, "--store", store, "--till", "1")
    first = run(*open_till, "--json")
    till = first.json["till"]
    signs_in(database, first)
    run(*open_till).refused("till-name-taken")
    for_people = run("merchant", "till-credential", *P, *TEA, "--till", till)
    assert (for_people.status, for_people.out) == (0, "")
    assert till in for_people.err
    second = run("merchant", "till-credential", *P, *TEA, "--till", till, "--json")
    signs_in(database, second)
    with pytest.raises(CredentialRefused):  # the one that it had has ended
        signs_in(database, first)
    assert run("merchant", "suspend-till", *P, *TEA, "--till", till).status == 0
    with pytest.raises(CallerSuspended):
        signs_in(database, second)
    (listed,) = run("merchant", "list", *P, "--json").json["merchants"]
    assert (listed["name"], listed["active"]) == (TEA[1], True)
    assert listed["tills"] == [{"id": till, "name": "1", "active": False}]
    people = run("merchant", "list", *P)
    assert (people.status, people.out) == (0, "")
    assert f"1  {till}  (suspended)" in people.err
    assert run("merchant", "suspend-till", *P, *TEA, "--till", till, "--resume").status == 0
    signs_in(database, second)


def test_terms_and_a_payee_that_two_have_looked_at(city: tuple[Run, Database]) -> None:
    run, _ = city
    one, two = operator(run), operator(run, "Office 2")
    run("merchant", "terms", *P, *TEA, *TERMS).refused("--as")
    told = run("merchant", "terms", *P, *TEA, *TERMS, "--as", one, "--json")
    assert told.json["effective_from"] == "2027-01-01"
    run("merchant", "terms", *P, *TEA, *TERMS, "--as", one).refused("terms-taken")
    run("merchant", "terms", *P, *TEA, *TERMS[:2], "--fee-bps", "10001", "--invoice", "--as", one).refused(
        "--fee-bps"
    )
    made = run("merchant", "payee", *P, *TEA, *PAYEE, "--as", one, "--json")
    assert made.json["tail"] == "5678"
    assert PAYEE[-1] not in made.out + made.err
    confirm = ("merchant", "confirm-payee", *P, *TEA, "--payee", made.json["payee"])
    run(*confirm, "--as", one).refused("payee-confirm-forbidden")
    confirmed = run(*confirm, "--as", two, "--json").json["confirmed_by"]
    # Once more, and by whomever: who confirmed it stays.
    assert run(*confirm, "--as", operator(run, "Office 3"), "--json").json["confirmed_by"] == confirmed


def test_who_is_not_there_and_who_may_not(city: tuple[Run, Database]) -> None:
    run, database = city
    nobody = ("--merchant", "无此商户")
    run("merchant", "store", *P, *nobody, *STORE).refused("party-not-found")
    run("merchant", "payee", *P, *nobody, *PAYEE, "--as", operator(run)).refused("party-not-found")
    partner = run("party", "add", *P, "--role", "partner", "--name", "Airport bus", "--json")
    signs_in(database, partner)
    who = f"{partner.json['client_id']}:{partner.json['client_secret']}"
    run("merchant", "terms", *P, *TEA, *TERMS, "--as", who).refused("no operator")
