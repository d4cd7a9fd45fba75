"""Which parts of a version two operators have confirmed: the only way to the grade `official`."""

from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.catalogue import queries
from carbon_credit.catalogue.four_eyes import NEEDED
from carbon_credit.catalogue.parts import lasting_name, parts_of
from carbon_credit.catalogue.queries import ConfirmationRecord
from carbon_credit.methodology.definition import Grade
from carbon_credit.methodology.loader import Package


def pairs(
    confirmations: Iterable[ConfirmationRecord], *, rehearsal: bool
) -> list[tuple[ConfirmationRecord, ConfirmationRecord]]:
    """What two parties of one programme have found alike: the same part of the same version, the same value
    in the same file under the same number and clause; in the order in which they became two.
    """
    first: dict[tuple[object, ...], ConfirmationRecord] = {}
    parties: dict[tuple[object, ...], set[UUID]] = defaultdict(set)
    found = []
    for one in confirmations:
        if one.rehearsal != rehearsal:
            continue
        key = (one.programme, one.digest, one.part, one.stated, one.file_sha256, one.number, one.clause)
        first.setdefault(key, one)
        before = len(parties[key])
        parties[key].add(one.party_id)
        if before == NEEDED - 1 and len(parties[key]) == NEEDED:
            found.append((first[key], one))
    return found


def official_parts(package: Package) -> list[str]:
    """The parts of a version that claim the grade `official`."""
    return [part.name for part in parts_of(package).values() if part.grade is Grade.OFFICIAL]


def unconfirmed(session: Session, package: Package, *, rehearsal: bool) -> list[str]:
    """The parts that claim `official` while no two operators have confirmed that value in the file that
    their source names. For rehearsals a pair of either kind will do."""
    claimed = official_parts(package)
    if not claimed:
        return []
    known = queries.confirmations(session, methodology_id=package.methodology.id)
    kinds = (True, False) if rehearsal else (False,)
    proven = {
        (lasting_name(one.part), one.stated, one.file_sha256)
        for kind in kinds
        for one, _ in pairs(known, rehearsal=kind)
    }
    parts = parts_of(package)
    return [
        name
        for name in claimed
        if (parts[name].lasting, parts[name].stated, parts[name].file_sha256) not in proven
    ]
