"""Listens at the layers of a model while a batch passes: who gave what to whom."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from keras_inits.architecture.roles import activation_name, weight_layers
from keras_inits.data_driven import backends, statistics
from keras_inits.data_driven.statistics import SATURATED_BEYOND, SILENT_BELOW
from keras_inits.data_driven.unchanged import unchanged

__all__ = ["Call", "Passage", "listening"]

_layers = keras.layers
#: Layers after which the scale of what went in makes no difference.
_NORMALIZATIONS = (
    _layers.GroupNormalization,
    _layers.LayerNormalization,
    _layers.RMSNormalization,
    _layers.UnitNormalization,
)
# Layers that hand on the scale of what they take, so that one may look past them.
_KEEP_SCALE = (
    _layers.AveragePooling1D,
    _layers.AveragePooling2D,
    _layers.AveragePooling3D,
    _layers.Dropout,
    _layers.Flatten,
    _layers.GlobalAveragePooling1D,
    _layers.GlobalAveragePooling2D,
    _layers.GlobalAveragePooling3D,
    _layers.GlobalMaxPooling1D,
    _layers.GlobalMaxPooling2D,
    _layers.GlobalMaxPooling3D,
    _layers.MaxPooling1D,
    _layers.MaxPooling2D,
    _layers.MaxPooling3D,
    _layers.Permute,
    _layers.Reshape,
    _layers.ZeroPadding1D,
    _layers.ZeroPadding2D,
    _layers.ZeroPadding3D,
)
_ACTIVATIONS = (
    _layers.Activation,
    _layers.ReLU,
    _layers.LeakyReLU,
    _layers.PReLU,
    _layers.ELU,
    _layers.Softmax,
)
_OF_ONE_SLOPE = (None, "relu", "leaky_relu", "prelu")


@dataclass(eq=False)
class Call:
    """One call of one layer. What was measured is still where the tensors are.

    Args:
        layer: the layer.
        own: whether it owns weights; of the others only the flow of data is noted.
        maker: the call that made its first tensor, where that is known.
        takers: the calls that took its output.
        measured: vectors of `statistics.moments` by name, and how many entries each.
        units: rows of `statistics.extremes` of what goes into the activation.
        saturated: the share of entries on a flat part of the activation.
        is_head: whether the model returned its output, an activation aside.
        is_entry: whether it took one of the model's inputs.
    """

    layer: Any
    own: bool
    maker: Call | None = None
    takers: list[Call] = field(default_factory=list)
    measured: dict[str, tuple[int, Any]] = field(default_factory=dict)
    units: Any = None
    saturated: Any = None
    is_head: bool = False
    is_entry: bool = False

    @property
    def keeps_scale(self) -> bool:
        """Whether it hands on the scale of what it takes."""
        if isinstance(self.layer, _ACTIVATIONS):
            return activation_name(self.layer) in _OF_ONE_SLOPE
        return isinstance(self.layer, _KEEP_SCALE)

    @property
    def normalized(self) -> bool:
        """Whether whatever takes its output removes the scale."""
        if self.is_head or not self.takers:
            return False
        return all(
            taker.normalizes or (taker.keeps_scale and taker.normalized)
            for taker in self.takers
        )

    @property
    def normalizes(self) -> bool:
        """Whether the layer removes the scale of what it takes."""
        if isinstance(self.layer, _layers.BatchNormalization):
            return bool(self.layer.trainable)  # else it keeps to its old statistics
        return isinstance(self.layer, _NORMALIZATIONS)

    @property
    def follower(self) -> str | None:
        """The name of the activation that alone takes its output."""
        names = {
            activation_name(taker.layer)
            if isinstance(taker.layer, _ACTIVATIONS)
            else None
            for taker in self.takers
        }
        return names.pop() if len(names) == 1 else None


@contextmanager
def listening(model: Any, gradients: bool = False) -> Iterator[Passage]:
    """Within, the model's layers tell a `Passage` what they take and give.

    The model is as it was afterwards. Assignments to variables made within are lost.
    """
    with unchanged(model), keras.StatelessScope(collect_losses=True):
        yield Passage(model, gradients)


class Passage:
    """What was heard.

    Args:
        model: the model, within `unchanged`.
        gradients: whether a backward pass will follow.
    """

    def __init__(self, model: Any, gradients: bool = False) -> None:
        self.calls: list[Call] = []
        #: On JAX, a value that is being differentiated: what lives beside it is heard,
        #: what lives in a compiled loop is not.
        self.home: Any = None
        self._gradients = gradients
        self._owners = weight_layers(model)
        self._made: dict[int, tuple[Any, Call]] = {}
        self._inputs: set[int] = set()
        self._open: list[Call] = []
        owners = {id(layer) for layer in self._owners}
        for layer in _leaves(model, owners):
            self._listen(layer, own=id(layer) in owners)
        self._frame(model)

    @property
    def unheard(self) -> list[Any]:
        """Layers with weights that were not called, or not where one can listen."""
        heard = {id(call.layer) for call in self.calls}
        return [layer for layer in self._owners if id(layer) not in heard]

    def _frame(self, model: Any) -> None:
        """Note what the model as a whole takes and gives."""
        original = model.call

        def call(*args: Any, **kwargs: Any) -> Any:
            inputs = [item for item in keras.tree.flatten(args) if _is_tensor(item)]
            self._inputs.update(map(id, inputs))
            outputs = original(*args, **kwargs)
            for tensor in keras.tree.flatten(outputs):
                self._mark_head(self._maker(tensor))
            return outputs

        vars(model)["call"] = call

    def _mark_head(self, call: Call | None) -> None:
        while call is not None:
            call.is_head = True
            stop = call.own and not isinstance(call.layer, _ACTIVATIONS)
            passes = call.keeps_scale or isinstance(call.layer, _ACTIVATIONS)
            call = call.maker if passes and not stop else None

    def _listen(self, layer: Any, own: bool) -> None:
        original = layer.call

        def call(*args: Any, **kwargs: Any) -> Any:
            taken = [i for i in keras.tree.flatten((args, kwargs)) if self._hears(i)]
            if not taken:
                return original(*args, **kwargs)
            heard = Call(layer, own)
            args = self._take(heard, taken, args)
            self._open.append(heard)
            try:
                outputs = original(*args, **kwargs)
            finally:
                self._open.pop()
            return self._give(heard, outputs)

        vars(layer)["call"] = call
        if own and activation_name(layer) and callable(_own_activation(layer)):
            self._listen_before(layer, _own_activation(layer))

    def _listen_before(self, layer: Any, activation: Callable[..., Any]) -> None:
        name = activation_name(layer)

        @functools.wraps(activation)
        def applied(tensor: Any, *args: Any, **kwargs: Any) -> Any:
            if self._open and self._open[-1].layer is layer and self._hears(tensor):
                call = self._open[-1]
                call.measured["preactivation"] = _measured(tensor)
                self._judge(call, name, tensor)
            return activation(tensor, *args, **kwargs)

        vars(layer)["activation"] = applied

    def _take(
        self, call: Call, taken: list[Any], args: tuple[Any, ...]
    ) -> tuple[Any, ...]:
        for tensor in taken:
            maker = self._maker(tensor)
            if maker is not None:
                maker.takers.append(call)
        first = taken[0]
        call.maker = self._maker(first)
        call.is_entry = any(id(tensor) in self._inputs for tensor in taken)
        if isinstance(call.layer, _ACTIVATIONS) and call.maker and call.maker.own:
            self._judge(call.maker, activation_name(call.layer), first)
        if call.own and _is_float(first) and not _looks_up(call.layer):
            known = call.maker.measured.get("output") if call.maker else None
            call.measured["input"] = known or _measured(first)
            if self._gradients and args and args[0] is first:
                return (self._watched(call, "gradient_in", first), *args[1:])
        return args

    def _give(self, call: Call, outputs: Any) -> Any:
        self.calls.append(call)
        flat = keras.tree.flatten(outputs)
        at = next((n for n, item in enumerate(flat) if self._hears(item)), None)
        if at is None:
            return outputs
        tensor = flat[at]
        if call.own and _is_float(tensor):
            call.measured["output"] = _measured(tensor)
            if self._gradients:
                tensor = self._watched(call, "gradient_out", tensor)
                flat[at] = tensor
                outputs = keras.tree.pack_sequence_as(outputs, flat)
        self._made[id(tensor)] = (weakref.ref(tensor), call)
        return outputs

    def _judge(self, call: Call, name: str | None, tensor: Any) -> None:
        if name in SILENT_BELOW:
            call.units = _extremes(call.layer, tensor)
        if name in SATURATED_BEYOND:
            limit = SATURATED_BEYOND[name]
            constant = backends.detached(tensor)
            call.saturated = statistics.share_beyond(constant, limit)

    def _watched(self, call: Call, name: str, tensor: Any) -> Any:
        count = int(np.prod(tensor.shape))

        def see(gradient: Any) -> None:
            call.measured[name] = (count, statistics.moments(gradient))

        return backends.watched(tensor, see)

    def _hears(self, tensor: Any) -> bool:
        return _is_tensor(tensor) and backends.usable(tensor, self.home)

    def _maker(self, tensor: Any) -> Call | None:
        kept, call = self._made.get(id(tensor), (None, None))
        return call if kept is not None and kept() is tensor else None


def _leaves(model: Any, owners: set[int]) -> Iterator[Any]:
    """Layers to listen at: those with weights, and those that hold no layers."""
    seen: set[int] = set()
    waiting = [model]
    while waiting:
        layer = waiting.pop()
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        parts = list(layer._flatten_layers(include_self=False, recursive=False))
        if id(layer) in owners or not parts:
            yield layer
        if not _is_stepwise(layer):
            waiting += parts


def _is_stepwise(layer: Any) -> bool:
    """Whether what is inside is called a step at a time, as `weight_layers` has it."""
    if isinstance(layer, _layers.Bidirectional):
        return False
    return isinstance(layer, _layers.RNN | _layers.Wrapper)


def _own_activation(layer: Any) -> Any:
    return getattr(layer, "activation", None)


def _is_tensor(item: Any) -> bool:
    return bool(keras.ops.is_tensor(item)) and hasattr(item, "shape")


def _is_float(tensor: Any) -> bool:
    dtype: str = keras.backend.standardize_dtype(tensor.dtype)
    return "float" in dtype


def _looks_up(layer: Any) -> bool:
    """Whether it takes numbers of rows, which may come as floats."""
    return isinstance(layer, _layers.Embedding)


def _measured(tensor: Any) -> tuple[int, Any]:
    count = int(np.prod(tensor.shape))
    return count, statistics.moments(backends.detached(tensor))


def _extremes(layer: Any, tensor: Any) -> Any:
    first = getattr(layer, "data_format", None) == "channels_first"
    axis = 1 if first else -1
    return statistics.extremes(backends.detached(tensor), axis)
