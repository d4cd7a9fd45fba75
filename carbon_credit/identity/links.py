"""Outer ids of a citizen, and the keyed digest that is all we keep of them."""

import uuid
from collections.abc import Iterable

from carbon_credit.identity.errors import LinkKindUnknown, LinkValueInvalid
from carbon_credit.identity.matching import plain
from carbon_credit.kernel.digest import keyed_digest, keyed_digests
from carbon_credit.kernel.keys import Keys

LINK_KINDS = (
    "transit-card",
    "phone",
    "openid",
    "app-account",
    "bike-account",
    "electricity-meter",
    "gas-meter",
    "water-meter",
    "vehicle",
)
MAX_VALUE_LENGTH = 200

Link = tuple[str, str]  # kind, value as the partner knows it


def digests(keys: Keys, *, programme: str, link: Link) -> list[uuid.UUID]:
    """The digest under the present link key, then under the previous one where there is one."""
    kind, value = link
    return [keyed_digest(key, programme, kind, plain(value)) for key in _known(keys)]


def digests_of(keys: Keys, *, programme: str, links: Iterable[Link]) -> dict[Link, list[uuid.UUID]]:
    """`digests` of each of the links."""
    by_kind: dict[str, list[Link]] = {}
    for link in links:
        by_kind.setdefault(link[0], []).append(link)
    found: dict[Link, list[uuid.UUID]] = {}
    for kind, those in by_kind.items():
        values = [plain(value) for _, value in those]
        columns = [keyed_digests(key, (programme, kind), values) for key in _known(keys)]
        found.update(zip(those, map(list, zip(*columns, strict=True)), strict=True))
    return found


def _known(keys: Keys) -> list[bytes]:
    return [keys.link] if keys.link_previous is None else [keys.link, keys.link_previous]


def check(link: Link) -> None:
    """Raises LinkKindUnknown or LinkValueInvalid; the value itself is never repeated in an error."""
    kind, value = link
    if kind not in LINK_KINDS:
        raise LinkKindUnknown(kind=kind[:32], kinds=", ".join(LINK_KINDS))
    if not value.strip() or len(value) > MAX_VALUE_LENGTH:
        raise LinkValueInvalid(kind=kind, limit=MAX_VALUE_LENGTH)
