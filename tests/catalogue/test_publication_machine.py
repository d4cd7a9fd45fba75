"""Any order of uploads, approvals, confirmations and retirements, against a model of a few lines."""

import shutil
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from carbon_credit.catalogue import queries
from carbon_credit.catalogue.queries import VersionRecord
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.errors import CarbonError
from carbon_credit.kernel.settings import Settings
from tests.catalogue.conftest import ANNA, BORIS, ID, NAMESAKE, XAVER, YING, Office, operator, package

PEOPLE = {
    "anna": ANNA,
    "boris": BORIS,
    "carla": operator("Carla"),
    "namesake": NAMESAKE,
    "xaver": XAVER,
    "ying": YING,
}
WHO = st.sampled_from(sorted(PEOPLE))
VERSIONS = st.integers(1, 4)
# Two that often act one after the other, or nothing would get far.
PAIRS = st.sampled_from(
    [("anna", "boris"), ("carla", "anna"), ("xaver", "ying"), ("anna", "xaver"), ("anna", "namesake")]
)
VALUES = st.sampled_from(["46.8", "46.7"])


@dataclass
class Version:
    """What the model knows of one version."""

    value: str
    supersedes: int | None
    state: str = "draft"
    published_for: str | None = None
    official: bool = False
    by_confirmation: str | None = None
    approved: set[str] = field(default_factory=set)
    to_retire: set[str] = field(default_factory=set)
    confirmed: set[str] = field(default_factory=set)


def real(names: set[str]) -> set[str]:
    return {name for name in names if not PEOPLE[name].rehearsal}


def two(names: set[str]) -> bool:
    """Whether two of one programme are among them."""
    return max(Counter(PEOPLE[name].programme for name in names).values(), default=0) >= 2


class Machine(RuleBasedStateMachine):
    """The catalogue and the model are asked the same; they must say the same."""

    office: Office

    @initialize(pair=st.none() | PAIRS)
    def begin(self, pair: tuple[str, str] | None) -> None:
        self.office = self.fresh()
        self.model: dict[int, Version] = {}
        # (value -> who has confirmed it, in whatever version): what a claim to `official` rests on.
        self.proven: dict[str, list[set[str]]] = {}
        if pair is not None:
            self.upload(1, "46.8", False, 1)
            self.approve_together(1, pair)

    def fresh(self) -> Office:
        raise NotImplementedError

    @rule(number=VERSIONS, value=VALUES, supersedes=st.booleans(), claim=st.integers(0, 4))
    def upload(self, number: int, value: str, supersedes: bool, claim: int) -> None:
        old = number - 1 if supersedes and number > 1 else None
        files = package(
            version=number,
            value=value,
            supersedes=str(old) if old else "null",
            grade="published" if claim else "official",
        )
        known = self.model.get(number)
        if known is not None and known.state != "draft":
            self.refused("version-taken", lambda: self.office.upload(files))
            return
        before = self.record(number)
        after = self.office.upload(files)
        if before is None or before.bundle_sha256 != after.bundle_sha256:
            self.model[number] = Version(value, old, official=not claim)
            self.model[number].approved = set(self.approvals(after))

    @rule(number=VERSIONS, who=WHO)
    def approve(self, number: int, who: str) -> None:
        one = self.model.get(number)
        actor = PEOPLE[who]
        if one is None:
            self.refused("methodology-not-found", lambda: self.office.approve(actor, f"v{number}"))
            return

        def act() -> object:
            return self.office.approve(actor, f"v{number}")

        wider = one.published_for == "rehearsal" and one.state == "published" and not actor.rehearsal
        if one.state != "draft" and not wider:
            self.refused("version-not-in-state", act)
            return
        base = self.model.get(one.supersedes or 0)
        if one.supersedes and (base is None or base.state == "draft"):
            self.refused("not-publishable", act)
            return
        if who in one.approved:
            self.refused("second-operator-needed", act)
            return
        counted = one.approved | {who}
        target = "all" if two(real(counted)) else "rehearsal" if two(counted) else None
        moves = target is not None and target != one.published_for
        if moves and one.official and not self.is_proven(one, target):
            self.refused("official-unconfirmed", act)
            return
        act()
        one.approved = counted
        if moves:
            one.state, one.published_for = "published", target

    @rule(number=VERSIONS, who=WHO)
    def retire(self, number: int, who: str) -> None:
        one = self.model.get(number)
        if one is None or one.state != "published":
            code = "methodology-not-found" if one is None else "version-not-in-state"
            self.refused(code, lambda: self.office.retire(PEOPLE[who], f"v{number}"))
            return
        if who in one.to_retire:
            self.refused("second-operator-needed", lambda: self.office.retire(PEOPLE[who], f"v{number}"))
            return
        self.office.retire(PEOPLE[who], f"v{number}")
        one.to_retire.add(who)
        counted = one.to_retire if one.published_for == "rehearsal" else real(one.to_retire)
        if two(counted):
            one.state = "retired"

    @rule(number=VERSIONS, pair=PAIRS)
    def approve_together(self, number: int, pair: tuple[str, str]) -> None:
        for who in pair:
            self.approve(number, who)

    @rule(number=VERSIONS, pair=PAIRS)
    def confirm_together(self, number: int, pair: tuple[str, str]) -> None:
        for who in pair:
            self.confirm(number, who, True)

    @rule(number=VERSIONS, who=WHO, right=st.booleans())
    def confirm(self, number: int, who: str, right: bool) -> None:
        one, actor = self.model.get(number), PEOPLE[who]
        held = one.value if one else "46.8"
        stated = held if right else "1"

        def act() -> object:
            return self.office.confirm(actor, f"v{number}", stated=stated)

        code = self.why_not_confirmed(number, who, stated)
        if one is None or code is not None:
            self.refused(code or "methodology-not-found", act)
            return
        found = self.office.confirm(actor, f"v{number}", stated=stated)
        one.confirmed.add(who)
        self.proven.setdefault(one.value, [])
        same = {name for name in one.confirmed if PEOPLE[name].rehearsal == actor.rehearsal}
        assert (found.draft is not None) == two(same)
        if found.draft is None:
            return
        if same not in self.proven[one.value]:
            self.proven[one.value].append(same)
        made = int(found.draft.version[1:])
        origin = "rehearsal" if actor.rehearsal else "confirmation"
        known = self.model.get(made)
        assert known is None or (known.state, known.by_confirmation) == ("draft", origin)
        if known is None:
            self.model[made] = Version(one.value, number, official=True, by_confirmation=origin)

    def why_not_confirmed(self, number: int, who: str, stated: str) -> str | None:
        one, actor = self.model.get(number), PEOPLE[who]
        if one is None:
            return "methodology-not-found"
        hidden = one.published_for == "rehearsal" and not actor.rehearsal
        if one.state != "published" or hidden:
            return "version-not-in-state"
        for other in self.model.values():
            seen = other.state == "published" and (actor.rehearsal or other.published_for == "all")
            if seen and other.supersedes == number:
                return "version-superseded"
        if one.official:
            return "part-official-already"
        if stated != one.value:
            return "stated-value-differs"
        return "second-operator-needed" if who in one.confirmed else None

    def is_proven(self, one: Version, target: str | None) -> bool:
        # A claim by upload names no file; what was composed does.
        if one.by_confirmation is None:
            return False
        sets = self.proven.get(one.value, [])
        return any(target == "rehearsal" or two(real(names)) for names in sets)

    def record(self, number: int) -> VersionRecord | None:
        try:
            return self.office.version(f"v{number}")
        except CarbonError:
            return None

    def approvals(self, record: VersionRecord) -> list[str]:
        """Who has approved just these bytes before: an approval lasts, whatever lay in between."""
        known = {actor.party_id: name for name, actor in PEOPLE.items()}
        told = self.office.look(lambda s: queries.approvals(s, methodology_id=ID, version=record.version))
        bytes_now = (record.digest, record.bundle_sha256, "publish")
        return [known[one.party_id] for one in told if (one.digest, one.bundle_sha256, one.act) == bytes_now]

    def refused(self, code: str, act: object) -> None:
        with pytest.raises(CarbonError) as caught:
            act()  # type: ignore[operator]
        assert caught.value.code == code

    @invariant()
    def says_the_same(self) -> None:
        if not hasattr(self, "model"):
            return
        held = {
            one.version: (one.state, one.published_for, one.supersedes)
            for one in self.office.look(queries.versions)
            if one.methodology_id == ID
        }
        assert held == {
            f"v{number}": (one.state, one.published_for, one.supersedes and f"v{one.supersedes}")
            for number, one in self.model.items()
        }

    @invariant()
    def whatever_is_published_has_two_parties(self) -> None:
        if not hasattr(self, "model"):
            return
        for number, one in self.model.items():
            if one.state != "draft":
                record = self.office.version(f"v{number}")
                names = set(self.approvals(record))
                assert two(names if record.published_for == "rehearsal" else real(names))


@pytest.fixture(scope="module")
def seeded(base_settings: Settings, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A seeded SQLite file, to copy from: a machine begins anew many times."""
    path = tmp_path_factory.mktemp("machine") / "seeded.db"
    shutil.copyfile(sqlite_template, path)
    database = Database(replace(base_settings, database_url=f"sqlite:///{path}"))
    Office(database).seed()
    with database.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.dispose()
    return path


def test_any_order_of_acts_follows_the_model(base_settings: Settings, seeded: Path, tmp_path: Path) -> None:
    opened: list[Database] = []

    class OnSqlite(Machine):
        def fresh(self) -> Office:
            path = Path(mkdtemp(dir=tmp_path)) / "office.db"
            shutil.copyfile(seeded, path)
            opened.append(Database(replace(base_settings, database_url=f"sqlite:///{path}")))
            return Office(opened[-1])

        def teardown(self) -> None:
            while opened:
                opened.pop().dispose()

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        OnSqlite,
        settings=settings(
            max_examples=50,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
