"""How moments pass through layers with kernels and tables of embeddings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_inits.architecture.propagation.mixing import Kernel, Mixing, Table, taps
from keras_inits.architecture.propagation.moments import Moments, moments_of
from keras_inits.architecture.propagation.rules import (
    Untreated,
    bias_moments,
    channels_back,
    channels_last,
    finish,
    kernel_of,
    rule,
)
from keras_inits.architecture.propagation.tape import Tape

__all__: list[str] = []

Floats = NDArray[np.float64]


@rule(keras.layers.Dense)
def _dense(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    (x,) = inputs
    free = "abdeghij"[: len(x.shape) - 1]
    mixing = Mixing(Kernel.of(kernel_of(layer.kernel)), free + "c", "cf", free + "f")
    return finish(tape, layer, x, tape.mix(layer, x, mixing, bias_moments(layer.bias)))


@rule(keras.layers.EinsumDense)
def _einsum(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    (x,) = inputs
    source, rest = layer.equation.replace(" ", "").split(",")
    weights, target = rest.split("->")
    if source.startswith("...") and target.startswith("..."):
        spare = [c for c in "ABCDEFGHIJ" if c not in layer.equation]
        free = "".join(spare[: len(x.shape) + 1 - len(source[3:])])
        source, target = free + source[3:], free + target[3:]
    first = source[0]
    sound = first == target[0] and first not in weights and "." not in weights
    lost = set(source) - set(weights) - set(target)
    if not sound or lost or len(set(source)) < len(source):
        raise Untreated(f"its equation {layer.equation!r} is not a plain contraction")
    mixing = Mixing(Kernel.of(kernel_of(layer.kernel)), source[1:], weights, target[1:])
    return finish(tape, layer, x, tape.mix(layer, x, mixing, bias_moments(layer.bias)))


@rule(
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
)
def _convolution(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    x = channels_last(tape, layer, inputs[0])
    kernel, groups = kernel_of(layer.kernel), layer.groups
    space = "xyz"[: layer.rank]
    windows = _windows(layer, x.shape)
    if groups == 1:
        mixing = Mixing(
            Kernel.of(kernel), space + "c", space + "cf", space + "f", windows
        )
        before = tape.mix(layer, x, mixing, bias_moments(layer.bias))
    else:
        *place, channels = x.shape
        kernel = kernel.reshape((*kernel.shape[:-1], groups, -1))
        grouped = tape.reshape(x, (*place, groups, channels // groups))
        mixing = Mixing(
            Kernel.of(kernel), space + "gc", space + "cgf", space + "gf", windows
        )
        before = tape.mix(layer, grouped, mixing, bias_moments(layer.bias))
        before = tape.reshape(before, (*before.shape[:-2], layer.filters))
    return finish(tape, layer, inputs[0], channels_back(tape, layer, before))


@rule(
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
def _transposed(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    x = channels_last(tape, layer, inputs[0])
    space = "xyz"[: layer.rank]
    shape = layer.compute_output_shape((1, *inputs[0].shape))[1:]
    if layer.data_format == "channels_first":
        shape = shape[1:]
    windows = {}
    for axis, label in enumerate(space):
        way = (layer.kernel_size[axis], layer.strides[axis], layer.dilation_rate[axis])
        matrix = taps(shape[axis], *way, layer.padding).T
        if matrix.shape != (shape[axis], x.shape[axis]):
            raise Untreated("its output padding is not plain")
        windows[label] = matrix
    mixing = Mixing(
        Kernel.of(kernel_of(layer.kernel)),
        space + "c",
        space + "fc",
        space + "f",
        windows,
    )
    before = tape.mix(layer, x, mixing, bias_moments(layer.bias))
    return finish(tape, layer, inputs[0], channels_back(tape, layer, before))


@rule(keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
def _depthwise(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    x = channels_last(tape, layer, inputs[0])
    before = _by_channel(tape, layer, x, layer.kernel, bias_moments(layer.bias))
    return finish(tape, layer, inputs[0], channels_back(tape, layer, before))


@rule(keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
def _separable(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    x = channels_last(tape, layer, inputs[0])
    between = _by_channel(tape, layer, x, layer.depthwise_kernel, (0.0, 0.0))
    kernel = kernel_of(layer.pointwise_kernel)
    space = "xyz"[: len(between.shape) - 1]
    mixing = Mixing(
        Kernel.of(kernel.reshape(kernel.shape[-2:])), space + "c", "cf", space + "f"
    )
    bias = bias_moments(layer.bias)
    before = tape.mix(layer, between, mixing, bias, "pointwise_kernel")
    return finish(tape, layer, inputs[0], channels_back(tape, layer, before))


def _by_channel(
    tape: Tape, layer: Any, x: Moments, weight: Any, bias: tuple[float, float]
) -> Moments:
    kernel = kernel_of(weight)
    space = "xyz"[: len(x.shape) - 1]
    mixing = Mixing(
        Kernel.of(kernel),
        space + "c",
        space + "cm",
        space + "cm",
        _windows(layer, x.shape),
    )
    made = tape.mix(layer, x, mixing, bias)
    return tape.reshape(made, (*made.shape[:-2], kernel.shape[-2] * kernel.shape[-1]))


def _windows(layer: Any, shape: Sequence[int]) -> dict[str, Table]:
    return {
        label: taps(
            shape[axis],
            layer.kernel_size[axis],
            layer.strides[axis],
            layer.dilation_rate[axis],
            layer.padding,
        )
        for axis, label in enumerate("xyz"[: len(shape) - 1])
    }


@rule(keras.layers.Embedding)
def _embedding(
    tape: Tape, layer: Any, inputs: Sequence[Moments], _: Mapping[str, Any]
) -> Moments:
    (tokens,) = inputs
    table = Kernel.of(kernel_of(layer.embeddings))
    count, width = table.shape
    # Tokens are taken as drawn evenly and independently.
    either = table.sums.sum(axis=0) / count**2
    raw = np.empty((2,) * (len(tokens.shape) + 2))
    raw[...] = either / [width, max(width * (width - 1), 1)]
    same = table.sums[0] / count / [width, max(width * (width - 1), 1)]
    raw[(0,) * (raw.ndim - 1)] = same
    shape = (*tokens.shape, width)
    made = moments_of(shape, table.total / count / width, raw.flat[0], raw)
    tape.note(made, [tokens], lambda gradient: [None])
    places = math.prod(tokens.shape)
    tape.use(layer, made, table.shape, lambda gradient: gradient.level * places / count)
    return tape.read(layer, made, made, made)
