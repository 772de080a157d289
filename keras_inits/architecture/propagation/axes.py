"""What operations along axes make of moments: shapes, windows, standardizing.

Pure NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_inits.architecture.propagation.moments import Moments, moments_of

__all__ = [
    "along",
    "broadcast",
    "centered",
    "concatenate",
    "fold",
    "gather",
    "part",
    "permute",
    "profiled",
    "reshape",
    "standardize",
    "transferred",
    "unfold",
]

Floats = NDArray[np.float64]

#: Entries of the largest profile that is kept along several axes at once.
_MOST = 2**16

# Shapes


def broadcast(x: Moments, shape: Sequence[int]) -> Moments:
    """Repeat along axes of size 1, and along new axes at the front."""
    rank = len(shape)
    extra = rank - len(x.shape)
    pairs = x.pairs
    for _ in range(extra):
        pairs = np.stack([pairs, pairs], axis=1)
    mean, square = (
        values.reshape((1,) * extra + values.shape) for values in (x.mean, x.square)
    )
    return moments_of(shape, mean, square, pairs * x.level, hit=x.hit)


def gather(gradient: Moments, x: Moments) -> Moments:
    """The gradient before a broadcast: the sum over all that was repeated."""
    extra = len(gradient.shape) - len(x.shape)
    found = gradient
    for axis, size in enumerate(gradient.shape):
        if size > 1 and (axis < extra or x.shape[axis - extra] == 1):
            found = along(found, axis, np.ones((1, size)))
    return reshape(found, x.shape)


def permute(x: Moments, order: Sequence[int]) -> Moments:
    """Axes in a new order, counted without the batch's."""
    order = tuple(order)
    pairs = x.pairs.transpose((0, *(axis + 1 for axis in order)))
    shape = tuple(x.shape[axis] for axis in order)
    mean, square = x.mean.transpose(order), x.square.transpose(order)
    return _with_root(
        x, moments_of(shape, mean, square, pairs * x.level, hit=x.hit), order
    )


def _with_root(x: Moments, found: Moments, order: tuple[int, ...]) -> Moments:
    if x.root is None:
        return found
    return replace(found, root=permute(x.root, order), function=x.function)


def reshape(x: Moments, shape: Sequence[int]) -> Moments:
    """Entries in the same order under another shape, without the batch's axis."""
    target = tuple(int(size) for size in shape)
    if math.prod(target) != math.prod(x.shape):
        raise ValueError(
            f"A reshape keeps the number of entries. Received: {x.shape} to {target}."
        )
    if target == x.shape:
        return x
    found = _reshaped(x, target)
    if x.root is not None:
        return replace(found, root=_reshaped(x.root, target), function=x.function)
    return found


def _reshaped(x: Moments, target: tuple[int, ...]) -> Moments:
    raw, mean, square = x.raw, x.mean, x.square
    sizes = list(x.shape)
    for axis in reversed(range(len(sizes))):  # axes of size 1 say nothing
        if sizes[axis] == 1:
            raw = np.take(raw, 0, axis + 1)
            mean, square = np.squeeze(mean, axis), np.squeeze(square, axis)
            del sizes[axis]
    wanted = [size for size in target if size > 1]
    at = 0
    while at < len(wanted):
        while sizes[at] != wanted[at]:
            if sizes[at] % wanted[at] == 0:
                first, second = wanted[at], sizes[at] // wanted[at]
                raw = _split(raw, at + 1)
                mean, square = (
                    _cut(values, at, first, second) for values in (mean, square)
                )
                sizes[at : at + 1] = [first, second]
            else:
                first, second = sizes[at : at + 2]
                raw = _merged(raw, at + 1, first, second)
                mean, square = (
                    _fused(values, at, first, second) for values in (mean, square)
                )
                sizes[at : at + 2] = [first * second]
        at += 1
    for axis, size in enumerate(target):
        if size == 1:
            raw = np.stack([raw, raw], axis + 1)
            mean, square = np.expand_dims(mean, axis), np.expand_dims(square, axis)
    return moments_of(target, mean, square, raw, hit=x.hit)


def _split(raw: Floats, axis: int) -> Floats:
    agree, differ = np.take(raw, 0, axis), np.take(raw, 1, axis)
    return np.stack(
        [np.stack([agree, differ], axis), np.stack([differ, differ], axis)], axis
    )


def _cut(values: Floats, axis: int, first: int, second: int) -> Floats:
    if values.shape[axis] == 1:
        return np.expand_dims(values, axis)
    shape = (*values.shape[:axis], first, second, *values.shape[axis + 1 :])
    return values.reshape(shape)


def _merged(raw: Floats, axis: int, first: int, second: int) -> Floats:
    part = np.moveaxis(raw, (axis, axis + 1), (0, 1))
    differ = (
        (second - 1) * part[0, 1]
        + (first - 1) * part[1, 0]
        + (first - 1) * (second - 1) * part[1, 1]
    ) / max(first * second - 1, 1)
    return np.stack([part[0, 0], differ], axis)


def _fused(values: Floats, axis: int, first: int, second: int) -> Floats:
    if values.shape[axis] == values.shape[axis + 1] == 1:
        return np.squeeze(values, axis)
    shape = list(values.shape)
    shape[axis : axis + 2] = [first, second]
    full = np.broadcast_to(values, shape)
    return full.reshape((*shape[:axis], first * second, *shape[axis + 2 :]))


# Along an axis


def along(x: Moments, axis: int, matrix: Floats) -> Moments:
    """A fixed matrix (out, in) along one axis: pooling, padding, repeating."""
    count, size = matrix.shape
    raw = transferred(x.raw, axis, matrix)
    cosine = float(x.pairs[tuple(int(k == axis + 1) for k in range(x.pairs.ndim))])
    square = (1 - cosine) * _mapped(x.square, axis, matrix**2, size)
    square = square + cosine * _mapped(np.sqrt(x.square), axis, matrix, size) ** 2
    shape = list(x.shape)
    shape[axis] = count
    mean = _mapped(x.mean, axis, matrix, size)
    return moments_of(shape, mean, square, raw, hit=x.hit)


def transferred(raw: Floats, axis: int, matrix: Floats) -> Floats:
    """Pair moments after a fixed matrix along an axis, averaged over pairs of rows."""
    count = len(matrix)
    squares = float((matrix**2).sum())
    rows, columns = matrix.sum(axis=1), matrix.sum(axis=0)
    pairs = max(count * (count - 1), 1)
    shared = (float(columns @ columns) - squares) / pairs
    apart = (rows.sum() ** 2 - float(rows @ rows)) / pairs - shared
    alike = [squares / count, (float(rows @ rows) - squares) / count]
    table = np.array([alike, [shared, apart]])
    return np.moveaxis(np.tensordot(table, raw, (1, axis + 1)), 0, axis + 1)


def profiled(values: Floats, axis: int, matrix: Floats) -> Floats:
    """A profile after a matrix along an axis."""
    return _mapped(values, axis, matrix, matrix.shape[1])


def _mapped(values: Floats, axis: int, matrix: Floats, size: int) -> Floats:
    if values.shape[axis] != size:
        values = np.repeat(values, size, axis)
    return np.moveaxis(np.tensordot(matrix, values, (1, axis)), 0, axis)


def standardize(
    x: Moments,
    axes: Sequence[int],
    batch: bool = False,
    center: bool = True,
    epsilon: float = 0.0,
) -> tuple[Moments, Floats]:
    """Less the mean and over the standard deviation along axes, and across the batch.

    Returns:
        The result, and the variance by which it divided, as a profile.
    """
    kept = _variance_left(x, axes, batch, center)
    shares = x.square / max(x.level, 1e-300)
    for axis in axes:
        shares = shares.mean(axis=axis, keepdims=True)
    variance = kept.flat[0] * shares
    left = x.square * (kept.flat[0] / max(x.level, 1e-300))
    left = left / np.maximum(variance + epsilon, 1e-300)
    mean = 0.0 if center else x.mean / np.sqrt(np.maximum(variance + epsilon, 1e-300))
    return moments_of(x.shape, mean, left, kept), variance


def _variance_left(
    x: Moments, axes: Sequence[int], batch: bool, center: bool
) -> Floats:
    """Pair moments after the mean along the axes is taken away."""
    if not center:
        return x.raw
    shared = x.raw
    for axis in axes:
        size = x.shape[axis]
        agree, differ = (np.take(shared, [bit], axis + 1) for bit in (0, 1))
        shared = (agree + (size - 1) * differ) / size
    if batch:
        shared = np.take(shared, [1], 0)
    return x.raw - shared


def centered(gradient: Moments, axes: Sequence[int], batch: bool) -> Moments:
    """A gradient less its mean along axes, and across the batch.

    Of a gradient's pairs, those of two examples count once for each of the batch's N
    examples: what is stored is N E g g'. That is nothing before a mean over the batch
    is taken away, and never fades however large the batch is.
    """
    if not batch:
        kept = _variance_left(gradient, axes, False, True)
        ratio = kept.flat[0] / gradient.level if gradient.level > 0 else 0.0
        square = gradient.square * ratio
        return moments_of(gradient.shape, 0.0, square, kept, hit=gradient.hit)
    raw = gradient.raw
    shared = raw.sum(axis=0, keepdims=True)
    for axis in axes:
        size = gradient.shape[axis]
        agree, differ = (np.take(shared, [bit], axis + 1) for bit in (0, 1))
        shared = (agree + (size - 1) * differ) / size
    raw[1:] -= shared
    return moments_of(gradient.shape, 0.0, gradient.square, raw, hit=gradient.hit)


def part(gradient: Moments, axis: int, start: int, stop: int) -> Moments:
    """The entries from start to stop along an axis."""
    square = gradient.square
    if square.shape[axis] > 1:
        square = np.take(square, range(start, stop), axis)
    shape = list(gradient.shape)
    shape[axis] = stop - start
    ratio = square.mean() / gradient.level if gradient.level > 0 else 0.0
    mean = gradient.mean
    if mean.shape[axis] > 1:
        mean = np.take(mean, range(start, stop), axis)
    return moments_of(shape, mean, square, gradient.raw * ratio, hit=gradient.hit)


def fold(x: Moments) -> Moments:
    """The first axis as more examples: pairs that differ on it are kinds of their own.

    The batch's index of `pairs` then counts: the same; another example; another step;
    both.
    """
    raw = x.raw
    raw = np.concatenate([np.take(raw, 0, 1), np.take(raw, 1, 1)])
    mean, square = x.mean.mean(axis=0), x.square.mean(axis=0)
    return moments_of(x.shape[1:], mean, square, raw, hit=x.hit)


def unfold(x: Moments, size: int) -> Moments:
    """The way back from `fold`."""
    half = len(x.pairs) // 2
    raw = np.stack([x.raw[:half], x.raw[half:]], 1)
    return moments_of((size, *x.shape), x.mean[None], x.square[None], raw, hit=x.hit)


# One after another


def concatenate(terms: Sequence[Moments], axis: int) -> Moments:
    """Tensors one after another along an axis, counted without the batch's."""
    sizes = np.array([x.shape[axis] for x in terms], dtype=np.float64)
    total = sizes.sum()
    same, other = 0.0, 0.0
    for i, x in enumerate(terms):
        agree, differ = (np.take(x.raw, bit, axis + 1) for bit in (0, 1))
        same = same + sizes[i] * agree
        other = other + sizes[i] * (sizes[i] - 1) * differ
        for j, y in enumerate(terms):
            if i != j:
                cross: Any = x.average * y.average
                if x is y:  # twice the same: some pairs are of one entry
                    cross = (agree + (sizes[i] - 1) * differ) / sizes[i]
                other = other + sizes[i] * sizes[j] * cross
    raw = np.stack([same / total, other / max(total * (total - 1), 1.0)], axis + 1)
    mean = _joined([x.mean for x in terms], sizes, axis)
    square = _joined([x.square for x in terms], sizes, axis)
    shape = list(terms[0].shape)
    shape[axis] = int(total)
    return moments_of(shape, mean, square, raw)


def _joined(profiles: Sequence[Floats], sizes: Floats, axis: int) -> Floats:
    common = np.broadcast_shapes(
        *[tuple(np.delete(profile.shape, axis)) for profile in profiles]
    )
    pieces = []
    if math.prod(common) * sizes.sum() > _MOST:  # the joined axis tells more
        others = tuple(i for i in range(len(common) + 1) if i != axis)
        profiles = [profile.mean(axis=others, keepdims=True) for profile in profiles]
        common = (1,) * len(common)
    for profile, size in zip(profiles, sizes, strict=True):
        shape = [*common[:axis], int(size), *common[axis:]]
        pieces.append(np.broadcast_to(profile, shape))
    return np.concatenate(pieces, axis)
