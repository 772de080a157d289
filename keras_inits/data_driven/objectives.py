"""The scalar that the check differentiates, and what it is by chance."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras.src.trainers.compile_utils import CompileLoss

from keras_inits.data_driven.checks import check_batch, shapes_of, short

__all__ = ["Objective"]

_CLASSES = ("sparse_categorical_crossentropy", "categorical_crossentropy")


@dataclass
class Objective:
    """What is differentiated: a loss on labels, or random weights on the outputs.

    Without labels the scalar is the sum of all outputs, each times a number drawn from
    N(0, 1), over the size of the batch: the gradient by the output has rms 1 / batch,
    about that of a loss.

    What layers add with `add_loss` belongs to it, penalties of regularizers do not:
    they reach every weight, also those that no data reach.

    Args:
        model: the model.
        x: the batch.
        y: its labels, or None.
        loss: as `compile` takes it; None for the one the model is compiled with.

    Raises:
        ValueError: for labels without a loss, or a loss without labels.
    """

    model: Any
    x: Any
    y: Any = None
    loss: Any = None

    def __post_init__(self) -> None:
        self.size = check_batch(self.x)
        compiled = getattr(self.model, "_compile_loss", None)
        self.custom = _is_custom(self.model)
        if self.y is None:
            if self.loss is not None:
                raise ValueError(
                    f"A loss needs labels. Received: loss={self.loss!r} and y=None. "
                    "Pass y, or leave both out to weigh the outputs at random."
                )
            return
        if check_batch(self.y, "y") != self.size:
            raise ValueError(
                "There must be as many labels as samples. Received: x of shape "
                f"{shapes_of(self.x)} and y of shape {shapes_of(self.y)}."
            )
        if self.loss is None and compiled is None and not self.custom:
            raise ValueError(
                f"Labels need a loss. Received: y of shape {shapes_of(self.y)}, "
                "loss=None and a model that is not compiled with one. Pass loss=..., "
                "or leave y out."
            )
        self.compiled = compiled
        if self.loss is None and compiled is not None:
            self.loss = compiled._user_loss
            self.weights = compiled._user_loss_weights
        else:
            self.weights = None

    @property
    def words(self) -> str:
        """What it is, for a person."""
        if self.y is None:
            return "no labels: outputs weighed at random"
        if self.loss is None or (self.custom and self.compiled is None):
            return "the model's compute_loss"
        return self.name or "loss"

    @property
    def name(self) -> str | None:
        """The loss's name, as `"mean_squared_error"`; None for several."""
        if self.y is None or isinstance(self.loss, dict | list | tuple | None):
            return None
        found = keras.losses.get(self.loss)
        name = getattr(found, "__name__", None)
        if name is None:
            known = getattr(found, "fn", None)
            name = getattr(known, "__name__", None) or type(found).__name__
        return str(name)

    def __call__(self, outputs: Any) -> Any:
        """The scalar, of the model's outputs; called where gradients are recorded."""
        parts = [part for part in (self._of_outputs(outputs),) if part is not None]
        parts += [
            keras.ops.sum(part)
            for layer in self.model._flatten_layers()
            for part in layer._get_own_losses()
        ]
        total = keras.ops.cast(parts[0], "float32")
        for part in parts[1:]:
            total = total + keras.ops.cast(part, "float32")
        return total

    def _of_outputs(self, outputs: Any) -> Any:
        if self.y is None:
            return self._at_random(outputs)
        with self._fitting(outputs):
            if self.custom:
                x, y = (
                    keras.tree.map_structure(keras.ops.convert_to_tensor, part)
                    for part in (self.x, self.y)
                )
                return self.model.compute_loss(x=x, y=y, y_pred=outputs)
            self._check_labels(outputs)
            names = getattr(self.compiled, "output_names", None)
            names = names or getattr(self.model, "output_names", None)
            loss = CompileLoss(self.loss, self.weights, output_names=names)
            return loss(self.y, outputs, None)

    def _at_random(self, outputs: Any) -> Any:
        random = np.random.default_rng(0)
        total = None
        for output in keras.tree.flatten(outputs):
            weights = random.standard_normal(tuple(output.shape)) / self.size
            weights = keras.ops.convert_to_tensor(weights.astype("float32"))
            part = keras.ops.sum(keras.ops.cast(output, "float32") * weights)
            total = part if total is None else total + part
        return total

    @contextmanager
    def _fitting(self, outputs: Any) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # a person's own loss may raise anything
            raise ValueError(
                "The labels do not fit the loss. Received: y of shape "
                f"{shapes_of(self.y)}, outputs of shape {shapes_of(outputs)} and "
                f"loss={self.name or self.loss!r}. {short(error)}"
            ) from error

    def _check_labels(self, outputs: Any) -> None:
        """What some backends compute without a word, or with a word of their own."""
        if keras.tree.is_nested(outputs) or keras.tree.is_nested(self.y):
            return
        given, wanted = tuple(self.y.shape), tuple(outputs.shape)
        if self.name == _CLASSES[0]:
            if given not in (wanted[:-1], (*wanted[:-1], 1)):
                raise ValueError(f"It takes an integer a sample: y of {wanted[:-1]}.")
            labels = keras.ops.convert_to_numpy(self.y)
            if labels.min() < 0 or labels.max() >= wanted[-1]:
                raise ValueError(
                    f"There are {wanted[-1]} classes, 0 to {wanted[-1] - 1}, and the "
                    f"labels go from {labels.min()} to {labels.max()}."
                )
        elif self.name == _CLASSES[1] and given != wanted:
            raise ValueError(
                f"It takes a row of {wanted[-1]} a sample: for integers, "
                "loss='sparse_categorical_crossentropy'."
            )
        elif self.name in ("binary_crossentropy", "mean_squared_error") and (
            given not in (wanted, wanted[:-1] if wanted[-1] == 1 else wanted)
            and (*given[:-1], *given[-1:][1:]) != wanted
        ):
            raise ValueError(f"It compares entry by entry: y of {wanted}.")

    def chance(self, outputs: Any) -> tuple[float, str] | None:
        """What the loss is for a model that knows nothing, and how that is found.

        Args:
            outputs: the model's outputs, or anything of their shapes.

        Returns:
            ln C for a cross-entropy over C classes, ln 2 for two, the variance of the
            targets for a mean square; None for other losses and several outputs.
        """
        if self.y is None or keras.tree.is_nested(outputs) or self.custom:
            return None
        classes = int(outputs.shape[-1])
        if self.name in _CLASSES and classes > 1:
            return math.log(classes), f"ln {classes}"
        if self.name == "binary_crossentropy":
            return math.log(2.0), "ln 2"
        if self.name == "mean_squared_error":
            targets = keras.ops.convert_to_numpy(self.y)
            return float(np.var(targets.astype(np.float64), axis=0).mean()), "var y"
        return None


def _is_custom(model: Any) -> bool:
    """Whether the model brings its own `compute_loss`."""
    for kind in type(model).__mro__:
        if "compute_loss" in vars(kind):
            return not kind.__module__.startswith("keras.")
    return False
