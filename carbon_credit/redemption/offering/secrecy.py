"""What is kept of others' numbers: third-party codes sealed, and all of them by keyed digests only.

Under LINK_KEY, as links are: after a change of the key what was kept under the former one is still found.
"""

import uuid
from collections.abc import Sequence

from carbon_credit.kernel.digest import keyed_digests
from carbon_credit.kernel.keys import Keys
from carbon_credit.kernel.sealing import seal, unseal

_CODE = "pool code"
_DOCUMENT = "subsidy document"


def seal_code(keys: Keys, *, offer_id: uuid.UUID, code: str) -> bytes:
    """The code, encrypted and bound to its offer."""
    return seal(keys, code.encode(), purpose=_CODE, belongs_to=offer_id.bytes)


def open_code(keys: Keys, *, offer_id: uuid.UUID, sealed: bytes) -> str:
    """The code. Raises SealBroken."""
    return unseal(keys, sealed, purpose=_CODE, belongs_to=offer_id.bytes).decode()


def digests_of_codes(keys: Keys, *, offer_id: uuid.UUID, codes: Sequence[str]) -> list[list[uuid.UUID]]:
    """By what each code is known in its offer: under the key of now, then under the former one if there is
    one; a list for each key."""
    return [keyed_digests(key, (_CODE, offer_id.hex), codes) for key in _keys(keys)]


def digests_of_document(keys: Keys, *, programme: str, kind: str, number: str) -> list[uuid.UUID]:
    """By what an invoice or appliance is known in a programme: under the key of now, then the former one."""
    return [keyed_digests(key, (_DOCUMENT, programme, kind), [number])[0] for key in _keys(keys)]


def _keys(keys: Keys) -> list[bytes]:
    return [key for key in (keys.link, keys.link_previous) if key is not None]
