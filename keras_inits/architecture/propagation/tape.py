"""Moments forward through a model: operations, each with its way back.

Each notes how a gradient passes through it; `backward` runs the notes in reverse.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_inits.architecture.propagation import axes as along_axes
from keras_inits.architecture.propagation import moments
from keras_inits.architecture.propagation.mixing import Mixing
from keras_inits.architecture.propagation.moments import Moments
from keras_inits.architecture.propagation.notes import Notes

__all__ = ["Tape"]

Floats = NDArray[np.float64]
Function = Callable[[Any], Any]


class Tape(Notes):
    """The operations on moments, noted as they are done."""

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
