"""Activations shaped to the depth of their network: the slope of a leaky ReLU."""

from __future__ import annotations

import math
from collections.abc import Callable

from keras_inits.theory.checks import check_depth, check_number
from keras_inits.theory.maps import iterates

__all__ = ["tailored_slope"]

_Map = Callable[[float], float]


def tailored_slope(
    network: int | Callable[[_Map], float], correlation: float = 0.9
) -> float:
    """The slope below 0 with which leaky ReLU keeps inputs apart at a depth (TAT).

    Orthogonal inputs leave the network with a correlation of `correlation`, where with
    ReLU they would leave it with nearly 1. Solved for with the map of one layer,
    c + (1 - a)^2 / (pi (1 + a^2)) (sqrt(1 - c^2) - c arccos c), with weights of
    variance 2 / ((1 + a^2) fan_in): `HeNormal(negative_slope=a)`.

    For deep networks without normalization; with a plain chain of some tens of layers
    the slope is between .3 and .8.

    Args:
        network: the number of layers of a plain chain; or a function that takes the map
            of one layer and returns the correlation at the network's end for inputs
            with a correlation of 0, as needed for branches: a sum of a share s of the
            skip and 1 - s of the branch, in variance, has the same shares of their
            correlations.
        correlation: at the network's end, between 0 and 1.

    Returns:
        a, the slope below 0.

    Raises:
        TypeError: where an argument is of the wrong kind.
        ValueError: for a correlation that is not between 0 and 1, or one that even ReLU
            does not reach: the network is so shallow that it needs no tailoring.

    Example:
        >>> round(tailored_slope(50), 4)
        0.4305

    Reference: Zhang et al., 2022, arXiv:2203.08120, section 4.
    """
    from scipy import optimize

    target = check_number("correlation", correlation)
    if not 0 < target < 1:
        raise ValueError(
            "`correlation` must lie between 0 and 1. Received: correlation="
            f"{correlation!r}."
        )
    if not callable(network):
        depth = check_depth("network", network)

        def chain(layer: _Map) -> float:
            return float(iterates(layer, 0.0, depth)[-1])

        network = chain

    def excess(slope: float) -> float:
        return network(_leaky_map(slope)) - target

    if excess(0.0) < 0:
        raise ValueError(
            "Even with ReLU the correlation stays below that. Received: correlation="
            f"{correlation:g}, where ReLU's is {excess(0.0) + target:.4g}. The network "
            "needs no tailored slope; or ask for a smaller correlation."
        )
    return float(optimize.brentq(excess, 0.0, 1.0, xtol=1e-14, rtol=1e-14))


def _leaky_map(slope: float) -> _Map:
    factor = (1 - slope) ** 2 / (math.pi * (1 + slope * slope))

    def layer(correlation: float) -> float:
        c = min(max(correlation, -1.0), 1.0)
        return c + factor * (math.sqrt(1 - c * c) - c * math.acos(c))

    return layer
