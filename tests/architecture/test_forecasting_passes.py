"""The forecast against forward and backward passes over standard normal inputs."""

import functools

import keras
import numpy as np
import pytest
from keras import layers

from keras_inits.architecture import forecast
from keras_inits.architecture.roles import weight_layers
from tests.architecture.passes import (
    GLOROT_LIKE,
    HE_LIKE,
    WITH_TAPE,
    compare,
    inputs_of,
    redraw,
    sequential,
)

pytestmark = pytest.mark.backend

# --- the chains for which 5 % is promised ---------------------------------------------


def dense_chain(activation):
    parts = [layers.Dense(512, activation=activation) for _ in range(5)]
    return sequential((512,), *parts)


def convolution_chain(normalized):
    parts = []
    for _ in range(3):
        parts.append(layers.Conv2D(512, 3, padding="same", use_bias=not normalized))
        if normalized:
            parts.append(layers.BatchNormalization())
        parts.append(layers.ReLU())
    pooled = layers.GlobalAveragePooling2D()
    return sequential((6, 6, 512), *parts, pooled, layers.Dense(512))


def residual_chain():
    x = inputs = keras.Input((512,))
    for _ in range(3):
        h = layers.LayerNormalization()(x)
        h = layers.Dense(512, activation="gelu")(h)
        x = layers.Add()([x, layers.Dense(512)(h)])
    return keras.Model(inputs, layers.Dense(512)(layers.LayerNormalization()(x)))


def attention_chain():
    x = inputs = keras.Input((16, 512))
    for _ in range(2):
        h = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(8, 64)(h, h)])
        h = layers.LayerNormalization()(x)
        h = layers.Dense(512, activation="gelu")(h)
        x = layers.Add()([x, layers.Dense(512)(h)])
    return keras.Model(inputs, layers.Dense(512)(layers.LayerNormalization()(x)))


CHAINS = {
    "relu": (lambda: dense_chain("relu"), HE_LIKE, 12),
    "tanh": (lambda: dense_chain("tanh"), GLOROT_LIKE, 4),
    "gelu": (lambda: dense_chain("gelu"), HE_LIKE, 12),
    "convolutions": (lambda: convolution_chain(normalized=False), HE_LIKE, 3),
    "convolutions, BatchNorm": (lambda: convolution_chain(normalized=True), HE_LIKE, 2),
    "residual, pre-norm": (residual_chain, HE_LIKE, 4),
    "attention, pre-norm": (attention_chain, GLOROT_LIKE, 2),
}


@functools.cache
def chain(name):
    build, scale, draws = CHAINS[name]
    return compare(build(), scale, draws)


@pytest.mark.parametrize("name", CHAINS)
def test_chain_is_within_five_percent_of_a_forward_pass(name):
    measured, expected = chain(name)["output_rms"]
    np.testing.assert_allclose(expected, measured, rtol=0.05)


@WITH_TAPE
@pytest.mark.parametrize("name", CHAINS)
def test_chain_is_within_six_percent_of_a_backward_pass(name):
    measured, expected = chain(name)["gradient_rms"]
    np.testing.assert_allclose(expected, measured, rtol=0.06)


# --- other layers, each within its own bounds -----------------------------------------


def multiplied():
    first, second = keras.Input((256,)), keras.Input((128,))
    x = layers.Dense(256, activation="relu")(first)
    gate = layers.Dense(256, activation="sigmoid")(second)
    y = layers.Concatenate()([x, layers.Multiply()([x, gate]), second])
    y = layers.Dropout(0.3)(y)
    y = layers.Dense(256)(y)
    y = layers.Subtract()([y * keras.ops.sigmoid(y), y])
    y = layers.Average()([layers.Rescaling(0.5)(y), layers.Dense(256)(second)])
    return keras.Model([first, second], layers.Dense(256)(y))


def embedded():
    inputs = keras.Input((12, 64))
    x = layers.GroupQueryAttention(32, 8, 2)(inputs, inputs, use_causal_mask=False)
    x = layers.RMSNormalization()(x)
    return keras.Model(inputs, layers.Dense(256)(layers.Flatten()(x)))


def head():
    return [layers.Flatten(), layers.Dense(256)]


OTHERS = {
    "depthwise": lambda: sequential(
        (10, 10, 256),
        layers.DepthwiseConv2D(3, padding="same", activation="relu"),
        *head(),
    ),
    "separable": lambda: sequential(
        (10, 10, 64), layers.SeparableConv2D(256, 3, strides=2), *head()
    ),
    "transposed": lambda: sequential(
        (6, 6, 64),
        layers.Conv2DTranspose(64, 4, strides=2, padding="same", activation="relu"),
        layers.Conv2DTranspose(32, 3, strides=2),
        *head(),
    ),
    "grouped, dilated": lambda: sequential(
        (12, 12, 64),
        layers.Conv2D(128, 3, groups=8, activation="relu"),
        layers.Conv2D(128, 3, dilation_rate=2, activation="relu"),
        layers.AveragePooling2D(2),
        *head(),
    ),
    "largest": lambda: sequential(
        (12, 12, 64),
        layers.Conv2D(128, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(128, 3, activation="relu"),
        layers.GlobalMaxPooling2D(),
        layers.Dense(256),
    ),
    "one axis": lambda: sequential(
        (40, 64),
        layers.Conv1D(128, 5, padding="causal", activation="relu"),
        layers.Conv1D(128, 5, strides=2, activation="selu"),
        *head(),
    ),
    "three axes": lambda: sequential(
        (6, 6, 6, 16), layers.Conv3D(64, 3, activation="relu"), *head()
    ),
    "groups normalized": lambda: sequential(
        (10, 10, 64),
        layers.Conv2D(128, 3),
        layers.GroupNormalization(8),
        layers.PReLU(shared_axes=[1, 2], alpha_initializer="ones"),
        layers.LeakyReLU(0.3),
        layers.UpSampling2D(2),
        layers.ZeroPadding2D(2),
        layers.Cropping2D(1),
        layers.Conv2D(64, 3, strides=2),
        *head(),
    ),
    "einsum": lambda: sequential(
        (16, 64),
        layers.EinsumDense("abc,cde->abde", (16, 8, 32), activation="elu"),
        layers.Permute((2, 1, 3)),
        layers.Reshape((8, 512)),
        layers.Dense(128),
        *head(),
    ),
    "several inputs": multiplied,
    "grouped queries": embedded,
    "steps apart": lambda: sequential(
        (8, 12, 64),
        layers.TimeDistributed(layers.Conv1D(64, 3, activation="relu")),
        layers.TimeDistributed(layers.Flatten()),
        layers.TimeDistributed(layers.Dense(128, activation="relu")),
        layers.GlobalAveragePooling1D(),
        layers.Dense(256),
    ),
    "simple recurrence": lambda: sequential(
        (12, 64),
        layers.SimpleRNN(256, return_sequences=True),
        layers.SimpleRNN(256),
        layers.Dense(256),
    ),
    "both directions": lambda: sequential(
        (12, 64),
        layers.Bidirectional(layers.LSTM(256, return_sequences=True)),
        layers.GlobalAveragePooling1D(),
        layers.Dense(256),
    ),
    "gated recurrence": lambda: sequential(
        (12, 64), layers.GRU(256), layers.Dense(256)
    ),
}


@functools.cache
def other(name):
    return compare(OTHERS[name](), GLOROT_LIKE, 2)


@pytest.mark.parametrize("name", OTHERS)
def test_other_layers_are_within_six_percent_of_a_forward_pass(name):
    measured, expected = other(name)["output_rms"]
    np.testing.assert_allclose(expected, measured, rtol=0.06)


@WITH_TAPE
@pytest.mark.parametrize("name", OTHERS)
def test_other_layers_are_within_ten_percent_of_a_backward_pass(name):
    measured, expected = other(name)["gradient_rms"]
    np.testing.assert_allclose(expected, measured, rtol=0.1)


def test_stacked_lstms_are_up_to_a_quarter_too_low():
    model = sequential(
        (12, 64), layers.LSTM(256, return_sequences=True), layers.LSTM(256)
    )
    measured, expected = compare(model, GLOROT_LIKE, 2)["output_rms"]
    assert 0.75 < expected[-1] / measured[-1] < 0.95


def test_embedding_has_the_moments_of_its_table():
    inputs = keras.Input((24,), dtype="int32")
    x = layers.Embedding(1000, 256)(inputs)
    x = layers.GlobalAveragePooling1D()(x)
    model = keras.Model(inputs, layers.Dense(256)(x))
    rng = np.random.default_rng(0)
    table = weight_layers(model)[0]
    tokens = rng.integers(0, 1000, (64, 24))
    measured = keras.ops.convert_to_numpy(model(tokens)).std()
    first, second = forecast(model).layers
    stddev = keras.ops.convert_to_numpy(table.embeddings).std()
    assert first.predicted["output_rms"] == pytest.approx(stddev, rel=0.01)
    assert second.predicted["output_rms"] == pytest.approx(measured, rel=0.05)


@WITH_TAPE
def test_weight_gradients_follow_a_backward_pass():
    import tensorflow as tf

    model = convolution_chain(normalized=True)
    rng = np.random.default_rng(0)
    redraw(model, HE_LIKE, rng)
    with tf.GradientTape() as tape:
        found = model(inputs_of(model, 16, rng), training=True)
        loss = tf.reduce_sum(found * rng.standard_normal(found.shape))
    kernels = [
        layer.kernel for layer in weight_layers(model) if hasattr(layer, "kernel")
    ]
    gradients = tape.gradient(loss, [kernel.value for kernel in kernels])
    measured = [float(tf.reduce_mean(g**2)) ** 0.5 for g in gradients]
    rows = [row.predicted for row in forecast(model).layers]
    expected = [
        row["weight_gradient_rms"] for row in rows if "weight_gradient_rms" in row
    ]
    np.testing.assert_allclose(expected, np.array(measured) / measured[-1], rtol=0.15)
