"""The distance between two places, by the rule of the mapping."""

from collections.abc import Callable
from decimal import Decimal
from typing import TypeAlias

from carbon_credit.imports.adapters.mapping import Mapping
from carbon_credit.imports.adapters.refusal import RowRefused
from carbon_credit.imports.errors import AdapterNeeds
from carbon_credit.imports.stations import Stations
from carbon_credit.kernel.errors import CarbonError
from carbon_credit.methodology.network import Network

Measure: TypeAlias = Callable[[str, str], dict[str, object]]
"""(origin, destination) -> the fields of the event that follow from them. Raises `RowRefused`."""


def measure_by(mapping: Mapping, *, network: Network | None, stations: Stations | None) -> Measure:
    """The rule as a function. Raises `AdapterNeeds` where what it measures with is not given."""
    rule = mapping.distance
    if rule is None:
        return lambda _origin, _destination: {}
    if rule.rule == "network":
        if network is None:
            raise AdapterNeeds(adapter=mapping.name, what="a network / 线网", option="--network FILE")
        return _over(network, rule.source)
    if stations is None:
        # An upload has it as a part of that name.
        raise AdapterNeeds(
            adapter=mapping.name,
            what="stations with coordinates / 站点",
            option="--stations FILE (API: `stations`)",
        )
    return _between(stations, Decimal(rule.detour), rule.source)


def _over(network: Network, source: str) -> Measure:
    def measure(origin: str, destination: str) -> dict[str, object]:
        _check(origin, destination)
        try:
            distance_m = network.shortest_m(origin, destination)
        except CarbonError as error:
            raise RowRefused(error.code) from None
        return {
            "origin": network.station(origin),
            "destination": network.station(destination),
            "distance_m": distance_m,
            "distance_source": source,
        }

    return measure


def _between(stations: Stations, detour: Decimal, source: str) -> Measure:
    def measure(origin: str, destination: str) -> dict[str, object]:
        _check(origin, destination)
        try:
            distance_m = stations.line_m(origin, destination, detour)
        except CarbonError as error:
            raise RowRefused(error.code) from None
        return {"distance_m": distance_m, "distance_source": source}

    return measure


def _check(*names: str) -> None:
    """Refuses what cannot be a station's name, whatever the network: empty, or spoilt by a lost encoding."""
    for name in names:
        if not any(letter.isalnum() for letter in name):
            raise RowRefused("station-missing")
        if "?" in name or not name.isprintable() or "\ufffd" in name:
            raise RowRefused("station-garbled")
