"""The door of the theory room."""

import math

import numpy as np
import pytest

from keras_inits.theory import checks


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.array(2.0), True + 1])
def test_numbers_become_floats(value):
    found = checks.check_number("x", value)
    assert type(found) is float
    assert found == 2


@pytest.mark.parametrize("value", ["a", None, [1, 2], np.ones(2)])
def test_other_things_are_no_numbers(value):
    with pytest.raises(TypeError, match=r"`x` must be a number\. Received: x="):
        checks.check_number("x", value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_are_finite(value):
    with pytest.raises(ValueError, match=r"`x` must be finite\. Received: x="):
        checks.check_number("x", value)


def test_variance_may_be_0_where_that_is_said():
    assert checks.check_variance("q", 0, zero=True) == 0
    with pytest.raises(
        ValueError, match=r"must be > 0.* Give the square of a standard"
    ):
        checks.check_variance("q", 0)


@pytest.mark.parametrize("value", [-1, 0, 1])
def test_correlations_go_from_minus_1_to_1(value):
    assert checks.check_correlation("c", value) == value


@pytest.mark.parametrize("value", [True, 1.0, "3"])
def test_depths_are_integers(value):
    with pytest.raises(
        TypeError, match=r"`depth` must be an integer. Received: depth="
    ):
        checks.check_depth("depth", value)


def test_integers_of_numpy_are_depths():
    assert checks.check_depth("depth", np.int64(3)) == 3
