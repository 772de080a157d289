"""Measuring tensors on TensorFlow: eagerly, in a graph, under XLA, in replicas."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_inits.monitor.rims.packing import Packed, pack

__all__ = [
    "END_OF_DATA",
    "IN_PLACE",
    "LOOPS_IN_GRAPH",
    "TAP_POINT",
    "change",
    "counts",
    "current",
    "dense",
    "divided",
    "equal",
    "is_chief",
    "kept",
    "largest",
    "norms",
    "outlined",
    "packed",
    "reduced",
    "scalar",
    "stacked",
    "to_numpy",
    "where_applied",
    "whole",
]

#: What the iterator over a data set raises at its end.
END_OF_DATA = (StopIteration, tf.errors.OutOfRangeError)

#: Whether an optimizer may change the gradients that it is given.
IN_PLACE = False

#: Whether `steps_per_execution` is a loop in the compiled step.
LOOPS_IN_GRAPH = True

#: The method of an optimizer that every step goes through.
TAP_POINT = "apply"

# Squares of float32 are lost below 1e-19 and above 1e19; a norm well inside of that
# range has lost nothing that counts.
_LEAST_SAFE_NORM = 1e-15

# Up to so many entries, copying a tensor is cheaper than an operation of its own.
_SMALL = 1 << 11
# Beyond so many, a condition of its own costs next to nothing.
_LARGE = 1 << 16

# Careful norms, from plain ones and from tensors.
_Scaled = Callable[[Sequence[Any], Sequence[Any]], list[Any]]


def current(variable: Any, state: Any = None) -> Any:
    """The value of a variable, as the step sees it now."""
    return tf.convert_to_tensor(getattr(variable, "value", variable))


def kept(value: Any) -> Any:
    """The value, safe from being changed in place."""
    return tf.identity(value)


def packed(tensors: list[Any], keep: bool = False) -> Packed:
    """Tensors in one precision, the small ones stacked by shape.

    A tensor that was read stays what it was when its variable changes, so that `keep`
    asks for nothing.
    """
    wide = any(x.dtype == tf.float64 for x in tensors)
    kind = tf.float64 if wide else tf.float32
    return pack([tf.cast(x, kind) for x in tensors], tf.stack, _SMALL)


def dense(gradient: Any, compiled: bool) -> Any:
    """A gradient whose entries are all there is: rows named twice are summed."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    if compiled:  # the number of distinct rows is not known in advance, as XLA demands
        return tf.math.unsorted_segment_sum(
            gradient.values, gradient.indices, gradient.dense_shape[0]
        )
    rows, place = tf.unique(gradient.indices)
    return tf.math.unsorted_segment_sum(gradient.values, place, tf.size(rows))


def whole(gradient: Any) -> Any:
    """A gradient in the shape of its variable."""
    return tf.convert_to_tensor(gradient)


def reduced(gradients: list[Any]) -> list[Any]:
    """The gradients of all replicas, summed as the optimizer sums them."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return gradients
    whole = [tf.convert_to_tensor(gradient) for gradient in gradients]
    summed: list[Any] = context.all_reduce(tf.distribute.ReduceOp.SUM, whole)
    return summed


def change(after: Packed, before: Packed) -> Packed:
    """What each tensor has changed by."""
    return after.map(lambda new, old: new - old, before)


def norms(several: list[Packed], compiled: bool) -> list[Any]:
    """The L2 norms of several packs, also where squares are 0 or infinite in float32.

    Args:
        several: The packs.
        compiled: Whether the step is compiled by XLA.

    Returns:
        A vector for each, with an entry a tensor.
    """
    if compiled:  # where a condition may wait for the device, and passes are fused
        return [_joined(p, _scaled_norm, _scaled_norms) for p in several]
    plain = [_in_a_row(p, _norm, _norms) for p in several]
    together = tf.concat([tf.cast(row, tf.float32) for row in plain], 0)
    small = [part for p in several for part in p.parts if not _is_large(part)]

    def scaled(rows: Sequence[Any], parts: Sequence[Any]) -> list[Any]:
        rest, found = iter(parts), []
        for p, row in zip(several, rows, strict=True):
            large = [row[place] for place in range(len(p.alone))]
            alone = [
                large[place] if _is_large(x) else _scaled_norm(next(rest))
                for place, x in enumerate(p.alone)
            ]
            each = [_scaled_norms(next(rest)) for _ in p.stacks]
            found.append(tf.concat([tf.stack(alone), *each] if alone else each, 0))
        return found

    rows = _either(_is_unsafe(together), scaled, plain, small) if small else plain
    return [tf.gather(row, p.order) for row, p in zip(rows, several, strict=True)]


def _is_unsafe(norms: Any) -> Any:
    """Whether among norms of plain squares is one that may be wrong."""
    return tf.reduce_any((norms < _LEAST_SAFE_NORM) | ~tf.math.is_finite(norms))


def _branches(scaled: _Scaled, count: int, specs: tuple[Any, ...]) -> tuple[Any, Any]:
    """Of a condition: functions of the first `count` inputs and of the rest."""

    def then(*given: Any) -> list[Any]:
        return scaled(given[:count], given[count:])

    def otherwise(*given: Any) -> list[Any]:
        return list(given[:count])

    made = [tf.function(branch, autograph=False) for branch in (then, otherwise)]
    return tuple(each.get_concrete_function(*specs) for each in made)


#: The same for tensors of one shape, which share theirs.
_shared_branches = functools.lru_cache(maxsize=256)(_branches)


def _either(
    unsafe: Any,
    scaled: _Scaled,
    plain: list[Any],
    parts: list[Any],
    branches: Callable[..., tuple[Any, Any]] = _branches,
) -> list[Any]:
    """`scaled(plain, parts)` where the norms in `plain` are unsafe, else `plain`.

    `tf.cond` spreads over the graph, with an operation or two for each tensor, which on
    a small network costs more than the norms; this stays a single one.
    """
    if tf.executing_eagerly():
        return scaled(plain, parts) if unsafe else plain
    inputs = [*plain, *parts]
    specs = tuple(tf.TensorSpec(x.shape, x.dtype) for x in inputs)
    then, otherwise = branches(scaled, len(plain), specs)
    found: list[Any] = tf.raw_ops.StatelessIf(
        cond=unsafe,
        input=inputs,
        Tout=[row.dtype for row in plain],
        then_branch=then,
        else_branch=otherwise,
        output_shapes=[row.shape for row in plain],
    )
    return found


def _is_large(part: Any) -> bool:
    """Whether a tensor is looked after by itself.

    It can be let go then as soon as its norm is known, and not when all norms are.
    """
    count = part.shape.num_elements()
    return count is None or count > _LARGE


def _joined(pack: Packed, one: Callable[..., Any], each: Callable[..., Any]) -> Any:
    """A vector with an entry a tensor, of what two functions give.

    `one` makes a number of a tensor, `each` a vector of a stack.
    """
    return tf.gather(_in_a_row(pack, one, each), pack.order)


def _in_a_row(pack: Packed, one: Callable[..., Any], each: Callable[..., Any]) -> Any:
    """The same in the order of the parts."""
    alone = [tf.stack([one(x) for x in pack.alone])] if pack.alone else []
    return tf.concat([*alone, *(each(stack) for stack in pack.stacks)], 0)


def _norm(x: Any) -> Any:
    plain = tf.sqrt(2.0 * tf.nn.l2_loss(x))
    if not _is_large(x):
        return plain
    unsafe = _is_unsafe(plain)
    [norm] = _either(unsafe, _scaled_alone, [plain], [x], _shared_branches)
    return norm


def _scaled_alone(rows: Sequence[Any], parts: Sequence[Any]) -> list[Any]:
    return [_scaled_norm(part) for part in parts]


def _norms(stack: Any) -> Any:
    return tf.sqrt(tf.reduce_sum(tf.square(stack), _inner(stack)))


def _scaled_norm(x: Any) -> Any:
    return _scaled_norms(x[None])[0]


def _scaled_norms(stack: Any) -> Any:
    top = tf.reduce_max(tf.abs(stack), _inner(stack), keepdims=True)
    unit = tf.where((top > 0) & tf.math.is_finite(top), top, tf.ones_like(top))
    return tf.reshape(unit, [-1]) * _norms(stack / unit)


def _inner(stack: Any) -> list[int]:
    return list(range(1, len(stack.shape)))


def largest(pack: Packed) -> Any:
    """The largest magnitude in each tensor."""

    def each(stack: Any) -> Any:
        return tf.reduce_max(tf.abs(stack), _inner(stack))

    return _joined(pack, lambda x: tf.reduce_max(tf.abs(x)), each)


def counts(pack: Packed) -> tuple[Any, Any]:
    """How many entries of each tensor are not 0, and how many are not finite."""
    kind = pack.parts[0].dtype

    def count(holds: Callable[[Any], Any]) -> Any:
        def one(x: Any) -> Any:
            return tf.reduce_sum(tf.cast(holds(x), kind))

        def each(stack: Any) -> Any:
            return tf.reduce_sum(tf.cast(holds(stack), kind), _inner(stack))

        return _joined(pack, one, each)

    return count(lambda x: x != 0), count(lambda x: ~tf.math.is_finite(x))


def divided(value: Any, scale: Any) -> Any:
    """A tensor divided by a number or a scalar of any precision."""
    return value / tf.cast(scale, value.dtype)


def equal(value: Any, number: int) -> Any:
    """Whether a scalar equals a number."""
    return tf.equal(value, tf.cast(number, value.dtype))


def scalar(value: Any) -> Any:
    """A number or a scalar as a tensor."""
    return tf.cast(value, tf.float32)


def outlined(arguments: Any) -> Any:
    """Nothing: a variable that the loss does not depend on has no gradient here."""
    return None


def stacked(rows: list[Any]) -> Any:
    """The rows as one tensor, so that one transfer brings them all."""
    return tf.stack(rows)


def where_applied(condition: Any, value: Any) -> Any:
    """The value, or NaN where the condition does not hold."""
    return tf.where(condition, value, np.nan * tf.ones_like(value))


def is_chief(model: Any) -> bool:
    """Whether this process is the one of several that writes."""
    strategy = getattr(model, "distribute_strategy", None)
    extended = getattr(strategy, "extended", None)
    return bool(getattr(extended, "should_save_summary", True))


def to_numpy(tensor: Any) -> Any:
    """The tensor's values on the host."""
    return tensor.numpy()
