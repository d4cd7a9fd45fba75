"""Batches of reductions as they stand: revised, awaiting the year, collected by a partner, of an overlay."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from carbon_credit.catalogue.queries import compiled_by_digest, version
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.digest import canonical_json
from carbon_credit.kernel.ids import new_id
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.ledger import operations as ledger
from carbon_credit.ledger.accounts import CO2E, AccountKey
from carbon_credit.ledger.entries import Transfer
from carbon_credit.methodology.engine import Evaluation
from carbon_credit.offsets import errors, operations, selection
from carbon_credit.offsets.guards import open_batch_id
from carbon_credit.quantification.recording import Revision, append_revisions
from carbon_credit.verifier.check import check_dossier
from tests.offsets.test_batches import reasons
from tests.offsets.test_database_rules import ITEM, bound, item

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
TONNE = 10**9
PAPERLESS = "sz-paperless-finance"


def revise(yard: Any, reduction: UUID, number: int = 1, **changes: object) -> None:
    """Another text of the same version, unless `changes` say otherwise."""

    def deed(session: Any) -> None:
        one = Revision(
            reduction_id=reduction,
            number=number,
            methodology_id="sz-public-transit",
            methodology_version="v1",
            version_digest=version(session, methodology_id="sz-public-transit", version="v1").digest,
            profile_digest="0" * 64,
            use="credit",
            inputs='{"distance_m":1,"mode":"metro"}',
            tier="measured",
            grade="published",
            gross_mg=TONNE,
            reason="requantified",
            accounting_day=date(2026, 10, 1),
        )
        revision = replace(one, **changes)
        append_revisions(session, programme=yard.programme, revisions=[revision], now=NOW)

    transact(yard.database, deed)


def test_a_batch_takes_what_the_latest_revision_says(yard: Any) -> None:
    first, second, third, fourth = yard.reductions(TONNE, TONNE, TONNE, TONNE)
    revise(yard, first, methodology_version="v2")
    revise(yard, first, number=2)
    revise(yard, second, methodology_version="v2")
    revise(yard, third, version_digest="1" * 64)
    revise(yard, fourth, accounting_day=date(2026, 11, 21))
    yard.close()
    preview = yard.preview()
    assert (preview.reductions, preview.eligible_mg) == (1, TONNE)
    assert reasons(preview) == {"other-text": (1, TONNE), "not-closed": (None, TONNE)}
    batch = yard.frozen()
    assert yard.ranges(batch) == [(first, 0, TONNE)]
    assert yard.findings() == []


def test_the_database_compares_with_the_latest_revision(yard: Any) -> None:
    first, second = yard.reductions(TONNE, TONNE)
    yard.close()
    revise(yard, first, grade="secondary")
    revise(yard, second, use="display")
    for reduction in (first, second):
        values = bound(yard.database, item(yard, reduction))
        with pytest.raises(DBAPIError, match="agree"), unit_of_work(yard.database) as session:
            session.execute(text(ITEM), values)
    with unit_of_work(yard.database) as session:
        session.execute(text(ITEM), bound(yard.database, item(yard, first, grade="secondary")))


def test_what_was_cut_before_may_be_revised_and_batched_anew(yard: Any) -> None:
    first, _ = yard.reductions(600_000_000, 600_000_000)
    yard.close()
    batch = yard.frozen()
    yard.step("reject_batch", batch, reason="once more")
    revise(yard, first, grade="secondary", gross_mg=600_000_000)
    assert yard.findings() == []
    assert yard.preview().eligible_mg == 1_200_000_000
    again = yard.frozen()
    assert [start for _id, start, _to in yard.ranges(again)] == [0, 0]
    assert yard.findings() == []


def collect(yard: Any, reduction: UUID, person: int, amount: int) -> None:
    """A partner gets a part of what the citizen got."""
    source = AccountKey(yard.programme, CO2E, "programme.source")
    citizen = AccountKey(yard.programme, CO2E, "citizen.reductions", yard.world.citizens[person])
    partner = AccountKey(yard.programme, CO2E, "partner.reductions", yard.world.partner)
    moves = [("reduction.revoke", citizen, source), ("reduction.credit", source, partner)]
    transfers = [
        Transfer(
            id=new_id(),
            code=code,
            debit=debit,
            credit=credit,
            amount=amount,
            effective_at=NOW,
            reference=reduction,
        )
        for code, debit, credit in moves
    ]
    transact(yard.database, lambda session: ledger.post(session, transfers=transfers, now=NOW))


def test_a_partner_gives_what_it_collected_and_no_account_is_overdrawn(yard: Any) -> None:
    first, second, _ = yard.reductions(700_000_000, 900_000_000, 500_000_000)
    collect(yard, first, 0, 700_000_000)
    collect(yard, second, 1, 400_000_000)
    yard.close()
    citizens = yard.world.citizens

    def held() -> list[int]:
        own = [yard.balance("citizen.reductions", citizen) for citizen in citizens]
        return [*own, yard.balance("partner.reductions", yard.world.partner)]

    assert held() == [0, 500_000_000, 500_000_000, 1_100_000_000]
    batch = yard.frozen(most_tonnes=1)
    assert [(start, to) for _id, start, to in yard.ranges(batch)] == [(0, 700_000_000), (0, 300_000_000)]
    assert held() == [0, 200_000_000, 500_000_000, 400_000_000]
    rest = yard.frozen()
    # The rest of the second is the citizen's up to 500 kg, then the partner's.
    assert [(start, to) for _id, start, to in yard.ranges(rest)] == [
        (300_000_000, 900_000_000),
        (0, 400_000_000),
    ]
    assert held() == [0, 0, 100_000_000, 0]
    yard.step("reject_batch", rest, reason="once more")
    assert held() == [0, 200_000_000, 500_000_000, 400_000_000]
    assert yard.findings() == []


def test_an_overlay_is_batched_in_a_rehearsal_and_verified_offline(embedded: Any) -> None:
    yard = embedded
    with unit_of_work(yard.database, read_only=True) as session:
        overlaid = version(session, methodology_id=PAPERLESS, version="v1+sandbox")
        method = compiled_by_digest(session, digest=overlaid.digest)
    assert method.package.overlay is not None
    answer = method.evaluate({"count": 1000}, on=date(2026, 10, 1), earlier=True)
    assert isinstance(answer, Evaluation)
    yard.reductions(
        *[answer.reduction_mg] * 1001,
        methodology_id=PAPERLESS,
        methodology_version="v1+sandbox",
        version_digest=overlaid.digest,
        activity_type="paperless",
        inputs=canonical_json({"count": 1000}).decode(),
        grade="assumed",
        business_day=date(2026, 10, 1),
        accounting_day=date(2026, 10, 1),
    )
    yard.close()
    project = create(yard, PAPERLESS, "paperless")
    batch = open_batch(yard, project.id, "v1+sandbox")
    assert yard.fill(batch).tonnes == 1
    batch = yard.step("freeze_batch", batch)
    report = check_dossier(yard.export(batch))
    assert report.ok, report.text("en")
    assert (report.tonnes, report.rehearsal) == (1, True)


def create(yard: Any, methodology: str, activity: str) -> Any:
    terms = yard.terms("other", methodology_id=methodology, activity_types=[activity])
    return transact(
        yard.database,
        lambda session: operations.create_project(
            session, programme=yard.programme, terms=terms, actor="operator-1", now=NOW
        ),
    )


def open_batch(yard: Any, project_id: UUID, name: str) -> Any:
    return transact(
        yard.database,
        lambda session: operations.open_batch(
            session,
            programme=yard.programme,
            project_id=project_id,
            methodology_version=name,
            starts_on=date(2026, 10, 1),
            ends_before=date(2026, 11, 1),
            actor="operator-1",
            now=NOW,
        ),
    )


def test_stand_ins_never_enter_a_batch_of_a_real_programme(
    database: Database, make_yard: Callable[..., Any]
) -> None:
    """Neither by the verbs, nor by hand: a revision that says so does not help."""
    yard = make_yard(database, programme="gd-sz")
    project = create(yard, PAPERLESS, "metro.ride")
    with pytest.raises(errors.MethodologyNotBatchable):
        open_batch(yard, project.id, "v1+sandbox")
    with pytest.raises(errors.SandboxRefused):
        open_batch(yard, yard.project.id, "v1")
    (reduction,) = yard.reductions(TONNE, grade="published")
    revise(yard, reduction, methodology_id=PAPERLESS, methodology_version="v1+sandbox", grade="assumed")
    for grade in ("assumed", "published", "official"):
        for rehearsal in (False, True):
            values = bound(database, item(yard, reduction, grade=grade, rehearsal=rehearsal))
            with pytest.raises(DBAPIError, match=r"agree|official"), unit_of_work(database) as session:
                session.execute(text(ITEM), values)
    with unit_of_work(database, read_only=True) as session:
        assert open_batch_id(session, project.id, "v1+sandbox", date(2026, 10, 1), date(2026, 11, 1)) is None


def test_every_reason_speaks_both_languages() -> None:
    assert {"year-open", "other-text"} <= selection.REASONS.keys()
    assert "awaits year" in selection.REASONS["year-open"][1]
