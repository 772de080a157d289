"""Norms of tensors of all sizes and scales, as each backend takes them."""

import keras
import numpy as np
import pytest

from keras_inits.monitor.rims import rim

pytestmark = pytest.mark.backend

# Some alone and some to be stacked, on both sides of every limit of size.
SHAPES = [(3,), (7, 300), (3,), (), (300, 300), (64, 64), (64, 64), (300, 300), (2, 0)]


def tensors(scales, shapes):
    random = np.random.default_rng(0)
    return [
        (random.standard_normal(shape) * scale).astype("float32")
        for shape, scale in zip(shapes, np.resize(scales, len(shapes)), strict=True)
    ]


def as_a_step(function):
    """Compiled as a training step is, or not at all on torch."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function)
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    return function


@pytest.mark.parametrize("way", ["at once", "in a step", "compiled"])
@pytest.mark.parametrize("scales", [(1.0,), (1e-30, 1.0, 1e25), (1.0, 0.0), (1e-20,)])
@pytest.mark.parametrize("shapes", [SHAPES, SHAPES[:-1]], ids=["all", "none empty"])
def test_norms_are_those_of_float64_at_any_size_and_scale(shapes, scales, way):
    arrays = tensors(scales, shapes)
    backend = rim()

    def norms(*given):
        packs = [backend.packed(list(given)), backend.packed(list(given[::-1]))]
        return backend.norms(packs, way == "compiled")

    run = norms if way == "at once" else as_a_step(norms)
    found = run(*map(keras.ops.convert_to_tensor, arrays))
    expected = [np.sqrt(np.sum(array.astype(np.float64) ** 2)) for array in arrays]
    for row, wanted in zip(found, (expected, expected[::-1]), strict=True):
        np.testing.assert_allclose(backend.to_numpy(row), wanted, rtol=1e-6)


def test_the_largest_entry_and_the_counts_keep_the_order():
    arrays = [np.full(shape, 2.0 + n, "float32") for n, shape in enumerate(SHAPES[:-1])]
    arrays[4][0] = 0.0
    arrays[6][0, :5] = np.nan
    backend = rim()
    pack = backend.packed([keras.ops.convert_to_tensor(array) for array in arrays])
    largest = backend.to_numpy(backend.largest(pack))
    others = [0, 1, 2, 3, 4, 5, 7]
    np.testing.assert_array_equal(largest[others], [2.0 + n for n in others])
    nonzero, nonfinite = map(backend.to_numpy, backend.counts(pack))
    sizes = np.array([array.size for array in arrays])
    np.testing.assert_array_equal(sizes - nonzero, [0, 0, 0, 0, 300, 0, 0, 0])
    np.testing.assert_array_equal(nonfinite, [0, 0, 0, 0, 0, 0, 5, 0])
