"""Aggregation by platforms (平台归集): a partner gets a citizen's reductions of a span up to a threshold,
the citizen the excess. Exact milligrams; one event may be divided. Pure.
"""

from collections.abc import Sequence
from datetime import date

from carbon_credit.quantification.netting import span_end, span_start


def partner_parts(net_mg: Sequence[int], *, threshold_mg: int, held_before_mg: int = 0) -> list[int]:
    """The partner's part of each amount, in canonical order; the rest of it is the citizen's.

    `held_before_mg`: what the partner holds of the span already.
    """
    left = max(threshold_mg - held_before_mg, 0)
    result = []
    for net in net_mg:
        part = min(net, left)
        left -= part
        result.append(part)
    return result


def after_loss(net_mg: int, partner_mg: int) -> int:
    """The partner's part where less of a closed reduction counts than before: the citizen, who got what
    went beyond the threshold, gives first."""
    return min(partner_mg, net_mg)


def share_span(per: str, day: date) -> tuple[date, date]:
    """The first and the last day of the span `citizen-day`, `citizen-month` or `citizen-year` of `day`."""
    span = per.removeprefix("citizen-")
    return span_start(span, day), span_end(span, day)
