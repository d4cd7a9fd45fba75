"""Judging events with no database: the same verdicts, with everybody known, consenting and remembered.

Who a citizen is, consents, mandates and caps are the installation's and stay out; the formula, its
conditions, the division by days and the history are the same code as online.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from uuid import NAMESPACE_OID, UUID, uuid5

from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.events.incoming import IncomingEvent
from carbon_credit.identity.queries import CitizenRecord, ConsentSpan, LinkedCitizen
from carbon_credit.kernel.clock import business_day
from carbon_credit.methodology.definition import Tier
from carbon_credit.methodology.inputs import HistoryNeed
from carbon_credit.quantification.history import History, Reading, amount_of
from carbon_credit.quantification.judging import Facts, judge
from carbon_credit.quantification.verdicts import Refused, Verdict

_NOBODY = UUID(int=0)
_LATE = Refused(
    "out-of-order",
    detail_en="The formula reads the days before, and a later day of this citizen came earlier in the file. "
    "Sort the file by occurred_at.",
    detail_zh="公式需读取此前各日的记录，而该用户较晚日期的记录已先出现。请按 occurred_at 排序。",
)
_EVER = datetime.fromisoformat("1990-01-01T00:00:00+00:00")


class Offline:
    """Judges one event after the other. Memory grows with citizens whose history is read, not with rows."""

    def __init__(self, rules: ProgrammeRules, *, now: datetime) -> None:
        self._rules = rules
        self._history = _Rolling()
        scenes = {activity.scene for activity in rules.activities.values()}
        consents = _Everybody(tuple(_consent(scene) for scene in sorted(scenes)))
        self._facts = Facts(
            rules=rules, partner_active=True, links=_Links(), citizens=_Citizens(), consents=consents,
            mandates={}, now=now, backfill=True, history=self._history,
        )  # fmt: skip

    def judge(self, event: IncomingEvent) -> Verdict:
        """The verdict, as if the event were the next to arrive. Raises EventInvalid.

        Where the formula reads the days before, each citizen's events must come in the order of their
        days; one that comes late is refused as `out-of-order`.
        """
        day = business_day(event.occurred_at, self._rules.time_zone)
        binding = self._rules.governing(event.type, day)
        if binding is None or not binding.compiled.history:
            return judge(event, self._facts)
        who = _citizen_id(event)
        if self._history.is_late(who, event.type, day):
            return Verdict(refused=(_LATE,))
        verdict = judge(event, self._facts)
        if verdict.accepted is not None:
            longest = max(need.days for need in binding.compiled.history)
            reading = Reading(_NOBODY, day, verdict.accepted.quantities)
            self._history.remember(who, event.type, reading, keep=longest)
        return verdict


class _Rolling(History):
    """The last days of each citizen's activity, and no more."""

    def __init__(self) -> None:
        super().__init__()
        self._days: dict[tuple[UUID, str], deque[Reading]] = {}

    def is_late(self, citizen_id: UUID, activity_type: str, day: date) -> bool:
        """Whether a later day of this citizen's was seen already."""
        known = self._days.get((citizen_id, activity_type))
        return known is not None and day < known[-1].day

    def remember(self, citizen_id: UUID, activity_type: str, reading: Reading, *, keep: int) -> None:
        """Count a reading in, and forget those of more than `keep` days before it."""
        known = self._days.setdefault((citizen_id, activity_type), deque())
        known.append(reading)
        while known[0].day < reading.day - timedelta(days=keep):
            known.popleft()

    def inputs_of(
        self, needs: Sequence[HistoryNeed], *, citizen_id: UUID, activity_type: str, day: date
    ) -> dict[str, int]:
        """As online, from what is remembered."""
        known = self._days.get((citizen_id, activity_type), ())
        return {need.name: amount_of(need, known, day) for need in needs}


def _citizen_id(event: IncomingEvent) -> UUID:
    who = event.citizen
    if who.link is not None:
        return _of_link((who.link.kind, who.link.value))
    return who.id or _NOBODY


def _of_link(link: tuple[str, str]) -> UUID:
    return uuid5(NAMESPACE_OID, f"{link[0]}:{link[1]}")


def _consent(scene: str) -> ConsentSpan:
    return ConsentSpan(
        id=uuid5(NAMESPACE_OID, scene), scene=scene, text_version="offline", tier=Tier.MEASURED.value,
        given_at=_EVER, withdrawn_at=None,
    )  # fmt: skip


class _Links(Mapping[tuple[str, str], LinkedCitizen]):
    """Every link leads to a citizen of its own."""

    def __getitem__(self, link: tuple[str, str]) -> LinkedCitizen:
        return LinkedCitizen(_of_link(link), "confirmed", True)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(())

    def __len__(self) -> int:
        return 0


class _Citizens(Mapping[UUID, CitizenRecord]):
    """Every id is a citizen's."""

    def __getitem__(self, citizen_id: UUID) -> CitizenRecord:
        return CitizenRecord(citizen_id, "", True, _EVER)

    def __iter__(self) -> Iterator[UUID]:
        return iter(())

    def __len__(self) -> int:
        return 0


class _Everybody(Mapping[UUID, Sequence[ConsentSpan]]):
    """Everybody has consented to every scene."""

    def __init__(self, consents: Sequence[ConsentSpan]) -> None:
        self._consents = consents

    def __getitem__(self, citizen_id: UUID) -> Sequence[ConsentSpan]:
        return self._consents

    def __iter__(self) -> Iterator[UUID]:
        return iter(())

    def __len__(self) -> int:
        return 0
