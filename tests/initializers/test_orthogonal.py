"""Orthogonal kernels as the maps that layers make of them."""

import math

import keras
import numpy as np
import pytest

import keras_inits as ki
from tests.initializers.tools import as_numpy, digest, values_of

pytestmark = pytest.mark.backend


def assert_orthogonal(matrix, gain=1.0, limit=1e-6):
    matrix = matrix.astype(float)
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    error = tall.T @ tall - gain**2 * np.eye(tall.shape[1])
    assert np.abs(error).max() < limit * max(gain**2, 1)


SHAPES = [(4, 4), (64, 48), (48, 64), (3, 3, 16, 64), (3, 3, 2, 64), (5, 1), (1, 5)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("gain", [1.0, 2.5])
def test_kernel_is_orthogonal_as_inputs_by_outputs(shape, gain):
    values = values_of(ki.Orthogonal(gain, seed=1), shape)
    assert_orthogonal(values.reshape(-1, shape[-1]), gain)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("gain", ["relu", "tanh"])
def test_gain_by_name_multiplies_the_kernel(shape, gain):
    factor = {"relu": math.sqrt(2), "tanh": 1.592537}[gain]
    values = values_of(ki.Orthogonal(gain, seed=1), shape)
    assert_orthogonal(values.reshape(-1, shape[-1]), factor, limit=2e-6)


def test_float64_is_orthogonal_to_float64():
    values = ki.Orthogonal(seed=1)._values((300, 200), np.dtype("float64"))(None)
    assert_orthogonal(values, limit=1e-14)


@pytest.mark.parametrize(("dtype", "limit"), [("bfloat16", 0.02), ("float16", 2e-3)])
def test_low_precision_is_orthogonal_to_its_rounding(dtype, limit):
    assert_orthogonal(values_of(ki.Orthogonal(seed=1), (200, 100), dtype), limit=limit)


def test_sign_of_the_trace_is_random():
    # Without the signs of R's diagonal, LAPACK's Q has a trace of -2.4 on average.
    kernels = values_of(
        ki.Orthogonal(seed=1, input_axes=[1], output_axes=[2]), (5000, 4, 4)
    )
    traces = np.trace(kernels, axis1=1, axis2=2)
    assert abs(traces.mean()) < 5 / math.sqrt(5000)
    assert traces.var() == pytest.approx(1, abs=0.15)
    for kernel in kernels[:20]:
        assert_orthogonal(kernel)


def test_query_kernel_of_attention_is_orthogonal_as_a_map():
    values = values_of(
        ki.Orthogonal(seed=1, input_axes=[0], output_axes=[1, 2]), (512, 8, 64)
    )
    assert_orthogonal(values.reshape(512, 512))


def test_kernels_of_attention_are_orthogonal_as_maps():
    layer = keras.layers.MultiHeadAttention(8, 64, kernel_initializer=ki.Orthogonal())
    layer.build((None, 10, 512), (None, 10, 512))
    matrices = [
        as_numpy(part.kernel).reshape(512, 512)
        for part in (layer.query_dense, layer.key_dense, layer.value_dense)
    ]
    for matrix in (*matrices, as_numpy(layer.output_dense.kernel).reshape(512, 512)):
        assert_orthogonal(matrix)
    assert not np.allclose(matrices[0], matrices[1], atol=1e-2)


def test_each_expert_of_einsum_dense_has_its_own_orthogonal_matrix():
    # The axes must be given: EinsumDense counts that of the experts as outputs.
    scheme = ki.Orthogonal(seed=1, input_axes=[1], output_axes=[2])
    layer = keras.layers.EinsumDense(
        "abc,bcd->abd", (16, 20), kernel_initializer=scheme
    )
    layer.build((None, 16, 30))
    experts = as_numpy(layer.kernel)
    assert experts.shape == (16, 30, 20)
    for expert in experts:
        assert_orthogonal(expert)
    assert len({digest(expert) for expert in experts}) == 16


@pytest.mark.parametrize(
    ("shape", "inputs", "outputs", "order"),
    [
        ((20, 30), [1], [0], (1, 0)),
        ((4, 6, 5, 7), [1, 3], [0, 2], (1, 3, 0, 2)),
        ((4, 6, 5, 7), [-3, -1], [0, 2], (1, 3, 0, 2)),
    ],
)
def test_axes_may_stand_in_any_order(shape, inputs, outputs, order):
    scheme = ki.Orthogonal(seed=1, input_axes=inputs, output_axes=outputs)
    values = values_of(scheme, shape).transpose(order)
    rows = math.prod(shape[axis] for axis in inputs)
    assert_orthogonal(values.reshape(rows, -1))


def test_part_equals_the_same_part_of_the_whole():
    values = ki.Orthogonal(seed=1)._values((64, 48), np.dtype("float32"))
    part, whole = values(np.s_[16:32, 0:24]), values(None)
    np.testing.assert_array_equal(part, whole[16:32, 0:24])


@pytest.mark.parametrize("policy", ["bfloat16", "float16", "mixed_bfloat16"])
@pytest.mark.parametrize("layer", [keras.layers.LSTM, keras.layers.GRU])
def test_recurrent_layer_builds_under_a_low_precision(layer, policy):
    made = layer(8, recurrent_initializer=ki.Orthogonal(seed=1), dtype=policy)
    made.build((None, 5, 4))
    kernel = as_numpy(made.cell.recurrent_kernel)
    assert kernel.dtype.name == ("float32" if "mixed" in policy else policy)
    assert_orthogonal(kernel, limit=0.03)


def test_deep_linear_network_keeps_lengths():
    vector = np.random.default_rng(1).normal(size=128)
    length = np.linalg.norm(vector)
    scheme = ki.Orthogonal()
    for _ in range(100):
        vector = vector @ values_of(scheme, (128, 128)).astype(float)
    assert np.linalg.norm(vector) == pytest.approx(length, rel=1e-4)
