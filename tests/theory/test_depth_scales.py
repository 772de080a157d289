"""Depth scales and chi_1, against published numbers and iteration."""

import math

import numpy as np
import pytest

from keras_inits.theory import (
    activation_names,
    chi_1,
    correlation_map,
    depth_scale,
    iterates,
    settled,
    variance_map,
)

# Schoenholz et al. (2017): tanh, bias variance 0.05.
SCALES = {
    1.0: 3.627,
    1.3: 7.834,
    1.5: 15.79,
    1.7: 74.9,
    1.8: 125.8,
    2.0: 25.2,
    2.5: 11.8,
    3.0: 9.05,
    4.0: 6.98,
}


@pytest.mark.parametrize(("w", "expected"), SCALES.items())
def test_depth_scale_of_tanh_is_the_published_one(w, expected):
    assert depth_scale("tanh", w, 0.05).correlation == pytest.approx(expected, rel=3e-3)


@pytest.mark.parametrize(("w", "chi"), [(1.3, 0.8802), (2.5, 1.1335), (4.0, 1.3424)])
def test_chi_1_of_tanh_is_the_published_one(w, chi):
    assert chi_1("tanh", w, 0.05) == pytest.approx(chi, abs=6e-5)


@pytest.mark.parametrize("w", [1.3, 2.5])
def test_deviations_of_the_correlation_fall_by_e_in_a_depth_scale(w):
    mapping = correlation_map("tanh", w, 0.05)
    end = settled(mapping).value
    away = np.abs(iterates(mapping, end - 1e-4, 30) - end)
    rate = -1 / np.polyfit(np.arange(31), np.log(away), 1)[0]
    found = depth_scale("tanh", w, 0.05).correlation
    assert found == pytest.approx(rate, rel=2e-3)


def test_deviations_of_the_variance_fall_by_e_in_a_depth_scale():
    mapping = variance_map("tanh", 1.3, 0.05)
    end = settled(mapping).value
    away = np.abs(iterates(mapping, end + 1e-5, 6) - end)
    rate = -1 / np.polyfit(np.arange(7), np.log(away), 1)[0]
    assert depth_scale("tanh", 1.3, 0.05).variance == pytest.approx(rate, rel=1e-3)


def test_scales_of_relu_on_the_edge_are_infinite():
    found = depth_scale("relu", 2.0)
    assert found.variance == math.inf
    assert found.correlation == math.inf


def test_chi_1_takes_a_variance():
    # E erf'(x)^2 = 4 / pi / sqrt(1 + 4 q)
    from scipy import special

    found = chi_1(special.erf, 1.5, variance=2.0)
    assert found == pytest.approx(1.5 * 4 / math.pi / 3, rel=1e-9)


def test_chi_1_of_a_dying_signal_is_that_at_0():
    assert chi_1("tanh", 0.5) == pytest.approx(0.5, rel=1e-9)


# E f'^2 for a standard normal by quadrature done outside of this package.
CHI = {
    "relu": 1.0,
    "leaky_relu": 1.0,
    "elu": 1.036,
    "selu": 1.072,
    "gelu": 1.072,
    "silu": 1.067,
    "mish": 1.059,
    "tanh": 1.178,
    "softplus": 0.319,
    "softsign": 1.244,
}


@pytest.mark.parametrize(("name", "expected"), CHI.items())
def test_chi_1_under_the_gain_is_that_of_the_table(name, expected):
    from keras_inits.theory import gain

    found = chi_1(name, gain(name) ** 2, variance=1.0)
    assert found == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize("name", sorted(set(activation_names()) - {"hard_shrink"}))
def test_chi_1_is_the_mean_square_of_finite_differences(name):
    from keras_inits.theory import activation

    z = np.random.default_rng(3).normal(size=400_000)
    function = activation(name)
    squares = ((function(z + 1e-6) - function(z - 1e-6)) / 2e-6) ** 2
    error = squares.std() / math.sqrt(z.size)
    found = chi_1(name, 1.0, variance=1.0)
    assert found == pytest.approx(squares.mean(), abs=5 * error + 1e-6)


@pytest.mark.parametrize("function", [chi_1, depth_scale])
def test_jumps_have_no_chi_1(function):
    with pytest.raises(
        ValueError, match=r"jumps has no slope there. Received: .*chi_1"
    ):
        function("hard_shrink", 0.5, 0.1)


def test_growing_variance_has_no_depth_scale():
    with pytest.raises(ValueError, match="grows from layer to layer without end"):
        depth_scale("relu", 2.5)
