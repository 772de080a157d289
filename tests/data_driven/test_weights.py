"""What weights alone say, against linear algebra and the layers' definitions."""

import numpy as np
import pytest
from keras import layers

from keras_inits.data_driven.weights import kernels_of
from tests.data_driven.models import normal


def built_kernels(layer, *shape):
    layer.build((None, *shape))
    return kernels_of(layer)


def with_values(array):
    dense = layers.Dense(array.shape[1])
    (kernel,) = built_kernels(dense, array.shape[0])
    dense.kernel.assign(array)
    return kernel


def test_spread_is_numpys():
    array = normal(30, 20) + 1.0
    assert with_values(array).std == pytest.approx(array.std(), rel=1e-5)


@pytest.mark.parametrize("rank", [0, 1, 5, 40])
def test_rank_is_that_of_linear_algebra(rank):
    array = normal(60, rank, seed=1) @ normal(rank, 40, seed=2)
    assert with_values(array).rank == rank == np.linalg.matrix_rank(array)


def test_rank_is_counted_up_to_64():
    assert with_values(normal(100, 90)).rank == 64


def test_twins_are_units_with_equal_weights_and_biases():
    array = normal(6, 5)
    array[:, 3] = array[:, 1]
    array[:, 4] = array[:, 0]
    kernel = with_values(array)
    assert kernel.twins.tolist() == [0, 1, -1, 1, 0]
    assert kernel.duplicates == 2
    kernel = with_values(array)
    kernel.bias.assign([1.0, 2.0, 3.0, 4.0, 1.0])
    assert kernel.twins.tolist() == [0, -1, -1, -1, 0]


def test_zeros_of_both_signs_are_equal():
    kernel = with_values(np.array([[0.0, -0.0], [1.0, 1.0]], "float32"))
    assert kernel.duplicates == 1


UNITS = {
    "dense": (layers.Dense(5), (3,), (5, 3)),
    "convolution": (layers.Conv2D(5, 3), (8, 8, 2), (5, 18)),
    "transposed": (layers.Conv2DTranspose(5, 3), (8, 8, 2), (5, 18)),
    "embedding": (layers.Embedding(7, 4), (3,), (4, 7)),
    "lstm": (layers.LSTM(2), (3, 4), (8, 4)),
    "einsum": (layers.EinsumDense("abc,cd->abd", (None, 6)), (2, 3), (6, 3)),
}


@pytest.mark.parametrize("name", sorted(UNITS))
def test_a_unit_is_a_row_whatever_the_layer(name):
    layer, shape, units = UNITS[name]
    assert built_kernels(layer, *shape)[0].units().shape == units


def test_rows_of_a_transposed_convolution_are_its_filters():
    (kernel,) = built_kernels(layers.Conv2DTranspose(5, 3), 8, 8, 2)
    filters = kernel.values.transpose(2, 0, 1, 3).reshape(5, -1)
    np.testing.assert_array_equal(kernel.units(), filters)


FANS = {
    "depthwise": (layers.DepthwiseConv2D(3), (8, 8, 64), (576, 9), (9, 9)),
    "lstm": (layers.LSTM(8), (4, 6), (6, 32), (6, 8)),
    "dense": (layers.Dense(8), (6,), (6, 8), (6, 8)),
    "attention": (layers.EinsumDense("abc,cde->abde", (None, 2, 4)), (3, 8), None, 0),
}


@pytest.mark.parametrize("name", ["depthwise", "lstm", "dense"])
def test_assumed_fans_are_those_of_the_shape_and_true_ones_of_the_layer(name):
    layer, shape, assumed, true = FANS[name]
    kernel = built_kernels(layer, *shape)[0]
    assert kernel.assumed == assumed
    assert kernel.fans == true


def test_axes_given_to_a_scheme_are_believed():
    layer, shape, *_ = FANS["attention"]
    (kernel,) = built_kernels(layer, *shape)
    assert kernel.assumed == kernel.fans == (8, 8)


@pytest.mark.parametrize("name", ["he_normal", "glorot_uniform", "lecun_normal"])
def test_drawn_spread_is_that_of_the_scheme(name):
    (kernel,) = built_kernels(layers.Dense(400, kernel_initializer=name), 300)
    assert kernel.drawn_std(kernel.assumed) == pytest.approx(kernel.std, rel=0.02)


def test_expected_spread_holds_a_relu_signal():
    (kernel,) = built_kernels(layers.Dense(8), 50)
    assert kernel.expected_std("relu") == pytest.approx(np.sqrt(2 / 50))
    assert kernel.expected_std(None) == pytest.approx(np.sqrt(1 / 50))
    assert kernel.expected_std("no such thing") == pytest.approx(np.sqrt(1 / 50))


def test_an_expert_axis_counts_as_units_for_keras_alone():
    layer = layers.EinsumDense("abc,bcd->abd", (4, 6))
    (kernel,) = built_kernels(layer, 4, 5)
    assert kernel.assumed == (5, 24)
    assert kernel.fans == (5, 6)
    drawn = kernel.drawn_std(kernel.assumed)
    assert kernel.std == pytest.approx(drawn, rel=0.2)


def test_layers_of_unknown_kinds_have_units_and_no_fans():
    class Mine(layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], 3), name="kernel")

    (kernel,) = built_kernels(Mine(), 4)
    assert kernel.fans is None
    assert kernel.units().shape == (3, 4)
    assert kernel.expected_std("relu") is None
