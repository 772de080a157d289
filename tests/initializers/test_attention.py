"""Kernels of attention layers: packed projections and heads, each with its own fans."""

import math

import keras
import numpy as np
import pytest

import keras_inits as ki
from keras_inits import Blockwise, Scaled
from tests.initializers.tools import as_numpy, values_of

L = keras.layers
FEATURES, HEADS, HEAD_SIZE = 64, 4, 16
PACKED = {
    # equation, output shape, axis of the three kernels
    "side by side": ("abc,cd->abd", (None, 3 * FEATURES), -1),
    "on an axis": ("abc,cdef->abdef", (None, 3, HEADS, HEAD_SIZE), 1),
}
packed = pytest.mark.parametrize(
    ("equation", "output_shape", "axis"), PACKED.values(), ids=PACKED
)


def packed_kernels(initializer, equation, output_shape, axis):
    """The kernels of query, key and value, as matrices."""
    layer = L.EinsumDense(equation, output_shape, kernel_initializer=initializer)
    layer.build((None, 5, FEATURES))
    kernels = np.split(as_numpy(layer.kernel), 3, axis)
    return [kernel.reshape(FEATURES, FEATURES) for kernel in kernels]


def kernels_of(layer):
    return {
        name: as_numpy(getattr(layer, f"_{name}_dense").kernel)
        for name in ("query", "key", "value", "output")
    }


@pytest.mark.backend
@packed
def test_packed_kernels_count_their_own_fans(equation, output_shape, axis):
    scheme = Blockwise(ki.GlorotUniform(seed=1), 3, axis)
    kernels = packed_kernels(scheme, equation, output_shape, axis)
    expected = math.sqrt(2 / (FEATURES + FEATURES))
    assert np.std(kernels) == pytest.approx(expected, rel=0.02)


@pytest.mark.backend
@packed
def test_packed_kernels_of_keras_count_all_three(equation, output_shape, axis):
    kernels = packed_kernels("glorot_uniform", equation, output_shape, axis)
    expected = math.sqrt(2 / (FEATURES + 3 * FEATURES))
    assert np.std(kernels) == pytest.approx(expected, rel=0.02)


@pytest.mark.backend
@pytest.mark.parametrize(
    ("fans", "shape"),
    [
        (ki.Fans.gates(3), (FEATURES, 3 * FEATURES)),
        (ki.Fans([0], [2, 3]), (FEATURES, 3, HEADS, HEAD_SIZE)),
    ],
)
def test_fans_say_the_same_of_independent_values(fans, shape):
    kernel = values_of(ki.GlorotUniform(seed=1, fans=fans), shape)
    expected = math.sqrt(2 / (FEATURES + FEATURES))
    assert kernel.std() == pytest.approx(expected, rel=0.02)


@pytest.mark.backend
@packed
def test_packed_kernels_are_orthogonal_each(equation, output_shape, axis):
    scheme = Blockwise(ki.Orthogonal(seed=1), 3, axis)
    for kernel in packed_kernels(scheme, equation, output_shape, axis):
        assert np.abs(kernel.T @ kernel - np.eye(FEATURES)).max() < 1e-6


@pytest.mark.backend
@packed
@pytest.mark.parametrize("module", [ki, keras.initializers])
def test_packed_kernels_of_one_seed_are_independent(
    module, equation, output_shape, axis
):
    scheme = Blockwise(module.GlorotUniform(seed=1), 3, axis)
    kernels = packed_kernels(scheme, equation, output_shape, axis)
    correlations = np.corrcoef([kernel.ravel() for kernel in kernels])
    assert np.abs(correlations - np.eye(3)).max() < 5 / FEATURES


@pytest.mark.backend
def test_kernels_of_one_seed_in_keras_are_equal():
    layer = L.MultiHeadAttention(
        HEADS,
        HEAD_SIZE,
        kernel_initializer=keras.initializers.GlorotUniform(seed=1),
    )
    layer.build((None, 5, FEATURES), (None, 5, FEATURES))
    query, key, value, _ = kernels_of(layer).values()
    np.testing.assert_array_equal(query, key)
    np.testing.assert_array_equal(query, value)


ATTENTION = {
    "MultiHeadAttention": (
        lambda initializer: L.MultiHeadAttention(
            HEADS, HEAD_SIZE, kernel_initializer=initializer
        ),
        {"query": HEADS, "key": HEADS, "value": HEADS, "output": HEADS},
    ),
    "GroupQueryAttention": (
        lambda initializer: L.GroupQueryAttention(
            HEAD_SIZE, HEADS, 2, kernel_initializer=initializer
        ),
        {"query": HEADS, "key": 2, "value": 2, "output": HEADS},
    ),
}
attention = pytest.mark.parametrize(
    ("make", "heads"), ATTENTION.values(), ids=ATTENTION
)


@pytest.mark.backend
@attention
def test_each_head_is_orthogonal_in_all_projections(make, heads):
    layer = make(Blockwise(ki.Orthogonal(), axis="heads"))
    layer.build((None, 5, FEATURES), (None, 5, FEATURES))
    for name, kernel in kernels_of(layer).items():
        assert kernel.shape[0 if name == "output" else 1] == heads[name]
        for head in range(heads[name]):
            # Every head is tall: from its 16 values to the 64 features, or back.
            tall = kernel[head].T if name == "output" else kernel[:, head]
            assert np.abs(tall.T @ tall - np.eye(HEAD_SIZE)).max() < 1e-6


@pytest.mark.backend
@attention
@pytest.mark.parametrize(
    "initializer",
    [
        Blockwise(ki.Orthogonal(), axis="heads"),
        Blockwise("glorot_uniform", axis="heads"),
        Scaled(ki.Orthogonal(), 0.5),
    ],
    ids=("heads of ours", "heads of Keras's", "scaled"),
)
def test_attention_layer_takes_a_training_step(make, heads, initializer):
    inputs = keras.Input((5, FEATURES))
    layer = make(initializer)
    model = keras.Model(inputs, layer(inputs, inputs))
    model.compile("sgd", "mse")
    before = kernels_of(layer)
    x = np.random.default_rng(1).normal(size=(2, 5, FEATURES)).astype("float32")
    assert np.isfinite(model.train_on_batch(x, -x))
    for name, kernel in kernels_of(layer).items():
        assert np.isfinite(kernel).all()
        assert (kernel != before[name]).any()
