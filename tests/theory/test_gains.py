"""Gains against closed forms, a table made elsewhere, and Monte Carlo."""

import math

import numpy as np
import pytest

from keras_inits.theory import activation, activation_names, gain

# Quadrature done outside of this package; see the closed forms below for a check.
TABLE = {
    "relu": 1.41421,
    "leaky_relu": 1.38675,
    "elu": 1.24520,
    "selu": 1.0,
    "gelu": 1.53353,
    "silu": 1.67653,
    "mish": 1.48685,
    "tanh": 1.59254,
    "sigmoid": 1.84623,
    "softplus": 1.04187,
    "softsign": 2.33753,
    "hard_silu": 1.73666,
    "linear": 1.0,
}
CLOSED = {
    "relu": math.sqrt(2),
    "leaky_relu": math.sqrt(2 / (1 + 0.2**2)),
    "linear": 1.0,
    "exponential": 1 / math.e,
    "celu": 1 / math.sqrt(0.6449457),
}


@pytest.mark.parametrize(("name", "expected"), TABLE.items())
def test_gain_is_that_of_the_table(name, expected):
    assert gain(name) == pytest.approx(expected, abs=6e-6)


@pytest.mark.parametrize(("name", "expected"), CLOSED.items())
def test_gain_is_the_closed_form(name, expected):
    assert gain(name) == pytest.approx(expected, rel=1e-5 if name == "celu" else 1e-9)


def test_gain_of_a_sine_is_the_closed_form():
    # E sin^2 z = (1 - exp(-2)) / 2.
    assert gain(np.sin) == pytest.approx(math.sqrt(2 / (1 - math.exp(-2))), rel=1e-9)


@pytest.mark.parametrize("name", activation_names())
def test_gain_keeps_the_mean_square_of_a_sample(name):
    z = np.random.default_rng(1).normal(size=1_000_000)
    squares = activation(name)(z) ** 2
    error = squares.std() / squares.mean() / 1000
    assert gain(name) ** 2 * squares.mean() == pytest.approx(1, abs=5 * error)


@pytest.mark.parametrize("name", activation_names())
def test_gain_by_name_is_that_of_the_function(name):
    assert gain(activation(name)) == gain(name)


@pytest.mark.parametrize("factor", [0.1, 3.0])
def test_gain_undoes_a_factor(factor):
    assert gain(lambda z: factor * z) == pytest.approx(1 / factor, rel=1e-9)


def test_function_that_is_zero_has_no_gain():
    message = r"An activation that is 0 everywhere has no gain\. Received: activation="
    with pytest.raises(ValueError, match=message):
        gain(lambda z: 0 * z)


def test_unknown_name_has_no_gain():
    with pytest.raises(ValueError, match=r"Unknown activation\. Received: 'nope'\."):
        gain("nope")


def test_gain_is_a_python_float():
    assert type(gain("tanh")) is float
    assert type(gain(lambda z: z.astype("float32"))) is float
