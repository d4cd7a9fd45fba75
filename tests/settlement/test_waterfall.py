"""Who gets what, for any figures: nothing is lost, nothing is below zero, debts are served in order."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from carbon_credit.settlement.issuing.waterfall import flows

A, B, C = (uuid.UUID(int=number) for number in (1, 2, 3))
FEN = st.integers(0, 10_000)
NET = st.dictionaries(st.sampled_from([A, B, C]), st.integers(-10_000, 10_000))


@given(
    net=NET,
    granted=FEN,
    fee=st.integers(-500, 500),
    fee_debt=FEN,
    reclaims=st.dictionaries(st.sampled_from([A, B, C]), FEN),
)
def test_all_of_it_goes_somewhere(
    net: dict[uuid.UUID, int], granted: int, fee: int, fee_debt: int, reclaims: dict[uuid.UUID, int]
) -> None:
    owed = fee_debt + sum(reclaims.values())
    moved = flows(net=net, granted=granted, fee=fee, owed_before=owed, reclaims=reclaims)
    # What it comes to is what it would come to without any order.
    assert moved.payable - moved.carried == sum(net.values()) + granted - fee - owed
    assert moved.payable == 0 or moved.carried == 0
    amounts = [moved.recovered, moved.fee, moved.fee_owed, moved.fee_back, moved.payable, moved.carried]
    assert min(amounts) >= 0
    for by_offer in (moved.accrued, moved.returned, moved.owed, moved.reclaimed):
        assert all(fen > 0 for fen in by_offer.values())
    # The merchant's account gets no less than it gives.
    into = sum(moved.accrued.values()) + granted + moved.fee_back
    out = sum(moved.returned.values()) + moved.recovered + moved.fee
    assert into - out == moved.payable
    for offer, fen in net.items():
        back = moved.returned.get(offer, 0) + moved.owed.get(offer, 0)
        assert (moved.accrued.get(offer, 0), back) == (max(fen, 0), max(-fen, 0))
    assert sum(moved.reclaimed.values()) == min(moved.recovered, sum(reclaims.values()))
    assert all(fen <= reclaims[offer] for offer, fen in moved.reclaimed.items())


def test_what_is_owed_from_before_comes_first_and_the_fee_last() -> None:
    moved = flows(net={A: 100, B: -30}, granted=0, fee=5, owed_before=80, reclaims={C: 60})
    assert (moved.recovered, moved.reclaimed) == (80, {C: 60})
    assert (moved.returned, moved.owed) == ({B: 20}, {B: 10})
    assert (moved.fee, moved.fee_owed, moved.payable, moved.carried) == (0, 5, 0, 15)


def test_a_plain_month() -> None:
    moved = flows(net={A: 10_000, B: 2_500}, granted=0, fee=75, owed_before=0, reclaims={})
    assert (moved.accrued, moved.fee, moved.payable, moved.carried) == ({A: 10_000, B: 2_500}, 75, 12_425, 0)
