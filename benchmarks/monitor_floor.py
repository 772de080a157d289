"""The least that a step's norms can cost: the same reductions, and nothing besides.

Tensors of the shapes of a network's weights lie in memory already, and only their norms
are taken: with each backend's plainest operations, without a guard against underflow,
without work on the host. Where the backend compiles a step, many rounds of them run in
one compiled loop, so that starting a compiled function, which a step pays anyway, is
not counted.
"""

import time
from collections.abc import Callable
from typing import Any

from benchmarks.timing import finish

__all__ = ["FLOORS", "timers"]

#: How many sets of norms are taken: of gradients and weights; of their change too.
FLOORS = {"floor, cheap": 2, "floor, standard": 3}

# Sets of norms in a measurement: some milliseconds at least.
_REPEATS = 100

Packs = list[list[Any]]


def timers(backend: str, model: Any) -> dict[str, Callable[[], float]]:
    """By name of the floor: takes all norms many times, returns seconds for each."""
    shapes = [tuple(v.shape) for v in model.trainable_variables]
    return {name: _timer(backend, shapes, count) for name, count in FLOORS.items()}


def _timer(
    backend: str, shapes: list[tuple[int, ...]], count: int
) -> Callable[[], float]:
    import numpy as np

    random = np.random.default_rng(0)
    packs = [
        [random.standard_normal(shape, dtype=np.float32) for shape in shapes]
        for _ in range(count)
    ]
    compiled = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[backend]
    # What is quicker differs by network: each tensor by itself, or those of one shape
    # in a stack, which here they lie in already.
    calls = [
        compiled([[x[None] for x in pack] for pack in packs]),
        compiled([_stacked(pack) for pack in packs]),
    ]
    return lambda: min(_seconds(call) for call in calls)


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    finish(call())
    return (time.perf_counter() - start) / _REPEATS


def _stacked(pack: list[Any]) -> list[Any]:
    import numpy as np

    by_shape: dict[tuple[int, ...], list[Any]] = {}
    for x in pack:
        by_shape.setdefault(x.shape, []).append(x)
    return [np.stack(same) for same in by_shape.values()]


def _with_change(packs: Packs) -> Packs:
    """Gradients and weights; the third, the weights after a step, as their change."""
    if len(packs) < 3:
        return packs
    gradients, before, after = packs
    change = [new - old for new, old in zip(after, before, strict=True)]
    return [gradients, before, change]


def _count(packs: Packs) -> int:
    return sum(len(stack) for pack in packs for stack in pack)


def _inner(stack: Any) -> tuple[int, ...]:
    return tuple(range(1, len(stack.shape)))


def _tensorflow(packs: Packs) -> Callable[[], Any]:
    import tensorflow as tf

    # Variables are read anew each time: of constants, the loop would be emptied.
    variables = [[tf.Variable(x) for x in pack] for pack in packs]

    def norm(stack: Any) -> Any:
        if stack.shape[0] == 1:
            return tf.sqrt(2.0 * tf.nn.l2_loss(stack))[None]
        return tf.sqrt(tf.reduce_sum(tf.square(stack), _inner(stack)))

    def body(step: Any, _: Any) -> Any:
        read = [[v.read_value() for v in pack] for pack in variables]
        norms = [norm(x) for pack in _with_change(read) for x in pack]
        return step + 1, tf.concat(norms, 0)

    def repeated() -> Any:
        start = (0, tf.zeros(_count(packs)))
        return tf.while_loop(lambda step, _: step < _REPEATS, body, start)[1]

    compiled: Callable[[], Any] = tf.function(repeated)
    return compiled


def _jax(packs: Packs) -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    def norm(stack: Any) -> Any:
        if stack.shape[0] == 1:
            return jnp.sqrt(jnp.vdot(stack, stack))[None]
        return jnp.sqrt(jnp.sum(jnp.square(stack), _inner(stack)))

    def body(_: Any, carry: Any) -> Any:
        # The barrier keeps XLA from moving the norms out of the loop.
        packs, _ = jax.lax.optimization_barrier(carry)
        norms = [norm(x) for pack in _with_change(packs) for x in pack]
        return packs, jnp.concatenate(norms)

    def repeated(packs: Packs) -> Any:
        start = packs, jnp.zeros(_count(packs))
        return jax.lax.fori_loop(0, _REPEATS, body, start)[1]

    compiled = jax.jit(repeated)
    held = jax.tree.map(jnp.asarray, packs)
    return lambda: compiled(held)


def _torch(packs: Packs) -> Callable[[], Any]:
    import torch

    held = [[torch.as_tensor(x) for x in pack] for pack in packs]

    def norms(pack: list[Any]) -> list[Any]:
        if all(len(stack) == 1 for stack in pack):
            return list(torch._foreach_norm(pack))
        return [torch.linalg.vector_norm(x, dim=_inner(x)) for x in pack]

    def repeated() -> Any:
        for _ in range(_REPEATS):
            found = held
            if len(held) > 2:
                found = [*held[:2], list(torch._foreach_sub(held[2], held[1]))]
            rows = [row.reshape(-1) for pack in found for row in norms(pack)]
            joined = torch.cat(rows)
        return joined

    return repeated
