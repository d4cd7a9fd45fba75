"""What a statement's files say, in Chinese and English: gathered once, rendered in three forms.

Only what never changes is in it, not how far the statement has come: so the files are the same for ever.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import time_zone
from carbon_credit.identity.queries import party
from carbon_credit.identity.tills import names_of
from carbon_credit.settlement.issuing.cutoff import items
from carbon_credit.settlement.issuing.losses import loss_rows
from carbon_credit.settlement.queries import Content, StatementRecord, content, statement

FUNDING = {
    "merchant": "商户承担 by the merchant",
    "fund": "项目基金 programme fund",
    "subsidy": "财政补贴 subsidy",
}
KINDS = {"use": "核销 use", "undo": "撤销 undone", "loss": "脱机重复 double scan"}
_SUMS = (
    ("期初余额 opening balance", "opening_fen", 1),
    ("＋ 核销金额 consumptions", "used_fen", 1),
    ("－ 撤销金额 reversals", "undone_fen", -1),
    ("＋ 调整 adjustments", "adjusted_fen", 1),
    ("－ 服务费 fees", "fee_fen", -1),
    ("－ 已付款 payments made", "paid_fen", -1),
    ("期末余额 closing balance", "closing_fen", 1),
)


@dataclass(frozen=True, slots=True)
class Told:
    """A statement with its lines, the merchant's name, names of stores and tills, and where it is noon."""

    record: StatementRecord
    content: Content
    merchant: str
    names: dict[UUID, str]
    zone: ZoneInfo
    items: Callable[[], Iterator[Any]]
    losses: Sequence[Any]

    @property
    def rehearsal(self) -> bool:
        """Whether it is of a rehearsal, which moves no real money."""
        return self.record.programme.startswith("x-")

    def local(self, instant: datetime) -> str:
        """An instant in the programme's time, to the second."""
        return instant.astimezone(self.zone).strftime("%Y-%m-%d %H:%M:%S")


def told_of(session: Session, *, programme: str, statement_id: UUID, merchant_id: UUID | None = None) -> Told:
    """What there is to tell. Raises StatementNotFound. `items` are read when they are asked for."""
    record = statement(session, programme=programme, statement_id=statement_id, merchant_id=merchant_id)
    return Told(
        record=record,
        content=content(session, statement_id=statement_id),
        merchant=party(session, party_id=record.merchant_id).name,
        names=names_of(session, merchant_id=record.merchant_id),
        zone=ZoneInfo(time_zone(session, programme=programme)),
        items=lambda: items(session, statement_id=statement_id),
        losses=loss_rows(session, statement_id=statement_id),
    )


def yuan(fen: int) -> str:
    """Fen as yuan with two decimals: 123456 is 1,234.56."""
    whole, rest = divmod(abs(fen), 100)
    return f"{'-' if fen < 0 else ''}{whole:,}.{rest:02d}"


def title(told: Told) -> str:
    """The heading of every form."""
    return f"{told.merchant} {told.record.month:%Y-%m} 商户对账单 merchant statement"


def facts(told: Told) -> list[tuple[str, str]]:
    """What the statement is of, label and value."""
    record = told.record
    mark = "（演练 rehearsal）" if told.rehearsal else ""
    return [
        ("碳普惠计划 programme", record.programme + mark),
        ("商户 merchant", told.merchant),
        ("对账单编号 number", record.label),
        ("结算月份 month", f"{record.month:%Y-%m}"),
        ("截止时间 cut-off", f"{told.local(record.ends_at)} ({told.zone.key})"),
        ("出具时间 issued at", told.local(record.issued_at)),
        ("核销笔数 consumptions", f"{record.uses:,}"),
        ("撤销笔数 reversals", f"{record.undos:,}"),
        ("积分 points", f"{record.points:,}"),
        ("商户自行承担 borne by the merchant, CNY", yuan(record.own_fen)),
        ("明细摘要 digest of the items", record.items_digest),
        ("对账单摘要 digest of the statement", record.digest),
    ]


def sums(told: Told) -> list[tuple[str, int]]:
    """The balance, label and fen: it adds up from the top to the bottom."""
    return [(label, sign * getattr(told.record, name)) for label, name, sign in _SUMS]


def outcome(told: Told) -> tuple[str, int]:
    """What is to be paid for this statement, or what is carried forward: label and fen."""
    if told.record.carried_fen:
        return "结转下期（商户应退） carried forward, owed by the merchant", told.record.carried_fen
    return "本期应付 payable for this statement", told.record.payable_fen


def store_of(told: Told, store_id: UUID | None) -> str:
    """The store's name; a dash where it was not at a till of a store."""
    return "—" if store_id is None else told.names.get(store_id, str(store_id))


def utc(instant: datetime) -> str:
    """An instant for programs: RFC 3339 in UTC."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
