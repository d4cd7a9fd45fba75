"""Facts about citizens and households that conditions of eligibility ask for: dated, and deletable."""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import cast

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.identity.errors import FactUnknown, FactValueWrong, SpanEmpty
from carbon_credit.identity.models import CitizenFact
from carbon_credit.identity.queries import lock_citizens
from carbon_credit.kernel.bulk import append_rows, one_of
from carbon_credit.kernel.ids import new_id
from carbon_credit.methodology.definition import InputSpec

MAX_LENGTH = 64
_FACT = cast(Table, CitizenFact.__table__)
_COLUMNS = tuple(column.name for column in _FACT.columns)


@dataclass(frozen=True, slots=True)
class FactStatement:
    """What is stated: `value` (a word or an ISO date; None: nothing is known) in [from_day, to_day).

    `tier`: how it is known. `source`: the record or document that says so.
    """

    citizen_id: uuid.UUID
    name: str
    value: str | None
    from_day: date
    to_day: date | None
    tier: str
    source: str


@dataclass(frozen=True, slots=True)
class FactRecord:
    """A statement as recorded."""

    id: uuid.UUID
    citizen_id: uuid.UUID
    name: str
    value: str | None
    from_day: date
    to_day: date | None
    tier: str
    source: str
    recorded_by: str
    recorded_at: datetime

    def covers(self, day: date) -> bool:
        """True where it speaks of `day`."""
        return self.from_day <= day and (self.to_day is None or day < self.to_day)


def state_facts(
    session: Session,
    *,
    rules: ProgrammeRules,
    facts: Sequence[FactStatement],
    recorded_by: str,
    now: datetime,
) -> list[FactRecord]:
    """Record the statements. Each holds, on its days, instead of whatever was recorded before.

    What was credited before stays as it was. Only what a methodology of the programme reads is taken in.
    Raises FactUnknown, FactValueWrong, SpanEmpty, CitizenNotFound; then nothing is recorded.
    """
    known = facts_read(rules)
    for fact in facts:
        _check(fact, known)
    programme = rules.code
    lock_citizens(session, programme=programme, ids={fact.citizen_id for fact in facts})
    records = [
        FactRecord(
            id=new_id(),
            citizen_id=fact.citizen_id,
            name=fact.name,
            value=fact.value,
            from_day=fact.from_day,
            to_day=fact.to_day,
            tier=fact.tier,
            source=fact.source,
            recorded_by=recorded_by,
            recorded_at=now,
        )
        for fact in facts
    ]
    rows = [
        tuple(programme if name == "programme" else getattr(one, name) for name in _COLUMNS)
        for one in records
    ]
    append_rows(session, _FACT, _COLUMNS, rows)
    return records


def facts_of(
    session: Session, *, citizen_ids: Collection[uuid.UUID], names: Collection[str] | None = None
) -> dict[uuid.UUID, list[FactRecord]]:
    """All statements (of these names) by citizen, as they were recorded, the last at the end."""
    if not citizen_ids or (names is not None and not names):
        return {}
    wanted = [one_of(session, CitizenFact.citizen_id, citizen_ids)]
    if names is not None:
        wanted.append(one_of(session, CitizenFact.name, names))
    columns = [_FACT.c[name] for name in _COLUMNS if name != "programme"]
    found: dict[uuid.UUID, list[FactRecord]] = {}
    for row in session.execute(select(*columns).where(*wanted).order_by(_FACT.c.recorded_at, _FACT.c.id)):
        found.setdefault(row.citizen_id, []).append(FactRecord(**row._mapping))
    return found


def facts_on(records: Iterable[FactRecord], day: date) -> dict[str, FactRecord]:
    """Of one citizen's statements (see `facts_of`), those that hold on `day`, by name.

    What is known of a year as a whole (a tariff tier) holds on each of its days: ask for its last one.
    """
    holding = {one.name: one for one in records if one.covers(day)}
    return {name: one for name, one in holding.items() if one.value is not None}


def facts_read(rules: ProgrammeRules) -> dict[str, list[InputSpec]]:
    """The inputs of the programme's methodologies that are facts, by the name of the fact."""
    found: dict[str, list[InputSpec]] = {}
    for compiled in rules.compiled.values():
        for spec in compiled.methodology.inputs:
            if spec.fact is not None:
                found.setdefault(spec.fact, []).append(spec)
    return dict(sorted(found.items()))


def _check(fact: FactStatement, known: Mapping[str, Sequence[InputSpec]]) -> None:
    if fact.name not in known:
        raise FactUnknown(name=fact.name[:MAX_LENGTH], names=", ".join(known) or "-")
    for spec in known[fact.name] if fact.value is not None else ():
        if spec.since and not _is_day(fact.value or ""):
            raise FactValueWrong(name=fact.name, wanted="YYYY-MM-DD")
        if not spec.since and fact.value not in spec.values and spec.otherwise is None:
            raise FactValueWrong(name=fact.name, wanted=", ".join(spec.values))
    if fact.value is not None and not _is_word(fact.value):
        raise FactValueWrong(name=fact.name, wanted="a-z, 0-9, -")
    if fact.to_day is not None and fact.to_day <= fact.from_day:
        raise SpanEmpty(from_day=fact.from_day.isoformat(), to_day=fact.to_day.isoformat())


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _is_word(text: str) -> bool:
    parts = text.split("-")
    return len(text) <= MAX_LENGTH and all(
        part.isascii() and part.isalnum() and part == part.lower() for part in parts
    )
