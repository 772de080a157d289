"""Schemes without chance: what is given is what arrives."""

import json

import keras
import ml_dtypes
import numpy as np
import pytest

import keras_inits as ki
from tests.initializers.tools import as_numpy, values_of

pytestmark = pytest.mark.backend
ARRAY = [[1.0, -2.5, 3.25], [0.5, 0.0, -7.0]]


def revived(scheme):
    text = json.dumps(keras.saving.serialize_keras_object(scheme))
    return keras.saving.deserialize_keras_object(json.loads(text))


KINDS = {
    "list": lambda: ARRAY,
    "tuple": lambda: tuple(map(tuple, ARRAY)),
    "float32 array": lambda: np.array(ARRAY, "float32"),
    "float64 array": lambda: np.array(ARRAY),
    "bfloat16 array": lambda: np.array(ARRAY, ml_dtypes.bfloat16),
    "tensor": lambda: keras.ops.convert_to_tensor(ARRAY),
    "bfloat16 tensor": lambda: keras.ops.convert_to_tensor(ARRAY, "bfloat16"),
    "variable": lambda: keras.Variable(ARRAY),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_constant_takes_any_kind_of_array(kind, dtype):
    scheme = ki.Constant(kind())
    for made in (scheme, revived(scheme)):
        values = values_of(made, (2, 3), dtype)
        assert values.dtype.name == dtype
        np.testing.assert_array_equal(values.astype(float), ARRAY)


@pytest.mark.parametrize("number", [0.1, -3, True, np.float32(0.1), np.int64(4)])
@pytest.mark.parametrize("shape", [(), (4,), (2, 3)])
def test_constant_of_a_number_fills_the_tensor(number, shape):
    scheme = ki.Constant(number)
    for made in (scheme, revived(scheme)):
        values = values_of(made, shape)
        np.testing.assert_array_equal(values, np.full(shape, number, "float32"))


def test_constant_is_zero_unless_told():
    np.testing.assert_array_equal(values_of(ki.Constant(), (2,)), [0, 0])


@pytest.mark.parametrize(
    ("value", "shape", "expected"),
    [
        ([1, 2], (3, 2), [[1, 2], [1, 2], [1, 2]]),
        ([[1], [2]], (2, 3), [[1, 1, 1], [2, 2, 2]]),
        ([[5]], (2, 2), [[5, 5], [5, 5]]),
        ([1, 2], (2, 1, 2), [[[1, 2]], [[1, 2]]]),
    ],
)
def test_array_broadcasts(value, shape, expected):
    np.testing.assert_array_equal(values_of(ki.Constant(value), shape), expected)


@pytest.mark.parametrize(
    ("value", "shape"),
    [([1, 2], (3,)), ([1, 2], (2, 3)), ([[1, 2]], (2,)), ([1, 2], ()), ([1, 2], (1,))],
)
def test_array_that_does_not_broadcast_is_refused(value, shape):
    message = (
        r"The array of Constant does not broadcast to the shape of the weights\. "
        r"Received: an array of shape \(.*\), shape=\(.*\)\."
    )
    with pytest.raises(ValueError, match=message):
        ki.Constant(value)(shape)


@pytest.mark.parametrize("value", ["a", ["a"], None, {"a": 1}, object()])
def test_constant_of_something_else_is_refused(value):
    message = r"`value` must be a number or an array of numbers\. Received: value="
    with pytest.raises(TypeError, match=message):
        ki.Constant(value)


def test_array_is_exact_after_a_round_trip():
    value = np.random.default_rng(1).normal(size=(5, 4)).astype("float32")
    again = revived(ki.Constant(value))
    np.testing.assert_array_equal(values_of(again, (5, 4)), value)


def test_constant_does_not_follow_its_argument():
    value = np.ones(3, "float32")
    scheme = ki.Constant(value)
    value[:] = 7
    np.testing.assert_array_equal(values_of(scheme, (3,)), [1, 1, 1])


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        (ki.Zeros(), [[0, 0], [0, 0]]),
        (ki.Ones(), [[1, 1], [1, 1]]),
        (ki.Constant(3), [[3, 3], [3, 3]]),
        (ki.Constant([[1, 0], [0, 2]]), [[1, 0], [0, 2]]),
        (ki.Identity(), [[1, 0], [0, 1]]),
        (ki.Identity(gain=2), [[2, 0], [0, 2]]),
    ],
)
@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool", "float16"])
def test_dtype_may_be_of_any_kind(scheme, expected, dtype):
    values = values_of(scheme, (2, 2), dtype)
    assert values.dtype.name == dtype
    np.testing.assert_array_equal(values, np.array(expected, dtype))


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (5, 2), (1, 1), (0, 3)])
@pytest.mark.parametrize("gain", [1.0, 0.25, 0])
def test_identity_is_numpys_eye_times_gain(shape, gain):
    values = values_of(ki.Identity(gain), shape)
    np.testing.assert_array_equal(values, gain * np.eye(*shape, dtype="float32"))


@pytest.mark.parametrize(
    "index", [np.s_[0:4, 0:3], np.s_[2:6, 0:5], np.s_[0:6, 3:5], np.s_[5:6, 0:2]]
)
@pytest.mark.parametrize(
    "scheme",
    [ki.Identity(0.5), ki.Constant(2), ki.Constant(np.arange(30).reshape(6, 5))],
)
def test_part_equals_the_same_part_of_the_whole(scheme, index):
    values = scheme._values((6, 5), np.dtype("float32"))
    np.testing.assert_array_equal(values(index), values(None)[index])


def test_gain_of_identity_survives_a_round_trip():
    np.testing.assert_array_equal(
        values_of(revived(ki.Identity(gain=0.3)), (2, 2)),
        0.3 * np.eye(2, dtype="float32"),
    )


def test_identity_copies_its_input_through_a_layer():
    layer = keras.layers.Dense(4, kernel_initializer=ki.Identity())
    inputs = np.random.default_rng(1).normal(size=(3, 4)).astype("float32")
    np.testing.assert_allclose(as_numpy(layer(inputs)), inputs, rtol=1e-6)
