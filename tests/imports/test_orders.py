"""The same rows in other orders, by one worker and by two: once the days are closed there is one answer."""

import csv
import random
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from carbon_credit.imports.jobs import chunks
from carbon_credit.imports.jobs.records import Counts
from carbon_credit.kernel.db import Database
from carbon_credit.sweeps.importing import credit_all
from tests.imports.driver import Driver
from tests.quantification.cities import assert_books, city, net_by_person
from tests.quantification.test_closing import DAYS, LIMITS, PEOPLE, Ride, reckoned, rides
from tests.world import NOW, World

COLUMNS = ("id", "revision", "card", "start_time", "distance_m", "type", "distance_source")
# Of a citizen alone: the groups of people of one city would share its own cap.
OWN = [one for one in LIMITS["all"] if one["scope"] != "programme-day"]
EACH = 8
TWICE, CORRECTED, CONTRADICTED, LATE = 10, 8, 8, 12
ARRIVAL, SETTLES = date(2026, 11, 21), NOW + timedelta(days=2)


@dataclass(frozen=True)
class Line:
    """A row of a file. `contradicts`: another row of this file says otherwise, and was there first."""

    ride: Ride
    revision: int = 1
    contradicts: bool = False


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that there are many, in several lanes."""
    small = {"lanes": 5, "chunk_events": 7, "chunk_decided": 4}
    monkeypatch.setattr(chunks.Cutter.__init__, "__kwdefaults__", small)


def messy(draw: random.Random) -> tuple[list[Line], list[Line], list[Ride]]:
    """The rows of the day's file, those that come with a later file, and what all of them amount to."""
    whole = rides(draw, EACH)
    late, prompt = whole[:LATE], whole[LATE:]
    lines = [Line(ride) for ride in prompt]
    lines += [Line(ride) for ride in draw.sample(prompt, TWICE)]
    lines += [
        Line(replace(ride, distance_m=ride.distance_m + 700), contradicts=True)
        for ride in draw.sample(prompt[:20], CONTRADICTED)
    ]
    corrected = {ride.name: replace(ride, distance_m=9_900) for ride in draw.sample(prompt[20:], CORRECTED)}
    lines += [Line(ride, revision=2) for ride in corrected.values()]
    return lines, [Line(ride) for ride in late], [corrected.get(ride.name, ride) for ride in whole]


def shuffled(lines: Sequence[Line], draw: random.Random) -> list[Line]:
    """In a random order; of two that contradict each other the first stays the first, and is what counts."""
    found = list(lines)
    draw.shuffle(found)
    for place, line in enumerate(found):
        if line.contradicts:
            after = [n for n, one in enumerate(found) if one.ride.name == line.ride.name and n > place]
            if after:
                found[place], found[after[-1]] = found[after[-1]], found[place]
    return found


def delivered(
    driver: Driver, path: Path, lines: Sequence[Line], *, workers: int, first: int = 0
) -> tuple[Counts, Counter[str]]:
    """The rows as a file, imported by so many workers. `first`: the number of the first person's card."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for line in lines:
            ride = line.ride
            said = f"CARD-{first + ride.person}", f"{ride.at.isoformat()}+08:00", ride.distance_m, ride.kind
            writer.writerow((f"{first}-{ride.name}", line.revision, *said, "gates"))
    known = driver.open(path)
    driver.stage(known, path)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda _: credit_all(driver.hands, job_id=known.id), range(workers)))
    assert credit_all(driver.hands, job_id=known.id) == "done"
    reasons = Counter(reason for _, _, reason in driver.rejects(known.id))
    return driver.counts(known.id), reasons


def balances(world: World, people: Sequence[int]) -> list[tuple[int, int, int]]:
    """What counts of each person's reductions, the grams and the points on the accounts."""
    net = net_by_person(world)
    return [(net[person], world.grams(person), world.points(person)) for person in people]


def expected(events: Sequence[Ride], counted: dict[str, int]) -> list[tuple[int, int, int]]:
    """The same, reckoned one ride after the other."""
    found = []
    for person in range(PEOPLE):
        by_day = [
            sum(counted[one.name] for one in events if one.person == person and one.at.date() == day)
            for day in DAYS
        ]
        found.append((sum(by_day), sum(by_day), sum(mg // 100_000 for mg in by_day)))
    return found


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_every_order_and_number_of_workers_ends_alike(
    database: Database, tmp_path: Path, order: int, workers: int
) -> None:
    lines, later, events = messy(random.Random("the rides of three days"))
    draw = random.Random(order)
    meant = expected(events, reckoned(events, LIMITS["all"]))
    with city(database, tmp_path, people=PEOPLE, caps=LIMITS["all"]) as world:
        driver = Driver(world)
        told, reasons = delivered(driver, tmp_path / "day.csv", shuffled(lines, draw), workers=workers)
        assert (told.rows, told.outcomes) == (len(lines), len(lines))
        # Either revision may come first; what was corrected then comes too late.
        assert reasons.pop("stale") in range(1, CORRECTED)
        assert reasons == {"already-reported": TWICE, "event-conflict": CONTRADICTED}
        rest, _ = delivered(driver, tmp_path / "rest.csv", shuffled(later, draw), workers=workers)
        assert rest.credited == LATE
        assert balances(world, range(PEOPLE)) != meant, "caps bite in the order of arrival at first"
        world.close(*DAYS)
        assert balances(world, range(PEOPLE)) == meant
        assert_books(world)


def test_late_rows_end_alike_whatever_was_there_before_in_whatever_order(
    database: Database, tmp_path: Path
) -> None:
    """What comes after its day is closed stands behind what was there, those of one day as equals."""
    lines, later, _ = messy(random.Random("some come too late"))
    ways = [(order, workers) for order in (1, 2, 3) for workers in (1, 2)]
    with city(database, tmp_path, people=PEOPLE * len(ways), caps=OWN) as world:
        driver = Driver(world)
        for place, (order, workers) in enumerate(ways):
            path, rows = tmp_path / f"day-{place}.csv", shuffled(lines, random.Random(order))
            assert delivered(driver, path, rows, workers=workers, first=place * PEOPLE)[0].outcomes == len(
                rows
            )
        world.close(*DAYS)
        for place, (order, workers) in enumerate(ways):
            path, rows = tmp_path / f"late-{place}.csv", shuffled(later, random.Random(order))
            assert delivered(driver, path, rows, workers=workers, first=place * PEOPLE)[0].credited == LATE
        world.now = SETTLES
        world.close(ARRIVAL)
        one, *others = [
            balances(world, range(place * PEOPLE, (place + 1) * PEOPLE)) for place in range(len(ways))
        ]
        assert sum(mg for mg, _, _ in one) > 0
        assert others == [one] * len(others)
        assert_books(world)
