"""Measuring tensors on TensorFlow: eagerly, in a graph, under XLA, in replicas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_inits.monitor.rims.packing import Packed, pack
from keras_inits.monitor.rims.tensorflow_norms import inner, joined, norms

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

# Up to so many entries, copying a tensor is cheaper than an operation of its own.
_SMALL = 1 << 11


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


def largest(pack: Packed) -> Any:
    """The largest magnitude in each tensor."""

    def each(stack: Any) -> Any:
        return tf.reduce_max(tf.abs(stack), inner(stack))

    return joined(pack, lambda x: tf.reduce_max(tf.abs(x)), each)


def counts(pack: Packed) -> tuple[Any, Any]:
    """How many entries of each tensor are not 0, and how many are not finite."""
    kind = pack.parts[0].dtype

    def count(holds: Callable[[Any], Any]) -> Any:
        def one(x: Any) -> Any:
            return tf.reduce_sum(tf.cast(holds(x), kind))

        def each(stack: Any) -> Any:
            return tf.reduce_sum(tf.cast(holds(stack), kind), inner(stack))

        return joined(pack, one, each)

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
