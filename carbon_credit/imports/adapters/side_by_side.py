"""Reading a long file with several processes: one finds the lines, the others make events of them, and all
comes back in the order of the file. What comes out is what one process alone makes of it.
"""

import signal
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from datetime import datetime
from itertools import chain, islice
from multiprocessing import get_context
from typing import NamedTuple, TypeAlias

from carbon_credit.imports.adapters import Adapter, Sums, make_adapter
from carbon_credit.imports.adapters.loading import LoadedMapping
from carbon_credit.imports.formats import RowSource
from carbon_credit.imports.formats.delimited import DelimitedFile, Portion
from carbon_credit.imports.rows import Cut, Ride, RowOutcome, cut

FEW = 16  # portions of some thousand lines: fewer are read before other processes have started
AHEAD = 3  # portions for each process: enough to keep all of them busy, few enough for flat memory

_Plain: TypeAlias = tuple[object, ...]


class _Read(NamedTuple):
    """What becomes of a portion. Its items are plain tuples, which cross to another process fastest."""

    items: list[_Plain]
    sums: Sums
    rows: int


def cuts(adapter: Adapter, source: RowSource, *, now: datetime, readers: int) -> Iterator[Cut | RowOutcome]:
    """Every data row of the file once, in the order of `Adapter.items`, read by up to `readers` processes.

    Raises what that raises, and BrokenProcessPool where one of them is killed.
    """
    if readers < 2 or not adapter.row_by_row or not isinstance(source, DelimitedFile):
        for item in adapter.items(source, now=now):
            yield cut(item) if isinstance(item, Ride) else item
        return
    sums = adapter.sums()
    portions = adapter.portions(source)
    first = list(islice(portions, FEW))
    if len(first) < FEW:
        found: Iterable[_Read] = (_read(adapter, portion, now) for portion in first)
    else:
        found = _by_others(adapter.loaded, chain(first, portions), now, readers)
    for portion in found:
        for plain in portion.items:
            yield Cut._make(plain) if isinstance(plain[1], bytes) else RowOutcome._make(plain)
        sums.join(portion.sums)
        source.rows += portion.rows
    adapter.totals = {"rows": source.rows, **sums.told()}


def _by_others(
    loaded: LoadedMapping, portions: Iterable[Portion], now: datetime, readers: int
) -> Iterator[_Read]:
    # Not forked: this process has threads and connections.
    fresh = get_context("spawn")
    with ProcessPoolExecutor(readers, mp_context=fresh, initializer=_begin, initargs=(loaded,)) as pool:
        waiting: deque[Future[_Read]] = deque()
        try:
            for portion in portions:
                waiting.append(pool.submit(_read_here, portion, now))
                if len(waiting) > AHEAD * readers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


_own: list[Adapter] = []  # of a process that reads for another


def _begin(loaded: LoadedMapping) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that leads is told, and ends the others
    _own.append(make_adapter(loaded))


def _read_here(portion: Portion, now: datetime) -> _Read:
    return _read(_own[0], portion, now)


def _read(adapter: Adapter, portion: Portion, now: datetime) -> _Read:
    items, sums, rows = adapter.read(portion, now=now)
    return _Read([tuple(cut(item) if isinstance(item, Ride) else item) for item in items], sums, rows)
