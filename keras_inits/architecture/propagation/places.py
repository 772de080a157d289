"""How moments pass through layers that move, repeat or pool positions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_inits.architecture.propagation.axes import profiled, transferred
from keras_inits.architecture.propagation.gaussians import (
    Function,
    Response,
    largest_of,
    respond,
)
from keras_inits.architecture.propagation.mixing import taps
from keras_inits.architecture.propagation.moments import Moments, moments_of
from keras_inits.architecture.propagation.rules import (
    Untreated,
    channels_back,
    channels_last,
    rule,
)
from keras_inits.architecture.propagation.tape import Tape

__all__: list[str] = []

Floats = NDArray[np.float64]

# Shapes


@rule(keras.layers.Flatten, keras.layers.Reshape)
def _reshape(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    (x,) = inputs
    if isinstance(layer, keras.layers.Flatten):
        return tape.reshape(channels_last(tape, layer, x), (math.prod(x.shape),))
    known = math.prod(size for size in layer.target_shape if size != -1)
    shape = [
        math.prod(x.shape) // known if size == -1 else size
        for size in layer.target_shape
    ]
    return tape.reshape(x, shape)


@rule(keras.layers.Permute)
def _permute(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    return tape.permute(inputs[0], [axis - 1 for axis in layer.dims])


@rule(keras.layers.RepeatVector)
def _repeat(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    (x,) = inputs
    return tape.broadcast(tape.reshape(x, (1, *x.shape)), (layer.n, *x.shape))


@rule(
    keras.layers.ZeroPadding1D,
    keras.layers.ZeroPadding2D,
    keras.layers.ZeroPadding3D,
    keras.layers.Cropping1D,
    keras.layers.Cropping2D,
    keras.layers.Cropping3D,
)
def _padding(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    x = channels_last(tape, layer, inputs[0])
    cropping = hasattr(layer, "cropping")
    amounts = layer.cropping if cropping else layer.padding
    if len(x.shape) == 2:
        amounts = [amounts]
    for axis, (before, after) in enumerate(amounts):
        size = x.shape[axis]
        if cropping:
            matrix = np.eye(size)[before : size - after]
        else:
            matrix = np.pad(np.eye(size), ((before, after), (0, 0)))
        x = tape.along(x, axis, matrix)
    return channels_back(tape, layer, x)


@rule(
    keras.layers.UpSampling1D,
    keras.layers.UpSampling2D,
    keras.layers.UpSampling3D,
)
def _upsampling(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    if getattr(layer, "interpolation", "nearest") != "nearest":
        raise Untreated(f"its interpolation is {layer.interpolation!r}")
    x = channels_last(tape, layer, inputs[0])
    sizes = layer.size if isinstance(layer.size, list | tuple) else [layer.size]
    for axis, times in enumerate(sizes):
        x = tape.along(x, axis, np.repeat(np.eye(x.shape[axis]), times, axis=0))
    return channels_back(tape, layer, x)


# Pooling


@rule(
    keras.layers.AveragePooling1D,
    keras.layers.AveragePooling2D,
    keras.layers.AveragePooling3D,
)
def _average_pool(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    x = channels_last(tape, layer, inputs[0])
    for axis, (window, stride) in enumerate(_pools(layer)):
        matrix = _reached(x.shape[axis], window, stride, layer.padding)
        matrix = matrix / matrix.sum(axis=1, keepdims=True)
        x = tape.along(x, axis, matrix)
    return channels_back(tape, layer, x)


@rule(
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalAveragePooling3D,
)
def _global_average(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    x = channels_last(tape, layer, inputs[0])
    for axis in range(len(x.shape) - 1):
        x = tape.along(x, axis, np.full((1, x.shape[axis]), 1 / x.shape[axis]))
    return _dropped_places(tape, layer, x)


@rule(
    keras.layers.MaxPooling1D,
    keras.layers.MaxPooling2D,
    keras.layers.MaxPooling3D,
)
def _max_pool(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    x = channels_last(tape, layer, inputs[0])
    matrices = [
        _reached(x.shape[axis], window, stride, layer.padding)
        for axis, (window, stride) in enumerate(_pools(layer))
    ]
    return channels_back(tape, layer, _largest(tape, x, matrices))


@rule(
    keras.layers.GlobalMaxPooling1D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.GlobalMaxPooling3D,
)
def _global_max(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    x = channels_last(tape, layer, inputs[0])
    matrices = [np.ones((1, size)) for size in x.shape[:-1]]
    return _dropped_places(tape, layer, _largest(tape, x, matrices))


def _dropped_places(tape: Tape, layer: Any, x: Moments) -> Moments:
    if not layer.keepdims:
        return tape.reshape(x, x.shape[-1:])
    return channels_back(tape, layer, x)


def _pools(layer: Any) -> list[tuple[int, int]]:
    def many(value: Any) -> tuple[int, ...]:
        return tuple(value) if isinstance(value, list | tuple) else (value,)

    return list(zip(many(layer.pool_size), many(layer.strides), strict=True))


def _reached(size: int, window: int, stride: int, padding: str) -> Floats:
    """1 where a window (row) holds a position (column)."""
    return (taps(size, window, stride, 1, padding) >= 0).astype(np.float64)


def _largest(tape: Tape, x: Moments, matrices: Sequence[Floats]) -> Moments:
    """The largest entry in windows over the first axes, each channel for itself."""
    root, function = _rising_root(x)
    mean = root.average
    variance = max(root.level - mean * mean, 0.0)
    count = max(round(math.prod(m.sum(axis=1).mean() for m in matrices)), 1)
    # The average correlation of two entries in one window.
    taken = [float(m.sum(axis=1).mean()) for m in matrices]
    weights = np.ones(())
    for size in taken:
        weights = np.multiply.outer(weights, [1.0, max(size - 1, 0.0)])
    weights.flat[0] = 0.0
    near = root.raw[0][..., 0]
    apart = float((weights * near).sum() / max(weights.sum(), 1e-300))
    correlation = (apart - mean * mean) / variance if variance > 0 else 1.0
    average, square, slope = largest_of(count, correlation, function, mean, variance)
    spread = x.level - x.average**2
    cosines = (x.raw - x.average**2) / spread if spread > 0 else np.ones_like(x.raw)
    raw = average**2 + (square - average**2) * cosines
    means, profile = x.mean, x.square
    for axis, matrix in enumerate(matrices):
        share = matrix / matrix.sum(axis=1, keepdims=True)
        means = profiled(means, axis, share)
        profile = profiled(profile, axis, share)
    profile = profile * (square / max(profile.mean(), 1e-300))
    if means.mean():
        means = means * (average / means.mean())
    else:
        means = np.full_like(means, average)
    shape = (*(len(matrix) for matrix in matrices), *x.shape[len(matrices) :])
    made = moments_of(shape, means, profile, raw)
    steepness = respond(function, root.mean, root.square)[2].mean()

    def pull(gradient: Moments) -> list[Moments]:
        hit = slope / steepness if root is not x and steepness > 0 else 1.0
        return [replace(_to_one(gradient, x.shape, matrices), hit=hit)]

    return tape.note(made, [x], pull)


def _rising_root(x: Moments) -> tuple[Moments, Function]:
    """The Gaussian of which x is a rising function: the largest goes with the largest.

    Any other x counts as Gaussian itself.
    """
    if x.root is not None and x.function is not None:
        mean = x.root.average
        response = Response(x.function, mean, max(x.root.level - mean * mean, 0.0))
        if response.increasing:
            return x.root, x.function
    return x, lambda z: z


def _to_one(
    gradient: Moments, shape: tuple[int, ...], matrices: Sequence[Floats]
) -> Moments:
    """The gradient when one entry of each window, any of them, gets it all."""
    square, level = gradient.square, 1.0
    raw = gradient.raw
    # Two entries of one window never get something both.
    raw[(0,) * raw.ndim] = 0.0
    for axis, matrix in enumerate(matrices):
        even = (matrix / matrix.sum(axis=1, keepdims=True)).T
        square = profiled(square, axis, even)
        raw = transferred(raw, axis, even)
        level *= even.sum() / len(even)
    raw[(0,) * raw.ndim] = gradient.level * level
    return moments_of(shape, 0.0, square, raw)
