"""Measuring tensors on JAX: compiled or not, sharded or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

from keras_inits.monitor.rims.packing import Packed, pack

__all__ = [
    "END_OF_DATA",
    "IN_PLACE",
    "LOOPS_IN_GRAPH",
    "TAP_POINT",
    "change",
    "constants_of",
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
END_OF_DATA = (StopIteration,)

#: Whether an optimizer may change the gradients that it is given.
IN_PLACE = False

#: Whether `steps_per_execution` is a loop in the compiled step.
LOOPS_IN_GRAPH = False

#: The method of an optimizer that every step goes through.
TAP_POINT = "stateless_apply"

# Squares of float32 are lost below 1e-19 and above 1e19; a norm well inside of that
# range has lost nothing that counts.
_LEAST_SAFE_NORM = 1e-15

# Up to so many entries, copying a tensor is cheaper than an operation of its own.
_SMALL = 1 << 16


def current(variable: Any, state: Any = None) -> Any:
    """The value of a variable; `state` maps ids of variables to values in a step."""
    if state is not None and id(variable) in state:
        return state[id(variable)]
    return getattr(variable, "value", variable)


def kept(value: Any) -> Any:
    """The value, safe from being changed in place: nothing is, on JAX."""
    return value


def packed(tensors: list[Any], keep: bool = False) -> Packed:
    """Tensors stacked by shape."""
    wide = any(x.dtype == jnp.float64 for x in tensors)
    kind = jnp.float64 if wide else jnp.float32

    return pack([jnp.asarray(x, kind) for x in tensors], jnp.stack, _SMALL)


def dense(gradient: Any, compiled: bool) -> Any:
    """A gradient whose entries are all there is."""
    return gradient


def whole(gradient: Any) -> Any:
    """A gradient in the shape of its variable."""
    return gradient


def reduced(gradients: list[Any]) -> list[Any]:
    """The gradients of all devices: on JAX they are global already."""
    return gradients


def change(after: Packed, before: Packed) -> Packed:
    """What each tensor has changed by."""
    return after.map(lambda new, old: new - old, before)


def norms(several: list[Packed], compiled: bool) -> list[Any]:
    """The L2 norms of several packs, also where squares are 0 or infinite in float32.

    Args:
        several: The packs.
        compiled: Whether the step is compiled; it makes no difference here.

    Returns:
        A vector for each, with an entry a tensor.
    """
    if jax.default_backend() != "cpu":  # a condition would wait for the device
        return [_joined(p, _scaled_norm, _scaled_norms) for p in several]
    plain = [_joined(p, _norm, _norms) for p in several]

    def scaled(parts: list[tuple[Any, ...]]) -> list[Any]:
        same = [p.like(some) for p, some in zip(several, parts, strict=True)]
        return [_joined(p, _scaled_norm, _scaled_norms) for p in same]

    together = jnp.concatenate(plain)
    unsafe = jnp.any((together < _LEAST_SAFE_NORM) | ~jnp.isfinite(together))
    parts = [p.parts for p in several]
    rows: list[Any] = jax.lax.cond(unsafe, scaled, lambda _: plain, parts)
    return rows


def _joined(pack: Packed, one: Callable[..., Any], each: Callable[..., Any]) -> Any:
    """A vector with an entry a tensor, of what two functions give.

    `one` makes a number of a tensor, `each` a vector of a stack.
    """
    alone = [jnp.stack([one(x) for x in pack.alone])] if pack.alone else []
    rows = [*alone, *(each(stack) for stack in pack.stacks)]
    return jnp.concatenate(rows)[pack.order]


def _norm(x: Any) -> Any:
    return jnp.sqrt(jnp.vdot(x, x))  # faster than a sum of squares


def _norms(stack: Any) -> Any:
    return jnp.sqrt(jnp.sum(jnp.square(stack), _inner(stack)))


def _scaled_norm(x: Any) -> Any:
    top = _top(x)
    return top * _norm(x / top)


def _scaled_norms(stack: Any) -> Any:
    return jax.vmap(_scaled_norm)(stack)


def _top(x: Any) -> Any:
    top = jnp.max(jnp.abs(x), initial=0.0)
    return jnp.where((top > 0) & jnp.isfinite(top), top, 1.0)


def _inner(stack: Any) -> tuple[int, ...]:
    return tuple(range(1, stack.ndim))


def largest(pack: Packed) -> Any:
    """The largest magnitude in each tensor."""

    def one(x: Any) -> Any:
        return jnp.max(jnp.abs(x), initial=0.0)

    return _joined(pack, one, jax.vmap(one))


def counts(pack: Packed) -> tuple[Any, Any]:
    """How many entries of each tensor are not 0, and how many are not finite."""
    kind = pack.parts[0].dtype

    def count(holds: Callable[[Any], Any]) -> Any:
        def one(x: Any) -> Any:
            return jnp.sum(holds(x), dtype=kind)

        return _joined(pack, one, jax.vmap(one))

    return count(lambda x: x != 0), count(lambda x: ~jnp.isfinite(x))


def divided(value: Any, scale: Any) -> Any:
    """A tensor divided by a number or a scalar of any precision."""
    return value / jnp.asarray(scale, value.dtype)


def equal(value: Any, number: int) -> Any:
    """Whether a scalar equals a number."""
    return value == number


def scalar(value: Any) -> Any:
    """A number or a scalar as a tensor."""
    return jnp.asarray(value, jnp.float32)


def outlined(arguments: Any) -> Any:
    """The shapes and types of what a step is given, to trace it with again."""
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), arguments)


def constants_of(function: Any, outline: Any) -> list[bool]:
    """Which of a function's results depend on none of its arguments."""
    jaxpr = jax.make_jaxpr(function)(*outline).jaxpr
    reached = set(jaxpr.invars)
    for equation in jaxpr.eqns:
        inputs = [v for v in equation.invars if not isinstance(v, Literal)]
        if not reached.isdisjoint(inputs):
            reached.update(equation.outvars)
    return [isinstance(v, Literal) or v not in reached for v in jaxpr.outvars]


def stacked(rows: list[Any]) -> Any:
    """The rows as one tensor, so that one transfer brings them all."""
    return jnp.stack(rows)


def where_applied(condition: Any, value: Any) -> Any:
    """The value, or NaN where the condition does not hold."""
    return jnp.where(condition, value, jnp.nan)


def is_chief(model: Any) -> bool:
    """Whether this process is the one of several that writes."""
    return bool(jax.process_index() == 0)


def to_numpy(tensor: Any) -> Any:
    """The tensor's values on the host."""
    return np.asarray(tensor)
