"""Networks of coordinates, against networks and kernels in NumPy."""

import math

import keras
import numpy as np
import pytest
from scipy import stats

import keras_inits as ki
from keras_inits.initializers.implicit import FourierFeatures, Siren
from tests.initializers.tools import as_numpy, digest, values_of


def uniform(limit):
    return stats.uniform(-limit, 2 * limit)


LAWS = {
    "first": (Siren(first=True, seed=1), uniform(1 / 300)),
    "hidden": (Siren(seed=1), uniform(math.sqrt(6 / 300) / 30)),
    "omega": (Siren(omega=7, seed=1), uniform(math.sqrt(6 / 300) / 7)),
    "exact": (
        Siren(exact=True, seed=1),
        uniform(math.sqrt(6 / (300 * (1 - math.exp(-2)))) / 30),
    ),
    "kernel": (FourierFeatures(3.0, seed=1), stats.norm(0, 3)),
    "bias": (FourierFeatures(3.0, "bias", seed=1), stats.uniform(0, 2 * math.pi)),
    "cycles": (
        FourierFeatures(3.0, unit="cycles", seed=1),
        stats.norm(0, 6 * math.pi),
    ),
}


@pytest.mark.parametrize(("scheme", "law"), LAWS.values(), ids=LAWS)
def test_values_follow_the_law(scheme, law):
    values = values_of(scheme, (300, 500)).astype(float).ravel()
    assert stats.kstest(values, law.cdf).pvalue > 1e-4
    assert abs(values.mean() - law.mean()) < 5 * law.std() / math.sqrt(values.size)
    assert values.std() == pytest.approx(law.std(), rel=0.01)
    low, high = law.support()
    ulp = 1e-6 * law.std()
    assert low - ulp <= values.min() <= values.max() <= high + ulp


@pytest.mark.parametrize(("exact", "settled"), [(False, 0.8926), (True, 1.0)])
def test_pre_activations_of_a_sine_network_settle(exact, settled):
    width, omega = 512, 30.0
    x = np.random.default_rng(1).uniform(-1, 1, size=(400, 2))
    stddevs = []
    for layer in range(8):
        scheme = Siren(first=layer == 0, exact=exact, seed=layer)
        kernel = values_of(scheme, (x.shape[1], width)).astype(float)
        pre_activation = omega * x @ kernel
        stddevs.append(pre_activation.std())
        x = np.sin(pre_activation)
    # v = c (1 - exp(-2 v)) for the variance: .7967 with c = 1, and 1 with the exact c.
    np.testing.assert_allclose(stddevs[4:], settled, rtol=0.04)


def test_first_layer_sets_the_frequencies():
    # omega times a weight of U(-1/2, 1/2): the angular frequency along an axis.
    kernel = 30 * values_of(Siren(first=True, seed=3), (2, 20000))
    assert np.abs(kernel).max() == pytest.approx(15, rel=1e-3)


def test_fans_and_axes_tell_the_size():
    by_fans = values_of(Siren(seed=1, fans=ki.Fans.depthwise()), (3, 3, 500, 1))
    assert np.abs(by_fans).max() == pytest.approx(math.sqrt(6 / 9) / 30, rel=1e-2)
    by_axes = Siren(first=True, seed=1, input_axes=[0], output_axes=[1, 2])
    values = values_of(by_axes, (50, 8, 64))
    assert np.abs(values).max() == pytest.approx(1 / 50, rel=1e-2)
    first = Siren(first=True, seed=1, fans=ki.Fans.depthwise())
    assert np.abs(values_of(first, (3, 3, 500, 1))).max() == pytest.approx(
        1 / 9, rel=1e-2
    )


@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_features_make_the_gaussian_kernel(sigma):
    features = 1 << 16
    points = np.random.default_rng(1).normal(size=(5, 3)) / sigma
    kernel = values_of(FourierFeatures(sigma, seed=1), (3, features)).astype(float)
    phase = values_of(FourierFeatures(part="bias", seed=1), (features,)).astype(float)
    mapped = np.cos(points @ kernel + phase)
    gram = 2 / features * mapped @ mapped.T
    squares = np.square(points[:, None] - points[None]).sum(-1)
    expected = np.exp(-(sigma**2) * squares / 2)
    # Each product 2 cos cos has a variance of at most 1.5.
    np.testing.assert_allclose(gram, expected, atol=5 * math.sqrt(1.5 / features))


def test_pairs_of_cosine_and_sine_need_no_phase():
    features = 1 << 15
    kernel = values_of(FourierFeatures(1.5, seed=4), (2, features)).astype(float)
    difference = np.array([0.3, -0.6])
    mean = np.cos(difference @ kernel).mean()
    expected = math.exp(-(1.5**2) * (difference @ difference) / 2)
    assert mean == pytest.approx(expected, abs=5 / math.sqrt(2 * features))


@pytest.mark.backend
def test_dense_layers_take_both_parts():
    layer = keras.layers.Dense(
        64,
        keras.ops.cos,
        kernel_initializer=FourierFeatures(2.0, seed=1),
        bias_initializer=FourierFeatures(part="bias", seed=1),
    )
    x = np.ones((1, 2), "float32")
    kernel = values_of(FourierFeatures(2.0, seed=1), (2, 64))
    bias = values_of(FourierFeatures(part="bias", seed=1), (64,))
    expected = np.cos(x @ kernel + bias)
    np.testing.assert_allclose(as_numpy(layer(x)), expected, atol=1e-5)


@pytest.mark.backend
@pytest.mark.parametrize(
    "scheme",
    [
        Siren(True, 20, seed=2),
        Siren(exact=True, seed=2),
        FourierFeatures(2, "kernel", "cycles", seed=2),
        FourierFeatures(part="bias", seed=2),
    ],
    ids=str,
)
def test_copy_gives_the_same_values(scheme):
    again = keras.initializers.get(keras.initializers.serialize(scheme))
    assert digest(values_of(again, (30, 20))) == digest(values_of(scheme, (30, 20)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Siren(omega=0), "`omega` must be positive float. Received: omega=0"),
        (lambda: FourierFeatures(-1), "`stddev` must be positive float. Received: "),
        (lambda: FourierFeatures(part="phase"), "Invalid `part` argument: 'phase'"),
        (lambda: FourierFeatures(unit="hertz"), "Invalid `unit` argument: 'hertz'"),
    ],
)
def test_arguments_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
