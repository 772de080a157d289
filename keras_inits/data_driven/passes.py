"""One forward and one backward pass over a batch, and what they leave."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_inits.data_driven import backends, statistics
from keras_inits.data_driven.listening import Passage, listening
from keras_inits.data_driven.objectives import Objective
from keras_inits.data_driven.signals import called, fitting
from keras_inits.data_driven.statistics import Moments

__all__ = ["Passes"]

# What Keras's LossScaleOptimizer begins with.
_LOSS_SCALE = 2.0**15


class Passes:
    """The two passes, and what they leave.

    Args:
        model: the model.
        objective: what is differentiated.
        kept: the variables whose gradients are needed whole, by `id`.
    """

    def __init__(self, model: Any, objective: Objective, kept: set[int]) -> None:
        self._model, self._objective, self._kept = model, objective, kept
        self._trainable = list(model.trainable_variables)
        self.scale = _loss_scale(model)
        self.passage: Passage
        self.gradients: dict[int, Any] = {}
        self._sizes: dict[int, Any] = {}
        self.loss = math.nan
        self.chance: tuple[float, str] | None = None
        self.classes = 0

    def run(self) -> None:
        """Pass, and again with a smaller loss scale where float16 overflows."""
        self._pass()
        while self.scale > 1.0 and math.isfinite(self.loss) and self._overflows():
            self.scale = max(1.0, self.scale / 2.0**8)
            self._pass()

    def moments(self) -> dict[int, Moments]:
        """Of the gradients, free of the loss scale, by the variable's `id`."""
        return {
            id(variable): Moments.of(
                math.prod(variable.shape), self._sizes[place]
            ).over(self.scale)
            for place, variable in enumerate(self._trainable)
            if place in self._sizes
        }

    def _pass(self) -> None:
        self._sizes, self.gradients = {}, {}
        with listening(self._model, gradients=True) as self.passage:
            loss = backends.backward(self._scaled, self._trainable, self._see)
        self.loss = float(keras.ops.convert_to_numpy(loss))

    def _see(self, place: int, gradient: Any) -> None:
        """Keeps the size of a gradient, and what it holds where that is needed."""
        self._sizes[place] = statistics.size(gradient)
        key = id(self._trainable[place])
        if key in self._kept:
            self.gradients[key] = gradient

    def _scaled(self, values: Sequence[Callable[[], Any]]) -> tuple[Any, Any]:
        pending = dict(zip(map(id, self._trainable), values, strict=True))
        with _Reading(pending, self.passage):
            with fitting(self._model, self._objective.x):
                outputs = called(self._model, self._objective.x, training=True)
            loss = self._objective(outputs)
        self.chance = self._objective.chance(outputs)
        self.classes = _classes(outputs)
        return loss * self.scale, backends.detached(loss)

    def _overflows(self) -> bool:
        return any(moments.nonfinite for moments in self.moments().values())


class _Reading(keras.StatelessScope):
    """Has functions for the values of variables, called when one is first read."""

    def __init__(self, values: dict[int, Callable[[], Any]], passage: Passage) -> None:
        super().__init__(collect_losses=True)
        self._values, self._passage = values, passage

    def get_current_value(self, variable: Any) -> Any:
        value = self._values.pop(id(variable), None)
        if value is not None:
            self.state_mapping[id(variable)] = value()
            if self._passage.home is None:
                self._passage.home = self.state_mapping[id(variable)]
        return super().get_current_value(variable)


def _loss_scale(model: Any) -> float:
    """What the loss is multiplied by in training, against underflow in float16."""
    optimizer = getattr(model, "optimizer", None)
    dynamic = getattr(optimizer, "dynamic_scale", None)
    if dynamic is not None and getattr(optimizer, "built", False):
        return float(keras.ops.convert_to_numpy(dynamic.value))
    halves = (layer.compute_dtype == "float16" for layer in model._flatten_layers())
    return _LOSS_SCALE if any(halves) else 1.0


def _classes(outputs: Any) -> int:
    flat = keras.tree.flatten(outputs)
    return int(flat[0].shape[-1]) if len(flat) == 1 and len(flat[0].shape) > 1 else 0
