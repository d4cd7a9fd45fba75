"""Issue a statement: claim what belongs on it, add up, move the money, write it down. One unit of work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Table, func, select, update
from sqlalchemy.orm import Session

from carbon_credit.identity.tills import names_of
from carbon_credit.kernel import outbox
from carbon_credit.kernel.bulk import append_rows, append_sealed, lock_alone
from carbon_credit.kernel.clock import microseconds
from carbon_credit.kernel.digest import canonical_json, sha256_hex
from carbon_credit.kernel.ids import new_id
from carbon_credit.ledger import operations as ledger
from carbon_credit.quantification.periods import first_of_month
from carbon_credit.settlement.errors import LaterMonthSettled, StatementDiffers
from carbon_credit.settlement.issuing import posting
from carbon_credit.settlement.issuing.cutoff import Before, claim_items, items_digest
from carbon_credit.settlement.issuing.lines import OWN, Line, Sums, add_up
from carbon_credit.settlement.issuing.losses import Loss, new_losses
from carbon_credit.settlement.issuing.waterfall import Flows, flows
from carbon_credit.settlement.models import (
    Dispute,
    Payment,
    Statement,
    StatementAdjustment,
    StatementFee,
    StatementLine,
    StatementLoss,
)
from carbon_credit.settlement.months import cut_off
from carbon_credit.settlement.states import begin

_STATEMENT: Table = Statement.__table__  # type: ignore[assignment]
_LINE: Table = StatementLine.__table__  # type: ignore[assignment]
_FEE: Table = StatementFee.__table__  # type: ignore[assignment]
_ADJUSTMENT: Table = StatementAdjustment.__table__  # type: ignore[assignment]
_LOSS: Table = StatementLoss.__table__  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Adjustment:
    """The answer to a dispute, to be put on this statement. `hold_id`: the money set aside for it."""

    dispute_id: UUID
    offer_id: UUID
    adjusted_fen: int
    hold_id: UUID | None


def issue_statement(
    session: Session, *, programme: str, merchant_id: UUID, month: date, actor: str, now: datetime
) -> UUID | None:
    """The statement of the merchant's month; its id, that of the one which is there already, or None where
    there is nothing to tell and nothing is owed either way.

    Raises MonthNotOver, LaterMonthSettled, StatementDiffers.
    """
    month = first_of_month(month)
    ends_at = cut_off(session, programme=programme, month=month, now=now)
    # Numbers have no gaps, so statements of a programme are written one after the other; and what is paid
    # or answered meanwhile is on this one or on the next, never on both.
    lock_alone(session, f"statement {programme}")
    last = _last(session, merchant_id)
    if last is not None and last.month >= month:
        if last.month == month:
            return last.id
        raise LaterMonthSettled(month=f"{last.month:%Y-%m}")
    statement_id = new_id()
    before = None if last is None else Before(last.ends_at, last.issued_at)
    claim_items(session, statement_id=statement_id, merchant_id=merchant_id, ends_at=ends_at, before=before)
    sums = add_up(session, programme=programme, merchant_id=merchant_id, statement_id=statement_id)
    adjustments = _adjustments(session, merchant_id)
    losses = new_losses(session, programme=programme, merchant_id=merchant_id, ends_at=ends_at)
    borne = sum(one.value_fen for one in losses)
    opening = 0 if last is None else last.closing_fen
    payments = _unshown_payments(session, merchant_id)
    paid = sum(one.amount_fen for one in payments)
    standing = posting.standing(session, programme=programme, merchant_id=merchant_id)
    if standing.balance_fen != opening - paid:
        raise StatementDiffers(ledger_fen=standing.balance_fen, told_fen=opening - paid)
    if not sums.lines and not adjustments and not losses and not opening and not paid:
        return None
    net = sums.net_by_offer()
    for one in adjustments:
        net[one.offer_id] = net.get(one.offer_id, 0) + one.adjusted_fen
    moved = flows(
        net=net,
        granted=borne,
        fee=sums.fee_fen,
        owed_before=standing.owed_fen,
        reclaims=posting.reclaims(session, programme=programme, merchant_id=merchant_id),
    )
    # What an answer gives comes to the offer's budget, and leaves it with all else of the offer.
    ledger.settle(session, pending_ids=[one.hold_id for one in adjustments if one.hold_id], now=now)
    settled = _post(session, programme, merchant_id, statement_id, sums, moved, borne, now)
    row = _figures(sums, adjustments, moved, opening=opening, borne=borne, paid=paid) | {
        "id": statement_id,
        "programme": programme,
        "merchant_id": merchant_id,
        "month": month,
        "year": month.year,
        "number": _next_number(session, programme, month.year),
        "ends_at": ends_at,
        "points_settled": settled,
        "items_digest": items_digest(session, statement_id=statement_id),
        "issued_by": actor,
        "issued_at": now,
    }
    _write(session, row, sums, adjustments, losses)
    shown = update(Payment).where(Payment.id.in_([one.id for one in payments])).values(shown_on=statement_id)
    session.execute(shown.execution_options(synchronize_session=False))
    begin(session, statement_id=statement_id, programme=programme, actor=actor, now=now)
    _tell(session, row, now)
    return statement_id


def statement_digest(row: Mapping[str, Any], parts: Sequence[Sequence[Any]]) -> str:
    """SHA-256 over all that a statement says: its figures, the digest of its items, and its lines, fees,
    adjustments and losses, which are the `parts`, without their MACs."""
    told = {name: _plain(value) for name, value in row.items() if name not in ("digest", "mac")}
    rows = [[_plain(value) for value in part] for part in parts]
    return sha256_hex(canonical_json({"statement": told, "parts": rows}))


def _plain(value: Any) -> str | int | None:
    if isinstance(value, datetime):
        return microseconds(value)
    return str(value) if isinstance(value, date | UUID) else value


def _figures(
    sums: Sums, adjustments: Sequence[Adjustment], moved: Flows, *, opening: int, borne: int, paid: int
) -> dict[str, Any]:
    funded = [line for line in sums.lines if line.funding != OWN]
    used, undone = sum(line.used_fen for line in funded), sum(line.undone_fen for line in funded)
    adjusted = sum(one.adjusted_fen for one in adjustments) + borne
    return {
        "opening_fen": opening,
        "uses": sum(line.uses for line in sums.lines),
        "used_fen": used,
        "undos": sum(line.undos for line in sums.lines),
        "undone_fen": undone,
        "adjusted_fen": adjusted,
        "fee_fen": sums.fee_fen,
        "paid_fen": paid,
        "closing_fen": opening + used - undone + adjusted - sums.fee_fen - paid,
        "payable_fen": moved.payable,
        "carried_fen": moved.carried,
        "own_fen": sum(line.used_fen - line.undone_fen for line in sums.lines if line.funding == OWN),
        "points": sum(line.points for line in sums.lines),
    }


def _post(
    session: Session,
    programme: str,
    merchant_id: UUID,
    statement_id: UUID,
    sums: Sums,
    moved: Flows,
    borne: int,
    now: datetime,
) -> int:
    """Move the money and settle the points; how many points."""
    told = select(
        func.coalesce(func.sum(Statement.points), 0), func.coalesce(func.sum(Statement.points_settled), 0)
    ).where(Statement.merchant_id == merchant_id)
    points, settled = session.execute(told).one()
    due = int(points) - int(settled) + sum(line.points for line in sums.lines)
    # Points that a voucher took back are taken from what the merchant has now; the next month makes up.
    due = min(due, posting.points_of(session, programme=programme, merchant_id=merchant_id))
    transfers = posting.transfers(
        programme=programme,
        merchant_id=merchant_id,
        statement_id=statement_id,
        moved=moved,
        borne=borne,
        points=max(due, 0),
        now=now,
    )
    ledger.post(session, transfers=transfers, now=now)
    return max(due, 0)


def _adjustments(session: Session, merchant_id: UUID) -> list[Adjustment]:
    """Answers that are on no statement yet."""
    shown = select(StatementAdjustment.dispute_id).where(StatementAdjustment.dispute_id == Dispute.id)
    statement = (
        select(Dispute.id, Dispute.offer_id, Dispute.adjusted_fen, Dispute.hold_id)
        .where(
            Dispute.merchant_id == merchant_id,
            Dispute.adjusted_fen != 0,
            ~shown.exists(),
        )
        .order_by(Dispute.id)
    )
    return [
        Adjustment(row.id, row.offer_id, int(row.adjusted_fen or 0), row.hold_id)
        for row in session.execute(statement)
    ]


def _unshown_payments(session: Session, merchant_id: UUID) -> Sequence[Any]:
    """What was paid and is on no statement yet."""
    unshown = (Payment.merchant_id == merchant_id, Payment.outcome == "paid", Payment.shown_on.is_(None))
    return session.execute(select(Payment.id, Payment.amount_fen).where(*unshown)).all()


def _write(
    session: Session,
    row: dict[str, Any],
    sums: Sums,
    adjustments: Sequence[Adjustment],
    losses: Sequence[Loss],
) -> None:
    statement_id = row["id"]
    names = names_of(session, merchant_id=row["merchant_id"])
    lines = [_line(statement_id, number, one, names) for number, one in enumerate(sums.lines, start=1)]
    fees = [
        (
            statement_id,
            one.terms.id,
            one.terms.fee_bps,
            one.terms.fee_per_use_fen,
            one.uses,
            one.base_fen,
            one.fee_fen,
        )
        for one in sorted(sums.fees, key=lambda one: one.terms.id)
    ]
    answers = [(one.dispute_id, statement_id, one.offer_id, one.adjusted_fen) for one in adjustments]
    lost = [(one.till_id, one.scan_id, statement_id, one.offer_id, one.value_fen) for one in losses]
    row["digest"] = statement_digest(row, [*lines, *fees, *answers, *lost])
    told = tuple(row[name] for name in _columns(_STATEMENT)[:-1])
    append_sealed(session, _STATEMENT, _columns(_STATEMENT), [told])
    append_sealed(session, _LINE, _columns(_LINE), lines)
    append_sealed(session, _FEE, _columns(_FEE), fees)
    append_sealed(session, _ADJUSTMENT, _columns(_ADJUSTMENT), answers)
    append_rows(session, _LOSS, _columns(_LOSS), lost)


def _line(statement_id: UUID, number: int, one: Line, names: Mapping[UUID, str]) -> tuple[Any, ...]:
    store = None if one.store_id is None else names.get(one.store_id)
    who = (statement_id, number, one.offer_id, one.store_id, one.title_zh, one.title_en, store, one.funding)
    return (*who, one.uses, one.used_fen, one.undos, one.undone_fen, one.points)


def _tell(session: Session, row: Mapping[str, Any], now: datetime) -> None:
    told = ("month", "number", "closing_fen", "payable_fen")
    outbox.emit(
        session,
        programme=row["programme"],
        audience=row["merchant_id"],
        type="statement.issued",
        subject_id=row["id"],
        data={name: row[name] for name in told},
        now=now,
    )


def _columns(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns)


def _last(session: Session, merchant_id: UUID) -> Statement | None:
    statement = select(Statement).where(Statement.merchant_id == merchant_id)
    return session.scalars(statement.order_by(Statement.month.desc()).limit(1)).one_or_none()


def _next_number(session: Session, programme: str, year: int) -> int:
    mine = (Statement.programme == programme, Statement.year == year)
    return (session.scalar(select(func.max(Statement.number)).where(*mine)) or 0) + 1
