"""Expectations against closed forms."""

import math

import numpy as np
import pytest
from scipy import special, stats

from keras_inits.theory import gaussian_expectation

CLOSED = {
    "1": (lambda z: np.ones_like(z), 1),
    "z^2": (lambda z: z**2, 1),
    "z^4": (lambda z: z**4, 3),
    "z^10": (lambda z: z**10, 945),
    "exp z": (np.exp, math.exp(0.5)),
    "exp 2z": (lambda z: np.exp(2 * z), math.exp(2)),
    "cos z": (np.cos, math.exp(-0.5)),
    "cos 20z": (lambda z: np.cos(20 * z), math.exp(-200)),
    "|z|": (np.abs, math.sqrt(2 / math.pi)),
    "relu^2": (lambda z: np.maximum(z, 0) ** 2, 0.5),
    "erf^2": (
        lambda z: special.erf(z) ** 2,
        2 / math.pi * math.asin(2 / 3),
    ),
    "step at 0": (lambda z: (z > 0) * 1.0, 0.5),
    "step at 1.2345": (lambda z: (z > 1.2345) * 1.0, stats.norm.sf(1.2345)),
    "density": (stats.norm.pdf, 1 / math.sqrt(4 * math.pi)),
}


@pytest.mark.parametrize(("function", "expected"), CLOSED.values(), ids=CLOSED)
def test_expectation_is_the_closed_form(function, expected):
    assert gaussian_expectation(function) == pytest.approx(
        expected, rel=1e-9, abs=1e-12
    )


def test_function_gets_vectors_of_float64():
    seen = []

    def function(z):
        seen.append((z.ndim, z.dtype.name))
        return z

    gaussian_expectation(function)
    assert set(seen) == {(1, "float64")}


@pytest.mark.parametrize(
    "function",
    [
        lambda z: np.full_like(z, math.inf),
        lambda z: np.full_like(z, math.nan),
        lambda z: 1 / z,
        lambda z: np.exp(z * z),
        lambda z: np.exp(0.6 * z * z),
    ],
    ids=["infinite", "nan", "pole", "exp z^2", "exp .6 z^2"],
)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_infinite_expectation_is_an_error(function):
    message = (
        r"The expectation over a standard normal does not settle\. Received: "
        r"function=.* The function must be finite at every real number\."
    )
    with pytest.raises(ValueError, match=message):
        gaussian_expectation(function)
