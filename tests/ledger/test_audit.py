"""The audit names the row that breaks a rule, whoever broke it and however well they hid it."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from carbon_credit.kernel.db import is_postgresql
from carbon_credit.ledger.accounts import Balance, account_id
from carbon_credit.ledger.audit import Finding, audit
from carbon_credit.ledger.entries import Transfer
from carbon_credit.ledger.errors import NotMonthEnd, RangeSealed
from carbon_credit.ledger.openings import write_openings
from carbon_credit.ledger.seals import seal

from .conftest import Books

APPEND_ONLY = ("transfer", "pending_resolution", "account_opening", "seal_block")


@pytest.fixture(params=["sqlite_database", "module_postgresql"])
def books(request: pytest.FixtureRequest) -> Iterator[Books]:
    """Books in one transaction that is never committed: these tests break what they can reach."""
    database = request.getfixturevalue(request.param)
    session = database.write_session()
    yield Books(database, session)
    session.rollback()
    session.close()


@contextmanager
def intruder(books: Books) -> Iterator[Session]:
    """Somebody who owns the database: all triggers are off while they are in."""
    with books.work() as session:
        if is_postgresql(session):
            for table in APPEND_ONLY:
                session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
            yield session
            for table in APPEND_ONLY:
                session.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER ALL"))
            return
        triggers = session.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all()
        for name, _ in triggers:
            session.execute(text(f"DROP TRIGGER {name}"))
        yield session
        for _, sql in triggers:
            session.connection().exec_driver_sql(sql)


def find(books: Books, *, full: bool = False, maximum: int = 100) -> list[Finding]:
    with books.work() as session:
        return audit(session, full=full, maximum=maximum)


def named(books: Books, *, full: bool = False) -> set[tuple[str, str, str]]:
    return {(finding.rule, finding.table, finding.row) for finding in find(books, full=full)}


def busy(books: Books) -> dict[str, Transfer]:
    """A little of everything."""
    done = {
        "grant": books.grant(100),
        "credit": books.credit(500),
        "spend": books.redeem(10),
        "settled": books.redeem(20),
        "released": books.redeem(5),
        "expired": books.redeem(3, books.now),
        "open": books.redeem(1),
    }
    books.post(done["grant"], done["credit"], done["spend"])
    books.hold(done["settled"], done["released"], done["expired"], done["open"])
    books.settle(done["settled"].id, amounts={done["settled"].id: 15})
    books.release(done["released"].id)
    books.expire()
    done["revoke"] = books.transfer(
        "reduction.revoke", books.reductions(), books.co2e_source, 50, reverses_id=done["credit"].id
    )
    books.post(done["revoke"])
    return done


def value(books: Books, number: uuid.UUID) -> str:
    """An id as raw SQL wants it."""
    return f"'{number}'" if books.database.engine.dialect.name == "postgresql" else f"'{number.hex}'"


def account(books: Books, kind: str) -> str:
    key = books.lot() if kind == "citizen.points" else books.reductions()
    return str(account_id(key))


def seal_all(books: Books, limit: int = 1000) -> int:
    with books.work() as session:
        return seal(session, now=books.now + timedelta(days=36_500), limit=limit, quiet=timedelta(0))


def open_month(books: Books, month_end: date) -> int:
    with books.work() as session:
        return write_openings(session, programme=books.programme, month_end=month_end, now=books.now)


def test_a_sound_ledger_has_no_findings(books: Books) -> None:
    assert find(books) == []
    busy(books)
    assert find(books) == find(books, full=True) == []


def test_it_tells_how_far_it_is(books: Books) -> None:
    busy(books)
    seen: dict[str, int] = {}
    with books.work() as session:
        audit(session, progress=seen.__setitem__)
    assert seen["transfers"] == 12
    assert {"balances", "zero_totals", "seals"} <= seen.keys()


@pytest.mark.parametrize(
    "change",
    [
        "amount = 101",
        "code = 'points.bonus'",
        "reference = debit_account",
        "recorded_at = '2026-01-01 00:00:00'",
    ],
)
def test_an_edited_row_is_named(books: Books, change: str) -> None:
    grant = busy(books)["grant"]
    with intruder(books) as session:
        session.execute(text(f"UPDATE transfer SET {change} WHERE id = {value(books, grant.id)}"))
    assert ("mac", "transfer", str(grant.id)) in named(books)


def test_an_edited_row_is_named_when_the_balance_was_edited_to_match(books: Books) -> None:
    grant = busy(books)["grant"]
    with intruder(books) as session:
        session.execute(text(f"UPDATE transfer SET amount = 101 WHERE id = {value(books, grant.id)}"))
        session.execute(
            text("UPDATE account SET credits_posted = credits_posted + 1 WHERE kind = 'citizen.points'")
        )
    assert named(books) == {("mac", "transfer", str(grant.id))}


def test_a_deleted_row_is_named_by_the_account_that_it_touched(books: Books) -> None:
    grant = busy(books)["grant"]
    with intruder(books) as session:
        session.execute(text(f"DELETE FROM transfer WHERE id = {value(books, grant.id)}"))
    assert ("balance", "account", account(books, "citizen.points")) in named(books)


def test_an_edited_balance_is_named(books: Books) -> None:
    busy(books)
    with intruder(books) as session:
        session.execute(text("UPDATE account SET credits_posted = 501 WHERE kind = 'citizen.reductions'"))
    found = find(books)
    assert [(f.rule, f.row) for f in found] == [
        ("balance", account(books, "citizen.reductions")),
        ("zero-total", f"{books.programme} co2e_mg"),
    ]
    assert "credits_posted is 501, its transfers say 500" in found[0].detail


def test_an_edited_account_is_named(books: Books) -> None:
    busy(books)
    with intruder(books) as session:
        session.execute(text("UPDATE account SET lot = '2037-12-31' WHERE kind = 'citizen.points'"))
        session.execute(text("UPDATE account SET side = 'debt' WHERE kind = 'programme.source'"))
    source = str(account_id(books.co2e_source))
    assert {
        ("account", "account", account(books, "citizen.points")),
        ("account", "account", source),
    } <= named(books)


def test_below_zero_is_named_even_without_the_constraint(books: Books) -> None:
    busy(books)
    on_postgresql = books.database.engine.dialect.name == "postgresql"
    off = "ALTER TABLE account DROP CONSTRAINT ck_account_available"
    with intruder(books) as session:
        session.execute(text(off if on_postgresql else "PRAGMA ignore_check_constraints = ON"))
        session.execute(text("UPDATE account SET debits_posted = 1000 WHERE kind = 'citizen.points'"))
    if not on_postgresql:
        books.database.engine.dispose()  # a new connection checks again
    assert ("below-zero", "account", account(books, "citizen.points")) in named(books)


def test_a_missing_account_is_named(books: Books) -> None:
    credit = busy(books)["credit"]
    with intruder(books) as session:
        session.execute(text("DELETE FROM account WHERE kind = 'citizen.reductions'"))
    assert ("chart", "transfer", str(credit.id)) in named(books)


def test_a_hold_that_is_opened_again_is_named(books: Books) -> None:
    released = busy(books)["released"]
    with intruder(books) as session:
        session.execute(
            text(f"DELETE FROM pending_resolution WHERE pending_id = {value(books, released.id)}")
        )
        session.execute(text(f"INSERT INTO open_hold (pending_id) VALUES ({value(books, released.id)})"))
    assert {(f.rule, f.table) for f in find(books)} == {("hold", "transfer")}


def test_a_resolution_that_lies_is_named(books: Books) -> None:
    done = busy(books)
    with intruder(books) as session:
        session.execute(
            text(
                "UPDATE pending_resolution SET outcome = 'settled' "
                f"WHERE pending_id = {value(books, done['released'].id)}"
            )
        )
    row = str(done["released"].id)
    assert {("mac", "pending_resolution", row), ("hold", "pending_resolution", row)} <= named(books)


def test_a_lost_open_hold_is_named(books: Books) -> None:
    hold = busy(books)["open"]
    with intruder(books) as session:
        session.execute(text("DELETE FROM open_hold"))
    assert named(books) == {("hold", "transfer", str(hold.id))}


def test_a_count_of_reversals_that_lies_is_named(books: Books) -> None:
    credit = busy(books)["credit"]
    with intruder(books) as session:
        session.execute(text("UPDATE transfer_reversal SET reversed = 49"))
    assert named(books, full=True) == {("reversal", "transfer_reversal", str(credit.id))}


def test_no_more_findings_than_asked_for(books: Books) -> None:
    busy(books)
    with intruder(books) as session:
        session.execute(text("UPDATE transfer SET amount = amount + 1"))
    assert len(find(books, maximum=3)) == 3


def test_young_rows_are_not_sealed(books: Books) -> None:
    busy(books)
    with books.work() as session:
        assert seal(session, now=books.now - timedelta(days=36_500), limit=100) == 0


def test_seals_chain_in_blocks(books: Books) -> None:
    busy(books)
    assert [seal_all(books, limit=5) for _ in range(4)] == [5, 5, 2, 0]
    books.post(books.grant(1))
    assert seal_all(books) == 1
    assert find(books) == find(books, full=True) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("DELETE FROM transfer WHERE id = {id}", "a row was deleted"),
        ("UPDATE transfer SET mac = {mac} WHERE id = {id}", "a row was replaced"),
        (
            "INSERT INTO transfer SELECT {early}, programme, asset, code, phase, debit_account, "
            "credit_account, amount, pending_id, reverses_id, expires_at, effective_at, recorded_at, "
            "reference, mac FROM transfer WHERE id = {id}",
            "a row was inserted",
        ),
    ],
)
def test_a_sealed_range_cannot_be_changed_unseen(books: Books, change: str, words: str) -> None:
    grant = busy(books)["grant"]
    while seal_all(books, limit=6):
        pass
    on_postgresql = books.database.engine.dialect.name == "postgresql"
    statement = change.format(
        id=value(books, grant.id),
        early=value(books, uuid.UUID(int=grant.id.int - 1)),
        mac=r"'\x00'" if on_postgresql else "x'00'",
    )
    with intruder(books) as session:
        session.connection().exec_driver_sql(statement)
    [finding] = [f for f in find(books) if f.rule == "seal"]
    assert finding.row == "transfer 1"
    assert words in finding.detail


def test_a_deletion_hidden_in_all_balances_still_breaks_the_seal(books: Books) -> None:
    books.post(grant := books.grant(100), books.grant(7))
    seal_all(books)
    with intruder(books) as session:
        session.execute(text(f"DELETE FROM transfer WHERE id = {value(books, grant.id)}"))
        session.execute(text("UPDATE account SET credits_posted = 7 WHERE kind = 'citizen.points'"))
    assert named(books) == {("seal", "seal_block", "transfer 1")}


def test_a_forged_or_missing_block_is_named(books: Books) -> None:
    busy(books)
    while seal_all(books, limit=4):
        pass
    with intruder(books) as session:
        session.execute(text("DELETE FROM seal_block WHERE number = 2"))
        session.execute(text("UPDATE seal_block SET row_count = 3 WHERE number = 1"))
    assert {("mac", "seal_block", "transfer 1"), ("seal", "seal_block", "transfer 3")} <= named(books)


def test_a_late_id_does_not_enter_a_sealed_range(books: Books) -> None:
    transfer = books.grant(1)
    books.post(books.grant(1))
    seal_all(books)
    books.now += timedelta(days=36_500)  # long after the id was made
    with pytest.raises(RangeSealed):
        books.post(transfer)
    assert find(books, full=True) == []


def test_openings_begin_where_the_seals_end(books: Books) -> None:
    busy(books)
    assert open_month(books, date(2026, 11, 30)) == 0  # nothing is sealed
    seal_all(books)
    books.post(books.grant(7), books.credit(3))
    assert open_month(books, date(2026, 11, 30)) == 5
    assert open_month(books, date(2026, 11, 30)) == 0
    seal_all(books)
    books.post(books.redeem(2))
    assert open_month(books, date(2026, 12, 31)) == 5
    assert find(books) == find(books, full=True) == []
    assert books.balance(books.points_source) == Balance(debits_posted=107)
    assert books.balance(books.co2e_source) == Balance(debits_posted=503, credits_posted=50)
    with pytest.raises(NotMonthEnd):
        open_month(books, date(2026, 12, 30))


def test_an_edited_opening_is_named(books: Books) -> None:
    busy(books)
    seal_all(books)
    open_month(books, date(2026, 11, 30))
    lot = value(books, account_id(books.lot()))
    with intruder(books) as session:
        session.execute(text(f"UPDATE account_opening SET credits_posted = 999 WHERE account_id = {lot}"))
    row = f"{account_id(books.lot())} 2026-12-01"
    assert ("mac", "account_opening", row) in named(books)
    assert ("balance", "account", account(books, "citizen.points")) in named(books)
    assert {("mac", "account_opening", row), ("opening", "account_opening", row)} <= named(books, full=True)


def test_after_an_opening_only_a_full_audit_reads_what_was_before(books: Books) -> None:
    grant = busy(books)["grant"]
    seal_all(books)
    open_month(books, date(2026, 11, 30))
    books.post(later := books.grant(9))
    with intruder(books) as session:
        both = f"{value(books, grant.id)}, {value(books, later.id)}"
        session.execute(text(f"UPDATE transfer SET amount = 1 WHERE id IN ({both})"))
    macs = ("mac", "transfer")
    assert {row for rule, table, row in named(books) if (rule, table) == macs} == {str(later.id)}
    rows = {row for rule, table, row in named(books, full=True) if (rule, table) == macs}
    assert rows == {str(grant.id), str(later.id)}


def test_sealed_and_opened_tables_are_append_only(books: Books) -> None:
    busy(books)
    seal_all(books)
    open_month(books, date(2026, 11, 30))
    for table in APPEND_ONLY:
        for verb in (f"DELETE FROM {table}", f"UPDATE {table} SET mac = mac"):
            with (
                pytest.raises(Exception, match="append-only"),
                books.work() as session,
                session.begin_nested(),
            ):
                session.execute(text(verb))
