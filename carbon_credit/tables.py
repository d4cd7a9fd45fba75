"""Imports every models module, so that the metadata is whole. Nothing else."""

from carbon_credit.catalogue import models as catalogue
from carbon_credit.events import models as events
from carbon_credit.identity import models as identity
from carbon_credit.imports import models as imports
from carbon_credit.kernel import idempotency
from carbon_credit.kernel.db import Base
from carbon_credit.ledger import models as ledger
from carbon_credit.offsets import models as offsets
from carbon_credit.quantification import models as quantification
from carbon_credit.redemption import models as redemption
from carbon_credit.sources import models as sources

metadata = Base.metadata

__all__ = [
    "catalogue",
    "events",
    "idempotency",
    "identity",
    "imports",
    "ledger",
    "metadata",
    "offsets",
    "quantification",
    "redemption",
    "sources",
]
