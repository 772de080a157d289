"""Norms on TensorFlow: a few operations a tensor, and one way out for a whole step.

Squares of float32 are lost below 1e-19 and above 1e19. So the plain sums of squares of
all tensors make one row; where an entry of it may be wrong, a branch measures all once
more, each tensor scaled by its largest entry.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_inits.monitor.rims.packing import Packed

__all__ = ["inner", "joined", "norms"]

# A sum of squares well inside of float32's range has lost nothing that counts.
_LEAST_SAFE, _MOST_SAFE = 1e-30, 1e37

# Beyond so many entries, a condition of its own costs next to nothing.
_LARGE = 1 << 16


def norms(several: list[Packed], compiled: bool) -> list[Any]:
    """The L2 norms of several packs, also where squares are 0 or infinite in float32.

    Args:
        several: The packs.
        compiled: Whether the step is compiled by XLA.

    Returns:
        A vector for each, with an entry a tensor.
    """
    if compiled:  # where a condition may wait for the device, and passes are fused
        return [joined(p, _scaled_norm, _scaled_norms) for p in several]
    several = _of_one_type(several)
    alone = [x for p in several for x in p.alone]
    small = [x for x in alone if not _is_large(x)]
    stacks = [stack for p in several for stack in p.stacks]
    row = [_norm_of_large(x) for x in alone if _is_large(x)]
    if small or stacks:
        row.insert(0, _norms_of_small(small, stacks))
    found = tf.concat(row, 0)
    return [tf.gather(found, places) for places in _places(several)]


def _of_one_type(several: list[Packed]) -> list[Packed]:
    if len({x.dtype for p in several for x in p.parts}) == 1:
        return several
    return [p.map(lambda x: tf.cast(x, tf.float64)) for p in several]


def _places(several: list[Packed]) -> list[Any]:
    """Where each pack's norms lie in a row of small ones, stacks and large ones."""
    kinds, ends, end = [], [], 0
    for p in several:
        kinds += [2 if _is_large(x) else 0 for x in p.alone]
        kinds += [1] * (len(p.order) - len(p.alone))
        ends.append(end := end + len(p.order))
    places = np.argsort(np.argsort(kinds, kind="stable"))
    columns = np.split(places, ends[:-1])
    return [each[p.order] for each, p in zip(columns, several, strict=True)]


def _is_large(part: Any) -> bool:
    """Whether a tensor is looked after by itself.

    It can be let go then as soon as its norm is known, and not when all norms are.
    """
    count = part.shape.num_elements()
    return count is None or count > _LARGE


def _norms_of_small(alone: list[Any], stacks: list[Any]) -> Any:
    squares = [tf.stack([tf.nn.l2_loss(x) for x in alone])] if alone else []
    squares += [_sums_of_squares(stack) / 2 for stack in stacks]
    count = len(alone)

    def scaled(*parts: Any) -> Any:
        of_alone = [_scaled_norm(x)[None] for x in parts[:count]]
        return tf.concat([*of_alone, *map(_scaled_norms, parts[count:])], 0)

    return _either(tf.concat(squares, 0), scaled, [*alone, *stacks], _branches)


def _norm_of_large(x: Any) -> Any:
    return _either(tf.nn.l2_loss(x)[None], _scaled_alone, [x], _shared_branches)


def _scaled_alone(x: Any) -> Any:
    return _scaled_norm(x)[None]


# --- plain where that is safe, else scaled --------------------------------------------


def _either(
    half_squares: Any,
    scaled: Callable[..., Any],
    parts: list[Any],
    branches: Callable[..., tuple[Any, Any]],
) -> Any:
    """The norms by half their squares where those are safe, else `scaled(*parts)`.

    `tf.cond` spreads over the graph, with an operation or two for each tensor, which on
    a small network costs more than the norms; this stays a single one.
    """
    is_safe = tf.reduce_all(
        (half_squares > _LEAST_SAFE) & (half_squares < _MOST_SAFE)  # NaN is neither
    )
    if tf.executing_eagerly():
        return _norms_from(half_squares) if is_safe else scaled(*parts)
    inputs = [half_squares, *parts]
    specs = tuple(tf.TensorSpec(x.shape, x.dtype) for x in inputs)
    then, otherwise = branches(scaled, specs)
    [found] = tf.raw_ops.StatelessIf(
        cond=is_safe,
        input=inputs,
        Tout=[half_squares.dtype],
        then_branch=then,
        else_branch=otherwise,
        output_shapes=[half_squares.shape],
    )
    return found


def _branches(scaled: Callable[..., Any], specs: Sequence[Any]) -> tuple[Any, Any]:
    """Of a condition: functions of half the squares and the tensors."""

    def then(half_squares: Any, *parts: Any) -> Any:
        return _norms_from(half_squares)

    def otherwise(half_squares: Any, *parts: Any) -> Any:
        return scaled(*parts)

    made = [tf.function(branch, autograph=False) for branch in (then, otherwise)]
    return tuple(each.get_concrete_function(*specs) for each in made)


#: The same for tensors of one shape, which share theirs.
_shared_branches = functools.lru_cache(maxsize=256)(_branches)


def _norms_from(half_squares: Any) -> Any:
    return tf.sqrt(2 * half_squares)


def _scaled_norm(x: Any) -> Any:
    return _scaled_norms(x[None])[0]


def _scaled_norms(stack: Any) -> Any:
    top = tf.reduce_max(tf.abs(stack), inner(stack), keepdims=True)
    unit = tf.where((top > 0) & tf.math.is_finite(top), top, tf.ones_like(top))
    return tf.reshape(unit, [-1]) * tf.sqrt(_sums_of_squares(stack / unit))


def _sums_of_squares(stack: Any) -> Any:
    return tf.reduce_sum(tf.square(stack), inner(stack))


# --- a pack's tensors, alone and in stacks --------------------------------------------


def joined(pack: Packed, one: Callable[..., Any], each: Callable[..., Any]) -> Any:
    """A vector with an entry a tensor, of what two functions give.

    `one` makes a number of a tensor, `each` a vector of a stack.
    """
    alone = [tf.stack([one(x) for x in pack.alone])] if pack.alone else []
    row = tf.concat([*alone, *(each(stack) for stack in pack.stacks)], 0)
    return tf.gather(row, pack.order)


def inner(stack: Any) -> list[int]:
    """The axes of a stack's tensors."""
    return list(range(1, len(stack.shape)))
