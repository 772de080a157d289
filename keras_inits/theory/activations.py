"""The activations of Keras that act on one number, in NumPy at full precision.

Keras's own run in the precision of the backend, which on JAX is float32: a gain would
differ in its last digits from backend to backend, and with it the weights.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["activation", "activation_names"]

_Function = Callable[[Any], Any]

# Klambauer et al., 2017, arXiv:1706.02515, equation 14.
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def _softplus(x: Any) -> Any:
    return np.logaddexp(x, 0.0)


def _sigmoid(x: Any) -> Any:
    return np.exp(-_softplus(-x))


def _gelu(x: Any) -> Any:
    from scipy import special

    return x * special.ndtr(x)


def _elu(x: Any) -> Any:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0.0)))


def _selu(x: Any) -> Any:
    return _SELU_SCALE * np.where(x > 0, x, _SELU_ALPHA * np.expm1(np.minimum(x, 0.0)))


def _hard_sigmoid(x: Any) -> Any:
    return np.clip(x / 6 + 0.5, 0.0, 1.0)


def _sparse_plus(x: Any) -> Any:
    return np.where(x >= 1, x, np.square(np.maximum(x + 1, 0.0)) / 4)


_FUNCTIONS: dict[str, _Function] = {
    "celu": _elu,  # with Keras's alpha of 1 the two are one function
    "elu": _elu,
    "exponential": np.exp,
    "gelu": _gelu,
    "hard_shrink": lambda x: np.where(np.abs(x) > 0.5, x, 0.0),
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": lambda x: x * _hard_sigmoid(x),
    "hard_swish": lambda x: x * _hard_sigmoid(x),
    "hard_tanh": lambda x: np.clip(x, -1.0, 1.0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),  # Keras's slope
    "linear": lambda x: x,
    "log_sigmoid": lambda x: -_softplus(-x),
    "mish": lambda x: x * np.tanh(_softplus(x)),
    "relu": lambda x: np.maximum(x, 0.0),
    "relu6": lambda x: np.clip(x, 0.0, 6.0),
    "selu": _selu,
    "sigmoid": _sigmoid,
    "silu": lambda x: x * _sigmoid(x),
    "soft_shrink": lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0.0),
    "softplus": _softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "sparse_plus": _sparse_plus,
    "sparse_sigmoid": lambda x: np.clip((x + 1) / 2, 0.0, 1.0),
    "squareplus": lambda x: (x + np.sqrt(x * x + 4)) / 2,
    "swish": lambda x: x * _sigmoid(x),
    "tanh": np.tanh,
    "tanh_shrink": lambda x: x - np.tanh(x),
}


def activation(name: str) -> _Function:
    """The activation that Keras knows by this name, with Keras's default arguments.

    Args:
        name: such as `"relu"` or `"gelu"`; `activation_names` lists them all. Those
            that look at several units at once, such as softmax, have no gain.

    Returns:
        A function of a float64 array.

    Raises:
        ValueError: for an unknown name.
    """
    try:
        return _FUNCTIONS[name]
    except KeyError:
        raise ValueError(
            f"Unknown activation. Received: {name!r}. Use one of "
            f"{', '.join(activation_names())}; or pass the function itself."
        ) from None


def activation_names() -> list[str]:
    """The names of the activations that act on one number."""
    return sorted(_FUNCTIONS)
