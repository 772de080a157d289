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


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "linear"])
def test_homogeneous_ones_have_one_gain_in_both_directions(name):
    assert gain(name, "backward") == pytest.approx(gain(name), rel=1e-9)
    assert gain(name, "both") == pytest.approx(gain(name), rel=1e-9)


def test_backward_gain_of_sine_is_the_closed_form():
    # E cos^2 z = (1 + exp(-2)) / 2, and that of the sine adds up to 1 with it.
    expected = math.sqrt(2 / (1 + math.exp(-2)))
    assert gain(np.sin, "backward") == pytest.approx(expected, rel=1e-9)
    assert gain(np.sin, "both") == pytest.approx(math.sqrt(2), rel=1e-9)


@pytest.mark.parametrize("name", ["tanh", "gelu", "selu", "softplus"])
def test_backward_gain_is_that_of_a_sample(name):
    z = np.random.default_rng(1).normal(size=1_000_000)
    slopes = (activation(name)(z + 1e-6) - activation(name)(z - 1e-6)) / 2e-6
    squares = slopes**2
    error = squares.std() / squares.mean() / 1000
    measured = gain(name, "backward") ** 2 * squares.mean()
    assert measured == pytest.approx(1, abs=5 * error + 1e-6)


def test_default_preserves_the_signal():
    assert gain("tanh", preserve="forward") == gain("tanh")


# The weights that a seed gives depend on each bit of these.
PINNED = {
    "elu": "0x1.3ec550da8a90fp+0",
    "gelu": "0x1.889573745fdc0p+0",
    "hard_shrink": "0x1.040b3adb011acp+0",
    "hard_tanh": "0x1.645c7b022031fp+0",
    "relu": "0x1.6a09e667f055ap+0",
    "tanh": "0x1.97b088475a873p+0",
}


@pytest.mark.parametrize(("name", "bits"), PINNED.items())
def test_bits_of_a_gain_never_change(name, bits):
    assert gain(name).hex() == bits


def test_unknown_direction_is_refused():
    message = r"`preserve` must be one of 'forward', .* Received: preserve='sideways'"
    with pytest.raises(ValueError, match=message):
        gain("tanh", "sideways")


def test_jumps_and_constants_have_no_backward_gain():
    with pytest.raises(ValueError, match="An activation that jumps has no slope"):
        gain("hard_shrink", "backward")
    with pytest.raises(ValueError, match=r"that is constant has no gain\. Received"):
        gain(lambda z: np.ones_like(z), "backward")
