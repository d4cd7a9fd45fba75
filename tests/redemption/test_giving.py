"""Code pools, donations, subsidies: each given once, and what was not given returns."""

import uuid
from collections.abc import Callable
from typing import TypeVar

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from carbon_credit.kernel.db import is_postgresql
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.ledger.accounts import FEN, AccountKey
from carbon_credit.ledger.errors import InsufficientBalance
from carbon_credit.redemption import offers
from carbon_credit.redemption.errors import (
    OfferExhausted,
    OfferInvalid,
    RedemptionNotFound,
    VoucherCancelled,
    VoucherConsumed,
    VoucherExpired,
    VoucherInvalid,
)
from carbon_credit.redemption.giving import applications, donations, pools, subsidies
from carbon_credit.redemption.giving.donations import Donation, donation_key
from carbon_credit.redemption.giving.subsidies import Document
from carbon_credit.redemption.offering import budgets, codes
from carbon_credit.redemption.offering.budgets import BudgetTerms
from carbon_credit.redemption.offering.code_files import CSV, JSON, NDJSON, read_codes
from carbon_credit.redemption.offering.errors import (
    BudgetExhausted,
    BudgetInvalid,
    BudgetNotFound,
    BudgetTaken,
    CodeFileUnreadable,
    CodesRefused,
    DonationAmount,
    NameNotMasked,
    SubsidyDecided,
    SubsidyDocument,
    SubsidyDocumentUsed,
    SubsidyNotFound,
    SubsidyPersonCap,
)
from tests.redemption.conftest import LATER, PROGRAMME, Mall
from tests.redemption.test_races import kinds, race

T = TypeVar("T")
TERMS = BudgetTerms("Appliances", 2026, "Measures, article 5", "[2026] 12")


def act(mall: Mall, deed: Callable[[Session], T]) -> T:
    return transact(mall.database, deed)


def show(mall: Mall, citizen: uuid.UUID, redemption_id: uuid.UUID) -> str:
    return act(
        mall,
        lambda session: pools.show_code(
            session, programme=PROGRAMME, citizen_id=citizen, redemption_id=redemption_id, now=mall.now
        ),
    ).pool_code


def pool_of(mall: Mall, offer: uuid.UUID) -> tuple[int, int, int]:
    with unit_of_work(mall.database, read_only=True) as session:
        found = codes.pool(session, offer_id=offer)
    return found.unused, found.given, found.withdrawn


def test_a_code_is_given_when_it_is_shown_and_stays_the_same(mall: Mall) -> None:
    offer, citizen = mall.offer(kind="code_pool", pieces=0), mall.citizen({LATER: 300})
    mall.upload(offer, "TEA-1", " TEA-2 ")
    assert mall.stock(offer) == (2, 0, 0)
    held = mall.reserve(citizen, offer)
    assert held.code is None
    assert pool_of(mall, offer) == (2, 0, 0)
    assert show(mall, citizen, held.id) == "TEA-1"
    assert show(mall, citizen, held.id) == "TEA-1"
    assert (pool_of(mall, offer), mall.stock(offer)) == ((1, 1, 0), (1, 0, 1))
    assert mall.till().posted == 100
    with pytest.raises(VoucherConsumed):
        mall.cancel(citizen, held.id)
    with pytest.raises(RedemptionNotFound):
        show(mall, mall.citizen(), held.id)
    second = mall.reserve(citizen, offer)
    assert show(mall, citizen, second.id) == "TEA-2"
    with pytest.raises(OfferExhausted):
        mall.reserve(citizen, offer)
    mall.audit()


def test_a_code_that_was_never_shown_goes_to_the_next(mall: Mall) -> None:
    offer = mall.offer(kind="code_pool", pieces=0, voucher_ttl_s=3600)
    mall.upload(offer, "ONLY")
    first, second = mall.citizen({LATER: 100}), mall.citizen({LATER: 100})
    given_up = mall.reserve(first, offer)
    mall.cancel(first, given_up.id)
    with pytest.raises(VoucherCancelled):
        show(mall, first, given_up.id)
    lapsed = mall.reserve(first, offer)
    mall.later(hours=1)
    with pytest.raises(VoucherExpired):  # swept or not
        show(mall, first, lapsed.id)
    assert mall.sweep() == 1
    held = mall.reserve(second, offer)
    assert show(mall, second, held.id) == "ONLY"
    assert mall.points(first).available == 100
    mall.audit()


def test_codes_are_nowhere_in_the_database(mall: Mall) -> None:
    offer, citizen = mall.offer(kind="code_pool", pieces=0), mall.citizen({LATER: 100})
    mall.upload(offer, "SECRET-CODE-1", "SECRET-CODE-2")
    show(mall, citizen, mall.reserve(citizen, offer).id)
    with unit_of_work(mall.database, read_only=True) as session:
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        if not is_postgresql(session):
            tables = "SELECT name FROM sqlite_master WHERE type = 'table'"
        for (table,) in session.execute(text(tables)).all():
            for row in session.execute(text(f"SELECT * FROM {table}")):
                assert b"SECRET-CODE" not in b"".join(
                    bytes(one) if isinstance(one, bytes | memoryview) else str(one).encode() for one in row
                )


def test_an_upload_is_taken_in_whole_or_refused_by_lines(mall: Mall) -> None:
    offer = mall.offer(kind="code_pool", pieces=0)
    mall.upload(offer, "A", "B")
    with pytest.raises(CodesRefused) as refused:
        mall.upload(offer, "C", "A", "", "C", "x" * 201, "D\x00")
    assert refused.value.details == {
        "count": 5,
        "lines": [
            {"line": 2, "why": "in-pool"},
            {"line": 3, "why": "empty"},
            {"line": 4, "why": "as-line-1"},
            {"line": 5, "why": "unreadable"},
            {"line": 6, "why": "unreadable"},
        ],
    }
    assert mall.stock(offer) == (2, 0, 0)
    other = mall.offer(kind="code_pool", pieces=0)
    mall.upload(other, "A")  # another pool's
    for wrong in (mall.offer(), other):
        with pytest.raises(OfferInvalid):
            mall.upload(wrong)
    with pytest.raises(OfferInvalid):
        mall.upload(mall.offer(), "A")


def test_two_uploads_of_the_same_codes_at_once(mall: Mall) -> None:
    offer = mall.offer(kind="code_pool", pieces=0)
    many = [f"C-{n}" for n in range(50)]
    results = race(*[lambda: mall.upload(offer, *many)] * 3)
    assert kinds(results)[CodesRefused] == 2, results
    assert (mall.stock(offer), pool_of(mall, offer)) == ((50, 0, 0), (50, 0, 0))


def test_each_code_is_given_once_to_many_who_look_at_once(mall: Mall) -> None:
    offer = mall.offer(kind="code_pool", pieces=0)
    mall.upload(offer, *[f"C-{n}" for n in range(6)])
    people = [mall.citizen({LATER: 100}) for _ in range(9)]

    def take(who: uuid.UUID) -> str:
        held = mall.reserve(who, offer)
        return show(mall, who, held.id)

    results = race(*[lambda who=who: take(who) for who in people])  # type: ignore[misc]
    assert kinds(results)[OfferExhausted] == 3, results
    assert sorted(one for one in results if isinstance(one, str)) == [f"C-{n}" for n in range(6)]
    assert (mall.stock(offer), pool_of(mall, offer)) == ((0, 0, 6), (0, 6, 0))
    mall.audit()


def test_one_who_looks_twice_at_once_gets_one_code(mall: Mall) -> None:
    offer, citizen = mall.offer(kind="code_pool", pieces=0), mall.citizen({LATER: 100})
    mall.upload(offer, "C-0", "C-1", "C-2")
    held = mall.reserve(citizen, offer)
    results = race(*[lambda: show(mall, citizen, held.id)] * 5)
    assert results == ["C-0"] * 5
    assert pool_of(mall, offer) == (2, 1, 0)


def test_withdrawn_codes_are_never_given_and_closing_withdraws_the_rest(mall: Mall) -> None:
    offer, citizen = mall.offer(kind="code_pool", pieces=0), mall.citizen({LATER: 200})
    mall.upload(offer, "C-0", "C-1", "C-2", "C-3")
    held = mall.reserve(citizen, offer)

    def withdraw(pieces: int) -> None:
        act(
            mall,
            lambda session: codes.withdraw_codes(
                session, programme=PROGRAMME, offer_id=offer, pieces=pieces, now=mall.now
            ),
        )

    withdraw(2)
    assert (mall.stock(offer), pool_of(mall, offer)) == ((1, 1, 0), (2, 0, 2))
    with pytest.raises(InsufficientBalance):
        withdraw(2)  # one is held
    with pytest.raises(CodesRefused):
        mall.upload(offer, "C-3")  # it was in the pool
    act(
        mall,
        lambda session: offers.close_offer(session, programme=PROGRAMME, offer_id=offer, now=mall.now),
    )
    assert (mall.stock(offer), pool_of(mall, offer)) == ((0, 1, 0), (1, 0, 3))
    assert show(mall, citizen, held.id) == "C-0"
    mall.audit()


def test_withdrawing_and_looking_at_once(mall: Mall) -> None:
    offer = mall.offer(kind="code_pool", pieces=0)
    mall.upload(offer, *[f"C-{n}" for n in range(8)])
    people = [mall.citizen({LATER: 100}) for _ in range(4)]
    held = [mall.reserve(who, offer) for who in people]

    def withdraw() -> None:
        act(
            mall,
            lambda session: codes.withdraw_codes(
                session, programme=PROGRAMME, offer_id=offer, pieces=4, now=mall.now
            ),
        )

    looks = [
        lambda who=who, one=one: show(mall, who, one.id)  # type: ignore[misc]
        for who, one in zip(people, held, strict=True)
    ]
    results = race(*looks[:2], withdraw, *looks[2:])
    given = [one for one in results if one is not None]
    assert len(set(given)) == 4, results
    assert pool_of(mall, offer) == (0, 4, 4)
    mall.audit()


@pytest.mark.parametrize(
    ("media_type", "data"),
    [
        (JSON, b'["A", {"code": "B"}]'),
        (NDJSON, b'{"code": "A"}\n\n"B"\n'),
        (CSV, b"\xef\xbb\xbfCode,face\r\nA,5\r\nB,5\r\n"),
        (CSV, b"A\nB\n"),
        (CSV, b'name,code\n"x, y",A\nz,"B"\n'),
    ],
)
def test_codes_are_read_from_three_forms(media_type: str, data: bytes) -> None:
    assert [one.code for one in read_codes(data, media_type=media_type)] == ["A", "B"]


@pytest.mark.parametrize(
    ("media_type", "data", "line"),
    [
        (JSON, b"{}", 1),
        (JSON, b'["A", 5]', 2),
        (JSON, b"[", 1),
        (NDJSON, b'"A"\n{"kode": "B"}', 2),
        (NDJSON, b'"A"\n"B', 2),
        (CSV, b'A\n"B', 2),
        (CSV, b"A\n\xff\n", 2),
    ],
)
def test_what_cannot_be_read_is_named_by_line(media_type: str, data: bytes, line: int) -> None:
    with pytest.raises(CodeFileUnreadable) as refused:
        read_codes(data, media_type=media_type)
    assert refused.value.details["line"] == line


def give(mall: Mall, citizen: uuid.UUID, offer: uuid.UUID, points: int | None = None) -> Donation:
    return act(
        mall,
        lambda session: donations.donate(
            session, programme=PROGRAMME, citizen_id=citizen, offer_id=offer, points=points, now=mall.now
        ),
    )


def test_a_tree_is_given_at_once_and_for_good(mall: Mall) -> None:
    offer, citizen = mall.offer(kind="donation", pieces=1, value_fen=2_000), mall.citizen({LATER: 250})
    given = give(mall, citizen, offer)
    assert (given.points, given.pieces, given.value_fen) == (100, 1, 2_000)
    assert mall.balance(donation_key(PROGRAMME, offer)).posted == 100
    assert mall.till().posted == 0
    assert mall.stock(offer) == (0, 0, 1)
    with pytest.raises(OfferExhausted):
        give(mall, citizen, offer)
    with pytest.raises(VoucherConsumed):
        mall.cancel(citizen, given.id)
    with unit_of_work(mall.database, read_only=True) as session:
        assert donations.donation_by_number(session, text=given.number.lower()) == given
        with pytest.raises(VoucherInvalid):
            donations.donation_by_number(session, text="7K3M-9QXD-2TVW5")
        mine = donations.donations(session, programme=PROGRAMME, citizen_id=citizen)
    assert mine == [given]
    mall.audit()


def test_a_fund_takes_any_number_of_points_from_the_least_on(mall: Mall) -> None:
    offer = mall.offer(kind="donation", stocked=False, value_fen=0, pieces=0, points_price=10)
    citizen = mall.citizen({LATER: 250})
    assert [give(mall, citizen, offer, points).points for points in (None, 10, 77)] == [10, 10, 77]
    with pytest.raises(DonationAmount):
        give(mall, citizen, offer, 9)
    with pytest.raises(InsufficientBalance):
        give(mall, citizen, offer, 1_000)
    tree = mall.offer(kind="donation", value_fen=2_000)
    with pytest.raises(DonationAmount):
        give(mall, citizen, tree, 200)
    assert mall.balance(donation_key(PROGRAMME, offer)).posted == 97
    assert mall.points(citizen).available == 153
    mall.audit()


def budget(mall: Mall, fen: int, **more: object) -> uuid.UUID:
    terms = BudgetTerms(TERMS.name, TERMS.fiscal_year, TERMS.legal_basis, TERMS.document_number, **more)  # type: ignore[arg-type]
    made = act(
        mall,
        lambda session: budgets.create_budget(
            session, programme=PROGRAMME, terms=terms, created_by="operator:x", now=mall.now
        ),
    )
    if fen:
        act(
            mall,
            lambda session: budgets.add_to_budget(
                session, programme=PROGRAMME, budget_id=made, fen=fen, now=mall.now
            ),
        )
    return made


def subsidy(mall: Mall, budget_id: uuid.UUID, *, pieces: int = 2, **more: object) -> uuid.UUID:
    return mall.offer(
        kind="subsidy",
        funding="subsidy",
        budget_id=budget_id,
        points_price=0,
        value_fen=30_000,
        pieces=pieces,
        proposer=mall.operator,
        **more,
    )


def ask(
    mall: Mall, citizen: uuid.UUID, offer: uuid.UUID, number: str, name: str | None = "王**"
) -> applications.Application:
    return act(
        mall,
        lambda session: subsidies.apply_for_subsidy(
            session,
            programme=PROGRAMME,
            citizen_id=citizen,
            offer_id=offer,
            document=Document("invoice", number),
            masked_name=name,
            now=mall.now,
        ),
    )


def decide(mall: Mall, application: uuid.UUID, *, grant: bool = True) -> applications.Application:
    def deed(session: Session) -> applications.Application:
        common = {
            "programme": PROGRAMME,
            "operator_id": mall.operator,
            "redemption_id": application,
            "now": mall.now,
        }
        if grant:
            return subsidies.grant_subsidy(session, **common)  # type: ignore[arg-type]
        return subsidies.refuse_subsidy(session, **common, reason="of another year")  # type: ignore[arg-type]

    return act(mall, deed)


def test_a_subsidy_from_application_to_payment(mall: Mall) -> None:
    money = budget(mall, 100_000)
    offer = subsidy(mall, money)
    citizen = mall.citizen()
    asked = ask(mall, citizen, offer, "2544 2000-0000 12345678")
    assert (asked.state, asked.points, asked.value_fen) == ("applied", 0, 30_000)
    granted = decide(mall, asked.id)
    assert granted.state == "granted"
    benefit = AccountKey(PROGRAMME, FEN, "citizen.benefit", citizen)
    assert mall.balance(benefit).posted == 30_000
    for again in (True, False):
        with pytest.raises(SubsidyDecided):
            decide(mall, asked.id, grant=again)

    def pay() -> applications.Application:
        return act(
            mall,
            lambda session: subsidies.record_payment(
                session, programme=PROGRAMME, redemption_id=asked.id, reference="P-1", now=mall.now
            ),
        )

    assert pay().state == "paid"
    assert mall.balance(benefit).posted == 0
    with pytest.raises(SubsidyDecided):
        pay()
    with unit_of_work(mall.database, read_only=True) as session:
        (line,) = applications.public_subsidies(session, programme=PROGRAMME)
        assert (line.name, line.amount_fen, str(line.granted_on)) == ("王**", 30_000, "2026-11-21")
        (found,) = budgets.budgets(session, programme=PROGRAMME)
    assert (found.paid_in_fen, found.free_fen) == (100_000, 40_000)
    act(
        mall,
        lambda session: subsidies.forget_name(
            session, programme=PROGRAMME, citizen_id=citizen, redemption_id=asked.id
        ),
    )
    with unit_of_work(mall.database, read_only=True) as session:
        (line,) = applications.public_subsidies(session, programme=PROGRAMME)
    assert line.name == "***"
    with pytest.raises(SubsidyNotFound), unit_of_work(mall.database) as session:
        subsidies.forget_name(session, programme=PROGRAMME, citizen_id=mall.citizen(), redemption_id=asked.id)
    mall.audit()


def test_one_invoice_counts_once_unless_it_came_to_nothing(mall: Mall) -> None:
    offer = subsidy(mall, budget(mall, 300_000), pieces=5, voucher_ttl_s=3600)
    first, second = mall.citizen(), mall.citizen()
    held = ask(mall, first, offer, "INV-0001")
    with pytest.raises(SubsidyDocumentUsed):
        ask(mall, second, offer, "inv 0001")
    assert decide(mall, held.id, grant=False).state == "refused"
    again = ask(mall, second, offer, "INV0001")
    mall.cancel(second, again.id)
    lapsed = ask(mall, first, offer, "INV-0001")
    mall.later(hours=1)
    with pytest.raises(VoucherExpired):
        decide(mall, lapsed.id)
    with pytest.raises(SubsidyDocumentUsed):  # held until it is swept
        ask(mall, second, offer, "INV-0001")
    assert mall.sweep() == 1
    last = ask(mall, second, offer, "INV-0001")
    assert decide(mall, last.id).state == "granted"
    with pytest.raises(SubsidyDocumentUsed):
        ask(mall, first, offer, "INV-0001")
    with unit_of_work(mall.database, read_only=True) as session:
        states = [
            one.state
            for one in applications.own_applications(
                session, programme=PROGRAMME, citizen_id=first, now=mall.now
            )
        ]
    assert states == ["lapsed", "refused"]
    mall.audit()


def test_one_invoice_by_many_at_once(mall: Mall) -> None:
    offer = subsidy(mall, budget(mall, 300_000), pieces=5)
    people = [mall.citizen() for _ in range(5)]
    results = race(*[lambda who=who: ask(mall, who, offer, "INV-0001") for who in people])  # type: ignore[misc]
    assert kinds(results)[SubsidyDocumentUsed] == 4, results
    mall.audit()


def test_a_person_gets_no_more_than_the_cap(mall: Mall) -> None:
    money = budget(mall, 300_000, per_person_cap_fen=60_000)
    offer, citizen = subsidy(mall, money, pieces=5), mall.citizen()
    results = race(*[lambda n=n: ask(mall, citizen, offer, f"INV-{n}00") for n in range(4)])  # type: ignore[misc]
    assert kinds(results)[SubsidyPersonCap] == 2, results
    (refused, _) = (one for one in results if isinstance(one, SubsidyPersonCap))
    assert refused.details == {"cap_fen": 60_000, "had_fen": 60_000}


def test_granting_and_refusing_at_once(mall: Mall) -> None:
    offer, citizen = subsidy(mall, budget(mall, 60_000)), mall.citizen()
    asked = ask(mall, citizen, offer, "INV-0001")
    results = race(
        lambda: decide(mall, asked.id),
        lambda: decide(mall, asked.id, grant=False),
        lambda: mall.cancel(citizen, asked.id),
    )
    won = [one for one in results if not isinstance(one, Exception) and not isinstance(one, tuple)]
    assert len(won) == 1, results
    mall.audit()


def test_a_budget_cannot_be_overdrawn_nor_lowered_below_what_is_promised(mall: Mall) -> None:
    money = budget(mall, 70_000)
    offer = subsidy(mall, money, pieces=2)

    def give_back(fen: int) -> None:
        act(
            mall,
            lambda session: budgets.return_from_budget(
                session, programme=PROGRAMME, budget_id=money, fen=fen, now=mall.now
            ),
        )

    with pytest.raises(BudgetExhausted) as refused:
        give_back(10_001)
    assert refused.value.details == {"lacking_fen": 1}
    give_back(10_000)
    with pytest.raises(BudgetExhausted):
        mall.add(offer, 1)
    with pytest.raises(BudgetInvalid):
        give_back(0)
    with pytest.raises(BudgetTaken):
        budget(mall, 0)
    with pytest.raises(BudgetNotFound), unit_of_work(mall.database, read_only=True) as session:
        budgets.budget(session, programme="gd-sz", budget_id=money)
    mall.audit()


@pytest.mark.parametrize("name", ["王小明", "W*ng", "", "x" * 41])
def test_a_name_that_is_not_masked_is_refused(mall: Mall, name: str) -> None:
    offer = subsidy(mall, budget(mall, 60_000))
    with pytest.raises(NameNotMasked):
        ask(mall, mall.citizen(), offer, "INV-0001", name)


@pytest.mark.parametrize("number", ["123", "", "发票一二三四", "A" * 41])
def test_a_number_that_is_none_is_refused(mall: Mall, number: str) -> None:
    offer = subsidy(mall, budget(mall, 60_000))
    with pytest.raises(SubsidyDocument):
        ask(mall, mall.citizen(), offer, number)


@pytest.mark.parametrize(
    "change",
    [
        "granted_on = '2026-11-21'",
        "refused_for = 'x'",
        "paid_at = '2026-11-21 04:00:00+00'",
        "document_kind = 'receipt'",
    ],
)
def test_the_database_refuses_decisions_by_nobody(mall: Mall, change: str) -> None:
    ask(mall, mall.citizen(), subsidy(mall, budget(mall, 60_000)), "INV-0001")
    with pytest.raises(IntegrityError), unit_of_work(mall.database) as session:
        session.execute(text(f"UPDATE subsidy SET {change}"))
