"""How moments pass through layers that act on single entries, and through dropout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_inits.architecture.propagation.functions import entry_by_entry
from keras_inits.architecture.propagation.moments import (
    Moments,
    constant,
    independent,
    moments_of,
)
from keras_inits.architecture.propagation.rules import (
    Untreated,
    activate,
    array,
    our_axes,
    rule,
)
from keras_inits.architecture.propagation.softmax import softmax
from keras_inits.architecture.propagation.tape import Tape

__all__: list[str] = []

Floats = NDArray[np.float64]


@rule(keras.layers.Activation)
def _activation(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    return activate(tape, inputs[0], layer.activation)


@rule(keras.layers.ReLU)
def _relu(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    most = np.inf if layer.max_value is None else float(layer.max_value)
    slope, start = float(layer.negative_slope), float(layer.threshold)

    def function(z: Any) -> Any:
        return np.where(z >= start, np.minimum(z, most), slope * (z - start))

    return tape.apply(inputs[0], function)


@rule(keras.layers.LeakyReLU)
def _leaky_relu(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    slope = float(layer.negative_slope)
    return tape.apply(inputs[0], lambda z: np.where(z > 0, z, slope * z))


@rule(keras.layers.ELU)
def _elu(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    alpha = float(layer.alpha)

    def function(z: Any) -> Any:
        return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0.0)))

    return tape.apply(inputs[0], function)


@rule(keras.layers.Lambda)
def _layer_as_function(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    function = entry_by_entry(layer)
    if function is None:
        raise Untreated(f"{type(layer).__name__} is not a function of single entries")
    return tape.apply(inputs[0], function)


@rule(keras.layers.PReLU)
def _prelu(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    slope = float(array(layer.alpha).mean())
    made = tape.apply(inputs[0], lambda z: np.where(z > 0, z, slope * z))
    return tape.read(layer, inputs[0], inputs[0], made)


@rule(keras.layers.Softmax)
def _softmax_layer(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    (x,) = inputs
    if our_axes(layer.axis, x) != [len(x.shape) - 1]:
        raise Untreated("a softmax over another axis than the last")
    return softmax(tape, x)


@rule(keras.layers.Normalization)
def _normalization(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    (x,) = inputs
    mean = np.asarray(keras.ops.convert_to_numpy(layer.mean), dtype=np.float64)
    variance = np.asarray(keras.ops.convert_to_numpy(layer.variance), dtype=np.float64)
    stddev = np.maximum(np.sqrt(variance), keras.backend.epsilon())
    factor, shift = (1 / stddev, -mean / stddev)
    if layer.invert:
        factor, shift = stddev, mean
    parts = [
        tape.source(constant(values.reshape(values.shape[1:])))
        for values in (np.atleast_1d(factor), np.atleast_1d(shift))
        if values.ndim > 1
    ]
    if len(parts) < 2:
        raise Untreated("its mean and variance are not known yet")
    made = tape.add([tape.multiply([x, parts[0]]), parts[1]], [1.0, 1.0])
    return tape.read(layer, x, made, made) if layer.weights else made


@rule(keras.layers.Rescaling)
def _rescaling(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    factor, shift = np.asarray(layer.scale, float), np.asarray(layer.offset, float)
    (x,) = inputs
    if factor.ndim or shift.ndim:
        parts = [tape.source(constant(values)) for values in (factor, shift)]
        return tape.add([tape.multiply([x, parts[0]]), parts[1]], [1.0, 1.0])
    return tape.apply(x, lambda z: float(factor) * z + float(shift))


@rule(
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
    keras.layers.GaussianDropout,
)
def _dropout(
    tape: Tape, layer: Any, inputs: Sequence[Moments], keywords: Mapping[str, Any]
) -> Moments:
    (x,) = inputs
    rate = float(getattr(layer, "rate", 0.0))
    if rate == 0 or rate >= 1:
        return x
    whole = () if "Spatial" not in type(layer).__name__ else range(1, len(x.shape))
    masked = [axis for axis in range(len(x.shape)) if axis + 1 not in whole]
    extra = rate / (1 - rate)

    def dropped(tensor: Moments) -> Moments:
        raw = tensor.raw
        for kind in np.ndindex(raw.shape):
            if kind[0] == 0 and not any(kind[1 + axis] for axis in masked):
                raw[kind] *= 1 + extra
        square = tensor.square * (1 + extra)
        return moments_of(tensor.shape, tensor.mean, square, raw)

    return tape.note(dropped(x), [x], lambda gradient: [dropped(gradient)])


@rule(keras.layers.GaussianNoise)
def _noise(
    tape: Tape, layer: Any, inputs: Sequence[Moments], keywords: Mapping[str, Any]
) -> Moments:
    (x,) = inputs
    noise = independent(x.shape, 0.0, float(layer.stddev))
    return tape.add([x, tape.source(noise)], [1.0, 1.0])


@rule(
    keras.layers.AlphaDropout,
    keras.layers.ActivityRegularization,
    keras.layers.Identity,
    keras.layers.Masking,
    keras.layers.InputLayer,
)
def _same(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    return inputs[0]
