"""Small models of every kind, for the tests of what looks at models."""

import keras
import numpy as np
from keras import layers

from keras_inits.architecture.roles import layer_path, weight_layers


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def labels(samples, classes=10, seed=1):
    return np.random.default_rng(seed).integers(0, classes, samples)


def cross_entropy():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def dense_chain(
    depth, initializer="he_normal", activation="relu", width=64, outputs=10, **arguments
):
    """`initializer` is a name, or a function that makes one for each layer."""

    def made():
        return initializer() if callable(initializer) else initializer

    hidden = [
        layers.Dense(width, activation, kernel_initializer=made(), **arguments)
        for _ in range(depth)
    ]
    return keras.Sequential([keras.Input((width,)), *hidden, layers.Dense(outputs)])


def residual(zero_gamma=False, zero_head=False):
    """Convolutions with BatchNormalization in four residual blocks."""
    inputs = keras.Input((12, 12, 3))
    conv = {"padding": "same", "use_bias": False, "kernel_initializer": "he_normal"}
    last = "zeros" if zero_gamma else "ones"
    x = layers.Conv2D(16, 3, **conv)(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    for _ in range(4):
        branch = layers.BatchNormalization()(layers.Conv2D(16, 3, **conv)(x))
        branch = layers.Conv2D(16, 3, **conv)(layers.ReLU()(branch))
        branch = layers.BatchNormalization(gamma_initializer=last)(branch)
        x = layers.ReLU()(layers.Add()([x, branch]))
    x = layers.GlobalAveragePooling2D()(x)
    head = layers.Dense(
        10, kernel_initializer="zeros" if zero_head else "glorot_uniform"
    )
    return keras.Model(inputs, head(x))


def transformer(blocks=2, width=16, words=50, length=8):
    inputs = keras.Input((length,), dtype="int32")
    x = layers.Embedding(words, width)(inputs)
    for _ in range(blocks):
        y = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(2, width // 2)(y, y)])
        y = layers.Dense(2 * width, "gelu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(width)(y)])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return keras.Model(inputs, layers.Dense(10)(x))


def every_state():
    """BatchNormalization, dropout, a seeded layer, an activity and a weight penalty."""
    inputs = keras.Input((8,))
    x = layers.Dense(16, activity_regularizer="l2", kernel_regularizer="l2")(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Dropout(0.5, seed=3)(x)
    x = layers.GaussianNoise(0.1)(x)
    return keras.Model(inputs, layers.Dense(3)(x))


class Subclassed(keras.Model):
    """Counts its calls and keeps what it saw, as people's models do."""

    def __init__(self):
        super().__init__()
        self.first = layers.Dense(16, "relu")
        self.second = layers.Dense(3)
        self.calls = 0
        self.seen = []

    def call(self, x, training=False):
        self.calls += 1
        self.seen.append(self.calls)
        self.last = self.calls
        return self.second(self.first(x))


def built(model, x):
    model(x)
    return model


def paths(model):
    return [layer_path(layer) for layer in weight_layers(model)]


def kernel(model, number):
    """The kernel of a layer with weights, by its place."""
    return weight_layers(model)[number].kernel


def values(variable):
    return keras.ops.convert_to_numpy(variable.value)
