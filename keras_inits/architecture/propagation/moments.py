"""Second moments of a tensor at initialization, and what fixed operations make of them.

Pure NumPy. Expectations are over the data and over the draw of the weights; the
entries of a tensor count as exchangeable along each axis, up to a profile of scales.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_inits.architecture.propagation.gaussians import Response, respond

__all__ = [
    "Moments",
    "add",
    "apply",
    "constant",
    "independent",
    "moments_of",
    "multiply",
    "of_root",
    "pair_counts",
    "pair_sums",
    "scale",
    "slope",
]

Floats = NDArray[np.float64]
Function = Callable[[Any], Any]

# As many entries as float32 can sum, and BLAS does on one thread.
_PIECE = 1 << 13


@dataclass(frozen=True, eq=False)
class Moments:
    """The moments of a tensor's entries up to the second.

    Args:
        shape: without the batch's axis.
        mean: E x, with an axis of size 1 where it is the same all along.
        square: E x^2, likewise.
        pairs: E x x' / sqrt(E x^2 E x'^2) for two entries, an index an axis, the
            batch's first: 0 where the two agree on the axis, 1 where they differ.
            `pairs[0, ..., 0]` is 1.
        root: the Gaussian tensor of which this is a function, entry by entry; None
            for a tensor that counts as Gaussian itself.
        function: that function.
        hit: for gradients: how much more often than chance they meet a slope, as the
            ones that a maximum has chosen do.
    """

    shape: tuple[int, ...]
    mean: Floats
    square: Floats
    pairs: Floats
    root: Moments | None = None
    function: Function | None = None
    hit: float = 1.0

    @functools.cached_property
    def level(self) -> float:
        """The mean square over all entries."""
        return float(self.square.mean())

    @functools.cached_property
    def raw(self) -> Floats:
        """E x x' by kind of pair, for entries of average size."""
        raw: Floats = np.multiply(self.pairs, self.level)
        return raw

    @property
    def average(self) -> float:
        """The mean over all entries."""
        return float(self.mean.mean())

    @property
    def rms(self) -> float:
        """The root mean square over all entries."""
        return math.sqrt(max(self.level, 0.0))

    @property
    def stddev(self) -> float:
        """The standard deviation over all entries, as `np.std` measures it."""
        return math.sqrt(max(self.level - self.average**2, 0.0))


def moments_of(
    shape: Sequence[int], mean: Any, square: Any, raw: Floats, **more: Any
) -> Moments:
    """Moments from raw pair moments, tidied: cosines, and axes of size 1 made alike."""
    shape = tuple(int(size) for size in shape)
    rank = len(shape)
    pairs = np.array(raw, dtype=np.float64)
    for axis, size in enumerate(shape):
        if size == 1:
            copied = np.take(pairs, [0], axis + 1)
            pairs = np.concatenate([copied, copied], axis + 1)
    first = pairs.flat[0]
    pairs = pairs / first if first > 0 else np.zeros_like(pairs)
    pairs = np.clip(pairs, -1.0, 1.0)
    pairs.flat[0] = 1.0
    return Moments(
        shape,
        _folded(mean, rank),
        np.maximum(_folded(square, rank), 0.0),
        pairs,
        **more,
    )


def _folded(values: Any, rank: int) -> Floats:
    """With an axis of size 1 wherever the values stay the same along it."""
    found: Floats = np.asarray(values, dtype=np.float64)
    found = found.reshape((1,) * (rank - found.ndim) + found.shape)
    for axis in range(rank):
        first: Floats = np.take(found, [0], axis)
        if found.shape[axis] > 1 and np.allclose(found, first, rtol=1e-9, atol=0):
            found = first
    return found


def independent(shape: Sequence[int], mean: float, stddev: float) -> Moments:
    """Independent entries of one mean and one standard deviation."""
    raw = np.full((2,) * (len(shape) + 1), mean * mean)
    raw.flat[0] += stddev * stddev
    return moments_of(shape, mean, raw.flat[0], raw)


def constant(values: Any) -> Moments:
    """A tensor that is the same for every example, such as a weight."""
    values = np.asarray(values, dtype=np.float64)
    raw = pair_sums(values) / pair_counts(values.shape)
    level = np.mean(values**2)
    return moments_of(values.shape, values.mean(), level, np.stack([raw, raw]))


def pair_sums(values: NDArray[Any]) -> Floats:
    """Sums of products of two entries by the axes on which the two differ.

    An index an axis: 0 where they agree, 1 where they differ; ordered pairs.
    """
    loose = np.zeros((2,) * values.ndim)

    def visit(part: NDArray[Any], chosen: tuple[int, ...]) -> None:
        # At each axis: pairs that agree, and pairs of any entries.
        if len(chosen) == values.ndim:
            flat = part.ravel()
            # In pieces, so that float32 holds the sums.
            pieces = (flat[i : i + _PIECE] for i in range(0, flat.size, _PIECE))
            loose[chosen] = sum(float(np.vdot(piece, piece)) for piece in pieces)
            return
        visit(part, (*chosen, 0))
        visit(part.sum(axis=len(chosen), keepdims=True, dtype=np.float64), (*chosen, 1))

    visit(values, ())
    for axis in range(values.ndim):  # from "any" to "differ"
        agree, both = np.take(loose, 0, axis), np.take(loose, 1, axis)
        loose = np.stack([agree, both - agree], axis)
    return loose


def pair_counts(shape: Sequence[int]) -> Floats:
    """The number of ordered pairs of each kind, at least 1."""
    counts = np.array(1.0)
    for size in shape:
        counts = np.multiply.outer(counts, [size, max(size * (size - 1.0), 1.0)])
    return counts


# Entry by entry


def apply(x: Moments, function: Function) -> Moments:
    """f(x), entry by entry. A function of a function keeps the Gaussian at the root."""
    root = x.root or x
    inner = x.function
    composed = function if inner is None else (lambda z: function(inner(z)))
    return of_root(root, composed)


def of_root(root: Moments, function: Function) -> Moments:
    """A function of a Gaussian tensor."""
    mean, square, _ = respond(function, root.mean, root.square)
    response, correlation = _at_level(root, function)
    raw = response.pair(correlation)
    return moments_of(root.shape, mean, square, raw, root=root, function=function)


def slope(gradient: Moments, x: Moments, function: Function) -> Moments:
    """The gradient before f from the one after it: each entry times f'(x)."""
    root, inner = x.root, x.function
    if root is None or inner is None:
        response, correlation = _at_level(x, function)
        _, _, squares = respond(function, x.mean, x.square)
        raw = gradient.raw * response.slope_pair(correlation)
    else:
        # f'(x) as a function of the root: f' at the points that x takes there.
        def steepness(z: Any) -> Any:
            at = np.asarray(inner(z), dtype=np.float64)
            nudge = 1e-4 * (1 + np.abs(at))
            ends = [np.asarray(function(at + side)) for side in (nudge, -nudge)]
            return (ends[0] - ends[1]) / (2 * nudge)

        response, correlation = _at_level(root, steepness)
        _, squares, _ = respond(steepness, root.mean, root.square)
        raw = gradient.raw * response.pair(correlation)
    return moments_of(
        gradient.shape, 0.0, gradient.square * squares * gradient.hit, raw
    )


def _at_level(x: Moments, function: Function) -> tuple[Response, Floats]:
    mean = x.average
    variance = x.level - mean * mean
    if variance <= 1e-12 * x.level or variance <= 0:
        return Response(function, mean, 0.0), np.ones_like(x.pairs)
    return Response(function, mean, variance), (x.raw - mean * mean) / variance


def scale(x: Moments, factor: float) -> Moments:
    """A factor on all entries."""
    if factor == 1:
        return x
    return apply(x, lambda z: factor * z) if x.root else _times(x, factor)


def _times(x: Moments, factor: float) -> Moments:
    return replace(x, mean=x.mean * factor, square=x.square * factor**2)


# Several tensors


def add(terms: Sequence[Moments], factors: Sequence[float] | None = None) -> Moments:
    """A weighted sum of tensors of one shape, uncorrelated but for their means."""
    factors = factors or [1.0] * len(terms)
    terms = [_times(x, c) for x, c in zip(terms, factors, strict=True)]
    mean = _sum(x.mean for x in terms)
    square = _sum(x.square for x in terms)
    raw = _sum(x.raw for x in terms)
    for a, b in itertools.permutations(terms, 2):
        square = square + a.mean * b.mean
        raw = raw + a.average * b.average
    return moments_of(terms[0].shape, mean, square, raw, hit=_hit(terms))


def _hit(terms: Sequence[Moments]) -> float:
    total = sum(x.level for x in terms)
    return sum(x.level * x.hit for x in terms) / total if total > 0 else 1.0


def _sum(values: Any) -> Any:
    return sum(values, start=np.zeros(()))


def multiply(x: Moments, y: Moments) -> Moments:
    """The product of two independent tensors of one shape, entry by entry."""
    return moments_of(x.shape, x.mean * y.mean, x.square * y.square, x.raw * y.raw)
