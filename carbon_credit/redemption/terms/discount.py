"""What a voucher takes off a bill."""

from carbon_credit.redemption.errors import BillNeeded, BillTooSmall


def needs_bill(percent_off: int | None, min_spend_fen: int) -> bool:
    """Whether what the customer has to pay decides."""
    return percent_off is not None or min_spend_fen > 0


def discount_fen(*, bill_fen: int | None, percent_off: int | None, most_fen: int, min_spend_fen: int) -> int:
    """Fen off a bill of `bill_fen`: `percent_off` of it, rounded down to the fen, and never more than
    `most_fen`; without a percentage `most_fen`.

    Raises BillNeeded where the offer asks for the bill and it was not said, BillTooSmall below the minimum
    spend, and where a percentage of the bill is less than one fen.
    """
    if not needs_bill(percent_off, min_spend_fen):
        return most_fen
    if bill_fen is None:
        raise BillNeeded
    if bill_fen < min_spend_fen:
        raise BillTooSmall(bill_fen=bill_fen, least_fen=min_spend_fen)
    if percent_off is None:
        return most_fen
    off_fen = min(bill_fen * percent_off // 100, most_fen)
    if off_fen <= 0:
        raise BillTooSmall(bill_fen=bill_fen, least_fen=-(-100 // percent_off))
    return off_fen
