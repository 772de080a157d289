"""Numbers of one tensor, computed where it lies: a few scalars leave the device."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_inits.data_driven import backends

__all__ = [
    "SATURATED_BEYOND",
    "SILENT_BELOW",
    "Moments",
    "extremes",
    "moments",
    "share_beyond",
    "silent_units",
    "size",
]

#: Below this input an activation passes next to nothing on: less than 1e-5.
SILENT_BELOW = {
    "relu": 0.0,
    "relu6": 0.0,
    "sparse_plus": -1.0,
    "hard_silu": -3.0,
    "hard_swish": -3.0,
    "gelu": -5.0,
    "silu": -15.0,
    "swish": -15.0,
    "mish": -15.0,
}

#: Beyond plus or minus this its slope is under 5 % of the largest, solved from the
#: slope's formula: 1 - tanh(z)^2, 4 s(z) (1 - s(z)), 1 / (1 + |z|)^2, or where it ends.
SATURATED_BEYOND = {
    "tanh": 2.178,
    "sigmoid": 4.357,
    "softsign": 3.472,
    "hard_tanh": 1.0,
    "hard_sigmoid": 3.0,
}

# Mean squares between these are exact in single precision.
_LEAST, _MOST = 1e-30, 1e30


@dataclass(frozen=True)
class Moments:
    """What is known of the entries of one or more tensors.

    Args:
        count: how many entries.
        mean: of the finite ones.
        mean_square: likewise.
        largest: absolute value, likewise.
        nonfinite: how many are NaN or infinite.
    """

    count: int
    mean: float
    mean_square: float
    largest: float
    nonfinite: int

    @property
    def rms(self) -> float:
        """Square root of the mean square."""
        return math.sqrt(self.mean_square)

    @property
    def std(self) -> float:
        """Standard deviation."""
        return math.sqrt(max(self.mean_square - self.mean**2, 0.0))

    @classmethod
    def of(cls, count: int, vector: Any) -> Moments:
        """From what `moments` gave for a tensor with so many entries."""
        largest, mean, variance, nonfinite = np.asarray(
            keras.ops.convert_to_numpy(vector), np.float64
        )
        scale = float(largest)
        return cls(
            count,
            scale * float(mean),
            scale**2 * float(variance + mean**2),
            scale,
            int(nonfinite),
        )

    def over(self, factor: float) -> Moments:
        """Of the same entries, each divided by a factor."""
        return Moments(
            self.count,
            self.mean / factor,
            self.mean_square / factor**2,
            self.largest / abs(factor),
            self.nonfinite,
        )

    @classmethod
    def together(cls, parts: Iterable[Moments]) -> Moments:
        """Of all entries of several tensors."""
        parts = list(parts)
        count = sum(part.count for part in parts)
        weights = [part.count / count if count else 0.0 for part in parts]
        return cls(
            count,
            sum(w * part.mean for w, part in zip(weights, parts, strict=True)),
            sum(w * part.mean_square for w, part in zip(weights, parts, strict=True)),
            max(part.largest for part in parts),
            sum(part.nonfinite for part in parts),
        )


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """As one call on JAX and TensorFlow, where a call of an operation costs most."""

    @functools.cache
    def compiled() -> Callable[..., Any]:
        if keras.backend.backend() == "jax":
            import jax

            jitted: Callable[..., Any] = jax.jit(function, static_argnums=(1,))
            return jitted
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            graph: Callable[..., Any] = tf.function(function, reduce_retracing=True)
            return graph
        return function

    @functools.wraps(function)
    def call(tensor: Any, option: Any = None) -> Any:
        return compiled()(tensor, option)

    return call


def moments(tensor: Any) -> Any:
    """A vector: the largest |x|; mean and variance of x over it; entries not finite.

    Numbers of any size neither underflow nor overflow.
    """
    rough = keras.ops.convert_to_numpy(_rough(tensor))
    largest, total, squares = map(float, rough)
    count = max(math.prod(tensor.shape), 1)
    mean, square = total / count, squares / count
    # In single precision tiny squares are lost, large ones infinite, and of a small
    # difference of two large ones noise is left.
    if not _LEAST < square < _MOST or mean * mean > 0.99 * square:
        return _exact(tensor)
    variance = square - mean * mean
    return np.array([largest, mean / largest, variance / largest**2, 0.0])


def size(tensor: Any) -> Any:
    """A vector as `moments` gives, of a large tensor, read once where that will do.

    Of the mean nothing is said, and of the largest only whether there is one.
    """
    total = float(keras.ops.convert_to_numpy(_squares(tensor)))
    square = total / max(math.prod(tensor.shape), 1)
    if not _LEAST < square < _MOST:
        return _exact(tensor)
    return np.array([math.sqrt(square), 0.0, 1.0, 0.0])


@_compiled
def _rough(tensor: Any, option: None = None) -> Any:
    """The largest |x|, the sum and the sum of squares."""
    ops = keras.ops
    flat = ops.cast(ops.reshape(tensor, (-1,)), "float32")
    largest = ops.maximum(ops.max(flat), -ops.min(flat))
    return ops.stack([largest, ops.sum(flat), backends.square_sum(flat)])


@_compiled
def _squares(tensor: Any, option: None = None) -> Any:
    flat = keras.ops.cast(keras.ops.reshape(tensor, (-1,)), "float32")
    return backends.square_sum(flat)


@_compiled
def _exact(tensor: Any, option: None = None) -> Any:
    """Divided by the largest before they are squared, the mean taken off."""
    ops = keras.ops
    tensor = ops.cast(ops.reshape(tensor, (-1,)), "float32")
    finite = ops.isfinite(tensor)
    tensor = ops.where(finite, tensor, 0.0)
    largest = ops.maximum(ops.max(tensor), -ops.min(tensor))
    scaled = tensor / ops.where(largest > 0.0, largest, 1.0)
    mean = ops.mean(scaled)
    variance = ops.mean(ops.square(scaled - mean))
    nonfinite = ops.sum(ops.cast(ops.logical_not(finite), "float32"))
    return ops.stack([largest, mean, variance, nonfinite])


def extremes(tensor: Any, axis: int = -1) -> Any:
    """Two rows: the largest and the smallest value of each unit along the axis."""
    size = tensor.shape[axis]
    last = keras.ops.moveaxis(tensor, axis, -1) if axis != -1 else tensor
    return _extremes_by_column(keras.ops.reshape(last, (-1, size)))


@_compiled
def _extremes_by_column(matrix: Any, option: None = None) -> Any:
    ops = keras.ops
    matrix = ops.cast(matrix, "float32")
    return ops.stack([ops.max(matrix, axis=0), ops.min(matrix, axis=0)])


@_compiled
def share_beyond(tensor: Any, limit: float) -> Any:
    """The share of entries past plus or minus the limit."""
    ops = keras.ops
    flat = ops.cast(ops.reshape(tensor, (-1,)), "float32")
    beyond = ops.abs(flat) >= limit
    return ops.mean(ops.cast(beyond, "float32"))


def silent_units(both: Iterable[NDArray[Any]], below: float) -> float | None:
    """The share of units that stay below the point of silence in every tensor.

    Args:
        both: what `extremes` gave, a tensor each.
        below: an entry of `SILENT_BELOW`.

    Returns:
        None where every unit is exactly 0: weights of 0 say nothing of the activation.
    """
    rows = [np.asarray(pair, np.float64) for pair in both]
    high = np.max([row[0] for row in rows], axis=0)
    low = np.min([row[1] for row in rows], axis=0)
    if not (np.any(high) or np.any(low)):
        return None
    return float(np.mean((high <= below) & ((low < 0.0) | (high < below))))
