"""Host arrays reach the backend bit for bit, and nobody else holds their memory."""

import keras
import ml_dtypes
import numpy as np
import pytest
from keras.src import backend

import keras_inits as ki
from keras_inits.initializers import tensors
from keras_inits.initializers.stream import empty
from tests.initializers.tools import as_numpy, digest, values_of

pytestmark = pytest.mark.backend
DTYPES = ["float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "bool"])
def test_numpy_dtype_of_a_name_that_numpy_knows(dtype):
    assert tensors.numpy_dtype(dtype) == np.dtype(dtype)


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_numpy_dtype_of_a_name_that_ml_dtypes_adds(dtype):
    assert tensors.numpy_dtype(dtype) == np.dtype(getattr(ml_dtypes, dtype))


@pytest.mark.parametrize("dtype", [*DTYPES, "int32", "bool"])
@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (5,), (3, 4)])
def test_array_arrives_bit_for_bit(dtype, shape):
    array = empty(shape, tensors.numpy_dtype(dtype))
    array[...] = np.random.default_rng(1).normal(size=shape)
    tensor = tensors.to_tensor(lambda index: array, shape, None)
    assert keras.ops.is_tensor(tensor)
    assert keras.backend.standardize_dtype(tensor.dtype) == dtype
    assert tuple(tensor.shape) == shape
    expected = digest(array)
    assert digest(as_numpy(tensor)) == expected


def test_tensor_can_be_assigned_and_changed():
    variable = keras.Variable(ki.HeNormal(seed=1), shape=(4, 4))
    variable.assign(variable * 2)
    again = values_of(ki.HeNormal(seed=1), (4, 4))
    np.testing.assert_array_equal(as_numpy(variable), 2 * again)


def test_variables_of_one_seed_do_not_share_memory():
    scheme = ki.HeNormal(seed=1)
    first, second = (keras.Variable(scheme, shape=(4, 4)) for _ in range(2))
    first.assign(first * 0)
    np.testing.assert_array_equal(as_numpy(second), values_of(scheme, (4, 4)))


@pytest.mark.parametrize(
    "scheme", [ki.Constant(np.ones((4, 4), "float32")), ki.Orthogonal(seed=1)]
)
def test_schemes_own_arrays_are_not_handed_out(scheme):
    expected = values_of(scheme, (4, 4)).copy()
    variable = keras.Variable(scheme, shape=(4, 4))
    variable.assign(variable * 0)
    np.testing.assert_array_equal(values_of(scheme, (4, 4)), expected)


def test_shapes_are_inferred_without_a_draw():
    generator = keras.random.SeedGenerator(3)
    scheme = ki.HeNormal(seed=generator)
    before = as_numpy(generator.state).copy()
    outcome = []

    def infer(inputs):
        outcome.append(tensors.is_symbolic())
        return inputs + scheme((4, 4), "float16")

    output = backend.compute_output_spec(
        infer, keras.KerasTensor((4, 4), dtype="float16")
    )
    assert tuple(output.shape) == (4, 4)
    assert outcome
    assert all(outcome)
    np.testing.assert_array_equal(as_numpy(generator.state), before)
    assert not tensors.is_symbolic()


@pytest.mark.parametrize("seed", [0, 5, 2**31 - 1])
def test_next_state_is_the_same_on_every_backend(seed):
    generator = keras.random.SeedGenerator(seed)
    assert [tensors.next_state(generator) for _ in range(3)] == [
        [seed, 0],
        [seed, 1],
        [seed, 2],
    ]


@pytest.mark.skipif("keras.backend.backend() != 'tensorflow'", reason="its own dlpack")
def test_tensorflow_takes_over_the_memory():
    array = empty((1024,), "float32")
    tensor = tensors.to_tensor(lambda index: array, (1024,), None)
    assert np.from_dlpack(tensor).ctypes.data == array.ctypes.data


@pytest.mark.skipif("keras.backend.backend() != 'torch'", reason="its own memory")
def test_torch_takes_over_the_memory():
    array = empty((1024,), "float32")
    tensor = tensors.to_tensor(lambda index: array, (1024,), None)
    assert tensor.data_ptr() == array.ctypes.data


@pytest.mark.skipif("keras.backend.backend() != 'jax'", reason="its own memory")
def test_jax_takes_over_the_memory():
    array = empty((1024,), "float32")
    tensor = tensors.to_tensor(lambda index: array, (1024,), None)
    assert tensor.unsafe_buffer_pointer() == array.ctypes.data
