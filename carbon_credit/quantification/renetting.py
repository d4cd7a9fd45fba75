"""Netting of reductions that are computed again: what each may count at most, over the whole of its span.

A span's results change together, portion after portion. So each portion looks at all of the span: what
was left of a result before is left of it again, in proportion, as far as the new sum of all of them goes.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from typing import TypeAlias
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.catalogue.rules import ProgrammeRules
from carbon_credit.quantification.cases import in_order
from carbon_credit.quantification.exclusive import OVERLAP
from carbon_credit.quantification.models import Reduction
from carbon_credit.quantification.netting import span_end, span_start, trim
from carbon_credit.quantification.present import Standing, newest
from carbon_credit.quantification.recomputing import Governing, Recomputed, recompute
from carbon_credit.quantification.recounting import moves
from carbon_credit.quantification.standing import standing_where

Group: TypeAlias = tuple[UUID, str, str, date]  # citizen, methodology, kind of span, its first day


def most_by_netting(
    session: Session,
    rules: ProgrammeRules,
    changing: Sequence[Recomputed],
    governing: Governing,
    busy: Callable[[Collection[UUID]], set[UUID]],
) -> dict[UUID, int]:
    """By reduction, of those of `changing` whose new version nets results over a span.

    The same whatever portion it is asked for: it depends on the span's reductions alone. `busy`: which
    are left as they are.
    """
    groups = {_group(one) for one in changing if _nets(one)}
    most: dict[UUID, int] = {}
    for group in sorted(groups):
        standing = _standing(session, rules, group)
        left = busy([one.reduction_id for one in standing])
        again = {
            one.standing.reduction_id: one
            for one in recompute(session, rules, standing, governing)
            if one.refusal is None and one.standing.reduction_id not in left and moves(one)
        }
        most |= _shares(session, standing, again)
    return most


def _nets(one: Recomputed) -> bool:
    return one.binding.compiled.netting != "event" and one.binding.use != "display"


def _group(one: Recomputed) -> Group:
    standing, compiled = one.standing, one.binding.compiled
    start = span_start(compiled.netting, standing.business_day)
    return standing.citizen_id, standing.methodology_id, compiled.netting, start


def _standing(session: Session, rules: ProgrammeRules, group: Group) -> list[Standing]:
    citizen_id, methodology_id, span, start = group
    return standing_where(
        session,
        Reduction.citizen_id == citizen_id,
        Reduction.programme == rules.code,
        Reduction.business_day.between(start, span_end(span, start)),
        newest(Reduction.methodology_id) == methodology_id,
        by_revision=True,
    )


def _shares(
    session: Session, standing: Sequence[Standing], again: Mapping[UUID, Recomputed]
) -> dict[UUID, int]:
    """In canonical order, from the first: what stays is taken from the last."""
    total_mg = 0
    shares: dict[UUID, int] = defaultdict(int)
    for one in [case.standing for case in in_order(session, standing)]:
        new = again.get(one.reduction_id)
        if one.cap_code == OVERLAP or new is None:
            # It is no result of its own, or stays as it is: what it counts is spoken for.
            if one.cap_code != OVERLAP and one.use != "display":
                total_mg += one.gross_mg - one.net_mg
            continue
        total_mg += new.gross_mg
        shares[one.reduction_id] = _share(one, max(new.gross_mg, 0))
    left = trim(list(shares.values()), total_mg=total_mg)
    return dict(zip(shares, left, strict=True))


def _share(one: Standing, gross_mg: int) -> int:
    if one.use == "display" or one.gross_mg <= 0:
        return gross_mg
    return min(one.net_mg * gross_mg // one.gross_mg, gross_mg)
