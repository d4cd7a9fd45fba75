"""What a polled partner answers: a page of events, each with the time at which the partner took it in."""

from datetime import datetime
from typing import Annotated, Any

import msgspec

from carbon_credit.sources.errors import SourceFailed

MAX_ITEMS = 10_000


class Item(msgspec.Struct, frozen=True):
    """One event as it would be posted. Unknown members beside it are the partner's own."""

    received_at: Annotated[datetime, msgspec.Meta(tz=True)]
    event: Any


class SourcePage(msgspec.Struct, frozen=True):
    """`next_cursor`: where the next page of this poll begins; none on the last."""

    events: Annotated[list[Item], msgspec.Meta(max_length=MAX_ITEMS)]
    next_cursor: Annotated[str, msgspec.Meta(min_length=1, max_length=500)] | None = None


_DECODER = msgspec.json.Decoder(SourcePage)


def read_page(body: bytes) -> SourcePage:
    """The page in `body`. Raises SourceFailed; the sentence repeats nothing of an event."""
    try:
        return _DECODER.decode(body)
    except msgspec.ValidationError as error:
        raise SourceFailed(why=f"the page is not as agreed: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SourceFailed(why="the answer is no JSON") from error
