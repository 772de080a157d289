"""The activations in NumPy are those of Keras."""

import inspect
import re

import keras
import numpy as np
import pytest

from keras_inits.theory import activation, activation_names

POINTS = np.concatenate([np.linspace(-8, 8, 801), [-50.0, 50.0, 0.5, -0.5, 1.0, -1.0]])


@pytest.mark.parametrize("name", activation_names())
def test_activation_is_that_of_keras(name):
    points = POINTS if name != "exponential" else POINTS[np.abs(POINTS) < 9]
    tensor = keras.ops.convert_to_tensor(points, "float64")
    theirs = keras.ops.convert_to_numpy(keras.activations.get(name)(tensor))
    # Keras's GELU is the exact one, its constants are of float32.
    np.testing.assert_allclose(activation(name)(points), theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", activation_names())
def test_activation_is_finite_and_silent_far_out(name):
    points = np.array([-12.0, -1e-300, 0.0, 1e-300, 12.0])
    with np.errstate(all="raise", under="ignore"):
        values = activation(name)(points)
    assert values.dtype == np.float64
    assert np.isfinite(values).all()


def test_every_activation_of_keras_on_one_number_is_known():
    of_several_units = {"glu", "log_softmax", "softmax", "sparsemax"}
    needs_arguments = {"threshold"}
    not_activations = {"deserialize", "get", "serialize"}
    theirs = {
        name
        for name, value in vars(keras.activations).items()
        if inspect.isfunction(value)
    }
    others = of_several_units | needs_arguments | not_activations
    aliases = {"hard_swish", "swish"}
    assert set(activation_names()) - aliases == theirs - others - aliases


def test_names_are_sorted():
    assert activation_names() == sorted(set(activation_names()))


@pytest.mark.parametrize("name", ["softmax", "RELU", "", None])
def test_unknown_name_is_refused_with_the_known_ones(name):
    message = (
        f"Unknown activation. Received: {name!r}. Use one of "
        f"{', '.join(activation_names())}; or pass the function itself."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        activation(name)
