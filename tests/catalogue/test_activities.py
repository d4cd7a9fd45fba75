from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.catalogue.activities import load_activities, read_activities, split, tier_of, validate
from carbon_credit.methodology.definition import Tier
from carbon_credit.methodology.errors import DataError, NameRepeated, NameUndefined, UnitUnknown, ValueWrong

LIBRARY = Path(__file__).resolve().parents[2] / "methodologies"
TYPES = load_activities(LIBRARY)
TEXT = (LIBRARY / "activities.yaml").read_text(encoding="utf-8")
RIDE = {"origin": "珠江新城", "destination": "番禺广场", "distance_m": 20248, "distance_source": "gates"}


def test_all_types_of_the_contract_are_there() -> None:
    assert set(TYPES) == {
        *("bus.ride", "metro.ride", "bike.ride", "ebike.ride", "walk"),
        *("electricity.period", "gas.period", "water.period", "ev.trip", "ev.charge", "car.stopped"),
        *("carpool.ride", "pv.period", "appliance.purchase", "lamp.replacement", "heatpump.period"),
        *("reuse.clothes", "paperless"),
        *("cooling.period", "forest.period", "waste.sorting", "reuse.goods", "recycle.carton"),
        *("reuse.parcel-box", "hotel.order", "takeaway.order", "tree.planting"),
        *("hydrogen.trip", "etc.passage", "reuse.bag"),
    }


def test_a_ride_is_split_into_quantities_and_personal_details() -> None:
    metro = TYPES["metro.ride"]
    assert validate(metro, RIDE) == []
    quantities, details = split(metro, RIDE)
    assert quantities == {"distance_m": 20248, "distance_source": "gates"}
    assert details == {"origin": "珠江新城", "destination": "番禺广场"}
    assert split(metro, quantities) == (quantities, {})


@pytest.mark.parametrize(
    ("kind", "data", "code", "field"),
    [
        ("metro.ride", {"distance_m": 8300.0}, "field-not-integer", "distance_m"),
        ("metro.ride", {"distance_m": True}, "field-not-integer", "distance_m"),
        ("metro.ride", {"distance_m": "8300"}, "field-not-integer", "distance_m"),
        ("metro.ride", {"distance_m": None}, "field-not-integer", "distance_m"),
        ("metro.ride", {"distance_m": -1}, "field-out-of-bounds", "distance_m"),
        ("metro.ride", {"distance_m": 2**70}, "field-out-of-bounds", "distance_m"),
        ("metro.ride", {"distance_km": 8}, "field-unknown", "distance_km"),
        ("metro.ride", {"co2e_mg": 1}, "field-unknown", "co2e_mg"),
        ("metro.ride", {"distance_source": "guess"}, "field-not-listed", "distance_source"),
        ("metro.ride", {"distance_source": 1}, "field-not-text", "distance_source"),
        ("metro.ride", {"distance_source": ["gates"]}, "field-not-text", "distance_source"),
        ("metro.ride", {"origin": ""}, "field-length", "origin"),
        ("metro.ride", {"origin": "站" * 65}, "field-length", "origin"),
        ("metro.ride", {"origin": "a\x00b"}, "field-length", "origin"),
        ("metro.ride", {"origin": 7}, "field-not-text", "origin"),
        ("electricity.period", {}, "field-missing", "energy_wh"),
        ("paperless", {"count": 0}, "field-out-of-bounds", "count"),
    ],
)
def test_what_is_wrong_is_said(kind: str, data: Mapping[str, object], code: str, field: str) -> None:
    problems = validate(TYPES[kind], data)
    assert [(problem.code, problem.field) for problem in problems] == [(code, field)]
    assert f"$.data.{field}" in str(problems[0])


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        ("metro.ride", {"distance_m": 1.5}, "Expected a whole number of metres"),
        ("metro.ride", {"distance_m": 200_001}, "Expected 0 to 200000 metres"),
        ("ev.trip", {"distance_m": 0}, "Expected 1 to 2000000 metres"),
        ("electricity.period", {"energy_wh": "1"}, "Expected a whole number of watt-hours"),
        ("walk", {"count": 1.5}, "Expected a whole number of steps"),
    ],
)
def test_units_are_said_in_words(kind: str, data: Mapping[str, object], said: str) -> None:
    (problem,) = validate(TYPES[kind], data)
    assert problem.detail == said


def test_no_symbol_of_a_unit_is_left_in_a_sentence() -> None:
    numbers = [(kind, one) for kind in TYPES.values() for one in kind.fields.values() if one.unit]
    for kind, one in numbers:
        for value in (1.5, -1):
            told = next(problem for problem in validate(kind, {one.name: value}) if problem.field == one.name)
            last = told.detail.split()[-1]
            assert (
                last == "number" or last.isdigit() or (len(last) > 4 and last.replace("-", "").isalpha())
            ), told


def test_every_fault_is_told_at_once_and_no_value_is_repeated() -> None:
    problems = validate(TYPES["electricity.period"], {"baseline_wh": "secret", "speed": 1})
    assert {problem.code for problem in problems} == {"field-not-integer", "field-unknown", "field-missing"}
    assert "secret" not in "".join(map(str, problems))


@pytest.mark.parametrize(
    ("data", "tier"),
    [
        ({"distance_source": "gates"}, Tier.DERIVED),
        ({"distance_source": "gps"}, Tier.MEASURED),
        ({"distance_source": "meter"}, Tier.MEASURED),
        ({"distance_source": "declared"}, Tier.DECLARED),
        ({}, Tier.DECLARED),
    ],
)
def test_the_tier_comes_from_the_word_for_the_source(data: dict[str, str], tier: Tier) -> None:
    assert tier_of(TYPES["bus.ride"], data) is tier


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=3,
)


@given(st.sampled_from(sorted(TYPES)), st.data())
def test_what_passes_holds_only_bounded_integers_listed_words_and_short_texts(
    kind: str, data: st.DataObject
) -> None:
    activity = TYPES[kind]
    some = data.draw(
        st.dictionaries(st.sampled_from([*activity.fields, "x"]), JSON | st.integers(0, 99), max_size=5)
    )
    if validate(activity, some):
        return
    quantities, details = split(activity, some)
    assert quantities.keys() | details.keys() == some.keys()
    assert set(activity.required) <= quantities.keys()
    for name, value in quantities.items():
        field = activity.fields[name]
        if field.kind == "enum":
            assert value in field.values
        else:
            assert type(value) is int
            assert field.min is not None
            assert field.max is not None
            assert field.min <= value <= field.max
    assert all(activity.fields[name].kind == "text" for name in details)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("- code: metro.ride", "- code: bus.ride", NameRepeated),
        ("unit: pm,", "unit: parsec,", UnitUnknown),
        ("min: 1, max: 300000", "min: 1", ValueWrong),
        ("min: 1, max: 300000", "min: -1, max: 300000", ValueWrong),
        ("kind: text, max: 64, detail: true", "kind: text, max: 64", ValueWrong),
        ("kind: text, max: 64, detail: true", "kind: text, detail: true", ValueWrong),
        ("tier_field: distance_source", "tier_field: source", NameUndefined),
        ("gps: measured, ", "", NameUndefined),
        ("gps: measured", "gps: good", ValueWrong),
        ("name: duration_s, kind: integer", "name: distance_m, kind: integer", NameRepeated),
    ],
)
def test_a_bad_definition_is_refused_with_its_line(old: str, new: str, error: type[DataError]) -> None:
    assert old in TEXT
    with pytest.raises(error, match=r"activities\.yaml, line [0-9]+"):
        read_activities(TEXT.replace(old, new, 1).encode())
