"""The calls that are compared: ours, Keras's own and the backend's, scheme by scheme.

To be used in a worker: what is here imports Keras. Every call takes a shape and returns
a float32 tensor.
"""

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["ORTHOGONAL", "RANDOM", "draws", "keras_own", "native", "ours"]

Call = Callable[[Sequence[int]], Any]

#: Schemes and the class that has this name, with the same defaults, here and in Keras.
RANDOM = {
    "normal": "RandomNormal",
    "truncated normal": "TruncatedNormal",
    "uniform": "RandomUniform",
}
ORTHOGONAL = "orthogonal"
_CLASSES = {**RANDOM, ORTHOGONAL: "Orthogonal"}

# Keras's default for the normal laws, and the half width of its uniform one.
_SCALE = 0.05


def ours(scheme: str, seed: int = 1) -> Call:
    import keras_inits

    return _float32(getattr(keras_inits, _CLASSES[scheme])(seed=seed))


def keras_own(scheme: str, seed: int = 1) -> Call:
    import keras

    return _float32(getattr(keras.initializers, _CLASSES[scheme])(seed=seed))


def native(scheme: str) -> Call | None:
    """`torch.nn.init`, or `jax.nn.initializers` jitted; None on TensorFlow."""
    import keras

    makers = {"torch": _torch, "jax": _jax}
    maker = makers.get(keras.backend.backend())
    return None if maker is None else maker(scheme)


def draws(scheme: str) -> dict[str, Call]:
    """All that draw a scheme on this backend, by name."""
    calls = {
        "ours": ours(scheme),
        "keras": keras_own(scheme),
        "native": native(scheme),
    }
    return {name: call for name, call in calls.items() if call is not None}


def _float32(initializer: Any) -> Call:
    return lambda shape: initializer(tuple(shape), "float32")


def _torch(scheme: str) -> Call | None:
    import torch
    from torch.nn import init

    fills = {
        "normal": lambda out: init.normal_(out, 0.0, _SCALE),
        "truncated normal": lambda out: init.trunc_normal_(
            out, 0.0, _SCALE, -2 * _SCALE, 2 * _SCALE
        ),
        "uniform": lambda out: init.uniform_(out, -_SCALE, _SCALE),
        ORTHOGONAL: init.orthogonal_,
    }
    fill = fills[scheme]
    return lambda shape: fill(torch.empty(tuple(shape)))


def _jax(scheme: str) -> Call | None:
    import jax

    laws = jax.nn.initializers
    draw = jax.jit(
        {
            "normal": laws.normal(_SCALE),
            "truncated normal": laws.truncated_normal(_SCALE),
            "uniform": laws.uniform(_SCALE),
            ORTHOGONAL: laws.orthogonal(),
        }[scheme],
        static_argnums=1,
    )
    key = jax.random.key(1)
    return lambda shape: draw(key, tuple(shape))
