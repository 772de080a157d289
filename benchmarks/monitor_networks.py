"""The networks that the monitor is measured on, and what they are trained on."""

from collections.abc import Callable
from functools import partial
from typing import Any

__all__ = ["BATCH", "ONE_LINE", "batch", "network"]

BATCH = 32

#: What each network is, for the note of a table.
ONE_LINE = {
    "mlp": "50 layers of 64 units",
    "cnn": "6 convolutions of 32 to 128 channels on 32 x 32 pixels",
    "transformer": "4 blocks of width 128 on 64 positions",
    "wide transformer": "4 blocks of width 512 on 64 positions",
}

_SHAPES = {
    "mlp": (64,),
    "cnn": (32, 32, 3),
    "transformer": (64, 128),
    "wide transformer": (64, 512),
}


def network(name: str) -> Any:
    """A compiled network, always with the same weights."""
    import keras

    keras.utils.set_random_seed(1)
    made: dict[str, Callable[[], Any]] = {
        "mlp": _mlp,
        "cnn": _cnn,
        "transformer": partial(_transformer, 128),
        "wide transformer": partial(_transformer, 512),
    }
    model = made[name]()
    model.compile(keras.optimizers.Adam(1e-4), "mse")
    return model


def batch(name: str, size: int = BATCH) -> Any:
    """Inputs and targets for a network."""
    import numpy as np

    random = np.random.default_rng(0)
    x = random.standard_normal((size, *_SHAPES[name]), dtype=np.float32)
    return x, random.standard_normal((size, 10), dtype=np.float32)


def _mlp() -> Any:
    import keras

    hidden = [keras.layers.Dense(64, "relu") for _ in range(50)]
    return keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10)])


def _cnn() -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((32, 32, 3))
    for width in (32, 64, 128):
        for stride in (1, 2):
            x = layers.Conv2D(width, 3, stride, padding="same", use_bias=False)(x)
            x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10)(x))


def _transformer(width: int) -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((64, width))
    for _ in range(4):
        y = layers.LayerNormalization()(x)
        x = x + layers.MultiHeadAttention(width // 32, 32)(y, y)
        y = layers.LayerNormalization()(x)
        x = x + layers.Dense(width)(layers.Dense(4 * width, "gelu")(y))
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling1D()(x)))
