"""How moments pass through normalization."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_inits.architecture.propagation.moments import Moments, constant
from keras_inits.architecture.propagation.rules import array, our_axes, rule
from keras_inits.architecture.propagation.tape import Tape

__all__: list[str] = []

Floats = NDArray[np.float64]


@rule(keras.layers.LayerNormalization, keras.layers.RMSNormalization)
def _layer_norm(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    (x,) = inputs
    axes = our_axes(layer.axis, x)
    root_mean = isinstance(layer, keras.layers.RMSNormalization)
    center = not root_mean and not getattr(layer, "rms_scaling", False)
    made = tape.standardize(x, axes, center=center, epsilon=layer.epsilon)
    weights = getattr(layer, "gamma", None), getattr(layer, "beta", None)
    if root_mean:
        weights = (getattr(layer, "scale", None), None)
    return _rescaled(tape, layer, x, made, axes, *weights)


@rule(keras.layers.GroupNormalization)
def _group_norm(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    (x,) = inputs
    (axis,) = our_axes(layer.axis, x)
    groups = layer.groups if layer.groups != -1 else x.shape[axis]
    shape = (*x.shape[:axis], groups, x.shape[axis] // groups, *x.shape[axis + 1 :])
    grouped = tape.reshape(x, shape)
    axes = [i for i in range(len(shape)) if i != axis]
    made = tape.standardize(grouped, axes, epsilon=layer.epsilon)
    made = tape.reshape(made, x.shape)
    return _rescaled(tape, layer, x, made, [axis], layer.gamma, layer.beta)


@rule(keras.layers.BatchNormalization)
def _batch_norm(
    tape: Tape, layer: Any, inputs: Sequence[Moments], keywords: Mapping[str, Any]
) -> Moments:
    (x,) = inputs
    channels = our_axes(layer.axis, x)
    if layer.trainable:  # in training, as everywhere here
        axes = [i for i in range(len(x.shape)) if i not in channels]
        made = tape.standardize(x, axes, batch=True, epsilon=layer.epsilon)
    else:
        mean, variance = array(layer.moving_mean), array(layer.moving_variance)
        shifted = tape.add([x, _spread(tape, x, channels, -mean)], [1.0, 1.0])
        factor = 1 / np.sqrt(variance + layer.epsilon)
        made = tape.multiply([shifted, _spread(tape, x, channels, factor)])
    return _rescaled(tape, layer, x, made, channels, layer.gamma, layer.beta)


@rule(keras.layers.UnitNormalization)
def _unit_norm(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    (x,) = inputs
    axes = our_axes(layer.axis, x)
    made = tape.standardize(x, axes, center=False, epsilon=1e-12)
    return tape.scale(made, 1 / math.sqrt(math.prod(x.shape[axis] for axis in axes)))


def _rescaled(
    tape: Tape,
    layer: Any,
    x: Moments,
    made: Moments,
    axes: Sequence[int],
    gamma: Any,
    beta: Any,
) -> Moments:
    """Times gamma plus beta along the axes, and the layer's row."""
    if gamma is not None:
        values = array(gamma)
        if (values != 1).any():
            made = tape.multiply([made, _spread(tape, x, axes, values)])
    if beta is not None and (array(beta) != 0).any():
        made = tape.add([made, _spread(tape, x, axes, array(beta))], [1.0, 1.0])
    return tape.read(layer, x, made, made) if layer.weights else made


def _spread(tape: Tape, x: Moments, axes: Sequence[int], values: Floats) -> Moments:
    """A weight of some axes among the axes of x."""
    shape = [x.shape[i] if i in axes else 1 for i in range(len(x.shape))]
    return tape.source(constant(values.reshape(shape)))
