"""What only the whole year decides is not sold before it is decided."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import pytest

from carbon_credit.identity.operations import add_links
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.offsets import operations
from carbon_credit.offsets.operations import ProjectTerms
from carbon_credit.offsets.selection import Preview
from carbon_credit.quantification.explaining import explain
from tests.offsets.conftest import terms
from tests.offsets.test_batches import reasons
from tests.quantification.household import METER, Homes, reading, two_versions
from tests.quantification.newer import findings
from tests.quantification.test_periods import state

YEAR = date(2025, 1, 1)
SAVED_MG = 50_000 * 500  # 100 kWh of a baseline of 150, at 0.5 kg


@pytest.fixture
def homes(database: Database, tmp_path: Path) -> Iterator[Homes]:
    """A household without photovoltaics; 2025 is over and not closed."""
    world = Homes(database, two_versions(tmp_path / "methodologies"))
    state(world, world.citizens[0], "pv-owner", "no", date(2024, 1, 1))
    pair = (world.citizens[0], METER)
    transact(
        world.database,
        lambda session: add_links(session, partner_id=world.partner, pairs=[pair], now=world.now),
    )
    yield world
    world.database.dispose()


def project(world: Homes) -> UUID:
    told: ProjectTerms = terms(
        "power", methodology_id="test-household", activity_types=["electricity.period"]
    )
    return transact(
        world.database,
        lambda session: operations.create_project(
            session, programme=world.programme, terms=told, actor="operator", now=world.now
        ),
    ).id


def preview(world: Homes, project_id: UUID) -> Preview:
    with unit_of_work(world.database, read_only=True) as session:
        return operations.preview(
            session,
            programme=world.programme,
            project_id=project_id,
            methodology_version="v1",
            starts_on=YEAR,
            ends_before=date(2026, 1, 1),
            now=datetime(2026, 11, 21, tzinfo=UTC),
        )


@pytest.mark.parametrize("tier", ["first", "third", None])
def test_reductions_wait_for_the_year(homes: Homes, tier: str | None) -> None:
    (told,) = homes.credit(
        reading("E-1", "2025-03-01", "2025-04-01", 100_000, baseline_wh=150_000), backfill=True
    )
    assert (told.status, told.co2e_mg) == ("credited", SAVED_MG)
    project_id = project(homes)
    homes.close_month(date(2025, 3, 1))
    assert reasons(preview(homes, project_id)) == {"year-open": (1, SAVED_MG)}
    with unit_of_work(homes.database, read_only=True) as session:
        explained = explain(session, reduction_id=told.reduction_id, programme=homes.programme)  # type: ignore[arg-type]
    assert explained.pending
    assert "until then this counts provisionally" in explained.text("en")
    assert "全年" in explained.text("zh")

    if tier is not None:
        state(homes, homes.citizens[0], "tariff-tier", tier, date(2025, 12, 31), date(2026, 1, 1))
    assert reasons(preview(homes, project_id)) == {"year-open": (1, SAVED_MG)}
    homes.close_year(YEAR)
    found = preview(homes, project_id)
    if tier == "first":
        # Decided, and as it was: saleable at once.
        assert (found.eligible_mg, found.exclusions) == (SAVED_MG, ())
    elif tier is None:
        assert reasons(found) == {"year-open": (1, SAVED_MG)}
    else:
        assert found.eligible_mg == 0
        assert homes.grams() == 0
    assert findings(homes) == []
