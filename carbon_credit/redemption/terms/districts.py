"""Where an offer is meant for, by the codes of GB/T 2260: a province, a city, a district.

A code covers all that begins like it: 440100 is Guangzhou with its districts, 440106 is Tianhe alone. It is
stored without the zeros at its end, between spaces, so that one LIKE finds it.
"""

import re
from collections.abc import Sequence

from sqlalchemy import ColumnElement, or_, true

from carbon_credit.redemption.models import Offer

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


def covers(codes: Sequence[str], district: str | None) -> bool:
    """Whether an offer for `codes` is for somebody of `district`: also where either says nothing."""
    return not codes or district is None or any(district.startswith(_stem(code)) for code in codes)


def meant_for(district: str | None) -> ColumnElement[bool]:
    """True for offers that are for somebody of `district`; for all where nothing was stated."""
    if district is None:
        return true()
    stems = {district[:2], district[:4], district}
    return or_(Offer.districts.is_(None), *(Offer.districts.contains(f" {stem} ") for stem in sorted(stems)))


def _stem(code: str) -> str:
    return re.sub(r"^(..)(?:0000|(..)00)$", r"\1\2", code)
