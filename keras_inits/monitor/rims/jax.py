"""Measuring tensors on JAX: compiled or not, sharded or not."""

from __future__ import annotations

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

    def stack(some: list[Any]) -> Any:
        joined = some[0][None] if len(some) == 1 else jnp.stack(some)
        return jnp.asarray(joined, kind)

    return pack(tensors, stack)


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


def norms(several: list[Packed]) -> list[Any]:
    """The L2 norms of several packs, also where squares are 0 or infinite in float32.

    Returns:
        A vector for each, with an entry a tensor.
    """
    plain = [_joined([_norm(x) for x in pack.stacks], pack) for pack in several]

    def scaled(stacks: list[tuple[Any, ...]]) -> list[Any]:
        pairs = zip(stacks, several, strict=True)
        return [_joined([_scaled_norm(x) for x in some], pack) for some, pack in pairs]

    together = jnp.concatenate(plain)
    unsafe = jnp.any((together < _LEAST_SAFE_NORM) | ~jnp.isfinite(together))
    stacks = [pack.stacks for pack in several]
    rows: list[Any] = jax.lax.cond(unsafe, scaled, lambda _: plain, stacks)
    return rows


def _norm(stack: Any) -> Any:
    if stack.shape[0] == 1:  # a dot product is faster than a sum of squares
        return jnp.sqrt(jnp.vdot(stack, stack))[None]
    return jnp.sqrt(jnp.sum(jnp.square(stack), _inner(stack)))


def _scaled_norm(stack: Any) -> Any:
    top = jnp.max(jnp.abs(stack), _inner(stack), keepdims=True, initial=0.0)
    unit = jnp.where((top > 0) & jnp.isfinite(top), top, 1.0)
    return unit.reshape(-1) * _norm(stack / unit)


def _inner(stack: Any) -> tuple[int, ...]:
    return tuple(range(1, stack.ndim))


def _joined(rows: list[Any], pack: Packed) -> Any:
    return jnp.concatenate(rows)[pack.order]


def largest(pack: Packed) -> Any:
    """The largest magnitude in each tensor."""
    rows = [jnp.max(jnp.abs(x), _inner(x), initial=0.0) for x in pack.stacks]
    return _joined(rows, pack)


def counts(pack: Packed) -> tuple[Any, Any]:
    """How many entries of each tensor are not 0, and how many are not finite."""
    kind = pack.stacks[0].dtype

    def count(condition: Any) -> Any:
        return jnp.sum(condition, _inner(condition), dtype=kind)

    nonzero = _joined([count(x != 0) for x in pack.stacks], pack)
    return nonzero, _joined([count(~jnp.isfinite(x)) for x in pack.stacks], pack)


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
