"""Code pools (券码池): a merchant's third-party codes, taken in and withdrawn. Who gets one: `giving.pools`.

Whatever takes pieces out of a pool withdraws as many codes, see `unseen`.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import Table, func, select
from sqlalchemy.orm import Session

from carbon_credit.kernel.bulk import append_rows, one_of
from carbon_credit.kernel.db import keys_of
from carbon_credit.kernel.ids import new_ids
from carbon_credit.redemption.errors import OfferInvalid
from carbon_credit.redemption.models import Offer
from carbon_credit.redemption.offering.errors import CodesRefused
from carbon_credit.redemption.offering.models import OfferCode
from carbon_credit.redemption.offering.secrecy import digests_of_codes, seal_code
from carbon_credit.redemption.offering.stock import add_pieces, own_offer, remove_pieces

MAX_CODES = 100_000
MAX_LENGTH = 200
SHOWN_PROBLEMS = 100
_CODE = cast(Table, OfferCode.__table__)
_COLUMNS = ("id", "offer_id", "digest", "sealed", "added_at")


@dataclass(frozen=True, slots=True)
class GivenCode:
    """A code as it was handed in, and on which line."""

    line: int
    code: str


@dataclass(frozen=True, slots=True)
class Pool:
    """Codes of an offer: not yet given, given, withdrawn."""

    unused: int
    given: int
    withdrawn: int


def add_codes(
    session: Session,
    *,
    programme: str,
    offer_id: uuid.UUID,
    codes: Iterable[GivenCode],
    now: datetime,
    merchant_id: uuid.UUID | None = None,
) -> int:
    """Take in codes, as many pieces more; how many. All of them, or none.

    Raises OfferNotFound, OfferState, OfferInvalid for what is no pool, BudgetExhausted, and CodesRefused with
    the lines that are empty, too long, twice in the file, or in the pool already (given ones too).
    """
    offer = _pool_of(session, programme=programme, offer_id=offer_id, merchant_id=merchant_id)
    given = list(codes)
    if not 0 < len(given) <= MAX_CODES:
        raise OfferInvalid(why=f"between 1 and {MAX_CODES} codes are taken in at once")
    keys, texts = keys_of(session), [one.code.strip() for one in given]
    digests, *former = digests_of_codes(keys, offer_id=offer.id, codes=texts)
    _refuse(given, digests, _known(session, offer, [digests, *former]))
    rows = [
        (number, offer.id, digest, seal_code(keys, offer_id=offer.id, code=text), now)
        for number, digest, text in zip(new_ids(len(given)), digests, texts, strict=True)
    ]
    append_rows(session, _CODE, _COLUMNS, rows)
    add_pieces(session, offer=offer, pieces=len(given), now=now)
    return len(given)


def withdraw_codes(
    session: Session,
    *,
    programme: str,
    offer_id: uuid.UUID,
    pieces: int,
    now: datetime,
    merchant_id: uuid.UUID | None = None,
) -> None:
    """Take so many codes that nobody holds out of the pool, the newest first; none of them is given again.

    Raises OfferNotFound, OfferState, OfferInvalid, InsufficientBalance.
    """
    offer = _pool_of(session, programme=programme, offer_id=offer_id, merchant_id=merchant_id)
    remove_pieces(session, offer=offer, pieces=pieces, now=now)


def pool(session: Session, *, offer_id: uuid.UUID) -> Pool:
    """How many codes of the offer there are."""
    statement = select(
        func.count(), func.count(OfferCode.redemption_id), func.count(OfferCode.withdrawn_at)
    ).where(OfferCode.offer_id == offer_id)
    in_all, given, withdrawn = session.execute(statement).one()
    return Pool(unused=in_all - given - withdrawn, given=given, withdrawn=withdrawn)


def _pool_of(
    session: Session, *, programme: str, offer_id: uuid.UUID, merchant_id: uuid.UUID | None
) -> Offer:
    # The offer's row is locked: of two uploads the second one sees the first one's codes.
    offer = own_offer(session, programme=programme, offer_id=offer_id, merchant_id=merchant_id)
    if offer.kind != "code_pool":
        raise OfferInvalid(why="it is no code pool")
    return offer


def _known(session: Session, offer: Offer, digests: Sequence[Sequence[uuid.UUID]]) -> set[int]:
    """The places of those that the pool has, under whichever key."""
    places = {digest: place for of_key in digests for place, digest in enumerate(of_key)}
    mine = select(OfferCode.digest).where(
        OfferCode.offer_id == offer.id, one_of(session, OfferCode.digest, list(places))
    )
    found = {places[digest] for digest in session.scalars(mine)}
    return {place for place, digest in enumerate(digests[0]) if places[digest] in found}


def _refuse(given: Sequence[GivenCode], digests: Sequence[uuid.UUID], known: set[int]) -> None:
    problems = []
    seen: dict[uuid.UUID, int] = {}
    for place, (one, digest) in enumerate(zip(given, digests, strict=True)):
        why = _wrong(one.code.strip())
        if why is None and place in known:
            why = "in-pool"
        if why is None and digest in seen:
            why = f"as-line-{seen[digest]}"
        seen.setdefault(digest, one.line)
        if why is not None:
            problems.append({"line": one.line, "why": why})
    if problems:
        # The codes themselves are said nowhere.
        raise CodesRefused(count=len(problems), lines=problems[:SHOWN_PROBLEMS])


def _wrong(code: str) -> str | None:
    if not code:
        return "empty"
    if len(code) > MAX_LENGTH or not code.isprintable():
        return "unreadable"
    return None
