"""The running sums that a reduction stands under, and adding to all of them alike.

Crediting, taking back and closing change the same sums: this file knows which ones they are.
"""

from collections.abc import Iterable
from datetime import date
from uuid import UUID

from msgspec import Struct
from sqlalchemy.orm import Session

from carbon_credit.catalogue.queries import compiled_by_digest
from carbon_credit.catalogue.rules import ProgrammeRules, Share
from carbon_credit.catalogue.terms import Cap
from carbon_credit.methodology.engine import CompiledMethodology
from carbon_credit.quantification.caps import CAP_YEAR
from carbon_credit.quantification.grams import Platforms
from carbon_credit.quantification.netting import NETTING
from carbon_credit.quantification.present import Standing
from carbon_credit.quantification.rewards import reward_keys
from carbon_credit.quantification.scopes import limits_of, netting_key, share_key
from carbon_credit.quantification.tallies import Tallies, Tally, TallyKey


class Member(Struct, frozen=True, gc=False):
    """A reduction as a member of sums. What is only shown is a member of none."""

    citizen_id: UUID
    partner_id: UUID
    activity_type: str
    day: date
    compiled: CompiledMethodology
    use: str

    @property
    def netting(self) -> str | None:
        """The span in which the citizen's results by this methodology are netted."""
        span = self.compiled.netting
        return None if span == "event" else span

    @property
    def within_s(self) -> int | None:
        """How near in time another record of the same trip can be; None where trips do not matter."""
        return self.compiled.exclusive_s


def member_of(session: Session, one: Standing) -> Member:
    """A reduction that stands, as its latest revision says."""
    compiled = compiled_by_digest(session, digest=one.version_digest)
    return Member(one.citizen_id, one.partner_id, one.activity_type, one.business_day, compiled, one.use)


class Under(Struct, frozen=True, gc=False):
    """The sums that one member stands under. `limits`: the caps over it, from the inside out, with what
    has counted under each. `netted`: `amount` are the results of its netting span so far, `granted` what
    they counted. `shared`: `amount` counted in the share's span, `granted` is the partner's part.
    """

    limits: list[tuple[Cap | None, Tally]]
    netted: Tally | None
    share: Share | None
    shared: Tally | None

    def add(self, *, events: int = 0, gross_mg: int = 0, mg: int = 0, partner_mg: int = 0) -> None:
        """Count in (or out, below zero) what a reduction is under every sum."""
        for _, used in self.limits:
            used.events += events
            used.amount += gross_mg
            used.granted += mg
        if self.netted is not None:
            self.netted.add(events=events, amount=gross_mg, granted=mg)
        if self.shared is not None:
            self.shared.add(events=events, amount=mg, granted=partner_mg)

    def mark(self, *, gross_mg: int, mg: int, cap_code: str | None, partner_mg: int) -> None:
        """Remember where the order of arrival may matter, so that closing looks at the citizen again.

        In a span longer than a day that is where more stands, now or later, than the span allows.
        """
        if cap_code is not None or gross_mg < 0:
            self.limits[0][1].add(capped=1)  # that of the activity's day, always the first
        for cap, used in self.limits:
            if cap is not None and cap.scope == "person-year":
                over = cap.max_mg is not None and used.granted > cap.max_mg
                over |= cap.max_events is not None and used.events > cap.max_events
                used.add(capped=over or cap_code == CAP_YEAR)
        if self.netted is not None and (gross_mg < 0 or cap_code == NETTING):
            self.netted.add(capped=1)
        if self.shared is not None and self.share is not None:
            over = self.shared.amount > self.share.threshold_mg
            self.shared.add(capped=partner_mg < mg or over)


class RunningSums:
    """Of one unit of work: locked together, changed together, written once."""

    def __init__(self, session: Session, rules: ProgrammeRules, platforms: Platforms) -> None:
        self._session = session
        self._rules = rules
        self._platforms = platforms
        self._limits: dict[tuple[int, date, str], list[tuple[Cap | None, TallyKey]]] = {}
        self.tallies: Tallies

    def lock(self, members: Iterable[Member], more: Iterable[TallyKey] = (), *, ahead: bool = False) -> None:
        """Lock all that these members stand under, and `more`. `ahead`: see `Tallies`."""
        keys = self.keys(members) | set(more)
        self.tallies = Tallies(self._session, programme=self._rules.code, keys=keys, ahead=ahead)

    def keys(self, members: Iterable[Member]) -> set[TallyKey]:
        """What these members stand under."""
        return {key for one in members if one.use != "display" for key in self._keys(one)}

    def under(self, one: Member) -> Under:
        """What it stands under, locked."""
        tallies, share, netting = self.tallies, self._share(one), one.netting
        return Under(
            [(cap, tallies[key]) for cap, key in self._limits_of(one)],
            None if netting is None else tallies[_netting(one, netting)],
            share,
            None if share is None else tallies[_shared(one, share)],
        )

    def add(
        self, one: Member, *, events: int = 0, gross_mg: int = 0, mg: int = 0, partner_mg: int = 0
    ) -> None:
        """See `Under.add`."""
        self.under(one).add(events=events, gross_mg=gross_mg, mg=mg, partner_mg=partner_mg)

    def _keys(self, one: Member) -> Iterable[TallyKey]:
        for _, key in self._limits_of(one):
            yield key
        if one.netting is not None:
            yield _netting(one, one.netting)
        share = self._share(one)
        if share is not None:
            yield _shared(one, share)
        yield from reward_keys(self._rules, one.citizen_id, one.day, one.activity_type)

    def _share(self, one: Member) -> Share | None:
        if one.use != "credit":
            return None
        return self._platforms.share(one.activity_type, one.day, one.partner_id)

    def _limits_of(self, one: Member) -> list[tuple[Cap | None, TallyKey]]:
        place = (one.citizen_id.int, one.day, one.activity_type)
        known = self._limits.get(place)
        if known is None:
            known = self._limits[place] = limits_of(self._rules, one.citizen_id, one.day, one.activity_type)
        return known


def _netting(one: Member, span: str) -> TallyKey:
    return netting_key(one.citizen_id, one.day, one.compiled.id, span)


def _shared(one: Member, share: Share) -> TallyKey:
    return share_key(one.citizen_id, one.day, one.partner_id, share)
