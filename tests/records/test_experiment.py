"""Records: what they derive from what they hold."""

import math

import pytest

from keras_inits.records import Points, Spread


def test_a_spread_is_the_median_and_the_range():
    assert Spread.of([3.0, 1.0, 2.0, 10.0]) == Spread(2.5, 1.0, 10.0, 4)


def test_a_value_that_is_no_number_counts_as_infinite():
    assert Spread.of([1.0, math.nan, 2.0]) == Spread(2.0, 1.0, math.inf, 3)


@pytest.mark.parametrize(("label", "share"), [((0, 0, 1), 2 / 3), ((1, 1, 0, 1), 0.75)])
def test_the_majority_is_the_share_of_the_larger_class(label, share):
    nowhere = (0.0,) * len(label)
    assert Points(nowhere, nowhere, label).majority == pytest.approx(share)
