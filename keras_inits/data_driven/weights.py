"""The kernels of a layer: what each is, how it was drawn, and what its numbers say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_inits.architecture.fans import fans_by_weight
from keras_inits.architecture.host import on_host
from keras_inits.architecture.roles import own_weights, weight_role
from keras_inits.data_driven.survey import Survey
from keras_inits.initializers.fans import compute_fans
from keras_inits.theory import gain

__all__ = ["Kernel", "argument_for", "kernels_of"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Kernel:
    """One kernel or embedding of a layer.

    Args:
        layer: the layer.
        variable: the weight.
        name: how it ends the variable's path, as `"kernel"` or `"recurrent_kernel"`.
        role: `"kernel"` or `"embedding"`.
        fans: the true fans, None where the kind of layer is unknown.
        output_axes: the axes that count units.
        initializer: what the layer draws it with, where that can be told.
        bias: the layer's bias, if its entries belong to the same units.
    """

    layer: Any
    variable: Any
    name: str
    role: str
    fans: tuple[float, float] | None
    output_axes: tuple[int, ...]
    initializer: Any
    bias: Any

    @property
    def values(self) -> Array:
        """Its numbers, on the host. Not kept: a model's weights fill memory twice."""
        return np.asarray(on_host(self.variable), np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return tuple(self.variable.shape)

    @property
    def trainable(self) -> bool:
        """Whether training changes it."""
        return bool(self.variable.trainable)

    @cached_property
    def _survey(self) -> Survey:
        values, bias = self.values, self.bias
        if bias is not None:
            bias = keras.ops.convert_to_numpy(bias.value)
        return Survey.of(values, self.units(values), bias)

    @property
    def beginning(self) -> Array:
        """Its first entries."""
        return self._survey.beginning

    @property
    def std(self) -> float:
        """Standard deviation of its finite entries."""
        return self._survey.std

    @property
    def is_zero(self) -> bool:
        """Whether every entry is 0."""
        return self._survey.is_zero

    @property
    def nonfinite(self) -> int:
        """Entries that are NaN or infinite."""
        return self._survey.nonfinite

    @property
    def rank(self) -> int:
        """The rank as a map to its units, counted up to `RANK_COUNTED`."""
        return self._survey.rank

    @property
    def twins(self) -> Array:
        """For each unit the number of its group of equals, -1 where it has none."""
        return self._survey.twins

    @property
    def duplicates(self) -> int:
        """Units too many: how many have an equal that was there before them."""
        twins = self.twins
        return int(np.count_nonzero(twins >= 0)) - int(twins.max(initial=-1) + 1)

    def units(self, values: Array | None = None) -> Array:
        """A row a unit, of the kernel or of another array of its shape."""
        values = self.values if values is None else values
        axes = [axis % values.ndim for axis in self.output_axes]
        rest = [axis for axis in range(values.ndim) if axis not in axes]
        count = math.prod(values.shape[axis] for axis in axes)
        return values.transpose(*axes, *rest).reshape(count, -1)

    @property
    def assumed(self) -> tuple[float, float] | None:
        """The fans that its initializer took, where that is a scaled scheme."""
        if not hasattr(self.initializer, "mode"):
            return None
        fans = getattr(self.initializer, "fans", None)
        if fans is not None:
            found = fans(self.shape)
            return float(found[0]), float(found[1])
        axes = (
            getattr(self.initializer, "input_axes", None),
            getattr(self.initializer, "output_axes", None),
        )
        if None in axes and isinstance(self.layer, keras.layers.EinsumDense):
            axes = _told_axes(self.layer)
        found = compute_fans(self.shape, *axes)
        return float(found[0]), float(found[1])

    def drawn_std(self, fans: tuple[float, float]) -> float | None:
        """The std that its initializer gives with these fans."""
        scale = getattr(self.initializer, "scale", None)
        if scale is None:
            return None
        fan_in, fan_out = fans
        fan = {
            "fan_in": fan_in,
            "fan_out": fan_out,
            "fan_avg": (fan_in + fan_out) / 2,
            "fan_geo": math.sqrt(fan_in * fan_out),
        }.get(str(self.initializer.mode))
        return None if fan is None else math.sqrt(float(scale) / max(fan, 1.0))

    def expected_std(self, activation: str | None) -> float | None:
        """Gain / sqrt(true fan_in), for the activation that the layer's output meets.

        The gain is 1 where there is none or one that theory does not know.
        """
        if self.fans is None or self.role == "embedding":
            return None
        try:
            factor = gain(activation) if activation else 1.0
        except (ValueError, TypeError):
            factor = 1.0
        return factor / math.sqrt(max(self.fans[0], 1.0))


def kernels_of(layer: Any) -> list[Kernel]:
    """The kernels and embeddings of an entry of `weight_layers`, in its own order."""
    try:
        rules = fans_by_weight(layer)
    except ValueError:
        rules = {}
    own = own_weights(layer)
    found = []
    for variable in own:
        role = weight_role(layer, variable)
        if role not in ("kernel", "embedding") or len(variable.shape) < 2:
            continue
        path = str(variable.path)
        # The longest name that ends the path, as "lstm_cell/recurrent_kernel".
        name = path.split("/")[-1]
        fans = next(
            (rules[end] for end in rules if f"/{path}".endswith(f"/{end}")), None
        )
        fans = fans or rules.get(name)
        axes = fans.output_axes if fans is not None else (-1,)
        found.append(
            Kernel(
                layer,
                variable,
                name,
                role,
                None if fans is None else fans(tuple(variable.shape)),
                tuple(axes),
                _initializer(layer, name),
                _bias(own, variable, axes),
            )
        )
    return found


def _told_axes(layer: Any) -> tuple[list[int], list[int]]:
    """The axes that `EinsumDense` tells its scheme: what the output has is a unit."""
    inputs, output = layer.equation.split("->")
    kernel = inputs.split(",")[1].strip()
    given = [axis for axis, letter in enumerate(kernel) if letter in output]
    return [axis for axis in range(len(kernel)) if axis not in given], given


def argument_for(layer: Any, name: str) -> str:
    """The argument of the layer that says how a weight of this name is drawn."""
    if isinstance(layer, keras.layers.DepthwiseConv1D | keras.layers.DepthwiseConv2D):
        return "depthwise_initializer"
    if name in ("depthwise_kernel", "pointwise_kernel", "recurrent_kernel"):
        return name.replace("kernel", "initializer")
    return f"{name}_initializer"


def _initializer(layer: Any, name: str) -> Any:
    """What a layer, or what it wraps, draws this weight with."""
    attributes = {argument_for(layer, name), f"{name}_initializer"}
    for attribute in sorted(attributes):
        for part in (
            layer,
            getattr(layer, "cell", None),
            getattr(layer, "layer", None),
        ):
            found = getattr(part, attribute, None)
            if found is not None:
                return found
    return None


def _bias(own: Sequence[Any], kernel: Any, axes: Sequence[int]) -> Any:
    """The one bias with an entry for each unit of the kernel."""
    count = math.prod(kernel.shape[axis] for axis in axes)
    biases = [v for v in own if v.path.split("/")[-1].endswith("bias")]
    if len(biases) == 1 and math.prod(biases[0].shape) == count:
        return biases[0]
    return None
