"""The collector rests while much is done at once, and is back afterwards, whatever happened."""

import gc

import pytest

from carbon_credit.kernel.process import uncollected


def test_it_rests_for_much_and_not_for_little() -> None:
    assert gc.isenabled()
    with uncollected(many=False):
        assert gc.isenabled()
    with uncollected(many=True):
        assert not gc.isenabled()
        with uncollected(many=True):
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_is_back_after_an_error_and_stays_off_where_it_was_off() -> None:
    with pytest.raises(ZeroDivisionError), uncollected(many=True):
        raise ZeroDivisionError
    assert gc.isenabled()
    gc.disable()
    try:
        with uncollected(many=True):
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
