"""Imports every models module, so that the metadata is whole. Nothing else."""

from carbon_credit.catalogue import models as catalogue
from carbon_credit.events import models as events
from carbon_credit.identity import models as identity
from carbon_credit.imports import models as imports
from carbon_credit.kernel import idempotency, outbox
from carbon_credit.kernel.db import Base
from carbon_credit.ledger import models as ledger
from carbon_credit.offsets import models as offsets
from carbon_credit.points import models as points
from carbon_credit.quantification import models as quantification
from carbon_credit.reach import models as reach
from carbon_credit.redemption import models as redemption
from carbon_credit.redemption.offering import models as offering
from carbon_credit.settlement import models as settlement
from carbon_credit.sources import models as sources
from carbon_credit.webhooks import models as webhooks

metadata = Base.metadata

__all__ = [
    "catalogue",
    "events",
    "idempotency",
    "identity",
    "imports",
    "ledger",
    "metadata",
    "offering",
    "offsets",
    "outbox",
    "points",
    "quantification",
    "reach",
    "redemption",
    "settlement",
    "sources",
    "webhooks",
]
