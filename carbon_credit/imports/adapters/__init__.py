"""One adapter per kind of operator file, and the table of their names."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Protocol

from carbon_credit.imports.adapters.shenzhen_card import PAIRING_WINDOW, ShenzhenCard
from carbon_credit.imports.delimited import DelimitedFile
from carbon_credit.imports.errors import AdapterUnknown
from carbon_credit.imports.rows import Item
from carbon_credit.methodology.network import Network


class Adapter(Protocol):
    """Reads one kind of file."""

    name: str

    def items(self, file: DelimitedFile, *, now: datetime) -> Iterator[Item]:
        """Every data row once, alone or as part of a ride. No ride before the whole file was read."""
        ...


ADAPTERS = {ShenzhenCard.name: ShenzhenCard}


def make_adapter(name: str, *, network: Network, pairing_window: timedelta = PAIRING_WINDOW) -> Adapter:
    """The adapter of that name. Raises `AdapterUnknown`."""
    if name not in ADAPTERS:
        raise AdapterUnknown(adapter=name, known=", ".join(sorted(ADAPTERS)))
    return ADAPTERS[name](network=network, pairing_window=pairing_window)
