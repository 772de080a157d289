"""The published experiment on circles: its data, its network, its draws.

Zeros, large random or He on two noisy circles: 300 points, a network 2-10-5-1 (ReLU,
ReLU, sigmoid), plain gradient descent on the whole batch, learning rate 0.01, 15,000
steps, biases zero. Only the first weights differ.

Reference: the exercise "Initialization" of Improving Deep Neural Networks, course 2
week 1 of the Deep Learning Specialization (deeplearning.ai).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import keras
import numpy as np
from numpy.typing import NDArray

from keras_inits.experiments.relu_chain import logits
from keras_inits.experiments.schemes import PublishedDraw
from keras_inits.records import LogitMap, Points

__all__ = [
    "LAYERS",
    "LEARNING_RATE",
    "STEPS",
    "TASK",
    "UNITS",
    "Circles",
    "build_model",
    "load_circles",
    "logit_map",
    "published_kernels",
]

TASK = "two circles, 300 points, network 2-10-5-1"
UNITS = (2, 10, 5, 1)
LAYERS = ("hidden_1", "hidden_2", "output")
LEARNING_RATE = 0.01
STEPS = 15_000

_PUBLISHED_SEED = 3
_MAP_EDGE = 1.35  # the outer circle has radius 1, plus noise and a margin
_MAP_POINTS = 121

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Circles:
    """The data: points `(n, 2)` and classes 0 or 1 `(n,)`, to train and to test."""

    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array

    @property
    def train(self) -> Points:
        """The training points as a record."""
        return _points(self.x_train, self.y_train)

    @property
    def test(self) -> Points:
        """The test points as a record."""
        return _points(self.x_test, self.y_test)


def load_circles() -> Circles:
    """The experiment's points: 300 to train (seed 1), 100 to test (seed 2).

    Raises:
        ImportError: If scikit-learn is missing; the text names the extra.
    """
    try:
        from sklearn.datasets import make_circles
    except ImportError as error:
        raise ImportError(
            "The circles come from scikit-learn, which is not installed. "
            "Install it: pip install 'keras_inits[demo]'"
        ) from error
    # A private generator of the same seed gives the points of NumPy's global one.
    x_train, y_train = make_circles(300, noise=0.05, random_state=1)
    x_test, y_test = make_circles(100, noise=0.05, random_state=2)
    return Circles(x_train, y_train.astype(float), x_test, y_test.astype(float))


def published_kernels(draw: PublishedDraw) -> list[Array]:
    """The kernels `(in, out)` of the published draw, layer by layer.

    NumPy's legacy stream from seed 3 gives each layer `randn(out, in)` times the
    scheme's stddev. Keras keeps a kernel the other way round, hence the transpose.
    """
    stream = np.random.RandomState(_PUBLISHED_SEED)
    return [
        stream.randn(fan_out, fan_in).T * draw.stddev(fan_in)
        for fan_in, fan_out in pairwise(UNITS)
    ]


def build_model(initializers: Sequence[keras.initializers.Initializer]) -> keras.Model:
    """The network, ending in a logit, with one kernel initializer per layer.

    It ends without its sigmoid because Keras clips probabilities at 1e-7: a point
    that a saturated network gets wrong would have gradient 0, and the run from
    large weights could not leave where it starts.
    """
    activations = ["relu"] * (len(UNITS) - 2) + ["linear"]
    layers = [
        keras.layers.Dense(
            units, activation=activation, kernel_initializer=initializer, name=name
        )
        for units, activation, initializer, name in zip(
            UNITS[1:], activations, initializers, LAYERS, strict=True
        )
    ]
    return keras.Sequential([keras.Input((UNITS[0],)), *layers])


def logit_map(weights: Sequence[NDArray[np.floating]]) -> LogitMap:
    """What the network of these weights answers over the plane around the data."""
    axis = np.linspace(-_MAP_EDGE, _MAP_EDGE, _MAP_POINTS)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    values = logits(weights, grid).reshape(_MAP_POINTS, _MAP_POINTS)
    rows = values.round(4).tolist()  # finer than any colour shows
    axis_values = tuple(axis.tolist())
    return LogitMap(axis_values, axis_values, tuple(tuple(row) for row in rows))


def _points(x: Array, y: Array) -> Points:
    return Points(
        tuple(x[:, 0].tolist()),
        tuple(x[:, 1].tolist()),
        tuple(int(label) for label in y),
    )
