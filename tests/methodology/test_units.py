from fractions import Fraction

import pytest

from carbon_credit.methodology import units


@pytest.mark.parametrize("symbol", units.KNOWN_UNITS)
def test_our_scale_is_that_of_pint(symbol: str) -> None:
    # The base is coherent, so pint's own base units give the same exact number.
    assert units.scale(symbol) == units.in_pint(symbol).to_base_units().magnitude


def test_products_and_quotients() -> None:
    assert units.scale("gCO2e/pkm") * units.scale("pm") == units.scale("mgCO2e")
    assert units.scale("kgCO2/kWh") * units.scale("Wh") == 1_000
    assert units.scale("kWh/household/day") == Fraction(3_600_000, 86_400)
    assert units.dimension("gCO2e/pkm") * units.dimension("pkm") == units.dimension("tCO2")


def test_things_that_look_alike_are_apart() -> None:
    assert units.dimension("gCO2e") != units.dimension("g")
    assert units.dimension("pkm") != units.dimension("vkm")
    assert units.dimension("pkm") != units.dimension("km")
    assert units.dimension("trip") != units.dimension("item")
    assert units.dimension("1") == units.dimensionless()


@pytest.mark.parametrize(
    "unit", ["", "gCO2", "furlong", "g CO2e", "km^2", "km**2", "km/", "/km", "__class__", "m" * 61]
)
def test_unknown_units_are_refused(unit: str) -> None:
    if unit == "gCO2":
        assert units.scale(unit) == 1_000  # CO2 counts as CO2e
        return
    with pytest.raises(units.UnknownUnit):
        units.scale(unit)
