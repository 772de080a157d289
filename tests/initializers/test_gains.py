"""A gain by number, by name, by function: what it stands for, and how it is saved."""

import json
import re

import keras
import numpy as np
import pytest

import keras_inits as ki
from keras_inits.theory import activation_names
from tests.initializers.tools import digest, values_of

pytestmark = pytest.mark.backend
SHAPE = (32, 24)
SCHEMES = [ki.VarianceScaling, ki.Orthogonal]
every_scheme = pytest.mark.parametrize("scheme", SCHEMES)


def of_numpy(z):
    return np.tanh(z)


@every_scheme
@pytest.mark.parametrize("gain", [0, 0.5, 3, np.float32(2.5)])
def test_number_multiplies_the_values(scheme, gain):
    plain = values_of(scheme(seed=1), SHAPE)
    np.testing.assert_allclose(
        values_of(scheme(gain=gain, seed=1), SHAPE), gain * plain, rtol=1e-5
    )


@every_scheme
@pytest.mark.parametrize(
    ("name", "function"),
    [("relu", lambda z: np.maximum(z, 0)), ("tanh", of_numpy), ("gelu", None)],
)
def test_name_and_functions_give_the_same(scheme, name, function):
    by_name = values_of(scheme(gain=name, seed=1), SHAPE)
    by_keras = scheme(gain=getattr(keras.activations, name), seed=1)
    np.testing.assert_array_equal(values_of(by_keras, SHAPE), by_name)
    if function:
        by_numpy = values_of(scheme(gain=function, seed=1), SHAPE)
        np.testing.assert_allclose(by_numpy, by_name, rtol=1e-6)


@every_scheme
@pytest.mark.parametrize("name", activation_names())
def test_every_activation_of_keras_is_known_as_its_function(scheme, name):
    function = keras.activations.get(name)
    one, other = (scheme(gain=gain, seed=1) for gain in (name, function))
    assert digest(values_of(one, SHAPE)) == digest(values_of(other, SHAPE))


@every_scheme
def test_function_of_the_backend_is_measured(scheme):
    of_backend = scheme(gain=lambda z: keras.ops.tanh(z), seed=1)
    np.testing.assert_allclose(
        values_of(of_backend, SHAPE),
        values_of(scheme(gain="tanh", seed=1), SHAPE),
        rtol=1e-5,
    )


@every_scheme
@pytest.mark.parametrize(
    ("gain", "saved"),
    [
        ("relu", "relu"),
        (keras.activations.gelu, "gelu"),
        (1.5, 1.5),
        (np.float32(0.5), 0.5),
        (lambda z: 2 * z, pytest.approx(0.5, rel=1e-9)),
        (of_numpy, pytest.approx(1.5925374, rel=1e-6)),
    ],
)
def test_gain_is_saved_by_name_or_as_a_number(scheme, gain, saved):
    original = scheme(gain=gain, seed=1)
    config = json.loads(json.dumps(original.get_config()))
    assert config["gain"] == saved
    again = scheme.from_config(config)
    assert digest(values_of(again, SHAPE)) == digest(values_of(original, SHAPE))


@every_scheme
@pytest.mark.parametrize("name", ["softmax", "Relu", "", "no_such"])
def test_unknown_activation_is_refused_with_the_known_ones(scheme, name):
    message = (
        f"Unknown activation. Received: {name!r}. Use one of "
        f"{', '.join(activation_names())}; or pass the function itself."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        scheme(gain=name)


@every_scheme
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "sparsemax"])
def test_activation_of_several_units_has_no_gain_as_a_function_either(scheme, name):
    with pytest.raises(ValueError, match="Received: "):
        scheme(gain=getattr(keras.activations, name))


@every_scheme
@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda z: 0 * z, "An activation that is 0 everywhere has no gain. Received: "),
        (
            lambda z: np.exp(z * z),
            "The expectation over a standard normal does not set",
        ),
        (
            lambda z: z + np.inf,
            "The expectation over a standard normal does not settle",
        ),
    ],
)
def test_function_without_a_gain_is_refused(scheme, function, message):
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.raises(ValueError, match=message),
    ):
        scheme(gain=function)


@every_scheme
@pytest.mark.parametrize("gain", [True, None, [1, 2], 1j])
def test_other_kinds_are_refused(scheme, gain):
    with pytest.raises(TypeError, match=r"`gain` must be a number\. Received: gain="):
        scheme(gain=gain)
