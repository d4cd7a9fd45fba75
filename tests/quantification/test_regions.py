"""Where a ride began: as the partner says, or by the programme's own network between gates."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from carbon_credit.catalogue.operations import add_network
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact
from tests.quantification.household import Homes, household, write_library
from tests.world import metro

NETWORK = """\
from_station,to_station,metres,from_region,to_region
Tianhe,Panyu,12000,guangzhou,guangzhou
Panyu,Foshan West,9000,guangzhou,foshan
Border,Panyu,2000,guangzhou,guangzhou
Border,Foshan West,2000,foshan,foshan
"""
TEXT = {"zh": "测试", "en": "test"}


def rides() -> dict[str, Any]:
    """Rides that count where they began in Guangzhou."""
    package = household(1, "0.5", start="2024-01-01", end=None)
    value = package["parameters"][0]["values"][0]
    return package | {
        "id": "test-rides",
        "activity_types": ["metro.ride"],
        "split": "none",
        "inputs": [
            {"name": "distance_m", "label": TEXT, "kind": "integer", "unit": "pm", "min": 0, "max": 200_000},
            {
                "name": "entry_region",
                "label": TEXT,
                "kind": "enum",
                "values": ["guangzhou", "elsewhere"],
                "otherwise": "elsewhere",
                "absent": "elsewhere",
            },
        ],
        "parameters": [
            {"name": "RF", "label": TEXT, "unit": "gCO2/pkm", "values": [value | {"value": "50"}]}
        ],
        "eligibility": [
            {
                "name": "began-in-guangzhou",
                "label": {"zh": "在广州进站", "en": "entry in Guangzhou"},
                "test": 'entry_region == "guangzhou"',
                "grade": "published",
                "source": "paper",
            }
        ],
        "steps": [{"name": "saved", "label": TEXT, "expression": "RF * distance_m", "unit": "gCO2e"}],
    }


@pytest.fixture
def city(database: Database, tmp_path: Path) -> Iterator[Homes]:
    bound = {"activity_type": "metro.ride", "methodology": "test-rides", "version": 1, "use": "credit"}
    bindings = [{**bound, "effective_from": "2024-01-01", "effective_to": None}]
    world = Homes(database, write_library(tmp_path / "methodologies", rides(), bindings=bindings))
    yield world
    world.database.dispose()


def load(world: Homes) -> None:
    transact(
        world.database,
        lambda session: add_network(
            session, programme=world.programme, digest="a" * 64, body=NETWORK.encode(), now=world.now
        ),
    )


def ride(event_id: str, **data: Any) -> dict[str, Any]:
    said = {"distance_m": 8_000, "distance_source": "gates"} | data
    return {**metro(event_id), "data": {name: value for name, value in said.items() if value is not None}}


def test_the_network_says_where_the_gate_is(city: Homes) -> None:
    before = ride("E-0", origin="Tianhe")
    assert city.credit(before)[0].condition == "began-in-guangzhou"
    load(city)
    told = city.credit(
        ride("E-1", origin="Tianhe 站"),
        ride("E-2", origin="Foshan West"),
        ride("E-3", origin="Nowhere"),
        ride("E-4", origin="Border"),  # the network puts it on both sides
        ride("E-5", origin="Tianhe", distance_source="declared"),  # nobody saw a gate
        ride("E-6", origin="Foshan West", entry_region="guangzhou"),  # what is said goes before
        ride("E-7", origin="Tianhe", entry_region="foshan"),
    )
    assert [one.status for one in told] == ["credited", *["rejected"] * 4, "credited", "rejected"]
    assert {one.condition for one in told if one.status == "rejected"} == {"began-in-guangzhou"}
    rows = city.rows("tier, inputs, business_day")
    assert {row.tier for row in rows} == {"derived"}
    assert all('"entry_region":"guangzhou"' in row.inputs for row in rows)


def test_the_station_itself_is_not_kept_with_the_event(city: Homes) -> None:
    load(city)
    city.credit(ride("E-1", origin="Tianhe"))
    kept = city.rows("inputs, business_day")
    assert "Tianhe" not in repr(kept)
