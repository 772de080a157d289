"""How much an activation shrinks a signal, and the gain that makes up for it."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_inits.theory.activations import activation as activation_by_name
from keras_inits.theory.curves import curve_of
from keras_inits.theory.gaussian import gaussian_expectation
from keras_inits.theory.maps import mean_square_slope

__all__ = ["gain"]

_KINDS = ("forward", "backward", "both")


def gain(activation: str | Callable[[Any], Any], preserve: str = "forward") -> float:
    """The factor on the weights' standard deviation that keeps a signal's mean square.

    1 / sqrt(E f(z)^2) for z ~ N(0, 1): with weights of variance gain^2 / fan_in, a
    pre-activation of mean 0 and variance 1 is followed by another of variance 1. For
    ReLU that is sqrt(2), He et al.'s.

    It holds the forward signal at a variance of 1, where it does; for GELU, SiLU and
    Mish that is an unstable fixed point, from which deep networks drift away:
    `edge_of_chaos` gives them variances that hold.

    Args:
        activation: the name of a Keras activation, or a function of a float64 vector.
        preserve: `"forward"`, the signal; `"backward"`, the gradient of a layer as wide
            as the one before, 1 / sqrt(E f'(z)^2); `"both"`, between them as Glorot's
            scheme is between the fans, sqrt(2 / (E f(z)^2 + E f'(z)^2)). For ReLU,
            leaky ReLU and linear all three are one.

    Returns:
        The gain: it multiplies the standard deviation, not the variance.

    Raises:
        ValueError: for an unknown name, a function that is 0 or infinite, an unknown
            `preserve`, and, but for `"forward"`, a function that jumps.

    Example:
        >>> round(gain("relu"), 6)
        1.414214
        >>> round(gain("tanh"), 6), round(gain("tanh", "backward"), 6)
        (1.592537, 1.467414)

    Reference: He et al., 2015, arXiv:1502.01852; Poole et al., 2016, arXiv:1606.05340.
    """
    if preserve not in _KINDS:
        raise ValueError(
            f"`preserve` must be one of {', '.join(map(repr, _KINDS))}. Received: "
            f"preserve={preserve!r}."
        )
    if isinstance(activation, str):
        return _gain_by_name(activation, preserve)
    return _gain_of(activation, preserve)


@functools.cache
def _gain_by_name(name: str, preserve: str) -> float:
    return _gain_of(activation_by_name(name), preserve)


def _gain_of(function: Callable[[Any], Any], preserve: str) -> float:
    if preserve == "forward":
        square = gaussian_expectation(lambda z: np.square(np.asarray(function(z))))
    else:
        square = mean_square_slope(curve_of(function), 1.0)
        if preserve == "both":
            forward = _gain_of(function, "forward") ** -2
            square = (square + forward) / 2
    if not square > 0:
        lacking = "0 everywhere" if preserve == "forward" else "constant"
        raise ValueError(
            f"An activation that is {lacking} has no gain. Received: "
            f"activation={function!r}."
        )
    # The last digits depend on the processor's version of exp: the weights must not.
    return float(f"{1 / np.sqrt(square):.12g}")
