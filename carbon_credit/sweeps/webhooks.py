"""Telling endpoints: what is claimed in one transaction is sent in none, and recorded in another."""

import ssl
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from time import sleep

from carbon_credit.kernel.errors import Busy
from carbon_credit.kernel.settings import webhook_hosts
from carbon_credit.sweeps.importing import Hands
from carbon_credit.webhooks.addresses import Outlet
from carbon_credit.webhooks.claiming import LEASE, Attempted, claim, record
from carbon_credit.webhooks.ladder import Chance
from carbon_credit.webhooks.sending import Parcel, send
from carbon_credit.webhooks.spreading import spread

WORK_FOR = timedelta(seconds=50)
SENDERS = 16  # connections of one process at a time
FOR_FAILING = SENDERS // 2  # of them, to endpoints that failed the last time
_SPREAD = 500
_LOOK_S = 1  # how soon what has come meanwhile is seen, while all that was claimed is slow


def outlet_of(environ: Mapping[str, str]) -> Outlet:
    """What this installation lets out, by its environment."""
    return Outlet(environ.get("CARBON_CREDIT_ENV") == "production", webhook_hosts(environ))


def tell_endpoints(
    hands: Hands,
    outlet: Outlet,
    *,
    work_for: timedelta = WORK_FOR,
    tls: ssl.SSLContext | None = None,
    chance: Chance | None = None,
) -> int:
    """Send what is due until nothing is left, or the time is over; how many attempts were recorded.

    One slow receiver holds one to four of the senders, all that fail together half of them.
    """
    until = hands.clock() + work_for
    done = 0
    over: list[Attempted] = []
    sent: dict[Future[Attempted], Parcel] = {}

    def attempt(parcel: Parcel, at: datetime) -> Attempted:
        return Attempted(parcel, send(parcel, outlet, timestamp=int(at.timestamp()), tls=tls), at)

    with ThreadPoolExecutor(SENDERS, thread_name_prefix="webhook") as pool:
        while True:
            if hands.clock() < until:
                try:
                    for parcel in _claimed(hands, sent):
                        sent[pool.submit(attempt, parcel, hands.clock())] = parcel
                except Busy:
                    if not sent and not over:
                        raise
            if not sent and not over:
                return done
            finished, _ = wait(sent, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
            for future in finished:
                del sent[future]
                over.append(future.result())
            if over:
                done += _recorded(hands, over, chance, give_up=hands.clock() > until + LEASE)


def _claimed(hands: Hands, sent: Mapping[Future[Attempted], Parcel]) -> list[Parcel]:
    """What is due now, with what has just happened: as much as there are free senders."""
    while hands.act(lambda session, now: spread(session, now=now, limit=_SPREAD)) == _SPREAD:
        pass
    free = SENDERS - len(sent)
    for_failing = FOR_FAILING - sum(parcel.failing for parcel in sent.values())
    if free <= 0:
        return []
    return hands.act(lambda session, now: claim(session, now=now, limit=free, failing_limit=for_failing))


def _recorded(hands: Hands, over: list[Attempted], chance: Chance | None, *, give_up: bool) -> int:
    """Record what is over; where the database is busy, it waits for the next time."""
    try:
        done = hands.act(lambda session, now: record(session, attempts=over, now=now, chance=chance))
    except Busy:
        if give_up:  # the leases are over: others send it again
            raise
        sleep(_LOOK_S)
        return 0
    over.clear()
    return done
