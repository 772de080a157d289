"""What the tests of initializers share: tensors as arrays, digests, random arrays."""

import hashlib

import keras
import numpy as np

from keras_inits.initializers.stream import Stream


def as_numpy(tensor):
    """The values of a tensor or a variable, as a NumPy array of its own dtype."""
    value = getattr(tensor, "value", tensor)
    if keras.backend.backend() == "tensorflow":
        return np.asarray(value.numpy())
    dtype = keras.backend.standardize_dtype(value.dtype)
    if keras.backend.backend() == "torch" and "float8" in dtype:
        import torch

        return value.view(torch.uint8).numpy().view(dtype)
    return np.asarray(keras.ops.convert_to_numpy(value))


def values_of(initializer, shape, dtype=None):
    """What one call of an initializer gives, as a NumPy array."""
    return as_numpy(initializer(shape, dtype))


def digest(array):
    """Sixteen hexadecimal digits that belong to these values, bit for bit."""
    array = np.ascontiguousarray(array)
    little = array.byteswap() if array.dtype.byteorder == ">" else array
    return hashlib.sha256(little.tobytes()).hexdigest()[:16]


def draw(law, shape, dtype="float32", seed=1, threads=1, **options):
    """Draws from the stream of a key, without any initializer."""
    return Stream((seed, 0), threads).draw(law, shape, np.dtype(dtype), **options)


def is_orthogonal(matrix):
    """Whether rows or columns, whichever are fewer, are orthonormal."""
    rows, columns = matrix.shape
    tall = (matrix if rows >= columns else matrix.T).astype(float)
    return np.abs(tall.T @ tall - np.eye(tall.shape[1])).max() < 1e-6
