"""What a till scanned without a connection and hands in later: the first to arrive wins.

A scan counts where the voucher was signed by us, the till's clock was in the voucher's time, it is handed in
before the programme's grace is over, and the till had not more open than its ceiling. Each is handed in once:
the same id again is answered with what became of it. Until the grace is over the sweep leaves the hold alone,
so a scan made in time never meets points that have gone back.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from carbon_credit.catalogue.offline import offline_tills
from carbon_credit.catalogue.terms import OfflineTills
from carbon_credit.kernel.bulk import lock_alone
from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.digest import canonical_json, sha256_hex
from carbon_credit.kernel.errors import CarbonError, error_classes
from carbon_credit.redemption import voucher
from carbon_credit.redemption.errors import (
    OfflineCeiling,
    OfflineRefused,
    ScanConflict,
    ScanLate,
    ScanOutOfTime,
    TillClockWrong,
    TillNeeded,
    VoucherCancelled,
    VoucherConsumed,
    VoucherLapsed,
    VoucherTooSmall,
)
from carbon_credit.redemption.models import TillScan
from carbon_credit.redemption.refusals import said
from carbon_credit.redemption.signing import Terms, terms_of
from carbon_credit.redemption.till.consuming import Found, Place, find, use

# Somebody else was first, and this till could not know.
_LOST = (VoucherConsumed, VoucherCancelled, VoucherLapsed, VoucherTooSmall)


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan: `id` is the till's own, `text` what the QR code said, `scanned_at` by the till's clock.

    `value_fen`: how much of the voucher was taken; None for all of it.
    """

    id: uuid.UUID
    text: str
    scanned_at: datetime
    value_fen: int | None = None


@dataclass(frozen=True, slots=True)
class ScanOutcome:
    """What became of a scan. `refusal`: why it is lost or refused. `replayed`: it was handed in before."""

    id: uuid.UUID
    outcome: str
    value_fen: int
    consumption_id: uuid.UUID | None
    refusal: CarbonError | None
    borne_by: str | None
    replayed: bool


def hand_in(
    session: Session, *, programme: str, place: Place, scan: Scan, sent_at: datetime, now: datetime
) -> ScanOutcome:
    """Take one scan of the till's queue. `sent_at`: the till's clock when it sent it.

    Raises TillNeeded, OfflineRefused, TillClockWrong, ScanConflict; whatever else is wrong with the scan is
    its outcome, which is remembered.
    """
    if place.till_id is None:
        raise TillNeeded
    rules = offline_tills(session, programme=programme)
    if rules is None:
        raise OfflineRefused
    skew = timedelta(seconds=rules.clock_skew_s)
    if abs(sent_at - now) > skew:
        seconds = abs(sent_at - now) // timedelta(seconds=1)
        raise TillClockWrong(skew_s=seconds, clock_skew_s=rules.clock_skew_s)
    lock_alone(session, f"scans {place.till_id}")
    content = sha256_hex(canonical_json([scan.text, scan.scanned_at.isoformat(), scan.value_fen]))
    known = session.get(TillScan, (place.till_id, scan.id), populate_existing=True)
    if known is not None:
        if known.content != content:
            raise ScanConflict
        return _outcome(known, replayed=True)
    row = TillScan(
        till_id=place.till_id,
        id=scan.id,
        programme=programme,
        merchant_id=place.merchant_id,
        content=content,
        scanned_at=scan.scanned_at,
        received_at=now,
        value_fen=scan.value_fen or 0,
        told="{}",
    )
    try:
        _judge(session, row, scan, place=place, rules=rules, now=now)
    except CarbonError as error:
        lost = isinstance(error, _LOST)
        row.outcome, row.reason = "lost" if lost else "refused", error.code
        row.borne_by = rules.loss_borne_by if lost else "merchant"
        row.told = orjson.dumps(error.details).decode()
    session.add(row)
    session.flush()
    return _outcome(row, replayed=False)


def _judge(
    session: Session, row: TillScan, scan: Scan, *, place: Place, rules: OfflineTills, now: datetime
) -> None:
    """Use the voucher, or raise why not. Nothing is written before the last refusal."""
    keys = keys_of(session)
    terms = terms_of(keys, text=scan.text)
    row.code_digest = voucher.digest_of(keys.voucher, code=terms.code)
    row.value_fen = _claimed(terms, scan)
    found = find(session, merchant_id=place.merchant_id, text=terms.code)
    row.redemption_id = found.id
    _require_in_time(session, found, scan, rules=rules, now=now)
    open_fen = _open_fen(session, row)
    if open_fen + row.value_fen > rules.ceiling_fen:
        raise OfflineCeiling(open_fen=open_fen, ceiling_fen=rules.ceiling_fen)
    at = min(scan.scanned_at, now)  # the clock may be a little ahead
    used = use(session, found, place=place, value_fen=scan.value_fen, at=at, now=now, offline=True)
    row.outcome, row.consumption_id, row.value_fen = "consumed", used.id, used.value_fen


def _claimed(terms: Terms, scan: Scan) -> int:
    """What the till gave for it."""
    return terms.value_fen if scan.value_fen is None else scan.value_fen


def _require_in_time(
    session: Session, found: Found, scan: Scan, *, rules: OfflineTills, now: datetime
) -> None:
    skew = timedelta(seconds=rules.clock_skew_s)
    if not found.held_at - skew <= scan.scanned_at <= now + skew:
        raise ScanOutOfTime(scanned_at=said(session, found.programme, scan.scanned_at))
    until = found.late_until or found.expires_at
    if now >= until and found.state in ("held", "expired"):
        raise ScanLate(until=said(session, found.programme, until))


def _open_fen(session: Session, row: TillScan) -> int:
    """What the till had taken and not handed in when it made this scan."""
    statement = select(func.coalesce(func.sum(TillScan.value_fen), 0)).where(
        TillScan.till_id == row.till_id,
        TillScan.scanned_at <= row.scanned_at,
        TillScan.received_at > row.scanned_at,
        TillScan.reason.is_(None) | TillScan.reason.in_([one.code for one in _LOST]),
    )
    return int(session.scalar(statement) or 0)


def _outcome(row: TillScan, *, replayed: bool) -> ScanOutcome:
    return ScanOutcome(
        id=row.id,
        outcome=row.outcome,
        value_fen=row.value_fen,
        consumption_id=row.consumption_id,
        refusal=None if row.reason is None else _refusal(row.reason, orjson.loads(row.told)),
        borne_by=row.borne_by,
        replayed=replayed,
    )


def _refusal(code: str, details: dict[str, Any]) -> CarbonError:
    """The error as it was, to be told again in the language of whoever asks."""
    kind = next(one for one in error_classes() if one.code == code)
    return kind(**details)
