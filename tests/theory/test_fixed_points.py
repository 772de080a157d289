"""Fixed points, against closed forms, iteration and published numbers."""

import math

import numpy as np
import pytest
from scipy import optimize, special

from keras_inits.theory import (
    activation,
    correlation_map,
    fixed_points,
    gaussian_expectation,
    iterates,
    settled,
    variance_map,
)

# Poole et al. (2016) and Schoenholz et al. (2017) for tanh with bias variance 0.05:
# weight variance, fixed variance, fixed correlation.
TANH = [(1.3, 0.3153, 1.0), (2.5, 1.0640, 0.4468), (4.0, 2.1955, 0.1651)]


@pytest.mark.parametrize(("w", "variance", "correlation"), TANH)
def test_fixed_points_of_tanh_are_the_published_ones(w, variance, correlation):
    point = settled(variance_map("tanh", w, 0.05))
    assert point.value == pytest.approx(variance, abs=6e-5)
    assert point.stability == "stable"
    point = settled(correlation_map("tanh", w, 0.05))
    assert point.value == pytest.approx(correlation, abs=6e-5)
    assert point.stability == "stable"


@pytest.mark.parametrize("w", [0.5, 2.0, 7.0])
def test_fixed_point_of_erf_solves_the_closed_form(w):
    def excess(q):
        return w * 2 / math.pi * math.asin(2 * q / (1 + 2 * q)) + 0.01 - q

    expected = optimize.brentq(excess, 1e-6, 100)
    found = settled(variance_map(special.erf, w, 0.01))
    assert found.value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("start", [1e-4, 0.5, 40.0])
def test_iteration_ends_where_it_settles(start):
    mapping = variance_map("tanh", 2.0, 0.1)
    point = settled(mapping, start)
    assert iterates(mapping, start, 80)[-1] == pytest.approx(point.value, rel=1e-9)


@pytest.mark.parametrize("w", [1.3, 2.5])
def test_correlations_of_all_pairs_end_where_they_settle(w):
    mapping = correlation_map("tanh", w, 0.05)
    point = settled(mapping)
    assert iterates(mapping, 0.0, 300)[-1] == pytest.approx(point.value, abs=1e-8)


def test_slope_is_the_rate_of_approach():
    mapping = variance_map("tanh", 2.0, 0.1)
    point = settled(mapping)
    away = iterates(mapping, point.value + 1e-3, 4) - point.value
    assert away[1:] / away[:-1] == pytest.approx([point.slope] * 4, rel=1e-3)


def test_selu_keeps_mean_0_and_variance_1():
    # Klambauer et al. (2017): the fixed point, and the Jacobian of mean and variance.
    low, high = fixed_points(variance_map("selu", 1.0))
    assert (low.value, low.stability) == (0, "unstable")
    assert high.value == pytest.approx(1, abs=1e-9)
    assert high.slope == pytest.approx(0.782648, abs=1e-6)
    assert high.stability == "stable"
    selu = activation("selu")
    by_variance = gaussian_expectation(lambda z: selu(z) * (z * z - 1) / 2)
    assert by_variance == pytest.approx(0.088835, abs=1e-6)
    assert gaussian_expectation(activation("selu")) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", ["gelu", "silu", "mish"])
def test_variance_1_is_unstable_under_the_gain_of_gated_units(name):
    from keras_inits.theory import gain

    slopes = {"gelu": 1.144, "silu": 1.173, "mish": 1.076}
    points = fixed_points(variance_map(name, gain(name) ** 2))
    at_1 = [point for point in points if abs(point.value - 1) < 1e-6]
    assert len(at_1) == 1
    assert at_1[0].slope == pytest.approx(slopes[name], abs=6e-4)
    assert at_1[0].stability == "unstable"


def test_sine_layers_settle_below_1():
    # Sitzmann et al. (2020) approximate 1; it is v = 1 - exp(-2 v).
    point = settled(variance_map(np.sin, 2.0))
    assert point.value == pytest.approx(1 - math.exp(-2 * point.value), rel=1e-9)
    assert math.sqrt(point.value) == pytest.approx(0.8926, abs=6e-5)


def test_relu_keeps_every_variance():
    points = fixed_points(variance_map("relu", 2.0))
    assert [point.stability for point in points] == ["neutral", "neutral"]
    assert settled(variance_map("relu", 2.0), 3.7).value == 3.7


def test_half_stable_point_of_gelu_is_found():
    # Roberts, Yaida & Hanin (2021), with their eight digits.
    points = fixed_points(variance_map("gelu", 1.98305826, 0.17292239))
    last = points[-1]
    assert last.value == pytest.approx((3 + math.sqrt(17)) / 2, abs=1e-3)
    assert last.stability == "half-stable"
    reached = settled(variance_map("gelu", 1.98305826, 0.17292239), 9.0)
    assert reached.value == pytest.approx(last.value, abs=1e-6)


def test_exponential_has_two_fixed_points():
    # w exp(2 q) = q has two solutions below w = 1 / (2 e), by Lambert's function.
    points = fixed_points(variance_map("exponential", 0.15))
    expected = [-special.lambertw(-0.3, branch).real / 2 for branch in (0, -1)]
    assert [point.value for point in points] == pytest.approx(expected, rel=1e-8)
    assert [point.stability for point in points] == ["stable", "unstable"]


def test_correlations_of_an_odd_function_have_three():
    points = fixed_points(correlation_map("tanh", 2.5))
    assert [point.value for point in points] == pytest.approx([-1, 0, 1], abs=1e-12)
    expected = ["unstable", "stable", "unstable"]
    assert [point.stability for point in points] == expected


def test_inputs_of_relu_end_alike():
    (point,) = fixed_points(correlation_map("relu", 2.0))
    assert point.value == 1
    assert point.slope == pytest.approx(1, abs=1e-6)
    assert point.stability == "stable"


def test_linear_layers_keep_every_correlation():
    (point,) = fixed_points(correlation_map("linear", 1.0))
    assert point.stability == "neutral"
    assert settled(correlation_map("linear", 1.0)).stability == "neutral"


def test_signal_that_dies_settles_at_0():
    point = settled(variance_map("relu", 1.0))
    assert (point.value, point.stability) == (0, "stable")
    assert point.slope == pytest.approx(0.5)


def test_variance_that_grows_is_an_error():
    message = (
        r"The variance grows from layer to layer without end\. Received: .*"
        r"weight_variance=3, bias_variance=0, from a variance of 1\. Take smaller"
    )
    with pytest.raises(ValueError, match=message):
        settled(variance_map("relu", 3.0))


def test_map_that_falls_still_settles():
    # E exp(-2 x^2) = 1 / sqrt(1 + 4 q): the steepest that there is, far out.
    mapping = variance_map(lambda x: np.exp(-(x**2)), 1e6)
    point = settled(mapping, 1.0)
    assert point.value * math.sqrt(1 + 4 * point.value) == pytest.approx(1e6, rel=1e-8)
    assert point.slope == pytest.approx(-0.5, abs=1e-4)
    assert point.stability == "stable"


@pytest.mark.parametrize("function", [fixed_points, settled])
def test_other_functions_are_no_maps(function):
    message = r"what variance_map or correlation_map returns\. Received: mapping="
    with pytest.raises(TypeError, match=message):
        function(math.sqrt)
