"""Batches over reductions of any size: rows as quantification writes them, in a month that is closed."""

import io
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from carbon_credit.catalogue.queries import version
from carbon_credit.identity.queries import mandates_of
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.digest import canonical_json
from carbon_credit.kernel.ids import new_id
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.ledger import operations as ledger
from carbon_credit.ledger.accounts import CO2E, AccountKey
from carbon_credit.ledger.entries import Transfer
from carbon_credit.ledger.queries import balances
from carbon_credit.methodology.definition import Texts
from carbon_credit.offsets import operations, queries
from carbon_credit.offsets.audit import audit
from carbon_credit.offsets.dossier.exporting import export_dossier
from carbon_credit.offsets.operations import ProjectTerms
from carbon_credit.offsets.queries import BatchRecord, ProjectRecord
from carbon_credit.offsets.retirement.queries import Retirement
from carbon_credit.offsets.retirement.retiring import Retirable, retirable, retire_own
from carbon_credit.offsets.selection import Preview
from carbon_credit.quantification.periods import record_closing
from carbon_credit.quantification.recording import append_reductions
from tests.world import World

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
MONTH, NEXT = date(2026, 10, 1), date(2026, 11, 1)
METHOD, VERSION = "sz-public-transit", "v1"
PREPARER, VERIFIER = "operator-1", "verifier-1"
MG_PER_METRE_10 = 468  # 46.8 g a passenger-kilometre


@dataclass
class Yard:
    """A programme with a project, and short words for what happens to its batches."""

    database: Database
    programme: str = "x-gd-sz"
    people: int = 3
    world: World = field(init=False)
    project: ProjectRecord = field(init=False)
    _made: int = 0

    def __post_init__(self) -> None:
        self.world = World(self.database, programme=self.programme, people=self.people)
        with unit_of_work(self.database) as session:
            self.project = operations.create_project(
                session, programme=self.programme, terms=terms(), actor=PREPARER, now=NOW
            )

    def reductions(self, *amounts: int, **changes: object) -> list[UUID]:
        """One reduction for each of `amounts` in milligrams, an hour apart, of the citizens in turn."""
        rows, transfers, ids = [], [], []
        with unit_of_work(self.database) as session:
            digest = version(session, methodology_id=METHOD, version=VERSION).digest
            for amount in amounts:
                citizen = self.world.citizens[self._made % self.people]
                row = self._row(amount, citizen, digest, changes)
                rows.append(tuple(row.values()))
                ids.append(row["id"])
                transfers.append(self._credit(citizen, amount, ids[-1]))
                self._made += 1
            append_reductions(session, rows)
            ledger.post(session, transfers=[t for t in transfers if t.amount], now=NOW)
        return ids

    def rides(self, *distances_m: int) -> list[UUID]:
        """Reductions that the formula really gives: 46.8 g a kilometre."""
        ids = []
        for distance in distances_m:
            ids += self.reductions(
                distance * MG_PER_METRE_10 // 10,
                inputs=canonical_json({"distance_m": distance, "mode": "metro"}).decode(),
            )
        return ids

    def _row(self, amount: int, citizen: UUID, digest: str, changes: dict[str, object]) -> dict[str, object]:
        at = datetime(2026, 10, 1, 1, 0, tzinfo=UTC) + timedelta(minutes=self._made)
        return {
            "id": new_id(),
            "event_id": new_id(),
            "programme": self.programme,
            "partner_id": self.world.partner,
            "citizen_id": citizen,
            "activity_type": "metro.ride",
            "scene": "metro",
            "occurred_at": at,
            "business_day": at.date(),
            "accounting_day": at.date(),
            "vintage": 2026,
            "methodology_id": METHOD,
            "methodology_version": VERSION,
            "version_digest": digest,
            "profile_digest": "0" * 64,
            "use": "credit",
            "inputs": '{"distance_m":1,"mode":"metro"}',
            "tier": "measured",
            "grade": "published" if self.programme.startswith("x-") else "official",
            "gross_mg": amount,
            "credited_mg": amount,
            "cap_code": None,
            "consent_id": new_id(),
            "mandate_id": self.mandate_of(citizen),
            "recorded_at": NOW,
        } | changes

    def mandate_of(self, citizen: UUID) -> UUID:
        with unit_of_work(self.database, read_only=True) as session:
            return mandates_of(session, citizen_ids=[citizen])[citizen][0].id

    def _credit(self, citizen: UUID, amount: int, reference: object) -> Transfer:
        return Transfer(
            id=new_id(),
            code="reduction.credit",
            debit=AccountKey(self.programme, CO2E, "programme.source"),
            credit=AccountKey(self.programme, CO2E, "citizen.reductions", citizen),
            amount=amount,
            effective_at=NOW,
            reference=reference,  # type: ignore[arg-type]
        )

    def close(self) -> None:
        """Close October."""
        with unit_of_work(self.database) as session:
            record_closing(
                session,
                programme=self.programme,
                kind="month",
                starts_on=MONTH,
                closed_by="test",
                reductions=0,
                credited_mg=0,
                corrected_mg=0,
                now=NOW,
            )

    def preview(self, now: datetime = NOW) -> Preview:
        with unit_of_work(self.database, read_only=True) as session:
            return operations.preview(
                session,
                programme=self.programme,
                project_id=self.project.id,
                methodology_version=VERSION,
                starts_on=MONTH,
                ends_before=NEXT,
                now=now,
            )

    def open(self, actor: str = PREPARER) -> BatchRecord:
        with unit_of_work(self.database) as session:
            return operations.open_batch(
                session,
                programme=self.programme,
                project_id=self.project.id,
                methodology_version=VERSION,
                starts_on=MONTH,
                ends_before=NEXT,
                actor=actor,
                now=NOW,
            )

    def fill(self, batch: BatchRecord, most_tonnes: int | None = None) -> Preview:
        with unit_of_work(self.database) as session:
            return operations.fill_batch(
                session,
                programme=self.programme,
                batch_id=batch.id,
                actor=PREPARER,
                now=NOW,
                most_tonnes=most_tonnes,
            )

    def step(self, name: str, batch: BatchRecord, actor: str = PREPARER, **more: object) -> BatchRecord:
        """Any verb of operations that takes a batch and gives it back."""
        with unit_of_work(self.database) as session:
            verb = getattr(operations, name)
            return verb(session, programme=self.programme, batch_id=batch.id, actor=actor, now=NOW, **more)  # type: ignore[no-any-return]

    def frozen(self, most_tonnes: int | None = None) -> BatchRecord:
        """A batch that was opened, filled and frozen."""
        batch = self.open()
        self.fill(batch, most_tonnes)
        return self.step("freeze_batch", batch)

    def registered(self, most_tonnes: int | None = None) -> BatchRecord:
        """A batch that went all the way."""
        return self.registered_after(self.frozen(most_tonnes))

    def registered_after(self, batch: BatchRecord) -> BatchRecord:
        """The rest of the way of a frozen batch."""
        self.step("start_verification", batch, VERIFIER)
        self.step("verify_batch", batch, VERIFIER, statement="S-1")
        self.step("apply_batch", batch)
        return self.step("register_batch", batch)

    def batch(self, batch_id: UUID) -> BatchRecord:
        """The batch as it stands now."""
        with unit_of_work(self.database, read_only=True) as session:
            return queries.batch(session, programme=self.programme, batch_id=batch_id)

    def terms(self, code: str = "metro", **changes: object) -> ProjectTerms:
        """What a project is registered with."""
        return terms(code, **changes)

    def ranges(self, batch: BatchRecord) -> list[tuple[UUID, int, int]]:
        """(reduction, from, to) of the batch, by position."""
        with unit_of_work(self.database, read_only=True) as session:
            found = [item for portion in queries.items(session, batch_id=batch.id) for item in portion]
        assert [item.position for item in found] == list(range(1, len(found) + 1))
        return [(item.reduction_id, item.from_mg, item.to_mg) for item in found]

    def retire(self, mg: int | None = None, person: int = 0, now: datetime = NOW) -> Retirement:
        """A citizen retires grams of their own; None: all that can be."""
        return transact(
            self.database,
            lambda session: retire_own(
                session,
                programme=self.programme,
                citizen_id=self.world.citizens[person],
                retirement_id=new_id(),
                co2e_mg=mg,
                purpose=Texts(zh="我的出行", en="My trips"),
                now=now,
            ),
        )

    def retirable(self, person: int = 0) -> Retirable:
        """What `retire` would find."""
        with unit_of_work(self.database, read_only=True) as session:
            return retirable(session, programme=self.programme, citizen_id=self.world.citizens[person])

    def export(self, batch: BatchRecord, edition: str = "verifier") -> bytes:
        target = io.BytesIO()
        with unit_of_work(self.database, read_only=True) as session:
            export_dossier(
                session,
                programme=self.programme,
                batch_id=batch.id,
                edition=edition,  # type: ignore[arg-type]
                target=target,
            )
        return target.getvalue()

    def findings(self) -> list[str]:
        with unit_of_work(self.database, read_only=True) as session:
            return [f"{finding.rule}: {finding.detail}" for finding in audit(session)]

    def balance(self, kind: str, owner: UUID) -> int:
        key = AccountKey(self.programme, CO2E, kind, owner)
        with unit_of_work(self.database, read_only=True) as session:
            return balances(session, keys=[key])[key].posted


def terms(code: str = "metro", **changes: object) -> ProjectTerms:
    given: dict[str, object] = {
        "code": code,
        "name_zh": "深圳公共交通",
        "name_en": "Shenzhen public transit",
        "owner": "测试业主有限公司",
        "applicant": "测试运营方",
        "boundary_zh": "深圳市内公共汽车与地铁出行。",
        "boundary_en": "Bus and metro rides inside Shenzhen.",
        "methodology_id": METHOD,
        "activity_types": ["metro.ride", "bus.ride"],
        "crediting_from": date(2016, 1, 1),
        "crediting_to": date(2030, 1, 1),
    }
    return ProjectTerms(**(given | changes))  # type: ignore[arg-type]


@pytest.fixture
def yard(database: Database) -> Yard:
    """A rehearsal yard, on either database."""
    return Yard(database)


@pytest.fixture
def embedded(sqlite_database: Database) -> Yard:
    """A rehearsal yard on SQLite only, where the database is not what is tested."""
    return Yard(sqlite_database)


@pytest.fixture
def make_yard() -> type[Yard]:
    """A yard in a programme of the test's choice."""
    return Yard
