"""Variance and correlation maps, against closed forms and wide networks."""

import math

import numpy as np
import pytest
from scipy import special

from keras_inits.theory import (
    correlation_map,
    iterates,
    variance_map,
)


def erf_variance(q, w, b):
    return w * 2 / math.pi * math.asin(2 * q / (1 + 2 * q)) + b


def erf_covariance(q, c, w, b):
    return w * 2 / math.pi * math.asin(2 * q * c / (1 + 2 * q)) + b


@pytest.mark.parametrize("q", [1e-6, 0.1, 1.0, 30.0, 1e4])
def test_variance_map_of_erf_is_the_closed_form(q):
    found = variance_map(special.erf, 1.7, 0.3)
    assert found(q) == pytest.approx(erf_variance(q, 1.7, 0.3), rel=1e-9)
    step = 1e-5 * q
    rise = erf_variance(q + step, 1.7, 0.3) - erf_variance(q - step, 1.7, 0.3)
    assert found.slope(q) == pytest.approx(rise / (2 * step), rel=1e-5)


@pytest.mark.parametrize("c", [-0.7, 0.0, 0.5, 0.99])
def test_correlation_map_of_erf_is_the_closed_form(c):
    found = correlation_map(special.erf, 1.7, 0.3, variance=0.8)
    whole = erf_variance(0.8, 1.7, 0.3)
    assert found(c) == pytest.approx(erf_covariance(0.8, c, 1.7, 0.3) / whole, rel=1e-9)
    rise = erf_covariance(0.8, c + 1e-6, 1.7, 0.3)
    rise -= erf_covariance(0.8, c - 1e-6, 1.7, 0.3)
    assert found.slope(c) == pytest.approx(rise / 2e-6 / whole, rel=1e-7)


@pytest.mark.parametrize("q", [1e-8, 1.0, 1e8])
def test_variance_of_relu_is_halved_at_any_size(q):
    assert variance_map("relu", 1.0)(q) == pytest.approx(q / 2, rel=1e-9)


def test_variance_of_nothing_is_the_bias():
    assert variance_map("tanh", 3.0, 0.2)(0.0) == 0.2
    assert variance_map("softplus", 2.0)(0.0) == pytest.approx(2 * math.log(2) ** 2)


def test_slope_at_0_is_that_of_the_activation():
    assert variance_map("tanh", 3.0)(1e-10) == pytest.approx(3e-10)
    assert variance_map("tanh", 3.0).slope(0.0) == pytest.approx(3)


def test_correlation_map_takes_the_variance_that_settles():
    free = correlation_map("tanh", 2.5, 0.05)
    assert free.variance == pytest.approx(1.0639583774, rel=1e-9)
    fixed = correlation_map("tanh", 2.5, 0.05, variance=free.variance)
    assert free(0.3) == fixed(0.3)


@pytest.mark.parametrize("name", ["tanh", "gelu", "relu6"])
def test_equal_inputs_stay_equal(name):
    found = correlation_map(name, 1.5, 0.1)
    assert found(1.0) == pytest.approx(1, abs=1e-12)


def test_iterates_of_relu_fall_by_half():
    expected = [8, 4, 2, 1, 0.5]
    np.testing.assert_allclose(iterates(variance_map("relu", 1.0), 8, 4), expected)


def test_iterates_begin_with_the_start():
    assert iterates(variance_map("relu", 1.0), 8.0, 0).tolist() == [8]


@pytest.mark.parametrize(("name", "w", "b"), [("tanh", 2.0, 0.1), ("gelu", 1.9, 0.2)])
def test_iterates_are_those_of_wide_networks(name, w, b):
    width, depth, nets = 800, 6, 12
    from keras_inits.theory import activation

    function, rng = activation(name), np.random.default_rng(5)
    squares, cosines = [], []
    for _ in range(nets):
        x = rng.normal(size=(width, 2)) @ np.array([[1, 0.6], [0, 0.8]])
        for _ in range(depth):
            weights = rng.normal(size=(width, width)) * math.sqrt(w / width)
            x = weights @ function(x) + math.sqrt(b) * rng.normal(size=(width, 1))
        squares.append(np.mean(x**2))
        cosines.append(np.mean(x[:, 0] * x[:, 1]) / np.mean(x**2))
    q = iterates(variance_map(name, w, b), 1.0, depth)
    c = 0.6
    for variance in q[:-1]:
        c = correlation_map(name, w, b, variance)(c)
    error = np.std(squares) / math.sqrt(nets)
    assert np.mean(squares) == pytest.approx(q[-1], abs=4 * error)
    error = np.std(cosines) / math.sqrt(nets)
    assert np.mean(cosines) == pytest.approx(c, abs=4 * error)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tanh", -1.0), "`weight_variance` is a variance and must be > 0"),
        (("tanh", 0.0), "`weight_variance` is a variance and must be > 0"),
        (("tanh", 1.0, -0.1), "`bias_variance` is a variance and must be >= 0"),
        (("tanh", math.nan), "`weight_variance` must be finite"),
        (("nope", 1.0), "Unknown activation. Received: 'nope'"),
    ],
)
@pytest.mark.parametrize("make", [variance_map, correlation_map])
def test_wrong_numbers_are_refused(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(*arguments)


def test_text_is_no_variance():
    message = r"`weight_variance` must be a number\. Received: weight_variance='much'"
    with pytest.raises(TypeError, match=message):
        variance_map("tanh", "much")


def test_variance_given_to_a_map_must_not_be_negative():
    with pytest.raises(ValueError, match="`variance` is a variance and must be >= 0"):
        variance_map("tanh", 1.0)(-0.1)


def test_correlation_given_to_a_map_must_be_one():
    message = r"`correlation` must lie within \[-1, 1\]. Received: correlation=1.5"
    with pytest.raises(ValueError, match=message):
        correlation_map("tanh", 1.0, 0.1)(1.5)


@pytest.mark.parametrize(("depth", "kind"), [(-1, ValueError), (2.5, TypeError)])
def test_depth_must_count(depth, kind):
    with pytest.raises(kind, match=r"`depth` must be .* Received: depth="):
        iterates(variance_map("relu", 2.0), 1.0, depth)


def test_slope_of_a_jump_is_refused():
    message = r"An activation that jumps has no slope there\. Received: .* at -0.5, 0.5"
    with pytest.raises(ValueError, match=message):
        correlation_map("hard_shrink", 0.5, 0.1).slope(0.5)
