"""How moments pass through layers that join several inputs, and through wrappers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_inits.architecture.propagation.moments import Moments
from keras_inits.architecture.propagation.rules import our_axes, rule, treat
from keras_inits.architecture.propagation.tape import Tape

__all__: list[str] = []

Floats = NDArray[np.float64]


@rule(
    keras.layers.Add,
    keras.layers.Subtract,
    keras.layers.Average,
)
def _add(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    factors = [1.0] * len(inputs)
    if isinstance(layer, keras.layers.Subtract):
        factors = [1.0, -1.0]
    elif isinstance(layer, keras.layers.Average):
        factors = [1 / len(inputs)] * len(inputs)
    return tape.add(inputs, factors)


@rule(keras.layers.Multiply)
def _multiply(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    return tape.multiply(inputs)


@rule(keras.layers.Concatenate)
def _concatenate(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    (axis,) = our_axes(layer.axis, inputs[0])
    return tape.concatenate(inputs, axis)


# Wrappers


@rule(keras.layers.TimeDistributed)
def _time_distributed(
    tape: Tape, layer: Any, inputs: Sequence[Moments], keywords: Mapping[str, Any]
) -> Moments:
    (x,) = inputs
    steps = x.shape[0]
    tape.steps *= steps
    try:
        mark = len(tape.readings)
        inside = tape.fold(x)
        made = treat(tape, layer.layer, [inside], keywords)
    finally:
        tape.steps //= steps
    last = tape.readings[mark] if len(tape.readings) > mark else None
    del tape.readings[mark:]
    outside = tape.unfold(made, steps)
    if last is not None:
        tape.read(layer, x, last.before, outside)
        tape.rename(layer.layer, layer)
    return outside
