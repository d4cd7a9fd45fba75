"""What a process does about the garbage collector: once, before it serves, and while it does much at once."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def settle() -> None:
    """Keep what is there now, which stays for good, out of the garbage collector's sight.

    Otherwise each of its full passes walks through all objects of the imported modules (170,000), and a
    batch of a thousand events sets off several: a fifth of the time of the event path.
    """
    gc.collect()
    gc.freeze()


@contextmanager
def uncollected(*, many: bool) -> Iterator[None]:
    """Keep the collector from looking for cycles inside, where there is much to do and all of it is needed
    until the end: it found nothing there, in a sixth to a third of the time of a large batch."""
    if not many or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
