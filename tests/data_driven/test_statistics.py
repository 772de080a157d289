"""Numbers of one tensor, against NumPy in float64."""

import keras
import numpy as np
import pytest
import scipy.optimize

from keras_inits.data_driven import statistics
from keras_inits.data_driven.statistics import (
    SATURATED_BEYOND,
    SILENT_BELOW,
    Moments,
    silent_units,
)
from tests.data_driven.models import normal


def measured(array):
    tensor = keras.ops.convert_to_tensor(array)
    return Moments.of(array.size, statistics.moments(tensor))


@pytest.mark.backend
@pytest.mark.parametrize("scale", [1e-36, 1e-20, 1.0, 1e18, 1e35])
def test_moments_are_numpys_at_any_size(scale):
    array = normal(40, 30) * np.float32(scale) + np.float32(0.3 * scale)
    found, exact = measured(array), array.astype(np.float64)
    assert found.mean == pytest.approx(exact.mean(), rel=1e-4)
    assert found.std == pytest.approx(exact.std(), rel=1e-5)
    assert found.rms == pytest.approx(np.sqrt(np.mean(exact**2)), rel=1e-5)
    assert found.largest == pytest.approx(np.abs(exact).max(), rel=1e-6)


@pytest.mark.backend
def test_entries_that_are_not_finite_are_counted_and_left_out():
    array = np.array([1.0, np.nan, -3.0, np.inf, -np.inf], "float32")
    found = measured(array)
    assert found.nonfinite == 3
    assert found.largest == 3.0


@pytest.mark.backend
def test_zeros_have_no_size():
    found = measured(np.zeros((3, 2), "float32"))
    assert (found.rms, found.mean, found.largest, found.nonfinite) == (0, 0, 0, 0)


@pytest.mark.backend
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_halves_are_measured_in_single_precision(dtype):
    tensor = keras.ops.cast(keras.ops.full((1000,), 300.0), dtype)
    found = Moments.of(1000, statistics.moments(tensor))
    assert found.rms == pytest.approx(300.0, rel=1e-2)  # 300^2 is over float16's range


def test_moments_of_several_tensors_are_those_of_all_entries():
    parts = [normal(7, seed=1), normal(50, seed=2) + 2.0]
    together = Moments.together(
        Moments(a.size, a.mean(), np.mean(a**2), np.abs(a).max(), 0) for a in parts
    )
    every = np.concatenate(parts)
    assert together.count == 57
    assert together.mean == pytest.approx(every.mean(), rel=1e-5)
    assert together.std == pytest.approx(every.std(), rel=1e-5)
    assert together.largest == np.abs(every).max()


def test_dividing_divides_every_number_but_the_counts():
    found = Moments(10, 2.0, 8.0, 4.0, 1).over(2.0)
    assert found == Moments(10, 1.0, 2.0, 2.0, 1)


@pytest.mark.backend
@pytest.mark.parametrize("axis", [-1, 1])
def test_extremes_are_each_units(axis):
    array = normal(4, 5, 6)
    found = statistics.extremes(keras.ops.convert_to_tensor(array), axis)
    others = tuple({0, 1, 2} - {axis % 3})
    expected = [array.max(axis=others), array.min(axis=others)]
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(found), expected)


@pytest.mark.backend
def test_share_beyond_a_limit_counts_both_sides():
    tensor = keras.ops.convert_to_tensor(np.array([-3.0, -1.0, 0.0, 2.5], "float32"))
    found = statistics.share_beyond(tensor, 2.0)
    assert float(keras.ops.convert_to_numpy(found)) == 0.5


def test_a_unit_is_silent_if_it_is_in_every_tensor():
    first = np.array([[1.0, -1.0, -2.0], [-1.0, -2.0, -3.0]])
    second = np.array([[-1.0, 3.0, -0.5], [-2.0, -1.0, -1.0]])
    assert silent_units([first], 0.0) == pytest.approx(2 / 3)
    assert silent_units([first, second], 0.0) == pytest.approx(1 / 3)


def test_units_of_exact_zeros_are_not_silent():
    assert silent_units([np.zeros((2, 4))], 0.0) is None
    some = np.array([[0.0, -1.0], [0.0, -2.0]])
    assert silent_units([some], 0.0) == 0.5


@pytest.mark.parametrize("name", sorted(SILENT_BELOW))
def test_an_activation_is_silent_below_its_limit(name):
    function = keras.activations.get(name)
    below = np.array([SILENT_BELOW[name] - 1e-3, -40.0], "float32")
    found = keras.ops.convert_to_numpy(function(keras.ops.convert_to_tensor(below)))
    assert np.abs(found).max() < 1e-5


SLOPES = {
    "tanh": lambda z: 1 - np.tanh(z) ** 2,
    "sigmoid": lambda z: 4 * np.exp(-z) / (1 + np.exp(-z)) ** 2,
    "softsign": lambda z: 1 / (1 + z) ** 2,
}


@pytest.mark.parametrize("name", sorted(SLOPES))
def test_slope_at_the_limit_is_a_twentieth_of_the_largest(name):
    exact = scipy.optimize.brentq(lambda z: SLOPES[name](z) - 0.05, 0, 20)
    assert SATURATED_BEYOND[name] == pytest.approx(exact, abs=1e-3)
