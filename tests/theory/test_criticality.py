"""The edge of chaos, against published numbers, closed forms and wide networks."""

import math

import numpy as np
import pytest
from scipy import special

from keras_inits.theory import (
    Curve,
    activation_names,
    chi_1,
    critical_line,
    edge_of_chaos,
    gain,
    half_stable_point,
    is_homogeneous,
    variance_map,
)

# tanh (Poole et al., 2016; Schoenholz et al., 2017): bias variance, weight variance, q.
TANH = [
    (0.001, 1.18919, 0.10729),
    (0.01, 1.424205, 0.273301),
    (0.05, 1.760955, 0.570048),
    (0.1, 1.986073, 0.805799),
    (0.2, 2.285152, 1.164496),
    (0.3, 2.505127, 1.461169),
]
WITHOUT = {"exponential", "hard_shrink", "log_sigmoid", "softplus", "sparse_plus"}
WITHOUT |= {"squareplus", "tanh_shrink"}


@pytest.mark.parametrize(("biases", "weights", "variance"), TANH)
def test_line_of_tanh_is_the_published_one(biases, weights, variance):
    by_bias = edge_of_chaos("tanh", bias_variance=biases)
    assert by_bias.weight_variance == pytest.approx(weights, abs=6e-6)
    assert by_bias.variance == pytest.approx(variance, abs=6e-6)
    by_variance = edge_of_chaos("tanh", by_bias.variance)
    assert by_variance.bias_variance == pytest.approx(biases, rel=1e-9)


@pytest.mark.parametrize("q", [0.1, 1.0, 20.0])
def test_point_of_erf_is_the_closed_form(q):
    weights = math.pi / 4 * math.sqrt(1 + 4 * q)
    biases = q - weights * 2 / math.pi * math.asin(2 * q / (1 + 2 * q))
    point = edge_of_chaos(special.erf, q)
    assert point.weight_variance == pytest.approx(weights, rel=1e-9)
    assert point.bias_variance == pytest.approx(biases, rel=1e-7)


@pytest.mark.parametrize("name", sorted(set(activation_names()) - WITHOUT))
def test_default_point_is_critical_and_keeps_its_variance(name):
    point = edge_of_chaos(name)
    weights, biases = point.weight_variance, point.bias_variance
    assert biases >= 0
    assert point.stability != "unstable"
    assert chi_1(name, weights, biases, point.variance) == pytest.approx(1, abs=1e-8)
    mapping = variance_map(name, weights, biases)
    assert mapping(point.variance) == pytest.approx(point.variance, rel=1e-8)
    assert mapping.slope(point.variance) == pytest.approx(point.slope, abs=1e-9)


@pytest.mark.parametrize(
    "name", ["tanh", "elu", "selu", "relu6", "softsign", "hard_tanh", "relu"]
)
def test_default_variance_is_1_where_that_is_stable(name):
    assert edge_of_chaos(name).variance == 1


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "linear"])
def test_homogeneous_ones_have_their_gain_bit_for_bit(name):
    point = edge_of_chaos(name)
    assert point.weight_variance == gain(name) ** 2
    assert point.bias_variance == 0
    assert point.stability == "neutral"


# Roberts, Yaida & Hanin (2021): weight variance, bias variance, q.
HALF_STABLE = {
    "silu": (1.98800468, 0.55514317, 14.32017),
    "swish": (1.98800468, 0.55514317, 14.32017),
    "gelu": (1.98305826, 0.17292239, (3 + math.sqrt(17)) / 2),
}


@pytest.mark.parametrize(("name", "published"), HALF_STABLE.items())
def test_half_stable_points_are_the_published_ones(name, published):
    point = half_stable_point(name)
    found = (point.weight_variance, point.bias_variance, point.variance)
    assert found == pytest.approx(published, abs=1e-5)
    assert point.slope == pytest.approx(1, abs=1e-9)
    assert edge_of_chaos(name) == point


def test_half_stable_point_holds_a_deep_network_of_gelu():
    point = edge_of_chaos("gelu")
    rng, width = np.random.default_rng(1), 600
    x = rng.normal(size=(width, 8)) * math.sqrt(point.variance)
    for _ in range(60):
        weights = rng.normal(size=(width, width)) / math.sqrt(width)
        biases = rng.normal(size=(width, 1)) * math.sqrt(point.bias_variance)
        x = math.sqrt(point.weight_variance) * weights @ (x * special.ndtr(x)) + biases
    # With the gain alone it would be a thousand times as much.
    assert 0.3 < np.mean(x**2) / point.variance < 3


def test_critical_line_has_a_point_for_each_variance():
    variances = [0.1, 1.0, 5.0]
    line = critical_line("tanh", variances)
    assert [point.variance for point in line] == variances
    assert line[1] == edge_of_chaos("tanh", 1.0)


def test_critical_line_leaves_out_negative_bias_variances():
    line = critical_line("sigmoid", [1.0, 10.0, 50.0, 100.0])
    assert [point.variance for point in line] == [50, 100]
    assert critical_line("softplus") == []


def test_critical_line_goes_over_four_decades_by_itself():
    variances = [point.variance for point in critical_line("tanh")]
    assert variances == pytest.approx(np.logspace(-2, 2, 25))


def test_slope_tells_stable_points_from_unstable_ones():
    # Between them lies the half-stable one.
    assert edge_of_chaos("gelu", 2.0).stability == "unstable"
    assert edge_of_chaos("gelu", 6.0).stability == "stable"


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("relu", True),
        ("leaky_relu", True),
        (np.abs, True),
        (lambda x: np.where(x > 0, 2 * x, -0.3 * x), True),
        (lambda x: np.maximum(x.astype("float32"), 0), True),
        ("relu6", False),
        ("tanh", False),
        (lambda x: x + 1e-3, False),
        (np.sign, False),
    ],
)
def test_homogeneous_functions_are_known(function, expected):
    assert is_homogeneous(function) is expected


def test_precision_of_float32_is_enough_for_six_digits():
    curve = Curve(lambda x: np.tanh(x.astype("float32")))
    point = edge_of_chaos(curve, bias_variance=0.05)
    assert point.weight_variance == pytest.approx(1.760955, rel=1e-6)


@pytest.mark.parametrize("name", sorted(WITHOUT - {"hard_shrink"}))
def test_activation_without_a_critical_point_is_refused(name):
    message = r"no critical point, with a variance from 1 to 10000, .*Received: activ"
    with pytest.raises(ValueError, match=message):
        edge_of_chaos(name)


def test_variance_without_a_critical_point_is_refused_with_a_range():
    message = (
        r"the biases' would be -5\.5.*Received: .*variance=1\. Give `variance`: points "
        r"exist from about \d+"
    )
    with pytest.raises(ValueError, match=message):
        edge_of_chaos("sigmoid", 1.0)


def test_bias_variance_without_a_critical_point_is_refused():
    message = r"No critical point .* has that bias variance\. Received: .*0"
    with pytest.raises(ValueError, match=message):
        edge_of_chaos("softplus", bias_variance=0.1)


def test_bias_of_relu_is_refused():
    with pytest.raises(ValueError, match="only a bias variance of 0 is critical"):
        edge_of_chaos("relu", bias_variance=0.1)


def test_variance_and_bias_variance_exclude_each_other():
    message = r"fixes the other\. Received: variance=1\.0, bias_variance=0\.1\. Give"
    with pytest.raises(ValueError, match=message):
        edge_of_chaos("tanh", 1.0, bias_variance=0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variance": -1.0}, "`variance` is a variance and must be > 0"),
        ({"bias_variance": -1.0}, "`bias_variance` is a variance and must be >= 0"),
    ],
)
def test_negative_variances_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        edge_of_chaos("tanh", **arguments)


def test_jumps_and_constants_have_no_critical_point():
    with pytest.raises(ValueError, match="An activation that jumps"):
        edge_of_chaos("hard_shrink")
    with pytest.raises(ValueError, match="that is constant has no critical"):
        edge_of_chaos(lambda x: np.ones_like(x))


@pytest.mark.parametrize("name", ["tanh", "relu"])
def test_other_activations_have_no_half_stable_point(name):
    with pytest.raises(ValueError, match=r"no half-stable critical point.* Received: "):
        half_stable_point(name)
