"""Everything that one check measured, as the rules look at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_inits.architecture.host import on_host
from keras_inits.architecture.roles import own_weights, weight_role
from keras_inits.data_driven.signals import Signal
from keras_inits.data_driven.statistics import Moments
from keras_inits.data_driven.weights import Kernel

__all__ = ["Examined", "InputFacts", "values_of"]


@dataclass(frozen=True)
class InputFacts:
    """What is known of one array of the batch, on the host.

    Args:
        name: its key or its number among several, else empty.
        rms: of its finite entries.
        mean: likewise.
        std: likewise.
        nonfinite: entries that are NaN or infinite.
        features: the smallest and the largest standard deviation of a feature, where
            samples are rows of numbers with a fraction.
    """

    name: str
    rms: float
    mean: float
    std: float
    nonfinite: int
    features: tuple[float, float] | None = None


@dataclass
class Examined:
    """A model and a batch, measured.

    Args:
        model: the model, for its name.
        signals: a layer with weights each, in the order the data takes.
        kernels: the kernels of each layer by its path, also of those not called.
        layers: every layer with weights by its path.
        gradients: the gradients by kernels that hold equals, by the variable's `id`.
        scale: what the loss was multiplied by for the backward pass.
        inputs: the arrays of the batch.
        loss: the scalar that was differentiated.
        labelled: whether it is a loss on labels.
        chance: the loss of a guess and how it is found, where that is known.
        loss_name: the name of the loss.
        classes: the last axis of the outputs.
        moments: of the gradient by each trainable variable that the loss depends on,
            by `id`, free of the loss scale.
    """

    model: Any
    signals: list[Signal]
    kernels: Mapping[str, list[Kernel]]
    layers: Mapping[str, Any]
    gradients: dict[int, Any]
    scale: float
    inputs: list[InputFacts]
    loss: float
    labelled: bool
    chance: tuple[float, str] | None
    loss_name: str | None
    classes: int
    moments: dict[int, Moments] = field(default_factory=dict)

    def signal(self, path: str) -> Signal | None:
        """What was seen at a layer."""
        return next((found for found in self.signals if found.path == path), None)

    def gradient(self, variable: Any) -> Moments | None:
        """Moments of the gradient by a variable, free of the loss scale."""
        return self.moments.get(id(variable))

    def gradient_array(self, variable: Any) -> NDArray[np.float32] | None:
        """The gradient by a variable, on the host."""
        tensor = self.gradients.get(id(variable))
        if tensor is None:
            return None
        array = np.asarray(keras.ops.convert_to_numpy(tensor), np.float32)
        return array / np.float32(self.scale)

    def weights(self, path: str, *roles: str) -> list[Any]:
        """The trainable weights of a layer, all or of some roles."""
        layer = self.layers[path]
        return [
            variable
            for variable in own_weights(layer)
            if variable.trainable
            and (not roles or weight_role(layer, variable) in roles)
        ]

    @property
    def first_kernel(self) -> Signal | None:
        """The first layer with a kernel or an embedding that the data meet."""
        for signal in self.signals:
            if self.kernels.get(signal.path) and not signal.normalizes:
                return signal
        return None

    def gets_zeros(self, variable: Any) -> bool:
        """Whether no entry of a variable's gradient differs from 0."""
        found = self.gradient(variable)
        return found is None or (found.largest == 0.0 and found.nonfinite == 0)

    def zero_scale_opens(self) -> bool:
        """Whether a factor that starts at zero, as a last gamma, gets a gradient."""
        return any(
            not self.gets_zeros(variable) and not values_of(variable).any()
            for path in self.layers
            for variable in self.weights(path, "scale", "other")
        )


def values_of(variable: Any) -> NDArray[Any]:
    """The values of a variable, on the host."""
    return on_host(variable)
