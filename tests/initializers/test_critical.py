"""The edge of chaos: published numbers, finite differences, deep networks in NumPy."""

import json
import math

import keras
import numpy as np
import pytest
from scipy import integrate, stats

import keras_inits as ki
from keras_inits import theory
from keras_inits.initializers.critical import Critical, critical_variances
from tests.initializers.tools import values_of


def slope(a):
    return lambda z: np.where(z > 0, z, a * z)


FAMILY = {
    "relu": ("relu", 0.0),
    "leaky_relu": ("leaky_relu", 0.2),
    "linear": ("linear", 1.0),
    "slope of 0.1": (slope(0.1), 0.1),
    "slope of -0.7": (slope(-0.7), -0.7),
    "absolute value": (np.abs, -1.0),
    "function of Keras": (keras.activations.relu, 0.0),
}
every_member = pytest.mark.parametrize(
    ("activation", "below"), FAMILY.values(), ids=FAMILY
)


@pytest.mark.backend
@every_member
def test_weight_variance_is_2_over_1_plus_slope_squared(activation, below):
    weights, biases = critical_variances(activation)
    assert weights == pytest.approx(2 / (1 + below**2), rel=1e-6)
    assert biases == 0


@pytest.mark.parametrize("below", [0.0, 0.2, -0.7])
@pytest.mark.parametrize("variance", [0.01, 1.0, 50.0])
def test_chi_1_is_1_at_any_variance(below, variance):
    function = slope(below)
    weights, _ = critical_variances(function)
    step = 1e-6

    def integrand(z):
        x = math.sqrt(variance) * z
        derivative = (function(x + step) - function(x - step)) / (2 * step)
        return derivative**2 * stats.norm.pdf(z)

    mean_square, _ = integrate.quad(integrand, -10, 10, points=[0], limit=200)
    assert weights * mean_square == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("below", [0.0, 0.3, -1.0])
def test_signal_keeps_its_size_through_a_deep_network(below):
    function, width, depth = slope(below), 400, 20
    x = np.random.default_rng(1).normal(size=(width, 64))
    squares = [np.square(x).mean()]
    for layer in range(depth):
        kernel = values_of(Critical(function, seed=layer), (width, width))
        x = kernel.T.astype(float) @ (function(x) if layer else x)
        squares.append(np.square(x).mean())
    # The first layer sees the input itself, without an activation.
    ratio = squares[-1] / squares[1]
    # ln of it has a variance of about (kurtosis factor 5) depth / width.
    assert abs(math.log(ratio)) < 4 * math.sqrt(5 * depth / width)


def test_near_inputs_stay_near_without_merging():
    # Below the edge their distance shrinks by chi_1 per layer, above it grows.
    function, width, depth = slope(0.2), 500, 15
    rng = np.random.default_rng(2)
    x = rng.normal(size=(width, 1))
    pair = np.concatenate([x, x + 1e-6 * rng.normal(size=x.shape)], axis=1)
    distances = []
    for layer in range(depth):
        kernel = values_of(Critical(function, seed=layer), (width, width))
        pair = kernel.T.astype(float) @ (function(pair) if layer else pair)
        distances.append(np.linalg.norm(pair[:, 1] - pair[:, 0]))
    ratio = (distances[-1] / distances[0]) ** (2 / (depth - 1))
    assert ratio == pytest.approx(1, abs=0.2)


def test_kernel_of_relu_is_he_normal_in_law():
    values = values_of(Critical(seed=1), (3, 3, 60, 200)).ravel().astype(float)
    law = stats.norm(0, math.sqrt(2 / 540))
    assert stats.kstest(values, law.cdf).pvalue > 1e-4


def test_fans_tell_the_size():
    values = values_of(Critical(seed=1, fans=ki.Fans.depthwise()), (3, 3, 4000, 1))
    assert values.std() == pytest.approx(math.sqrt(2 / 9), rel=0.02)


def test_bias_on_the_critical_line_of_relu_is_0():
    assert not values_of(Critical(part="bias", seed=1), (50,)).any()


@pytest.mark.backend
@pytest.mark.parametrize(
    "activation", ["leaky_relu", keras.activations.relu, slope(0.1)], ids=str
)
def test_scheme_comes_back_with_its_values(activation):
    scheme = Critical(activation, seed=3)
    text = json.dumps(keras.saving.serialize_keras_object(scheme))
    again = keras.saving.deserialize_keras_object(json.loads(text))
    np.testing.assert_allclose(
        values_of(again, (30, 20)), values_of(scheme, (30, 20)), rtol=1e-6
    )


# bias variance, weight variance of the line of tanh (Schoenholz et al., 2017).
@pytest.mark.parametrize(
    ("biases", "weights"), [(0.001, 1.18919), (0.05, 1.760955), (0.3, 2.505127)]
)
def test_line_of_tanh_is_the_published_one(biases, weights):
    found = critical_variances("tanh", bias_variance=biases)
    assert found == pytest.approx((weights, biases), abs=6e-6)


def test_variance_chooses_the_point():
    assert critical_variances("tanh", 0.570048) == pytest.approx(
        (1.760955, 0.05), abs=1e-6
    )
    assert critical_variances("tanh") == critical_variances("tanh", 1.0)


@pytest.mark.parametrize(
    ("activation", "published"),
    [("silu", (1.98800468, 0.55514317)), ("gelu", (1.98305826, 0.17292239))],
)
def test_gated_units_get_their_half_stable_point(activation, published):
    # Roberts, Yaida & Hanin (2021), arXiv:2106.10165.
    assert critical_variances(activation) == pytest.approx(published, abs=1e-7)


@pytest.mark.backend
def test_functions_of_keras_have_the_point_of_their_names():
    by_name = critical_variances("tanh", bias_variance=0.05)
    assert critical_variances(keras.activations.tanh, bias_variance=0.05) == by_name
    through = critical_variances(lambda x: keras.ops.tanh(x), bias_variance=0.05)
    assert through == pytest.approx(by_name, rel=1e-5)


@pytest.mark.backend
def test_kernel_and_bias_of_tanh_have_their_variances():
    scheme = {"activation": "tanh", "bias_variance": 0.05}
    kernel = values_of(Critical(**scheme, seed=1), (400, 500)).astype(float)
    assert kernel.var() == pytest.approx(1.760955 / 400, rel=0.02)
    bias = values_of(Critical(**scheme, part="bias", seed=1), (100_000,))
    assert bias.astype(float).var() == pytest.approx(0.05, rel=0.03)


@pytest.mark.parametrize("activation", ["tanh", "elu", "gelu"])
def test_signals_and_gradients_hold_through_a_deep_network(activation):
    width, depth, rng = 500, 40, np.random.default_rng(4)
    function = theory.activation(activation)
    variance = theory.edge_of_chaos(activation).variance
    x = rng.normal(size=width) * math.sqrt(variance)
    tangent = rng.normal(size=width)
    start = np.linalg.norm(tangent)
    for layer in range(depth):
        kernel = values_of(Critical(activation, seed=layer), (width, width))
        bias = values_of(Critical(activation, part="bias", seed=layer), (width,))
        steep = (function(x + 1e-6) - function(x - 1e-6)) / 2e-6
        tangent = kernel.T.astype(float) @ (steep * tangent)
        x = kernel.T.astype(float) @ function(x) + bias
    assert 0.6 < np.mean(x**2) / variance < 1.6
    # Its ln spreads by about the root of 5 depth / width.
    assert abs(2 * math.log(np.linalg.norm(tangent) / start)) < 4 * math.sqrt(
        5 * depth / width
    )


@pytest.mark.backend
@pytest.mark.parametrize("part", ["kernel", "bias"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"activation": "tanh", "variance": 2.0},
        {"activation": "tanh", "bias_variance": 0.05},
        {"activation": np.sin},
        {"activation": 1.3, "bias_variance": 0.2},
    ],
    ids=["variance", "bias variance", "function", "number"],
)
def test_points_of_the_line_come_back_with_their_values(arguments, part):
    scheme = Critical(**arguments, part=part, seed=3)
    text = json.dumps(keras.saving.serialize_keras_object(scheme))
    again = keras.saving.deserialize_keras_object(json.loads(text))
    np.testing.assert_allclose(
        values_of(again, (40,)), values_of(scheme, (40,)), rtol=1e-6
    )


@pytest.mark.parametrize("activation", ["softplus", "exponential", "squareplus"])
def test_activations_without_a_critical_point_are_refused(activation):
    with pytest.raises(ValueError, match=r"no critical point, .* Received: activation"):
        Critical(activation)


def test_jumps_are_refused():
    with pytest.raises(ValueError, match="An activation that jumps has no slope there"):
        Critical("hard_shrink")


def test_number_leaves_no_variance_to_choose():
    message = r"leaves no variance to choose\. Received: activation=1\.3, variance=1\.0"
    with pytest.raises(ValueError, match=message):
        Critical(1.3, variance=1.0)


def test_activation_that_is_0_has_no_critical_variance():
    with pytest.raises(ValueError, match=r"has no (gain|critical)"):
        Critical(np.zeros_like)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"activation": "nope"}, "Unknown activation. Received: 'nope'"),
        ({"activation": -1.0}, "`activation` must be positive"),
        ({"part": "weights"}, "Invalid `part` argument: 'weights'"),
        ({"variance": -1.0}, "`variance` must be positive"),
        ({"bias_variance": -1.0}, "`bias_variance` must be a finite number >= 0"),
        ({"variance": 1.0, "bias_variance": 0.1}, "fixes the other"),
        ({"activation": "sigmoid", "variance": 1.0}, "the biases' would be -5.5"),
    ],
)
def test_critical_refuses_unknown_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        Critical(**arguments)


def test_critical_refuses_what_is_no_activation():
    with pytest.raises(TypeError, match=r"`activation` must be a number. Received: "):
        Critical([])
