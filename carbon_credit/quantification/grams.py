"""Posting what a reduction's milligrams become: the citizen's, or in part the partner's that aggregates.

What a partner holds of a reduction is not stored: it is what the ledger holds under the reduction's id
on the partner's account. Both parts together are what the reduction counts.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from msgspec import Struct
from sqlalchemy.orm import Session

from carbon_credit.catalogue.rules import ProgrammeRules, Share
from carbon_credit.identity import queries as identity
from carbon_credit.kernel.ids import new_ids
from carbon_credit.ledger import operations as ledger
from carbon_credit.ledger.accounts import CO2E, AccountKey, account_id
from carbon_credit.ledger.entries import Transfer
from carbon_credit.ledger.references import held_by_reference

_CODES = ("reduction.credit", "reduction.revoke")


class Owned(Protocol):
    """A reduction, as far as its grams are concerned."""

    @property
    def reduction_id(self) -> UUID: ...
    @property
    def citizen_id(self) -> UUID: ...
    @property
    def partner_id(self) -> UUID: ...


class Movement(Struct, frozen=True, gc=False):
    """What a reduction's two owners gain or lose, in milligrams. `effective_at`: when a gain counts."""

    reduction_id: UUID
    citizen_id: UUID
    partner_id: UUID
    effective_at: datetime
    citizen_mg: int
    partner_mg: int = 0


class Platforms:
    """Which partners get a share of what they report."""

    def __init__(self, session: Session, rules: ProgrammeRules) -> None:
        self._session = session
        self._rules = rules
        self._names: dict[UUID, str] = {}

    def share(self, activity_type: str, day: date, partner_id: UUID) -> Share | None:
        """The partner's share of this activity on `day`; None where everything is the citizen's."""
        share = self._rules.overflow(activity_type, day)
        if share is None or share.partner is None or share.partner == self._name(partner_id):
            return share
        return None

    def _name(self, partner_id: UUID) -> str:
        if partner_id not in self._names:
            party = identity.party(self._session, party_id=partner_id, programme=self._rules.code)
            self._names[partner_id] = party.name
        return self._names[partner_id]


def held_by_partner(session: Session, programme: str, reductions: Collection[Owned]) -> dict[UUID, int]:
    """What the partner holds of each reduction; those of which it holds nothing are left out."""
    if not reductions:
        return {}
    accounts = {one.partner_id: account_id(_partner(programme, one.partner_id)) for one in reductions}
    held = held_by_reference(
        session,
        references=[one.reduction_id for one in reductions],
        accounts=set(accounts.values()),
        codes=_CODES,
    )
    found = {
        one.reduction_id: held.get((one.reduction_id, accounts[one.partner_id]), 0) for one in reductions
    }
    return {reduction_id: mg for reduction_id, mg in found.items() if mg}


def post_movements(session: Session, programme: str, movements: Iterable[Movement], *, now: datetime) -> None:
    """Post them, gains before losses: what someone loses is taken after what the same one gains is given."""
    ledger.post_fresh(session, transfers=transfers_of(programme, movements, now=now), now=now)


def transfers_of(programme: str, movements: Iterable[Movement], *, now: datetime) -> list[Transfer]:
    """The transfers of movements, gains before losses."""
    source = AccountKey(programme, CO2E, "programme.source")
    movements = list(movements)
    ids = iter(new_ids(2 * len(movements)))
    gains, losses = [], []
    for one in movements:
        for kind, owner, mg in (
            ("citizen.reductions", one.citizen_id, one.citizen_mg),
            ("partner.reductions", one.partner_id, one.partner_mg),
        ):
            if not mg:
                continue
            account, number = AccountKey(programme, CO2E, kind, owner), next(ids)
            if mg > 0:
                gains.append(
                    Transfer(
                        number, "reduction.credit", source, account, mg, one.effective_at, one.reduction_id
                    )
                )
            else:
                losses.append(
                    Transfer(number, "reduction.revoke", account, source, -mg, now, one.reduction_id)
                )
    return gains + losses


def taken_back(
    reductions: Sequence[Owned], amounts_mg: Mapping[UUID, int], held: Mapping[UUID, int], *, now: datetime
) -> list[Movement]:
    """The movements that take these amounts off both owners, where nothing of the reductions stays."""
    return [
        Movement(
            reduction_id=one.reduction_id,
            citizen_id=one.citizen_id,
            partner_id=one.partner_id,
            effective_at=now,
            citizen_mg=held.get(one.reduction_id, 0) - amounts_mg[one.reduction_id],
            partner_mg=-held.get(one.reduction_id, 0),
        )
        for one in reductions
    ]


def _partner(programme: str, partner_id: UUID) -> AccountKey:
    return AccountKey(programme, CO2E, "partner.reductions", partner_id)
