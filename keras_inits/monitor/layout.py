"""Which of a model's variables are watched, and where each stands in a sample."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_inits.architecture.roles import (
    following_activations,
    own_weights,
    weight_layers,
    weight_role,
)
from keras_inits.data_driven.weights import Kernel, kernels_of
from keras_inits.records import Layout, Weight

__all__ = ["WatchedWeights", "as_pattern", "training_facts"]


def as_pattern(layers: Any) -> Callable[[str], bool]:
    """A test of paths, from a regular expression; None matches all.

    Raises:
        TypeError: for what is no text and no compiled expression.
        ValueError: for text that is no regular expression.
    """
    if layers is None:
        return lambda path: True
    if not isinstance(layers, str | re.Pattern):
        raise TypeError(
            "`layers` must be a regular expression that is found in the paths of the "
            f"weights to watch. Received: layers={layers!r} (of type "
            f"{type(layers).__name__}). Use one such as r'encoder/.*kernel'."
        )
    try:
        pattern = re.compile(layers)
    except re.error as error:
        raise ValueError(
            f"`layers` is no regular expression: {error}. Received: layers={layers!r}."
        ) from error
    return lambda path: pattern.search(path) is not None


class WatchedWeights:
    """The watched trainable variables of a built model, layers in the data's order.

    Args:
        model: A built model.
        matches: Whether a path is watched.
        facts: What is known of the run: see `training_facts`.

    Raises:
        ValueError: where nothing is watched.
    """

    def __init__(
        self, model: Any, matches: Callable[[str], bool], facts: Mapping[str, Any]
    ) -> None:
        trainable = {id(v): v for v in model.trainable_variables}
        self._trainable = set(trainable)
        found: dict[int, Weight] = {}
        self._layers = weight_layers(model)
        activations = following_activations(model, self._layers)
        for layer, activation in zip(self._layers, activations, strict=True):
            for variable in own_weights(layer):
                if id(variable) in trainable and matches(variable.path):
                    weight = _weight(layer, variable, activation)
                    found.setdefault(id(variable), weight)
        for key, variable in trainable.items():  # a model's own, outside of any layer
            if matches(variable.path):
                found.setdefault(key, _weight(model, variable, None))
        if not found:
            paths = [variable.path for variable in trainable.values()]
            raise ValueError(_nothing_watched(model, paths))
        self._places = {key: place for place, key in enumerate(found)}
        self._variables = [trainable[key] for key in found]
        weights = tuple(found.values())
        self.layout = Layout(
            model=model.name,
            weights=weights,
            blocks=_blocks(weights),
            optimizer=facts.get("optimizer", ""),
            facts=facts,
        )
        self.sizes: NDArray[np.float64] = np.array([weight.size for weight in weights])

    def is_current(self, model: Any) -> bool:
        """Whether the model still trains what it trained when this was made."""
        return {id(v) for v in model.trainable_variables} == self._trainable

    def watches(self, variable: Any) -> bool:
        """Whether a variable is among them."""
        return id(variable) in self._places

    def places(self, variables: Iterable[Any]) -> NDArray[np.intp]:
        """Where these variables stand in a sample's arrays."""
        return np.array([self._places[id(v)] for v in variables], np.intp)

    def kernels(self) -> dict[str, Kernel]:
        """What mixes several units, by its layer's path."""
        found = {}
        for layer in self._layers:
            for kernel in kernels_of(layer):
                if kernel.role == "kernel" and self.watches(kernel.variable):
                    found[kernel.variable.path.rpartition("/")[0]] = kernel
        return found

    def variables(self) -> dict[str, Any]:
        """All of them, by path."""
        pairs = zip(self.layout.weights, self._variables, strict=True)
        return {weight.path: variable for weight, variable in pairs}


def _weight(layer: Any, variable: Any, activation: str | None) -> Weight:
    return Weight(
        path=variable.path,
        layer=variable.path.rpartition("/")[0],
        role=weight_role(layer, variable),
        shape=tuple(variable.shape),
        activation=activation,
    )


def _blocks(weights: Iterable[Weight]) -> tuple[str, ...]:
    """The paths under which several layers lie."""
    inside: dict[str, set[str]] = {}
    for weight in weights:
        parts = weight.layer.split("/")
        for depth in range(1, len(parts)):
            inside.setdefault("/".join(parts[:depth]), set()).add(weight.layer)
    return tuple(block for block, layers in inside.items() if len(layers) > 1)


def training_facts(model: Any, optimizers: Iterable[Any]) -> dict[str, Any]:
    """How a model is trained, in plain values by name.

    It reads variables of the optimizer, so that it can't be called in a traced step.
    """
    facts: dict[str, Any] = {"dtype": str(model.dtype_policy.name)}
    for optimizer in optimizers:
        for name, value in optimizer.get_config().items():
            if isinstance(value, bool | int | float | str) and name != "name":
                facts.setdefault(name, value)
    names = [type(optimizer).__name__ for optimizer in optimizers]
    facts["optimizer"] = ", ".join(names)
    loss = getattr(model, "loss", None)
    if loss is not None:
        facts["loss"] = loss if isinstance(loss, str) else _name(loss)
    return facts


def _name(loss: Any) -> str:
    return str(getattr(loss, "name", None) or getattr(loss, "__name__", "custom"))


def _nothing_watched(model: Any, paths: list[str]) -> str:
    if not paths:
        return (
            f"There is nothing to watch: model {model.name!r} has no trainable weights."
            " Set `trainable` on the layers that are to learn, and compile again."
        )
    shown = ", ".join(map(repr, paths[:8])) + (", ..." if len(paths) > 8 else "")
    return (
        f"`layers` matches no trainable weight of model {model.name!r}. Its "
        f"{len(paths)} paths are {shown}. Give an expression that is found in some."
    )
