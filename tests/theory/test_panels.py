"""Integrals over panels, against closed forms."""

import math

import numpy as np
import pytest

from keras_inits.theory.panels import DIFFERENTIATE, NODES, integrate, tail


def of_point(function):
    return lambda points, halves, owners: function(points)[None]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x**7, 2**8 / 8),
        (np.exp, math.exp(2) - 1),
        (lambda x: np.abs(x - 0.7312), (0.7312**2 + 1.2688**2) / 2),
        (lambda x: (x > 1.1) * 1.0, 0.9),
        (lambda x: np.sqrt(np.abs(x - 1)), 4 / 3),
        (lambda x: np.cos(300 * x), math.sin(600) / 300),
    ],
    ids=["power", "exp", "kink", "step", "root", "fast"],
)
def test_integral_is_the_closed_form(function, expected):
    found = integrate(of_point(function), [0.0], [2.0])
    assert found.shape == (1, 1)
    assert found[0, 0] == pytest.approx(expected, rel=1e-10)


def test_owners_have_their_own_integrals():
    def powers(points, halves, owners):
        return np.stack([points, points**2]) * (1 + owners)[None, :, None]

    found = integrate(powers, [0, 1, 0], [1, 2, 2], np.array([0, 0, 1]))
    expected = [[2, 2 * 2], [8 / 3, 2 * 8 / 3]]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_halves_scale_the_derivative():
    def square_of_slope(points, halves, owners):
        slopes = (np.sin(points) @ DIFFERENTIATE.T) / halves[:, None]
        return (slopes**2)[None]

    found = integrate(square_of_slope, [0.0, 1.0], [1.0, math.pi])
    assert found[0, 0] == pytest.approx(math.pi / 2, rel=1e-12)


@pytest.mark.parametrize(
    "function",
    [lambda x: 1 / np.abs(x - 0.3), lambda x: np.full_like(x, np.inf)],
    ids=["pole", "infinite"],
)
def test_infinite_integral_is_an_error(function):
    with pytest.raises(ArithmeticError, match=r"settle|finite"):
        integrate(of_point(function), [0.0], [1.0])


def test_tail_tells_a_kink_from_a_smooth_function():
    assert tail(np.sin(NODES)) < 1e-14
    assert tail(np.abs(NODES - 0.1)) > 1e-3
