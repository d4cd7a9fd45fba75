"""What is measured, in order, each in a process of its own."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from bench import (
    batches,
    bulk,
    closing,
    engine,
    events,
    hotrow,
    http,
    ledger,
    lots,
    offerrace,
    openfisca,
    statement,
    stored,
    stream,
)
from bench.databases import KINDS
from bench.measure import Figure, Plan, process_peak_mib, single
from carbon_credit.kernel.process import settle

Section = Callable[[Plan], list[Figure]]


def sections() -> dict[str, Section]:
    """Name -> what measures it."""
    found: dict[str, Section] = {engine.SECTION: engine.measure, openfisca.SECTION: openfisca.measure}
    found[stream.SECTION] = stream.measure
    for title, measure in (("Ledger", ledger.measure), ("Event path", events.measure)):
        found |= {f"{title} on {kind}": partial(measure, kind) for kind in KINDS}
    return found | {
        bulk.SECTION: bulk.measure,
        batches.SECTION: batches.measure,
        hotrow.SECTION: hotrow.measure,
        closing.SECTION: closing.measure,
        stored.SECTION: stored.measure,
        http.SECTION: http.measure,
        lots.SECTION: lots.measure,
        offerrace.SECTION: offerrace.measure,
        statement.SECTION: statement.measure,
    }


def run_alone(name: str, section: Section, plan: Plan) -> list[Figure]:
    """The figures of a section. In a fresh process its peak memory is its own, and no cache is warm."""
    fresh = multiprocessing.get_context("forkserver")
    fresh.set_forkserver_preload([__name__])  # once loaded, never used: each section is forked from that
    with ProcessPoolExecutor(max_workers=1, mp_context=fresh) as pool:
        return pool.submit(_with_memory, name, section, plan).result()


def _with_memory(name: str, section: Section, plan: Plan) -> list[Figure]:
    settle()  # as the programs do
    figures = section(plan)
    return [*figures, single(name, "most memory of the process", "MiB", process_peak_mib())]
