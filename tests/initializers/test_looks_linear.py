"""Mirrored pairs: networks of ReLU that begin as linear ones."""

import json
import math

import keras
import numpy as np
import pytest

from keras_inits import Dirac, LooksLinear
from keras_inits.initializers.constants import Identity
from keras_inits.initializers.distributions import RandomNormal
from keras_inits.initializers.orthogonal import Orthogonal
from tests.initializers.tools import as_numpy, values_of

L = keras.layers


def host_values(scheme, shape, dtype="float32", index=None):
    return scheme._values(shape, np.dtype(dtype))(index)


def signal(axes, channels, length=6):
    size = (2, *(length for _ in range(axes)), channels)
    return np.random.default_rng(1).normal(size=size).astype("float32")


def blocks(mirror, shape):
    kernel = host_values(LooksLinear(RandomNormal(seed=1), mirror), shape)
    rows, columns = (
        2 if mirror in sides else 1
        for sides in (("inputs", "both"), ("outputs", "both"))
    )
    return [np.split(row, columns, -1) for row in np.split(kernel, rows, -2)]


@pytest.mark.parametrize("shape", [(6, 8), (3, 6, 8), (3, 3, 6, 8)])
def test_blocks_are_mirrored(shape):
    [[plus, minus]] = blocks("outputs", shape)
    np.testing.assert_array_equal(minus, -plus)
    assert np.unique(np.abs(plus)).size == math.prod(shape) / 2
    [[plus], [minus]] = blocks("inputs", shape)
    np.testing.assert_array_equal(minus, -plus)
    [[first, second], [third, fourth]] = blocks("both", shape)
    for block, sign in [(second, -1), (third, -1), (fourth, 1)]:
        np.testing.assert_array_equal(block, sign * first)
    assert np.unique(np.abs(first)).size == math.prod(shape) / 4


def is_linear(function, first, second):
    mixed = function(2 * first - 3 * second)
    apart = 2 * function(first) - 3 * function(second)
    return np.allclose(mixed, apart, rtol=1e-5, atol=1e-5 * np.abs(apart).max())


def relu_network(kernels):
    def network(signal):
        for kernel in kernels[:-1]:
            signal = np.maximum(signal @ kernel, 0)
        return signal @ kernels[-1]

    return network


MIRRORS = ["outputs", "both", "both", "both", "inputs"]
SHAPES = [(5, 12), (12, 20), (20, 14), (14, 14), (14, 3)]


def test_relu_network_is_linear_and_the_product_of_its_templates():
    schemes = [LooksLinear(Orthogonal(seed=i), m) for i, m in enumerate(MIRRORS)]
    kernels = [
        host_values(scheme, shape, "float64")
        for scheme, shape in zip(schemes, SHAPES, strict=True)
    ]
    network, (first, second) = relu_network(kernels), signal(0, 5, 0)
    assert is_linear(network, first, second)
    templates = [
        host_values(Orthogonal(seed=i), shape, "float64")
        for i, shape in enumerate([(5, 6), (6, 10), (10, 7), (7, 7), (7, 3)])
    ]
    np.testing.assert_allclose(network(first), first @ np.linalg.multi_dot(templates))


def test_relu_network_without_mirrors_is_not_linear():
    kernels = [host_values(Orthogonal(seed=1), shape) for shape in SHAPES]
    assert not is_linear(relu_network(kernels), *signal(0, 5, 0))


def test_deep_relu_network_keeps_the_length_of_its_inputs():
    mirrors = ["outputs", *["both"] * 50, "inputs"]
    shapes = [(16, 32), *[(32, 32)] * 50, (32, 16)]
    network = relu_network(
        [
            host_values(LooksLinear(Orthogonal(seed=i), mirror), shape)
            for i, (mirror, shape) in enumerate(zip(mirrors, shapes, strict=True))
        ]
    )
    inputs = signal(0, 16, 0)
    assert np.linalg.norm(network(inputs)) == pytest.approx(
        np.linalg.norm(inputs), rel=1e-5
    )


@pytest.mark.backend
def test_dense_relu_model_is_linear():
    layers = [
        L.Dense(shape[1], "relu", kernel_initializer=LooksLinear(mirror=mirror))
        for mirror, shape in zip(MIRRORS, SHAPES, strict=True)
    ]
    layers[-1].activation = keras.activations.linear
    model = keras.Sequential(layers)
    assert is_linear(lambda x: as_numpy(model(x)), *np.split(signal(0, 5, 0), 2))


@pytest.mark.backend
def test_convolutional_relu_model_is_linear():
    def convolution(filters, mirror, activation="relu"):
        return L.Conv2D(
            filters,
            3,
            padding="same",
            activation=activation,
            kernel_initializer=LooksLinear(RandomNormal(), mirror),
        )

    model = keras.Sequential(
        [
            convolution(8, "outputs"),
            L.AveragePooling2D(2),
            convolution(12, "both"),
            convolution(5, "inputs", None),
        ]
    )
    assert is_linear(lambda x: as_numpy(model(x)), *np.split(signal(2, 3), 2))


@pytest.mark.backend
def test_network_with_crelu_is_linear():
    first = L.Dense(6, kernel_initializer="orthogonal")
    others = [
        L.Dense(width, kernel_initializer=LooksLinear(mirror="inputs"))
        for width in (7, 4)
    ]

    def network(hidden):
        hidden = first(hidden)
        for layer in others:
            pair = keras.ops.relu(hidden), keras.ops.relu(-hidden)
            hidden = layer(keras.ops.concatenate(pair, axis=-1))
        return as_numpy(hidden)

    assert is_linear(network, *np.split(signal(0, 5, 0), 2))


INNER = [
    Orthogonal(gain=0.5, seed=3),
    keras.initializers.GlorotUniform(seed=3),
    {"class_name": "HeNormal", "config": {"seed": 3}},
]


@pytest.mark.backend
@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_saved_and_loaded_scheme_gives_the_same_values(inner, dtype):
    scheme = LooksLinear(inner, "outputs")
    text = json.dumps(keras.saving.serialize_keras_object(scheme))
    loaded = keras.saving.deserialize_keras_object(json.loads(text))
    values = values_of(scheme, (4, 10), dtype)
    assert values.dtype.name == dtype
    np.testing.assert_array_equal(values_of(loaded, (4, 10), dtype), values)
    template = as_numpy(scheme.initializer((4, 5)))
    np.testing.assert_array_equal(values[:, :5], template.astype(values.dtype))


def test_name_stands_for_the_initializer():
    assert isinstance(LooksLinear("he_normal").initializer, keras.initializers.HeNormal)
    assert isinstance(LooksLinear("keras_inits>Orthogonal").initializer, Orthogonal)
    assert isinstance(LooksLinear().initializer, Orthogonal)


def test_unseeded_template_is_drawn_anew_at_each_call():
    scheme = LooksLinear()
    assert not np.allclose(host_values(scheme, (6, 6)), host_values(scheme, (6, 6)))


def test_looks_linear_needs_even_sizes_where_it_mirrors():
    message = r"mirrors both in pairs, and needs an even size there\. Received: shape="
    with pytest.raises(ValueError, match=message):
        LooksLinear()((6, 5))
    assert LooksLinear(mirror="inputs")((6, 5)) is not None


def test_looks_linear_passes_on_what_its_template_refuses():
    with pytest.raises(ValueError, match="Dirac fills convolution kernels"):
        LooksLinear(Dirac())((6, 6))


def test_looks_linear_checks_its_arguments():
    with pytest.raises(TypeError, match="must be an initializer of Keras"):
        LooksLinear(np.ones)
    with pytest.raises(ValueError, match="Use one of 'outputs', 'both', 'inputs'"):
        LooksLinear(mirror="left")
    with pytest.raises(ValueError, match=r"rank 2 or more\. Received: shape=\(6,\)"):
        LooksLinear()((6,))


# --- parts ----------------------------------------------------------------------------

SCHEMES = [
    LooksLinear(RandomNormal(seed=1)),
    LooksLinear(Orthogonal(seed=1), "inputs"),
    LooksLinear(RandomNormal(seed=1), "outputs"),
    LooksLinear(Identity(), "both"),
]
BOXES = [
    ((0, 3), (0, 6), (0, 12)),
    ((1, 3), (1, 5), (2, 9)),
    ((0, 2), (3, 6), (0, 5)),
    ((1, 2), (2, 3), (7, 12)),
    ((2, 3), (0, 6), (0, 12)),
]


@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
@pytest.mark.parametrize("box", BOXES)
def test_part_of_a_kernel_is_the_part_of_the_whole(scheme, box):
    shape, index = (3, 6, 12), tuple(slice(*ends) for ends in box)
    if isinstance(scheme.initializer, Identity):
        shape, index = shape[1:], index[1:]
    whole = host_values(scheme, shape)
    part = host_values(scheme, shape, index=index)
    assert part.flags.c_contiguous
    np.testing.assert_array_equal(part, whole[index])


@pytest.mark.backend
@pytest.mark.parametrize("shape", [(0, 6, 12), (3, 0, 12), (3, 6, 0)])
def test_kernel_may_be_empty(shape):
    for scheme in SCHEMES[:-1]:
        assert values_of(scheme, shape, "bfloat16").shape == shape
