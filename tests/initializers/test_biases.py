"""Biases of classifiers, against the probabilities that they give."""

import math

import keras
import numpy as np
import pytest

from keras_inits.initializers.biases import LogPrior, PriorProbability
from tests.initializers.tools import as_numpy, values_of


@pytest.mark.parametrize("probability", [1e-8, 0.01, 0.3, 0.5, 0.99])
def test_sigmoid_of_the_bias_is_the_prior(probability):
    bias = PriorProbability(probability)._values((3,), np.dtype("float64"))(None)
    np.testing.assert_allclose(1 / (1 + np.exp(-bias)), probability, rtol=1e-12)


def test_bias_of_the_focal_loss():
    assert values_of(PriorProbability(), (1,))[0] == pytest.approx(-4.595120, abs=1e-6)


@pytest.mark.backend
def test_detector_starts_at_its_prior():
    layer = keras.layers.Conv2D(
        9, 3, kernel_initializer="zeros", bias_initializer=PriorProbability(0.2)
    )
    logits = layer(np.ones((1, 4, 4, 3), "float32"))
    np.testing.assert_allclose(as_numpy(keras.ops.sigmoid(logits)), 0.2, rtol=1e-5)


@pytest.mark.backend
@pytest.mark.parametrize(
    "priors", [[0.9, 0.09, 0.01], [900, 90, 10], np.array([9.0, 0.9, 0.1])], ids=str
)
def test_classifier_starts_at_the_frequencies(priors):
    layer = keras.layers.Dense(
        3, "softmax", kernel_initializer="zeros", bias_initializer=LogPrior(priors)
    )
    outputs = as_numpy(layer(np.ones((2, 5), "float32")))
    np.testing.assert_allclose(outputs, [[0.9, 0.09, 0.01]] * 2, rtol=1e-5)


def test_loss_starts_at_the_entropy_of_the_labels():
    counts = np.array([3.0, 5.0, 8.0])
    bias = values_of(LogPrior(counts), (3,))
    shares = counts / 16
    assert -shares @ bias == pytest.approx(-shares @ np.log(shares), rel=1e-6)
    assert np.exp(bias).sum() == pytest.approx(1, rel=1e-6)


def test_log_prior_repeats_along_other_axes():
    table = values_of(LogPrior([1, 3]), (4, 2))
    np.testing.assert_allclose(table, [[math.log(0.25), math.log(0.75)]] * 4, rtol=1e-6)


@pytest.mark.backend
@pytest.mark.parametrize(
    "scheme", [PriorProbability(0.03), LogPrior(np.array([1, 2, 4]))], ids=str
)
def test_bias_comes_back_from_a_file(scheme, tmp_path):
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(3, bias_initializer=scheme)]
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").layers[-1]
    again = loaded.bias_initializer
    np.testing.assert_array_equal(values_of(again, (3,)), values_of(scheme, (3,)))


@pytest.mark.parametrize("probability", [0, 1, -0.1, 1.1, math.nan])
def test_prior_probability_refuses_what_no_sigmoid_gives(probability):
    with pytest.raises(ValueError, match="Received: probability="):
        PriorProbability(probability)


@pytest.mark.parametrize("priors", ["abc", None, [1, "a"], [True, False]])
def test_log_prior_refuses_what_are_no_numbers(priors):
    with pytest.raises(TypeError, match=r"`priors` must be numbers. Received: priors="):
        LogPrior(priors)


@pytest.mark.parametrize("priors", [[], 3.0, [[1, 2]]])
def test_log_prior_refuses_what_is_no_list(priors):
    with pytest.raises(ValueError, match=r"`priors` must be a list.* Received: "):
        LogPrior(priors)


@pytest.mark.parametrize("priors", [[1, 0], [2, -1]])
def test_log_prior_refuses_classes_that_never_occur(priors):
    with pytest.raises(ValueError, match=r"no finite logarithm. Received: priors="):
        LogPrior(priors)


def test_log_prior_refuses_infinite_counts():
    with pytest.raises(ValueError, match="`priors` must be a finite number"):
        LogPrior([1, math.inf])


@pytest.mark.parametrize("shape", [(4,), (), (3, 4)])
def test_log_prior_refuses_other_classes(shape):
    with pytest.raises(ValueError, match=r"last axis must be .* 3 priors"):
        LogPrior([1, 2, 3])(shape)
