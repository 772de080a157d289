"""Kinks, jumps and slopes of activations, against those known by hand."""

import numpy as np
import pytest

from keras_inits.theory import Curve, activation_names, edge_of_chaos
from keras_inits.theory.curves import curve_of, expectations

KINKS = {
    "celu": [0],
    "elu": [0],
    "hard_shrink": [-0.5, 0.5],
    "hard_sigmoid": [-3, 3],
    "hard_silu": [-3, 3],
    "hard_swish": [-3, 3],
    "hard_tanh": [-1, 1],
    "leaky_relu": [0],
    "relu": [0],
    "relu6": [0, 6],
    "selu": [0],
    "soft_shrink": [-0.5, 0.5],
    "softsign": [0],
    "sparse_plus": [-1, 1],
    "sparse_sigmoid": [-1, 1],
}


@pytest.mark.parametrize("name", activation_names())
def test_kinks_of_keras_activations_are_all_found(name):
    assert curve_of(name).kinks(12.0).tolist() == KINKS.get(name, [])


@pytest.mark.parametrize("place", [2**0.5, -0.7312345, 11.87, 40.25, -500.1])
def test_kink_anywhere_is_found(place):
    curve = Curve(lambda x: np.abs(x - place))
    assert curve.kinks(1000.0) == pytest.approx([place], abs=1e-8)


def test_kinks_beyond_the_reach_are_left_out():
    assert curve_of("relu6").kinks(3.0).tolist() == [0]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: np.sign(x - 0.3), [0.3]),
        (lambda x: np.where(np.abs(x) > 0.5, x, 0), [-0.5, 0.5]),
        (np.abs, []),
        (lambda x: np.sqrt(np.abs(x)), []),
        (np.tanh, []),
    ],
    ids=["sign", "hard shrink", "kink", "root", "smooth"],
)
def test_jumps_are_told_from_kinks(function, expected):
    assert Curve(function).jumps(12.0) == pytest.approx(expected, abs=1e-9)


def test_noise_is_that_of_the_precision():
    assert Curve(np.tanh).noise < 1e-14
    single = Curve(lambda x: np.tanh(x.astype("float32")))
    assert 1e-9 < single.noise < 1e-6


@pytest.mark.parametrize("stddev", [1e-3, 1.0, 30.0])
def test_mean_square_slope_of_sine_is_the_closed_form(stddev):
    found = Curve(np.sin).expectation(lambda z, f, slope: [slope**2], stddev)
    expected = (1 + np.exp(-2 * stddev**2)) / 2
    assert found[0] == pytest.approx(expected, rel=1e-9)


def test_step_of_a_wide_normal_does_not_fall_between_points():
    # tanh at a standard deviation of 10^4: E tanh^2 = 1 - 2 sqrt(2 / pi) / 2 / 10^4 ...
    found = Curve(np.tanh).expectation(lambda z, f, slope: [1 - f * f], 1e4)
    assert found[0] == pytest.approx(2 / np.sqrt(2 * np.pi) / 1e4, rel=1e-6)


def test_several_curves_share_one_normal():
    # E cos(z) exp(-2 z) = Re E exp((i - 2) z) = Re exp((i - 2)^2 / 2)
    found = expectations(
        lambda z, f, f_slope, g, g_slope: [f * g],
        [(Curve(np.cos), 1.0), (Curve(np.exp), -2.0)],
    )
    assert found[0] == pytest.approx(np.exp((1j - 2) ** 2 / 2).real, rel=1e-10)


@pytest.mark.backend
@pytest.mark.parametrize("name", ["relu", "tanh", "gelu"])
def test_function_of_keras_has_the_expectations_of_its_name(name):
    import keras

    function = getattr(keras.activations, name)
    curve = Curve(lambda x: keras.ops.convert_to_numpy(function(x)))

    def moments(z, f, slope):
        return [f, f * f, slope * slope]

    exact = curve_of(name).expectation(moments, 0.8)
    np.testing.assert_allclose(curve.expectation(moments, 0.8), exact, 2e-5, 1e-7)


@pytest.mark.backend
def test_tensors_of_the_backend_are_taken():
    import keras

    curve = Curve(lambda x: keras.ops.relu(x))
    assert curve(np.array([-1.0, 2.0])).tolist() == [0, 2]


def test_curve_is_taken_as_it_is_and_names_are_remembered():
    curve = Curve(np.tanh)
    assert curve_of(curve) is curve
    assert curve_of("tanh") is curve_of("tanh")


def test_function_of_several_units_is_refused():
    message = r"one value for each of its inputs\. Received: function=.* \(1024,\) in"
    with pytest.raises(ValueError, match=message):
        Curve(lambda x: x.sum())


def test_function_sees_few_sizes():
    # A backend may compile for each of them.
    sizes = set()

    def function(x):
        sizes.add(x.size)
        return np.maximum(x, 0) * np.tanh(x)

    edge_of_chaos(function)
    assert len(sizes) <= 8


def test_something_else_is_no_activation():
    message = r"must be the name .* or a function\. Received: activation=3 \(of type"
    with pytest.raises(TypeError, match=message):
        curve_of(3)


@pytest.mark.parametrize(
    "function",
    [lambda x: np.exp(x * x), lambda x: 1 / x, lambda x: np.full_like(x, np.nan)],
    ids=["exp x^2", "pole", "nan"],
)
def test_infinite_expectation_is_an_error(function):
    with pytest.raises(ValueError, match=r"is not finite: .* Received: activation="):
        Curve(function).expectation(lambda z, f, slope: [f * f], 1.0)
