"""A citizen retires grams of their own: once, for good, and never what a batch holds.

Only what nothing but the withdrawal of its own act could still lower is taken: reductions of closed months,
by the rules of batches, the oldest first. Their milligrams are marked in the chain that batches take from.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import Table
from sqlalchemy.orm import Session

from carbon_credit.catalogue import queries as catalogue
from carbon_credit.kernel.bulk import lock_alone
from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.digest import row_mac
from carbon_credit.kernel.ids import new_id
from carbon_credit.ledger import operations as ledger
from carbon_credit.ledger.accounts import CO2E, AccountKey
from carbon_credit.ledger.entries import Transfer
from carbon_credit.methodology.definition import Texts
from carbon_credit.methodology.grades import Grade, worst
from carbon_credit.offsets.allocation import Taken
from carbon_credit.offsets.errors import GramsUnavailable
from carbon_credit.offsets.filling import keep_from_filling
from carbon_credit.offsets.models import CitizenRetirement
from carbon_credit.offsets.ranges import Holder, write_ranges
from carbon_credit.offsets.retirement.queries import Retirement, retired_key, retirement
from carbon_credit.offsets.selection import Exclusion, Exclusions, awaits_year, free_of, items_of
from carbon_credit.quantification.grams import held_by_partner
from carbon_credit.quantification.periods import closed_years
from carbon_credit.quantification.queries import citizen_totals
from carbon_credit.quantification.selection import Candidate, own_final_reductions, own_methodologies

_PORTION = 2_000
_TABLE = cast(Table, CitizenRetirement.__table__)
_COLUMNS = tuple(column.name for column in _TABLE.columns)[:-1]  # the MAC follows them


@dataclass(frozen=True, slots=True)
class Retirable:
    """What a citizen may retire now, and why the rest cannot be."""

    available_mg: int
    held_back: tuple[Exclusion, ...]


def retirable(session: Session, *, programme: str, citizen_id: UUID) -> Retirable:
    """What `retire_own` would find; nothing is written or locked. Raises ProgrammeNotFound."""
    exclusions = Exclusions()
    methodologies = own_methodologies(session, programme=programme, citizen_id=citizen_id)
    parts = _own_parts(session, programme, citizen_id, methodologies, exclusions)
    available_mg = sum(part.free.mg for part in parts)
    open_mg = citizen_totals(session, programme=programme, citizen_id=citizen_id).provisional_mg
    not_closed = (Exclusion("not-closed", None, open_mg),) if open_mg else ()
    return Retirable(available_mg, tuple(one for one in exclusions.listed() if one.mg) + not_closed)


def retire_own(
    session: Session,
    *,
    programme: str,
    citizen_id: UUID,
    retirement_id: UUID,
    co2e_mg: int | None,
    purpose: Texts,
    now: datetime,
) -> Retirement:
    """Retire `co2e_mg` of the citizen's own grams; None for all that may be.

    `retirement_id`: an id that tells its time and was not used before. Raises GramsUnavailable, and then
    nothing is taken; ProgrammeNotFound.
    """
    # One retirement of a citizen at a time, and no batch is filled, given back or frozen: what is seen as
    # free stays so.
    lock_alone(session, f"retire/{citizen_id}")
    methodologies = own_methodologies(session, programme=programme, citizen_id=citizen_id)
    keep_from_filling(session, programme=programme, methodology_ids=methodologies)
    parts = list(_own_parts(session, programme, citizen_id, methodologies, Exclusions()))
    available_mg = sum(part.free.mg for part in parts)
    wanted_mg = available_mg if co2e_mg is None else co2e_mg
    if not 0 < wanted_mg <= available_mg:
        raise GramsUnavailable(available_mg=available_mg)
    taken = list(_up_to(parts, wanted_mg))
    rehearsal = catalogue.programme_rules(session, programme=programme).rehearsal
    grade = worst(Grade(part.free.candidate.grade) for part in taken)
    row = (
        retirement_id,
        programme,
        rehearsal,
        citizen_id,
        wanted_mg,
        grade.value,
        purpose.zh,
        purpose.en,
        now,
    )
    mac = row_mac(keys_of(session).mac, _TABLE.name, *row)
    session.add(CitizenRetirement(**dict(zip(_COLUMNS, row, strict=True)), mac=mac))
    session.flush()
    write_ranges(session, taken, Holder(rehearsal, retirement_id=retirement_id))
    transfer = Transfer(
        id=new_id(),
        code="retire.citizen",
        debit=AccountKey(programme, CO2E, "citizen.reductions", citizen_id),
        credit=retired_key(programme, retirement_id),
        amount=wanted_mg,
        effective_at=now,
        reference=retirement_id,
    )
    ledger.post(session, transfers=[transfer], now=now)
    return retirement(session, retirement_id=retirement_id)


def _own_parts(
    session: Session, programme: str, citizen_id: UUID, methodologies: set[str], exclusions: Exclusions
) -> Iterator[Taken]:
    """What may be retired, the oldest first; what may not is added to `exclusions`."""
    rehearsal = catalogue.programme_rules(session, programme=programme).rehearsal
    after: tuple[datetime, UUID] | None = None
    while True:
        portion = own_final_reductions(
            session,
            programme=programme,
            citizen_id=citizen_id,
            methodology_ids=methodologies,
            after=after,
            limit=_PORTION,
        )
        items = items_of(session, [candidate.id for candidate in portion])
        partners = held_by_partner(session, programme, portion)
        years = closed_years(session, programme, {candidate.business_day for candidate in portion})
        for candidate in portion:
            method = catalogue.compiled_by_digest(session, digest=candidate.version_digest)
            reason = _unfit(
                candidate,
                netting=method.netting,
                year_open=awaits_year(
                    candidate,
                    method,
                    year_closed=candidate.business_day.replace(month=1, day=1) in years,
                    rehearsal=rehearsal,
                ),
                rehearsal=rehearsal,
            )
            if reason is not None:
                exclusions.add(reason, candidate.net_mg)
                continue
            # The first milligrams of a reduction are the citizen's, the last ones the partner's who
            # collected them (see `freezing`).
            border_mg = candidate.net_mg - partners.get(candidate.id, 0)
            for free in free_of(candidate, items.get(candidate.id, ()), exclusions):
                own_to = max(min(free.to_mg, border_mg), free.from_mg)
                if own_to < free.to_mg:
                    exclusions.add("partner", free.to_mg - own_to)
                if own_to > free.from_mg:
                    rest = free.to_mg if own_to < free.to_mg else None
                    yield Taken(replace(free, to_mg=own_to), rest_to_mg=rest)
        if len(portion) < _PORTION:
            return
        after = (portion[-1].occurred_at, portion[-1].id)


def _unfit(candidate: Candidate, *, netting: str, year_open: bool, rehearsal: bool) -> str | None:
    """The first reason why it may not be retired, or None. No mandate is asked for: it is one's own."""
    if candidate.ended:
        return "withdrawn"
    if candidate.net_mg <= 0:
        return "nothing-credited"
    if year_open:
        return "year-open"
    if netting in ("month", "year"):
        return "netted"
    if not rehearsal and Grade(candidate.grade).is_sandbox:
        return "sandbox"
    return None


def _up_to(parts: Sequence[Taken], wanted_mg: int) -> Iterator[Taken]:
    """Of `parts`, in order, as much as makes up `wanted_mg`; the last one is cut."""
    left_mg = wanted_mg
    for part in parts:
        if left_mg == 0:
            return
        free = part.free
        if free.mg <= left_mg:
            yield part
            left_mg -= free.mg
        else:
            rest = free.to_mg if part.rest_to_mg is None else part.rest_to_mg
            yield Taken(replace(free, to_mg=free.from_mg + left_mg), rest_to_mg=rest)
            left_mg = 0
