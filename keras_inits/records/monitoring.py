"""What the monitor of a training run writes: which weights, and numbers a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Layout", "Sample", "Weight"]


@dataclass(frozen=True)
class Weight:
    """A trainable variable that is watched.

    Args:
        path: Its path in the model, as `"encoder/dense_3/kernel"`.
        layer: The path of the layer that owns it, as `"encoder/dense_3"`.
        role: `"kernel"`, `"bias"`, `"embedding"`, `"scale"` (a factor of each channel,
            as BatchNormalization's gamma) or `"other"`.
        shape: Its shape.
        activation: The name of its layer's activation, where it has one.
    """

    path: str
    layer: str
    role: str
    shape: tuple[int, ...]
    activation: str | None = None

    @property
    def size(self) -> int:
        """The number of its entries."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class Layout:
    """What a run's samples are about: each array in a sample has an entry a weight.

    Args:
        model: The model's name.
        weights: The watched variables, layers in the order the data takes.
        blocks: The paths of the nested models that hold several layers, each a prefix
            of its layers' paths.
        optimizer: The optimizer's class name.
        facts: Whatever else is worth logging about the run, such as the learning rate;
            plain values by name.
    """

    model: str
    weights: tuple[Weight, ...]
    blocks: tuple[str, ...] = ()
    optimizer: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def layers(self) -> tuple[str, ...]:
        """Paths of the layers that own a watched weight, in order."""
        return tuple(dict.fromkeys(weight.layer for weight in self.weights))


@dataclass(frozen=True, eq=False)
class Sample:
    """The numbers of one optimizer step.

    Args:
        step: Optimizer step, counted from 1 over all fits: the gradients are those
            that made step `step`; weight norms are from before it.
        epoch: As Keras counts, from 0.
        time: Wall time in seconds since the epoch of Unix.
        values: For each quantity, as `"gradient_norm"`, a float64 array with an entry
            a weight of the layout, in its order; NaN where a weight has none.
        overflow: Whether dynamic loss scaling skipped this step for non-finite
            gradients.
        loss_scale: The factor that the optimizer had put on the loss, 1 if none; the
            norms are free of it.
        applied: Whether the optimizer changed weights at this step; between the
            steps of gradient accumulation it does not.
        loss: The loss of this step where it is known.
    """

    step: int
    epoch: int
    time: float
    values: Mapping[str, NDArray[np.float64]]
    overflow: bool = False
    loss_scale: float = 1.0
    applied: bool = True
    loss: float | None = None
