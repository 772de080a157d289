"""Moments forward through a model and, on the way back, those of the loss's gradient.

Each operation notes how a gradient passes through it; `backward` runs the notes in
reverse. A gradient is taken as independent of the weights that it passes, as in
mean-field theory (Schoenholz et al., 2017, arXiv:1611.01232).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_inits.architecture.propagation import axes as along_axes
from keras_inits.architecture.propagation import moments
from keras_inits.architecture.propagation.mixing import Mixing
from keras_inits.architecture.propagation.moments import Moments

__all__ = ["Reading", "Tape"]

Floats = NDArray[np.float64]
Function = Callable[[Any], Any]
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


class Tape:
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

    # Forward

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

    def apply(self, x: Moments, function: Function) -> Moments:
        """A function of each entry."""
        return self.note(
            moments.apply(x, function),
            [x],
            lambda gradient: [moments.slope(gradient, x, function)],
        )

    def mix(
        self,
        layer: Any,
        x: Moments,
        mixing: Mixing,
        bias: tuple[float, float] = (0.0, 0.0),
        weight: str = "kernel",
    ) -> Moments:
        """A kernel of a layer, and its bias by mean and mean square.

        Without a layer the kernel's gradient is not forecast.
        """
        made = self.note(
            mixing(x, bias), [x], lambda gradient: [mixing.turned()(gradient)]
        )
        steps = self.steps

        def square(gradient: Moments) -> float:
            return mixing.weight_gradient(x, gradient, steps)

        if layer is not None:
            self.use(layer, made, mixing.kernel.shape, square, weight)
        return made

    def along(self, x: Moments, axis: int, matrix: Floats) -> Moments:
        """A fixed matrix (out, in) along one axis."""
        return self.note(
            along_axes.along(x, axis, matrix),
            [x],
            lambda gradient: [along_axes.along(gradient, axis, matrix.T)],
        )

    def reshape(self, x: Moments, shape: Sequence[int]) -> Moments:
        """The same entries under another shape."""
        if tuple(shape) == x.shape:
            return x
        return self.note(
            along_axes.reshape(x, shape),
            [x],
            lambda gradient: [along_axes.reshape(gradient, x.shape)],
        )

    def permute(self, x: Moments, order: Sequence[int]) -> Moments:
        """Axes in a new order."""
        back = np.argsort(order)
        return self.note(
            along_axes.permute(x, order),
            [x],
            lambda gradient: [along_axes.permute(gradient, tuple(back))],
        )

    def broadcast(self, x: Moments, shape: Sequence[int]) -> Moments:
        """Repeat along axes of size 1 and new axes at the front."""
        if tuple(shape) == x.shape:
            return x
        return self.note(
            along_axes.broadcast(x, shape),
            [x],
            lambda gradient: [along_axes.gather(gradient, x)],
        )

    def concatenate(self, terms: Sequence[Moments], axis: int) -> Moments:
        """Tensors one after another along an axis."""
        ends = np.cumsum([0, *(x.shape[axis] for x in terms)])

        def pull(gradient: Moments) -> list[Moments]:
            return [
                along_axes.part(gradient, axis, int(start), int(stop))
                for start, stop in itertools.pairwise(ends)
            ]

        return self.note(along_axes.concatenate(terms, axis), terms, pull)

    def add(self, terms: Sequence[Moments], factors: Sequence[float]) -> Moments:
        """A weighted sum; what comes from one Gaussian tensor is summed as one."""
        terms = self._broadcast(terms)
        groups: dict[int, list[int]] = {}
        for index, x in enumerate(terms):
            groups.setdefault(id(self._root(x)), []).append(index)
        if len(groups) < len(terms):
            weighted = list(zip(terms, factors, strict=True))
            parts = [self._sum([weighted[i] for i in g]) for g in groups.values()]
            return parts[0] if len(parts) == 1 else self.add(parts, [1.0] * len(parts))

        def pull(gradient: Moments) -> list[Moments | None]:
            return [moments.scale(gradient, factor) for factor in factors]

        return self.note(moments.add(terms, factors), terms, pull)

    def _sum(self, terms: Sequence[tuple[Moments, float]]) -> Moments:
        """A weighted sum of functions of one Gaussian tensor."""
        first, factor = terms[0]
        if len(terms) == 1:
            return self.scale(first, factor)
        return self._joined(
            self._root(first), lambda z: sum(c * _at(x, z) for x, c in terms)
        )

    def multiply(self, terms: Sequence[Moments]) -> Moments:
        """A product; two functions of one Gaussian tensor are multiplied as such."""
        first, *rest = self._broadcast(terms)
        for other in rest:
            first = self._product(first, other)
        return first

    def _product(self, x: Moments, y: Moments) -> Moments:
        if self._root(x) is self._root(y):
            return self._joined(self._root(x), lambda z: _at(x, z) * _at(y, z))

        def pull(gradient: Moments) -> list[Moments]:
            return [moments.multiply(gradient, y), moments.multiply(gradient, x)]

        return self.note(moments.multiply(x, y), [x, y], pull)

    def scale(self, x: Moments, factor: float) -> Moments:
        """A factor on all entries."""
        return self.note(
            moments.scale(x, factor),
            [x],
            lambda gradient: [moments.scale(gradient, factor)],
        )

    def standardize(
        self,
        x: Moments,
        axes: Sequence[int],
        batch: bool = False,
        center: bool = True,
        epsilon: float = 0.0,
    ) -> Moments:
        """Less the mean, over the standard deviation."""
        made, variance = along_axes.standardize(x, axes, batch, center, epsilon)
        factor = 1 / np.maximum(variance + epsilon, 1e-300)
        count = np.prod([x.shape[axis] for axis in axes]) if not batch else np.inf

        def pull(gradient: Moments) -> list[Moments]:
            left = along_axes.centered(gradient, axes, batch) if center else gradient
            # The part along the input itself is taken away too.
            kept = left.square * factor * (1 - 1 / count)
            raw = left.raw * (kept.mean() / max(left.level, 1e-300))
            return [moments.moments_of(x.shape, 0.0, kept, raw, hit=left.hit)]

        return self.note(made, [x], pull)

    def fold(self, x: Moments) -> Moments:
        """The first axis as more examples."""
        size = x.shape[0]
        return self.note(
            along_axes.fold(x),
            [x],
            lambda gradient: [along_axes.unfold(gradient, size)],
        )

    def unfold(self, x: Moments, size: int) -> Moments:
        """The way back from `fold`."""
        return self.note(
            along_axes.unfold(x, size),
            [x],
            lambda gradient: [along_axes.fold(gradient)],
        )

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

    def _root(self, x: Moments) -> Moments:
        """The Gaussian tensor of which this is a function, if it was met on the way."""
        return x.root if x.root is not None and id(x.root) in self._known else x

    def _joined(self, root: Moments, function: Function) -> Moments:
        return self.note(
            moments.of_root(root, function),
            [root],
            lambda gradient: [moments.slope(gradient, root, function)],
        )

    def _broadcast(self, terms: Sequence[Moments]) -> list[Moments]:
        shape = np.broadcast_shapes(*(x.shape for x in terms))
        return [self.broadcast(x, shape) for x in terms]


def _at(x: Moments, z: Any) -> Any:
    """What x is where its root is z."""
    return z if x.function is None else np.asarray(x.function(z), dtype=np.float64)
