"""Laws that do not follow the layer's size."""

import math

import keras
import numpy as np
import pytest
from scipy import stats

import keras_inits as ki
from tests.initializers.tools import values_of

SHAPE = (700, 700)
INF = math.inf
BOUNDS = [(-2, 2), (-3, 3), (-1, 0.5), (0, INF), (-INF, 1), (-INF, INF), (5, 6), (2, 9)]


@pytest.mark.parametrize(("low", "high"), BOUNDS)
@pytest.mark.parametrize(("mean", "stddev"), [(0, 1), (-3, 0.2)])
def test_truncated_normal_of_a_parent_is_scipys(low, high, mean, stddev):
    scheme = ki.TruncatedNormal(mean, stddev, seed=1, low=low, high=high)
    values = values_of(scheme, SHAPE).astype(float).ravel()
    law = stats.truncnorm(low, high, mean, stddev)
    # A step of float32 at -3 is 2e-7: smooth it, where the law is narrower still.
    values += np.random.default_rng(1).uniform(-1.2e-7, 1.2e-7, values.size) * bool(
        mean
    )
    assert stats.kstest(values, law.cdf).pvalue > 1e-4


@pytest.mark.parametrize(("low", "high"), BOUNDS)
@pytest.mark.parametrize("stddev", [1.0, 0.02])
def test_truncated_normal_of_a_result_has_that_stddev(low, high, stddev):
    scheme = ki.TruncatedNormal(
        0, stddev, seed=1, low=low, high=high, stddev_of="result"
    )
    values = values_of(scheme, SHAPE, "float32").astype(float)
    excess = stats.truncnorm(low, high).stats("k")
    error = math.sqrt((excess + 2) / (4 * values.size))
    assert values.std() / stddev == pytest.approx(1, abs=5 * error)


def test_default_truncation_takes_12_percent_of_the_stddev():
    values = values_of(ki.TruncatedNormal(stddev=1, seed=1), SHAPE).astype(float)
    assert np.abs(values).max() <= 2
    assert values.std() == pytest.approx(0.8796256610342398, abs=3e-3)


def test_zero_stddev_gives_the_mean():
    for scheme in (ki.RandomNormal(0.25, 0), ki.TruncatedNormal(0.25, 0)):
        assert set(values_of(scheme, (9,))) == {0.25}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_mean_of_a_uniform_is_right_in_every_dtype(dtype):
    # Keras draws bfloat16 as such: 128 values, and a mean off by 0.012 stddev.
    values = values_of(ki.RandomUniform(-1, 1, seed=1), (1000, 1000), dtype)
    error = values.astype(float).std() / 1000
    assert abs(values.astype(float).mean()) < 5 * error
    assert np.unique(values).size > 2000


@pytest.mark.parametrize("scheme", [ki.RandomNormal, ki.RandomUniform])
def test_numbers_may_be_given_as_arrays(scheme):
    plain, arrays = scheme(0.5, 2, seed=1), scheme(np.float32(0.5), np.array([2]), 1)
    np.testing.assert_array_equal(values_of(plain, (4, 4)), values_of(arrays, (4, 4)))


@pytest.mark.parametrize(
    ("scheme", "host"),
    [
        (ki.RandomNormal, keras.initializers.RandomNormal),
        (ki.RandomUniform, keras.initializers.RandomUniform),
        (ki.TruncatedNormal, keras.initializers.TruncatedNormal),
    ],
)
def test_defaults_have_the_spread_of_keras(scheme, host):
    ours, theirs = (values_of(s(seed=1), (600, 600)) for s in (scheme, host))
    assert ours.std() == pytest.approx(theirs.std(), rel=0.01)
    assert abs(ours).max() == pytest.approx(abs(theirs).max(), rel=0.15)
