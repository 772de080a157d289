"""How much an activation shrinks a signal, and the gain that makes up for it."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_inits.theory.activations import activation as activation_by_name
from keras_inits.theory.gaussian import gaussian_expectation

__all__ = ["gain"]


def gain(activation: str | Callable[[Any], Any]) -> float:
    """The factor on the weights' standard deviation that keeps a signal's mean square.

    1 / sqrt(E f(z)^2) for z ~ N(0, 1): with weights of variance gain^2 / fan_in, a
    pre-activation of mean 0 and variance 1 is followed by another of variance 1. For
    ReLU that is sqrt(2), He et al.'s.

    It holds the forward signal at a variance of 1, where it does; for GELU, SiLU and
    Mish that is an unstable fixed point, from which deep networks drift away.

    Args:
        activation: the name of a Keras activation, or a function of a float64 vector.

    Returns:
        The gain: it multiplies the standard deviation, not the variance.

    Raises:
        ValueError: for an unknown name, or a function that is 0 or infinite.

    Example:
        >>> round(gain("relu"), 6)
        1.414214
        >>> round(gain("tanh"), 6)
        1.592537

    Reference: He et al., 2015, arXiv:1502.01852; Poole et al., 2016, arXiv:1606.05340.
    """
    if isinstance(activation, str):
        return _gain_by_name(activation)
    return _gain_of(activation)


@functools.cache
def _gain_by_name(name: str) -> float:
    return _gain_of(activation_by_name(name))


def _gain_of(function: Callable[[Any], Any]) -> float:
    mean_square = gaussian_expectation(lambda z: np.square(np.asarray(function(z))))
    if not mean_square > 0:
        raise ValueError(
            "An activation that is 0 everywhere has no gain. Received: "
            f"activation={function!r}."
        )
    # The last digits depend on the processor's version of exp: the weights must not.
    return float(f"{1 / np.sqrt(mean_square):.12g}")
