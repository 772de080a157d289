"""What passes through a model's layers, and what comes back, measured on one batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras

from keras_inits.architecture.roles import activation_name, layer_path
from keras_inits.data_driven import backends
from keras_inits.data_driven.checks import (
    check_batch,
    check_model,
    check_shapes,
    shapes_of,
    short,
)
from keras_inits.data_driven.listening import Call, Passage, listening
from keras_inits.data_driven.statistics import SILENT_BELOW, Moments, silent_units
from keras_inits.data_driven.unchanged import NOT_BUILT

__all__ = ["Signal", "called", "fitting", "measure_outputs", "signals_of"]


@dataclass(frozen=True)
class Signal:
    """What was seen at one layer, all of its calls taken together.

    Args:
        layer: the layer.
        path: its path.
        activation: the name of its activation, or of the one that follows it.
        input: moments of what it took, where those are numbers with a fraction.
        output: moments of what it gave.
        preactivation: moments of what went into its own activation.
        gradient_in: moments of the loss's gradient by what it took.
        gradient_out: moments of the loss's gradient by what it gave; None where no
            gradient arrived.
        dead: share of units that are silent on the whole batch.
        units: how many units `dead` is a share of.
        saturated: share of entries on a flat part of the activation.
        normalized: whether whatever takes its output removes the scale.
        normalizes: whether it removes the scale itself.
        is_head: whether the model returned its output, an activation aside.
        is_entry: whether it took one of the model's inputs.
    """

    layer: Any
    path: str
    activation: str | None
    input: Moments | None
    output: Moments | None
    preactivation: Moments | None
    gradient_in: Moments | None
    gradient_out: Moments | None
    dead: float | None
    units: int
    saturated: float | None
    normalized: bool
    normalizes: bool
    is_head: bool
    is_entry: bool

    @property
    def before_activation(self) -> Moments | None:
        """Moments of what goes into the activation, its own or the one that follows."""
        return self.preactivation or self.output


def measure_outputs(
    model: Any, x: Any, training: bool = False
) -> dict[str, dict[str, float]]:
    """What each layer with weights gives out on a batch: one forward pass.

    Args:
        model: a built Keras model. It is not changed.
        x: a batch, as the model takes it.
        training: whether dropout drops and batch statistics are those of the batch.

    Returns:
        For each layer's path, in the order the data takes: `"mean"`, `"std"` and
        `"rms"` of its output, `"nonfinite"`, the number of entries that are NaN or
        infinite; and where its activation, or the one that follows it, can be silent
        or saturated: `"dead"`, the share of units that are silent on the whole batch,
        or `"saturated"`, the share of entries on a flat part.

    Raises:
        TypeError: for an object that is no model, or no batch of numbers.
        ValueError: for a model that is not built, or a batch that doesn't fit it.

    Example:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([
        ...     keras.Input((8,)),
        ...     keras.layers.Dense(4, activation="tanh"),
        ... ])
        >>> found = measure_outputs(model, np.zeros((2, 8), "float32"))
        >>> (numbers,) = found.values()
        >>> numbers["std"], numbers["saturated"]
        (0.0, 0.0)
    """
    check_model(model)
    check_batch(x)
    check_shapes(model, x)
    with listening(model) as passage, fitting(model, x):
        backends.forward(lambda: called(model, x, training))
    found = {}
    for signal in signals_of(passage):
        if signal.output is None:
            continue
        found[signal.path] = {
            "mean": signal.output.mean,
            "std": signal.output.std,
            "rms": signal.output.rms,
            "nonfinite": float(signal.output.nonfinite),
        }
        if signal.dead is not None:
            found[signal.path]["dead"] = signal.dead
        if signal.saturated is not None:
            found[signal.path]["saturated"] = signal.saturated
    return found


def called(model: Any, x: Any, training: bool) -> Any:
    """The model's outputs; `training` is given where its call takes it."""
    if getattr(model, "_call_has_training_arg", False):
        return model(x, training=training)
    return model(x)


@contextmanager
def fitting(model: Any, x: Any) -> Iterator[None]:
    """An error from within a pass tells the shapes of what the model was given, too."""
    try:
        yield
    except Exception as error:  # backends raise errors of their own kinds
        if NOT_BUILT in str(error):
            raise
        expected = getattr(model, "input_shape", None)
        wants = f" The model takes {expected}." if expected else ""
        raise ValueError(
            f"The batch does not pass through the model. Received: x of shape "
            f"{shapes_of(x)}.{wants} What was raised within: {short(error)}"
        ) from error


def signals_of(passage: Passage, scale: float = 1.0) -> list[Signal]:
    """What was heard, a layer with weights each, in the order of their first calls.

    Args:
        passage: after the passes.
        scale: what the loss was multiplied by; gradients are divided by it.
    """
    calls: dict[int, list[Call]] = {}
    for call in passage.calls:
        if call.own:
            calls.setdefault(id(call.layer), []).append(call)
    return [_signal(group, scale) for group in calls.values()]


def _signal(calls: Sequence[Call], scale: float) -> Signal:
    first = calls[0]
    activation = activation_name(first.layer) or first.follower
    parts: dict[str, list[Moments]] = {}
    for call in calls:
        for name, (count, vector) in call.measured.items():
            parts.setdefault(name, []).append(Moments.of(count, vector))
    moments = {
        name: Moments.together(found).over(scale if "gradient" in name else 1.0)
        for name, found in parts.items()
    }
    return Signal(
        layer=first.layer,
        path=layer_path(first.layer),
        activation=activation,
        input=moments.get("input"),
        output=moments.get("output"),
        preactivation=moments.get("preactivation"),
        gradient_in=moments.get("gradient_in"),
        gradient_out=moments.get("gradient_out"),
        dead=_dead(calls, activation),
        units=0 if first.units is None else int(first.units.shape[-1]),
        saturated=_saturated(calls),
        normalized=all(call.normalized for call in calls),
        normalizes=first.normalizes,
        is_head=any(call.is_head for call in calls),
        is_entry=any(call.is_entry for call in calls),
    )


def _dead(calls: Sequence[Call], activation: str | None) -> float | None:
    units = [call.units for call in calls]
    if activation not in SILENT_BELOW or any(rows is None for rows in units):
        return None
    both = [keras.ops.convert_to_numpy(rows) for rows in units]
    return silent_units(both, SILENT_BELOW[activation])


def _saturated(calls: Sequence[Call]) -> float | None:
    shares = [call.saturated for call in calls if call.saturated is not None]
    if not shares:
        return None
    found = [float(keras.ops.convert_to_numpy(share)) for share in shares]
    return sum(found) / len(found)
