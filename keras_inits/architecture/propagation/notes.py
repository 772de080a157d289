"""What was done to moments, and the way back through it for the loss's gradient.

A gradient is taken as independent of the weights that it passes, as in mean-field
theory (Schoenholz et al., 2017, arXiv:1611.01232).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from keras_inits.architecture.propagation import moments
from keras_inits.architecture.propagation.moments import Moments

__all__ = ["Notes", "Reading"]

Pull = Callable[[Moments], Sequence[Moments | None]]


@dataclass(frozen=True)
class Reading:
    """What one call of a layer with weights takes and makes."""

    layer: Any
    taken: Moments
    before: Moments | None
    made: Moments


@dataclass(frozen=True)
class _Use:
    """One use of a kernel: its mean squared gradient follows from the two moments."""

    layer: Any
    weight: str
    made: Moments
    shape: tuple[int, ...]
    square: Callable[[Moments], float]


class Notes:
    """The operations done so far, and how to go back through them."""

    def __init__(self) -> None:
        #: The layer that owns a variable, by the variable's `id`.
        self.owners: dict[int, Any] = {}
        self.readings: list[Reading] = []
        self.steps = 1
        #: For a softmax that meets its loss: the gradient before it, known at once.
        self.instead: dict[int, Moments] = {}
        self._uses: list[_Use] = []
        self._notes: list[tuple[Moments, tuple[Moments, ...], Pull]] = []
        self._known: dict[int, Moments] = {}
        self._gradients: dict[int, Moments] = {}

    def source(self, x: Moments) -> Moments:
        """A tensor that comes from outside."""
        self._known[id(x)] = x
        return x

    def note(self, made: Moments, taken: Sequence[Moments], pull: Pull) -> Moments:
        """An operation of any kind.

        Args:
            made: what it makes.
            taken: what it takes.
            pull: from the gradient by what it makes to those by what it takes; None
                for one that gets none.
        """
        self._notes.append((made, tuple(taken), pull))
        self._known[id(made)] = made
        return made

    def read(
        self, layer: Any, taken: Moments, before: Moments | None, made: Moments
    ) -> Moments:
        """Put down a layer's call for the table."""
        self.readings.append(Reading(layer, taken, before, made))
        return made

    def use(
        self,
        layer: Any,
        made: Moments,
        shape: tuple[int, ...],
        square: Callable[[Moments], float],
        weight: str = "kernel",
    ) -> None:
        """Put down that a weight of the layer has a part in making a tensor.

        Args:
            layer: whose weight.
            made: the tensor.
            shape: the weight's.
            square: from the tensor's gradient to the mean square of the weight's.
            weight: its name, which tells the weights of a layer apart.
        """
        self._uses.append(_Use(layer, weight, made, shape, square))

    def rename(self, inner: Any, outer: Any) -> None:
        """Count a wrapped layer's weights as the wrapper's."""
        self._uses = [
            replace(use, layer=outer) if use.layer is inner else use
            for use in self._uses
        ]

    # Backward

    def backward(self, seeds: Sequence[tuple[Moments, Moments]]) -> None:
        """Pass gradients back from the tensors at the end."""
        for end, seed in seeds:
            self._pass(end, seed)
        for made, taken, pull in reversed(self._notes):
            arrived = self._gradients.get(id(made))
            if arrived is None:
                continue
            for x, gradient in zip(taken, pull(arrived), strict=True):
                if gradient is not None:
                    self._pass(x, gradient)

    def gradient(self, x: Moments) -> Moments | None:
        """What arrived at a tensor."""
        return self._gradients.get(id(x))

    def taken(self, x: Moments) -> Moments | None:
        """What the operation that made x took, if that was one tensor."""
        for made, taken, _ in reversed(self._notes):
            if made is x and len(taken) == 1:
                return taken[0]
        return None

    def weight_gradients(self) -> Mapping[int, float]:
        """The mean square of the gradient by a layer's factors, by the layer's `id`.

        Of all entries of its kernels and tables together, not of biases and scales.
        """
        squares: dict[int, dict[str, float]] = {}
        sizes: dict[int, dict[str, int]] = {}
        for use in self._uses:
            gradient = self.gradient(use.made)
            if gradient is not None:
                found = squares.setdefault(id(use.layer), {})
                found[use.weight] = found.get(use.weight, 0.0) + use.square(gradient)
                size = sizes.setdefault(id(use.layer), {})
                size[use.weight] = math.prod(use.shape)
        return {
            layer: sum(sizes[layer][name] * square for name, square in found.items())
            / sum(sizes[layer].values())
            for layer, found in squares.items()
        }

    def _pass(self, x: Moments, gradient: Moments) -> None:
        before = self._gradients.get(id(x))
        both = gradient if before is None else moments.add([before, gradient])
        self._gradients[id(x)] = both
