"""What a process does once, when everything is imported and before it serves."""

import gc


def settle() -> None:
    """Keep what is there now, which stays for good, out of the garbage collector's sight.

    Otherwise each of its full passes walks through all objects of the imported modules (170,000), and a
    batch of a thousand events sets off several: a fifth of the time of the event path.
    """
    gc.collect()
    gc.freeze()
