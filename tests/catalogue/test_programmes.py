"""Every programme that the software must be able to run: it loads, gets into a database, and one event of
each activity that it governs is judged in its rehearsal."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from carbon_credit.catalogue.library import load_library
from carbon_credit.catalogue.operations import seed
from carbon_credit.catalogue.queries import programme_codes, programme_rules
from carbon_credit.cli.enrolment import enrol_people
from carbon_credit.identity.facts import FactStatement, facts_read, state_facts
from carbon_credit.identity.operations import create_party
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.ledger.accounts import CO2E, AccountKey
from carbon_credit.ledger.queries import balances
from carbon_credit.quantification.closing import close_day
from carbon_credit.quantification.operations import credit
from carbon_credit.quantification.outcomes import Outcome
from tests.world import LONG_AGO, NOW

LIBRARY = Path(__file__).resolve().parents[2] / "methodologies"
DATA = load_library(LIBRARY)
REHEARSALS = sorted(code for code in DATA.profiles if code.startswith("x-"))
DAY = "2026-11-18"
THE_DAY = date.fromisoformat(DAY)
NUMBERS = count(1)

GATES = {"distance_source": "gates"}
METER = {"reading_source": "meter"}
SAMPLES: Mapping[str, Mapping[str, Any]] = {
    "bus.ride": {"distance_m": 5200, **GATES},
    "metro.ride": {"distance_m": 8300, **GATES},
    "bike.ride": {"distance_m": 1800, "distance_source": "gps"},
    "walk": {"count": 6200, "distance_m": 4000, "distance_source": "gps"},
    "electricity.period": {"energy_wh": 6000, "baseline_wh": 8000, "persons": 3, **METER},
    "water.period": {"volume_ml": 300_000, "baseline_ml": 400_000, **METER},
    "ev.trip": {"distance_m": 21_000, "energy_wh": 3100, "distance_source": "meter"},
    "hydrogen.trip": {"mass_g": 900, "distance_source": "meter"},
    "car.stopped": {
        "duration_s": 90_000,
        "odometer_start_m": 1_000_000,
        "odometer_end_m": 1_000_000,
        "displacement_ml": 1600,
        "fuel": "petrol",
        "distance_source": "meter",
    },
    "carpool.ride": {"distance_m": 9000, "count": 2, "distance_source": "gps"},
    "pv.period": {"energy_wh": 12_000, "capacity_w": 5000, **METER},
    "appliance.purchase": {"appliance": "air-conditioner", "count": 1, "efficiency_class": 1},
    "lamp.replacement": {"count": 4, "power_before_w": 40, "power_after_w": 9},
    "heatpump.period": {"energy_wh": 4000, "volume_ml": 200_000, **METER},
    "cooling.period": {"energy_wh": 90_000, "baseline_wh": 120_000, **METER},
    "forest.period": {"area_m2": 10_000, "duration_s": 86_400},
    "reuse.clothes": {"mass_g": 2000, "count": 3},
    "reuse.goods": {"product": "phone", "count": 1},
    "reuse.bag": {"count": 1},
    "reuse.parcel-box": {"count": 1},
    "recycle.carton": {"count": 6},
    "takeaway.order": {"count": 1},
    "hotel.order": {"count": 1},
    "tree.planting": {"count": 1},
    "paperless": {"count": 1},
}


@dataclass(frozen=True)
class Town:
    """One programme, ready to report to."""

    programme: str
    partner: UUID
    citizen: UUID


def settle(database: Database, programme: str, facts: Mapping[str, str]) -> Town:
    """A partner and a citizen who consents to every scene, and of whom these facts are known."""

    def build(session: Any) -> Town:
        rules = programme_rules(session, programme=programme)
        name = f"town {next(NUMBERS)}"
        partner = create_party(session, programme=programme, role="partner", name=name, now=NOW).id
        (citizen,) = enrol_people(
            session,
            programme=programme,
            partners=[partner],
            links_of=[[("phone", name)]],
            scenes=[scene.code for scene in rules.profile.scenes],
            tier="measured",
            without_mandate=0,
            given_at=LONG_AGO,
            now=NOW,
        )
        known = facts_read(rules)
        told = [
            FactStatement(citizen, name, word, date(2015, 1, 1), None, "measured", "a register")
            for name, word in facts.items()
            if name in known
        ]
        state_facts(session, rules=rules, facts=told, recorded_by="test", now=NOW)
        return Town(programme, partner, citizen)

    return transact(database, build)


def event(
    town: Town, kind: str, data: Mapping[str, Any], *, at: str = f"{DAY}T08:00:00+08:00"
) -> dict[str, Any]:
    return {
        "id": f"{town.programme}-{kind}-{at}",
        "type": kind,
        "occurred_at": at,
        "ended_at": (datetime.fromisoformat(at) + timedelta(hours=2)).isoformat(),
        "citizen": {"id": str(town.citizen)},
        "data": dict(data),
    }


def report(database: Database, town: Town, *events: Mapping[str, Any], now: datetime = NOW) -> list[Outcome]:
    return transact(
        database,
        lambda session: credit(
            session, programme=town.programme, partner_id=town.partner, payloads=list(events), now=now
        ),
    )


# What conditions of eligibility ask for: with these, every condition holds.
FACTS = {
    "car-plate": "beijing",
    "petrol-quota": "swapped",
    "grid-connection": "2020-06-01",
    "host-ets-status": "neither",
    "other-mechanism": "no",
    "pv-owner": "no",
}
EIGHT_SCENES = {"metro", "bus", "bike", "walking", "water", "electricity", "driving", "clothes"}
SYSTEMS = {
    *(
        "gd",
        "gd-gz",
        "gd-zs",
        "gd-sz",
        "bj",
        "sh",
        "js-zj",
        "hb-wh",
        "zj-hz",
        "sc-cd",
        "hn-cs",
        "qh-xn",
        "ant",
    ),
}


def bound(programme: str, day: date = THE_DAY) -> dict[str, str]:
    """Activity type -> use, of what is bound on `day`."""
    spans = DATA.profiles[programme].bindings
    return {
        one.activity_type: one.use
        for one in spans
        if one.effective_from <= day and (one.effective_to is None or day < one.effective_to)
    }


def test_every_system_has_a_programme_and_a_rehearsal() -> None:
    assert {code for code in DATA.profiles if not code.startswith("x-")} == SYSTEMS
    assert {DATA.profiles[code].twin_of for code in REHEARSALS} == SYSTEMS
    for code in REHEARSALS:
        scenes = {scene.code for scene in DATA.profiles[code].scenes}
        twin = {scene.code for scene in DATA.profiles[str(DATA.profiles[code].twin_of)].scenes}
        assert scenes >= twin or code == "x-gd-szel", code
        assert bound(code), code


def test_each_event_of_each_rehearsal_is_judged(database: Database) -> None:
    transact(database, lambda session: seed(session, root=LIBRARY, now=NOW))
    with unit_of_work(database, read_only=True) as session:
        assert programme_codes(session) == sorted(DATA.profiles)
    for code in REHEARSALS:
        uses = bound(code)
        town = settle(database, code, FACTS)
        outcomes = report(database, town, *(event(town, kind, SAMPLES[kind]) for kind in uses))
        for kind, outcome in zip(uses, outcomes, strict=True):
            told = (code, kind, outcome)
            assert (outcome.status, outcome.use) == ("credited", uses[kind]), told
            assert (outcome.gross_mg > 0) == (uses[kind] != "points"), told
            assert (outcome.co2e_mg > 0) == (uses[kind] == "credit"), told


@pytest.fixture(scope="module")
def hall(
    base_settings: Any, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """A database with every programme in it; each test takes a programme of its own."""
    path = tmp_path_factory.mktemp("programmes") / "carbon-credit.db"
    shutil.copyfile(sqlite_template, path)
    database = Database(replace(base_settings, database_url=f"sqlite:///{path}", var_dir=path.parent))
    transact(database, lambda session: seed(session, root=LIBRARY, now=NOW))
    yield database
    database.dispose()


@pytest.mark.parametrize("code", sorted(SYSTEMS))
def test_a_real_programme_says_why_it_does_not_credit(hall: Database, code: str) -> None:
    profile = DATA.profiles[code]
    with unit_of_work(hall, read_only=True) as session:
        rules = programme_rules(session, programme=code)
    town = settle(hall, code, FACTS)
    kinds = [kind for scene in profile.scenes for kind in scene.activity_types]
    outcomes = report(hall, town, *(event(town, kind, SAMPLES[kind]) for kind in kinds))
    for kind, outcome in zip(kinds, outcomes, strict=True):
        governing = rules.governing(kind, THE_DAY)
        if governing is None:
            assert (outcome.status, outcome.reason) == ("rejected", "no-methodology"), (kind, outcome)
            continue
        assert (outcome.status, outcome.use) == ("credited", governing.use), (kind, outcome)
        if outcome.co2e_mg:
            assert not outcome.sandbox, "outside rehearsal nothing sandbox is credited"


def test_without_what_a_condition_asks_for_the_event_says_so(hall: Database) -> None:
    town = settle(hall, "x-bj", {})
    kinds = ("car.stopped", "ev.trip")
    outcomes = report(hall, town, *(event(town, kind, SAMPLES[kind]) for kind in kinds))
    assert [(one.status, one.reason) for one in outcomes] == [("rejected", "fact-missing")] * 2


def test_guangzhou_has_its_eight_scenes(hall: Database) -> None:
    assert {scene.code for scene in DATA.profiles["gd-gz"].scenes} == EIGHT_SCENES
    assert {scene.code for scene in DATA.profiles["x-gd-gz"].scenes} == EIGHT_SCENES
    later = date(2027, 1, 1)
    drafts = [DATA.profiles["x-gd-gz"].binding(kind, later) for kind in bound("x-gd-gz", later)]
    assert len(drafts) == 8
    assert all(one and one.methodology.startswith("gz-") and one.overlay for one in drafts)
    town = settle(hall, "x-gd-gz", FACTS)
    kinds = list(bound("x-gd-gz", later))
    told = [event(town, kind, SAMPLES[kind], at="2027-01-04T08:00:00+08:00") for kind in kinds]
    outcomes = report(hall, town, *told, now=datetime(2027, 1, 5, tzinfo=UTC))
    assert all(one.co2e_mg > 0 and one.grade == "assumed" for one in outcomes), outcomes


def test_zhongshan_names_what_was_found_and_what_was_asked_for() -> None:
    found, asked_for = {"lighting", "appliances"}, {"bus", "electricity"}
    for code in ("gd-zs", "x-gd-zs"):
        assert {scene.code for scene in DATA.profiles[code].scenes} == found | asked_for
    assert any("asked for" in note.en for note in DATA.profiles["gd-zs"].notes)
    assert DATA.profiles["gd-zs"].bindings == ()


def test_guangdong_has_three_routes_notice_and_the_register_of_the_province() -> None:
    profile = DATA.profiles["gd"]
    assert [one.route for one in profile.incentives] == ["subsidy", "merchant", "market"]
    assert profile.notice is not None
    assert (profile.notice.working_days, profile.notice.grade.value) == (7, "published")
    assert profile.registry == "external"
    assert profile.official_register is not None
    assert (profile.official_register.credit, [one.credit for one in profile.markets]) == ("PHCER", ["PHCER"])
    assert {"forest", "bike"} <= {scene.code for scene in profile.scenes}


def test_shenzhen_changes_its_version_at_midnight(hall: Database) -> None:
    town = settle(hall, "x-gd-sz", {})
    before = event(town, "metro.ride", SAMPLES["metro.ride"], at="2026-11-30T23:59:59+08:00")
    after = event(town, "metro.ride", SAMPLES["metro.ride"], at="2026-12-01T00:00:00+08:00")
    outcomes = report(hall, town, before, after, now=datetime(2026, 12, 2, tzinfo=UTC))
    assert [(one.methodology, one.co2e_mg) for one in outcomes] == [
        ("sz-public-transit/v1", 388_440),
        ("sz-public-transit/v2", 388_440),
    ]


def test_shanghai_refuses_what_comes_after_the_approval_of_a_scene(hall: Database) -> None:
    town = settle(hall, "sh", FACTS)
    last = event(town, "bike.ride", SAMPLES["bike.ride"], at="2027-12-31T23:00:00+08:00")
    late = event(town, "bike.ride", SAMPLES["bike.ride"], at="2028-01-01T00:00:00+08:00")
    outcomes = report(hall, town, last, late, now=datetime(2028, 1, 2, tzinfo=UTC))
    assert [one.reason for one in outcomes] == ["no-methodology", "scene-approval-ended"]


def test_wuhan_gives_the_platform_the_first_part_and_the_citizen_the_excess(hall: Database) -> None:
    with unit_of_work(hall, read_only=True) as session:
        real, rehearsed = (programme_rules(session, programme=code) for code in ("hb-wh", "x-hb-wh"))
    assert rehearsed.overflow("electricity.period", THE_DAY) is None
    assert real.overflow("bus.ride", THE_DAY) is None, "the threshold was not found"
    assert {one.route for one in real.profile.incentives} == {"merchant", "fund", "donation", "market"}

    town = settle(hall, "x-hb-wh", {})
    rides = [
        event(town, "metro.ride", SAMPLES["metro.ride"], at=f"{DAY}T{hour}:00:00+08:00")
        for hour in ("08", "18")
    ]
    total = sum(one.co2e_mg for one in report(hall, town, *rides))
    transact(
        hall,
        lambda session: close_day(session, programme="x-hb-wh", day=THE_DAY, now=NOW, closed_by="test"),
    )
    keys = [
        AccountKey("x-hb-wh", CO2E, "partner.reductions", town.partner),
        AccountKey("x-hb-wh", CO2E, "citizen.reductions", town.citizen),
    ]
    with unit_of_work(hall, read_only=True) as session:
        found = balances(session, keys=keys)
    assert [found[key].posted for key in keys] == [1_000_000, total - 1_000_000]


def test_wuhan_shows_by_trip_or_by_kilometre_what_the_platform_showed(hall: Database) -> None:
    town = settle(hall, "hb-wh", {})
    days = ("2025-08-09", "2025-08-10")
    rides = [event(town, "metro.ride", SAMPLES["metro.ride"], at=f"{day}T08:00:00+08:00") for day in days]
    shown = report(hall, town, *rides, now=datetime(2025, 8, 11, tzinfo=UTC))
    assert [(one.methodology, one.use, one.gross_mg, one.co2e_mg) for one in shown] == [
        ("wh-display-trips/v1", "display", 170_000, 0),
        ("wh-display-trips/v2", "display", 650_720, 0),
    ]


def test_beijing_shows_what_it_will_credit_once_confirmed(hall: Database) -> None:
    town = settle(hall, "bj", {})
    (ride,) = report(hall, town, event(town, "metro.ride", SAMPLES["metro.ride"]))
    assert (ride.use, ride.gross_mg, ride.co2e_mg, ride.sandbox) == ("display", 597_600, 0, True)
    spec = DATA.profiles["bj"].binding("metro.ride", THE_DAY)
    assert spec is not None
    assert (spec.use, spec.sandbox_use) == ("credit", "display")


def test_hangzhou_has_its_points_rules_in_versions(hall: Database) -> None:
    town = settle(hall, "x-zj-hz", {})
    ride = SAMPLES["bus.ride"]
    days = ("2026-12-31T23:30:00+08:00", "2027-01-01T00:30:00+08:00")
    outcomes = report(
        hall,
        town,
        *(event(town, "bus.ride", ride, at=at) for at in days),
        now=datetime(2027, 1, 2, tzinfo=UTC),
    )
    assert [one.points for one in outcomes] == [5, 8]


def test_chengdu_keeps_two_tracks_apart(hall: Database) -> None:
    town = settle(hall, "x-sc-cd", FACTS)
    ride, sun = report(hall, town, *(event(town, kind, SAMPLES[kind]) for kind in ("bus.ride", "pv.period")))
    assert (ride.co2e_mg, ride.points) == (0, 1)
    assert (sun.co2e_mg > 0, sun.points) == (True, 0)


@pytest.mark.parametrize("code", ["hn-cs", "qh-xn"])
def test_points_and_no_market(hall: Database, code: str) -> None:
    assert DATA.profiles[code].markets == ()
    assert set(bound(f"x-{code}").values()) == {"points"}
    town = settle(hall, f"x-{code}", {})
    ride, walk = report(hall, town, *(event(town, kind, SAMPLES[kind]) for kind in ("bus.ride", "walk")))
    assert [(one.co2e_mg, one.points) for one in (ride, walk)] == [(0, 1), (0, 2)]


def test_tiny_grams_add_up_to_the_cap_of_their_scene(hall: Database) -> None:
    town = settle(hall, "x-ant", {})
    walks = [
        event(
            town,
            "walk",
            {"count": 40, "distance_m": 30, "distance_source": "gps"},
            at=f"{DAY}T08:{m:02}:00+08:00",
        )
        for m in range(20)
    ]
    small = report(hall, town, *walks)
    assert all(0 < one.co2e_mg < 3_000 for one in small)
    (long,) = report(
        hall,
        town,
        event(town, "walk", {"count": 20_000, "distance_m": 14_000, **GATES}, at=f"{DAY}T18:00:00+08:00"),
    )
    assert (long.cap_code, sum(one.co2e_mg for one in (*small, long))) == ("cap-scene", 300_000)
