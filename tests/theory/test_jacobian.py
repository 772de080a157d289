"""Spectra of Jacobians, against closed forms and singular values of wide networks."""

import math

import numpy as np
import pytest

from keras_inits.theory import activation, edge_of_chaos, jacobian_spectrum

# Pennington et al. (2017), depth 8: orthogonal weights; Gaussian ones have 8 more.
VARIANCES = {0.0001: 0.0917, 0.01: 1.220, 0.05: 2.738}


@pytest.mark.parametrize(("biases", "variance"), VARIANCES.items())
@pytest.mark.parametrize(("weights", "more"), [("orthogonal", 0), ("gaussian", 8)])
def test_variance_of_tanh_is_the_published_one(biases, variance, weights, more):
    point = edge_of_chaos("tanh", bias_variance=biases)
    found = jacobian_spectrum(
        "tanh", point.weight_variance, biases, depth=8, weights=weights
    )
    assert found.mean == pytest.approx(1, abs=1e-9)
    assert found.variance == pytest.approx(variance + more, abs=6e-4)


@pytest.mark.parametrize(("weights", "variance"), [("orthogonal", 8), ("gaussian", 16)])
def test_variance_of_relu_is_the_published_one(weights, variance):
    found = jacobian_spectrum("relu", 2.0, depth=8, weights=weights)
    assert found.variance == pytest.approx(variance, rel=1e-9)


@pytest.mark.parametrize("depth", [2, 3, 8, 50])
def test_largest_of_orthogonal_relu_is_the_closed_form(depth):
    found = jacobian_spectrum("relu", 2.0, depth=depth, weights="orthogonal")
    expected = depth**depth / (depth - 1) ** (depth - 1)
    assert found.largest == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("depth", [1, 2, 10])
def test_largest_of_gaussian_linear_layers_is_the_closed_form(depth):
    found = jacobian_spectrum("linear", 1.0, depth=depth)
    expected = (depth + 1) ** (depth + 1) / depth**depth
    assert found.largest == pytest.approx(expected, rel=1e-4)


def test_orthogonal_linear_layers_are_an_isometry():
    found = jacobian_spectrum("linear", 1.0, depth=1000, weights="orthogonal")
    assert found.mean == pytest.approx(1, abs=1e-9)
    assert found.variance == pytest.approx(0, abs=1e-9)
    assert found.largest == pytest.approx(1, rel=1e-4)
    assert found.isometric


def squared_singular_values(name, weight_variance, bias_variance, depth, weights, rng):
    width = 160
    function, steep = activation(name), 1e-6
    x = rng.normal(size=width) * math.sqrt(
        edge_of_chaos(name, bias_variance=bias_variance).variance
    )
    jacobian = np.eye(width)
    for _ in range(depth):
        matrix = rng.normal(size=(width, width)) / math.sqrt(width)
        if weights == "orthogonal":
            matrix = np.linalg.qr(matrix)[0]
        slope = (function(x + steep) - function(x - steep)) / (2 * steep)
        jacobian = math.sqrt(weight_variance) * matrix @ (slope[:, None] * jacobian)
        biases = math.sqrt(bias_variance) * rng.normal(size=width)
        x = math.sqrt(weight_variance) * matrix @ function(x) + biases
    return np.linalg.svd(jacobian, compute_uv=False) ** 2


@pytest.mark.parametrize("weights", ["orthogonal", "gaussian"])
def test_spectrum_is_that_of_wide_networks(weights):
    point = edge_of_chaos("tanh", bias_variance=0.01)
    arguments = ("tanh", point.weight_variance, 0.01)
    expected = jacobian_spectrum(*arguments, depth=4, weights=weights)
    rng = np.random.default_rng(1)
    drawn = [squared_singular_values(*arguments, 4, weights, rng) for _ in range(8)]
    means, variances = np.mean(drawn, axis=1), np.var(drawn, axis=1)
    tops = np.max(drawn, axis=1)
    assert means.mean() == pytest.approx(expected.mean, abs=4 * means.std() / 8**0.5)
    assert variances.mean() == pytest.approx(expected.variance, rel=0.15)
    assert tops.mean() == pytest.approx(expected.largest, rel=0.1)


def test_isometry_is_lost_with_gaussian_weights():
    point = edge_of_chaos("tanh", bias_variance=1e-4)
    arguments = ("tanh", point.weight_variance, 1e-4)
    assert jacobian_spectrum(*arguments, depth=8, weights="orthogonal").isometric
    assert not jacobian_spectrum(*arguments, depth=8, weights="gaussian").isometric


def test_exploding_gradients_are_no_isometry():
    found = jacobian_spectrum("linear", 1.2, depth=10, weights="orthogonal", variance=1)
    assert found.mean == pytest.approx(1.2**10)
    assert found.variance == pytest.approx(0, abs=1e-9)
    assert not found.isometric


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 0}, r"`depth` must be >= 1\. Received: depth=0"),
        ({"depth": 2, "weights": "uniform"}, r"one of 'gaussian', 'orthogonal'"),
        ({"depth": 2, "variance": -1.0}, "`variance` is a variance"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        jacobian_spectrum("tanh", 1.5, 0.1, **arguments)


def test_constant_and_jumping_activations_are_refused():
    with pytest.raises(ValueError, match="that is constant passes no gradient"):
        jacobian_spectrum(lambda x: np.ones_like(x), 1.0, depth=2)
    with pytest.raises(ValueError, match="that jumps has no slope"):
        jacobian_spectrum("hard_shrink", 0.5, 0.1, depth=2)
