"""Public money for a citizen's purchase (政府补贴): applied for with an invoice or a serial number, decided.

An application is a redemption that is held: it has a piece of the offer, whose value is set aside from the
budget of the fiscal year. Granted, the value becomes the citizen's; refused, withdrawn or past its time, all
returns. The document's number is kept as a keyed digest only, and one number counts once in a programme.
"""

import re
import unicodedata
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import time_zone
from carbon_credit.kernel.bulk import lock_alone
from carbon_credit.kernel.clock import business_day
from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.ids import new_id
from carbon_credit.ledger import operations as ledger
from carbon_credit.ledger.accounts import FEN, AccountKey
from carbon_credit.ledger.entries import Transfer
from carbon_credit.redemption import holds
from carbon_credit.redemption.giving.applications import Application, application
from carbon_credit.redemption.models import Offer, Redemption
from carbon_credit.redemption.offering.errors import (
    NameNotMasked,
    SubsidyDecided,
    SubsidyDocument,
    SubsidyDocumentUsed,
    SubsidyNotFound,
    SubsidyPersonCap,
)
from carbon_credit.redemption.offering.models import Subsidy, SubsidyBudget
from carbon_credit.redemption.offering.money import budget_key
from carbon_credit.redemption.offering.secrecy import digests_of_document
from carbon_credit.redemption.operations import choose, end_in_time, take_up
from carbon_credit.redemption.queries import OfferRecord

DOCUMENT_KINDS = ("invoice", "serial")
LONGEST_NAME = 40
_NUMBER = re.compile(r"[0-9A-Z]{4,40}")


@dataclass(frozen=True, slots=True)
class Document:
    """What was bought, by the number of its `invoice`, or the `serial` number of the appliance."""

    kind: str
    number: str


def apply_for_subsidy(
    session: Session,
    *,
    programme: str,
    citizen_id: uuid.UUID,
    offer_id: uuid.UUID,
    document: Document,
    now: datetime,
    masked_name: str | None = None,
) -> Application:
    """Hold a piece of the subsidy until an operator decides, or the offer's time for it runs out.

    `masked_name`: as it will stand on the public list, if granted. Raises SubsidyDocument,
    SubsidyDocumentUsed, NameNotMasked, SubsidyPersonCap, and what `reserve` does.
    """
    name = _masked(masked_name)
    digests = _digests(session, programme, document)
    chosen = choose(
        session, programme=programme, citizen_id=citizen_id, offer_id=offer_id, kinds=("subsidy",), now=now
    )
    _check_person_cap(session, chosen, citizen_id=citizen_id)
    lock_alone(session, *(f"subsidy {programme} {digest}" for digest in digests))
    _free_number(session, programme, document.kind, digests)
    redemption_id = take_up(session, chosen, citizen_id=citizen_id, points=chosen.points_price, now=now).id
    row = Subsidy(
        redemption_id=redemption_id,
        programme=programme,
        budget_id=chosen.budget_id,
        document_kind=document.kind,
        document_digest=digests[0],
        masked_name=name,
    )
    session.add(row)
    session.flush()
    return application(session, programme=programme, redemption_id=redemption_id, now=now)


def grant_subsidy(
    session: Session, *, programme: str, operator_id: uuid.UUID, redemption_id: uuid.UUID, now: datetime
) -> Application:
    """The citizen gets it: what was set aside is the citizen's, and the public list shows it.

    Raises SubsidyNotFound, SubsidyDecided, VoucherExpired.
    """
    offer = _undecided(session, programme, redemption_id)
    end_in_time(session, redemption_id, state="consumed", now=now)
    holds.settle(session, redemption_id=redemption_id, now=now)
    citizen_id, fen = _whose(session, redemption_id)
    transfer = Transfer(
        id=new_id(),
        code="subsidy.grant",
        debit=budget_key(offer),
        credit=_benefit(programme, citizen_id),
        amount=fen,
        effective_at=now,
        reference=redemption_id,
    )
    ledger.post(session, transfers=[transfer], now=now)
    day = business_day(now, time_zone(session, programme=programme))
    _decide(session, redemption_id, decided_by=operator_id, granted_on=day)
    return application(session, programme=programme, redemption_id=redemption_id, now=now)


def refuse_subsidy(
    session: Session,
    *,
    programme: str,
    operator_id: uuid.UUID,
    redemption_id: uuid.UUID,
    reason: str,
    now: datetime,
) -> Application:
    """It is not granted, for this reason: points and piece return, the number may be used again.

    Raises SubsidyNotFound, SubsidyDecided, VoucherExpired.
    """
    _undecided(session, programme, redemption_id)
    end_in_time(session, redemption_id, state="cancelled", now=now)
    holds.give_back(session, redemption_ids=[redemption_id], now=now)
    _decide(
        session,
        redemption_id,
        decided_by=operator_id,
        refused_for=reason.strip()[:200],
        document_digest=None,
        masked_name=None,
    )
    return application(session, programme=programme, redemption_id=redemption_id, now=now)


def record_payment(
    session: Session, *, programme: str, redemption_id: uuid.UUID, reference: str, now: datetime
) -> Application:
    """The money has left: `reference` is the payer's own. Raises SubsidyNotFound, SubsidyDecided."""
    paid = (
        update(Subsidy)
        .where(
            Subsidy.redemption_id == redemption_id,
            Subsidy.programme == programme,
            Subsidy.granted_on.is_not(None),
            Subsidy.paid_at.is_(None),
        )
        .values(payment_reference=reference.strip()[:80], paid_at=now)
        .returning(Subsidy.redemption_id)
        .execution_options(synchronize_session=False)
    )
    if session.execute(paid).scalar_one_or_none() is None:
        seen = application(session, programme=programme, redemption_id=redemption_id, now=now)
        raise SubsidyDecided(state=seen.state)
    citizen_id, fen = _whose(session, redemption_id)
    transfer = Transfer(
        id=new_id(),
        code="benefit.pay",
        debit=_benefit(programme, citizen_id),
        credit=AccountKey(programme, FEN, "bank"),
        amount=fen,
        effective_at=now,
        reference=redemption_id,
    )
    ledger.post(session, transfers=[transfer], now=now)
    return application(session, programme=programme, redemption_id=redemption_id, now=now)


def forget_name(session: Session, *, programme: str, citizen_id: uuid.UUID, redemption_id: uuid.UUID) -> None:
    """Take the citizen's masked name off the public list; amount and day stay. Raises SubsidyNotFound."""
    mine = select(Redemption.id).where(Redemption.id == redemption_id, Redemption.citizen_id == citizen_id)
    forgotten = (
        update(Subsidy)
        .where(
            Subsidy.redemption_id == redemption_id,
            Subsidy.programme == programme,
            Subsidy.redemption_id.in_(mine),
        )
        .values(masked_name=None)
        .returning(Subsidy.redemption_id)
        .execution_options(synchronize_session=False)
    )
    if session.execute(forgotten).scalar_one_or_none() is None:
        raise SubsidyNotFound


def _check_person_cap(session: Session, chosen: OfferRecord, *, citizen_id: uuid.UUID) -> None:
    # Under the citizen's lock: two applications at once are counted one after the other.
    cap_fen = session.scalar(
        select(SubsidyBudget.per_person_cap_fen).where(SubsidyBudget.id == chosen.budget_id)
    )
    if cap_fen is None:
        return
    statement = (
        select(func.coalesce(func.sum(Redemption.value_fen), 0))
        .join(Subsidy, Subsidy.redemption_id == Redemption.id)
        .where(
            Redemption.citizen_id == citizen_id,
            Subsidy.budget_id == chosen.budget_id,
            Redemption.state.in_(("held", "consumed")),
        )
    )
    had_fen = int(session.scalar(statement) or 0)
    if had_fen + chosen.value_fen > cap_fen:
        raise SubsidyPersonCap(cap_fen=cap_fen, had_fen=had_fen)


def _free_number(session: Session, programme: str, kind: str, digests: Sequence[uuid.UUID]) -> None:
    """Raises SubsidyDocumentUsed; an application that came to nothing gives its number free."""
    statement = (
        select(Subsidy.redemption_id, Redemption.state)
        .join(Redemption, Redemption.id == Subsidy.redemption_id)
        .where(
            Subsidy.programme == programme,
            Subsidy.document_kind == kind,
            Subsidy.document_digest.in_(digests),
        )
    )
    for row in session.execute(statement).all():
        if row.state in ("held", "consumed"):
            raise SubsidyDocumentUsed
        freed = update(Subsidy).where(Subsidy.redemption_id == row.redemption_id).values(document_digest=None)
        session.execute(freed.execution_options(synchronize_session=False))


def _undecided(session: Session, programme: str, redemption_id: uuid.UUID) -> Offer:
    """The offer of the application, which is locked. Raises SubsidyNotFound, SubsidyDecided."""
    statement = (
        select(Offer, Subsidy.granted_on, Subsidy.refused_for)
        .join(Redemption, Redemption.offer_id == Offer.id)
        .join(Subsidy, Subsidy.redemption_id == Redemption.id)
        .where(Subsidy.redemption_id == redemption_id, Subsidy.programme == programme)
        .with_for_update(of=Redemption)
    )
    row = session.execute(statement).one_or_none()
    if row is None:
        raise SubsidyNotFound
    offer, granted_on, refused_for = row
    if granted_on is not None or refused_for is not None:
        raise SubsidyDecided(state="granted" if granted_on is not None else "refused")
    return offer


def _decide(session: Session, redemption_id: uuid.UUID, **values: object) -> None:
    decided = update(Subsidy).where(Subsidy.redemption_id == redemption_id).values(**values)
    session.execute(decided.execution_options(synchronize_session=False))


def _whose(session: Session, redemption_id: uuid.UUID) -> tuple[uuid.UUID, int]:
    columns = (Redemption.citizen_id, Redemption.value_fen)
    citizen_id, fen = session.execute(select(*columns).where(Redemption.id == redemption_id)).one()
    return citizen_id, fen


def _benefit(programme: str, citizen_id: uuid.UUID) -> AccountKey:
    return AccountKey(programme, FEN, "citizen.benefit", citizen_id)


def _digests(session: Session, programme: str, document: Document) -> list[uuid.UUID]:
    number = re.sub(r"[\s-]", "", unicodedata.normalize("NFKC", document.number)).upper()
    if document.kind not in DOCUMENT_KINDS or not _NUMBER.fullmatch(number):
        raise SubsidyDocument
    return digests_of_document(keys_of(session), programme=programme, kind=document.kind, number=number)


def _masked(name: str | None) -> str | None:
    if name is None:
        return None
    name = name.strip()
    hidden = sum(one in "*＊" for one in name)
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or 2 * hidden < len(name):
        raise NameNotMasked
    return name
