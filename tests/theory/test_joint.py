"""Expectations over two normals, against closed forms and a product rule."""

import math

import numpy as np
import pytest
from scipy import special

from keras_inits.theory import Curve, activation_names, joint_expectation
from keras_inits.theory.curves import curve_of
from keras_inits.theory.joint import joint_moment

CORRELATIONS = [-1, -0.9999, -0.5, 0, 0.3, 0.9, 0.9999, 1 - 1e-9, 1 - 1e-13, 1]


def arc_cosine(c):
    return (math.sqrt(1 - c * c) + (math.pi - math.acos(c)) * c) / (2 * math.pi)


CLOSED = {
    "relu": ("relu", 1.0, arc_cosine),
    "relu, variance 9": ("relu", 9.0, lambda c: 9 * arc_cosine(c)),
    "erf": (special.erf, 1.0, lambda c: 2 / math.pi * math.asin(2 * c / 3)),
    "erf, variance 400": (
        special.erf,
        400.0,
        lambda c: 2 / math.pi * math.asin(800 * c / 801),
    ),
    "step": (
        lambda x: (x > 0) * 1.0,
        1.0,
        lambda c: 1 / 4 + math.asin(c) / (2 * math.pi),
    ),
    "sin": (np.sin, 1.0, lambda c: math.exp(-1) * math.sinh(c)),
    "exp": (np.exp, 1.0, lambda c: math.exp(1 + c)),
    "linear": ("linear", 2.0, lambda c: 2 * c),
    "cube": (lambda x: x**3, 1.0, lambda c: 9 * c + 6 * c**3),
}


@pytest.mark.parametrize("correlation", CORRELATIONS)
@pytest.mark.parametrize("case", CLOSED)
def test_expectation_is_the_closed_form(case, correlation):
    activation, variance, expected = CLOSED[case]
    found = joint_expectation(activation, correlation, variance=variance)
    size = expected(1)
    assert found == pytest.approx(expected(correlation), rel=1e-9, abs=1e-10 * size)


SMOOTH = ["gelu", "mish", "sigmoid", "silu", "softplus", "squareplus", "tanh"]


@pytest.mark.parametrize("correlation", [-0.8, 0.2, 0.97])
@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_ones_agree_with_gauss_hermite(name, correlation):
    points, weights = np.polynomial.hermite_e.hermegauss(180)
    weights = weights / math.sqrt(2 * math.pi)
    x = points[:, None]
    y = correlation * x + math.sqrt(1 - correlation**2) * points
    function = curve_of(name)
    expected = weights @ (function(x) * function(y)) @ weights
    found = joint_expectation(name, correlation)
    assert found == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("name", activation_names())
def test_independent_ones_multiply(name):
    mean = curve_of(name).expectation(lambda z, f, slope: [f], 1.3)[0]
    found = joint_expectation(name, 0.0, variance=1.69)
    assert found == pytest.approx(mean**2, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", activation_names())
def test_equal_ones_have_the_mean_square(name):
    square = curve_of(name).expectation(lambda z, f, slope: [f * f], 1.0)[0]
    near = joint_expectation(name, 1 - 1e-11)
    assert joint_expectation(name, 1.0) == pytest.approx(square, rel=1e-10)
    # Where a function jumps, the difference falls with the root alone.
    assert near == pytest.approx(square, rel=1e-5)


def test_two_functions_of_two_variances():
    # E x1 exp(x2) = cov exp(var2 / 2)
    found = joint_expectation(
        "linear", 0.4, "exponential", variance=4.0, other_variance=0.25
    )
    assert found == pytest.approx(0.4 * 2 * 0.5 * math.exp(0.125), rel=1e-9)


def test_order_of_two_functions_does_not_matter():
    kinked = Curve(lambda x: np.abs(x - 0.3))
    one = joint_expectation("tanh", 0.7, kinked, variance=2.0, other_variance=0.5)
    two = joint_expectation(kinked, 0.7, "tanh", variance=0.5, other_variance=2.0)
    assert one == pytest.approx(two, rel=1e-9)


@pytest.mark.parametrize("correlation", [-0.9, 0.0, 0.5, 0.999, 1 - 1e-10])
def test_slopes_of_relu_are_the_closed_form(correlation):
    # E relu' relu' is the chance that both are positive.
    relu = curve_of("relu")
    found = joint_moment(relu, relu, correlation, 3.0, 3.0, slopes=True)
    expected = 1 / 4 + math.asin(correlation) / (2 * math.pi)
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("correlation", [-1, -0.9, 0.0, 0.5, 0.9999, 1 - 1e-10, 1])
def test_slopes_of_erf_are_the_closed_form(correlation):
    erf = Curve(special.erf)
    found = joint_moment(erf, erf, correlation, 1.5, 0.7, slopes=True)
    a, b = 2 * 1.5**2, 2 * 0.7**2
    expected = 4 / math.pi / math.sqrt((1 + a) * (1 + b) - a * b * correlation**2)
    assert found == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("correlation", [1.0000001, -2, math.inf, math.nan])
def test_correlation_beyond_1_is_refused(correlation):
    with pytest.raises(ValueError, match=r"`correlation` must .* Received: corr"):
        joint_expectation("relu", correlation)


@pytest.mark.parametrize("name", ["variance", "other_variance"])
@pytest.mark.parametrize("value", [0, -1.0])
def test_variance_must_be_positive(name, value):
    with pytest.raises(ValueError, match=f"`{name}` is a variance and must be > 0"):
        joint_expectation("relu", 0.5, **{name: value})


def test_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"Unknown activation\. Received: 'nope'"):
        joint_expectation("nope", 0.5)


@pytest.mark.parametrize("correlation", [0.5, 1.0])
def test_infinite_expectation_is_an_error(correlation):
    with pytest.raises(ValueError, match=r"is not finite.* Received: activation="):
        joint_expectation(lambda x: np.exp(x * x), correlation)
