"""Measuring tensors on TensorFlow: eagerly, in a graph, under XLA, in replicas."""

from __future__ import annotations

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


def current(variable: Any, state: Any = None) -> Any:
    """The value of a variable, as the step sees it now."""
    return tf.convert_to_tensor(getattr(variable, "value", variable))


def kept(value: Any) -> Any:
    """The value, safe from being changed in place."""
    return tf.identity(value)


def packed(tensors: list[Any], keep: bool = False) -> Packed:
    """Tensors stacked by shape; `keep` makes them safe from changes in place."""
    wide = any(x.dtype == tf.float64 for x in tensors)
    kind = tf.float64 if wide else tf.float32

    def stack(some: list[Any]) -> Any:
        if len(some) == 1:
            return tf.cast(tf.identity(some[0]), kind)[None]
        return tf.cast(tf.stack(some), kind)

    return pack(tensors, stack)


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


def norms(several: list[Packed]) -> list[Any]:
    """The L2 norms of several packs, also where squares are 0 or infinite in float32.

    Returns:
        A vector for each, with an entry a tensor.
    """
    plain = [_joined([_norm(x) for x in p.stacks], p) for p in several]

    def scaled() -> list[Any]:
        return [_joined([_scaled_norm(x) for x in p.stacks], p) for p in several]

    together = tf.concat([tf.cast(row, tf.float32) for row in plain], 0)
    unsafe = tf.reduce_any((together < _LEAST_SAFE_NORM) | ~tf.math.is_finite(together))
    rows: list[Any] = tf.cond(unsafe, scaled, lambda: plain)
    for row, p in zip(rows, several, strict=True):
        row.set_shape((len(p.order),))
    return rows


def _norm(stack: Any) -> Any:
    if stack.shape[0] == 1:
        return tf.sqrt(2.0 * tf.nn.l2_loss(stack))[None]
    return tf.sqrt(tf.reduce_sum(tf.square(stack), _inner(stack)))


def _scaled_norm(stack: Any) -> Any:
    top = tf.reduce_max(tf.abs(stack), _inner(stack), keepdims=True)
    unit = tf.where((top > 0) & tf.math.is_finite(top), top, tf.ones_like(top))
    return tf.reshape(unit, [-1]) * _norm(stack / unit)


def _inner(stack: Any) -> list[int]:
    return list(range(1, len(stack.shape)))


def _joined(rows: list[Any], pack: Packed) -> Any:
    joined = rows[0] if len(rows) == 1 else tf.concat(rows, 0)
    return tf.gather(joined, pack.order)


def largest(pack: Packed) -> Any:
    """The largest magnitude in each tensor."""
    rows = [tf.reduce_max(tf.abs(x), _inner(x)) for x in pack.stacks]
    return _joined(rows, pack)


def counts(pack: Packed) -> tuple[Any, Any]:
    """How many entries of each tensor are not 0, and how many are not finite."""
    kind = pack.stacks[0].dtype

    def count(condition: Any) -> Any:
        return tf.reduce_sum(tf.cast(condition, kind), _inner(condition))

    nonzero = _joined([count(x != 0) for x in pack.stacks], pack)
    return nonzero, _joined([count(~tf.math.is_finite(x)) for x in pack.stacks], pack)


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
