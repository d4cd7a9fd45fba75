"""Where an offer is meant for, by the codes of GB/T 2260: a province, a city, a district.

A code covers all that begins like it: 440100 is Guangzhou with its districts, 440106 is Tianhe alone. It is
stored without the zeros at its end, between spaces.
"""

import re
from collections.abc import Sequence

MAX_DISTRICTS = 40
_CODE = re.compile(r"[1-9][0-9]{5}")


def is_district(code: str) -> bool:
    """Whether it has the form of a code of GB/T 2260."""
    return _CODE.fullmatch(code) is not None


def stored(codes: Sequence[str]) -> str | None:
    """Codes as an offer keeps them; None for none, which means everywhere."""
    return " " + " ".join(sorted({_stem(code) for code in codes})) + " " if codes else None


def shown(text: str | None) -> tuple[str, ...]:
    """The codes of `stored`, six digits each."""
    return tuple(stem.ljust(6, "0") for stem in (text or "").split())


def covers(codes: Sequence[str], district: str) -> bool:
    """Whether an offer for `codes` is for somebody of `district`; without any it is for everybody."""
    return not codes or any(district.startswith(_stem(code)) for code in codes)


def _stem(code: str) -> str:
    return re.sub(r"^(..)(?:0000|(..)00)$", r"\1\2", code)
