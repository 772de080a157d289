"""How deep signals and gradients reach: chi_1 and the depth scales."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keras_inits.theory.checks import check_variance
from keras_inits.theory.fixed_points import settled
from keras_inits.theory.maps import (
    NEARLY_ZERO,
    correlation_map,
    mean_square_slope,
    variance_map,
)

__all__ = ["DepthScale", "chi_1", "depth_scale"]


@dataclass(frozen=True)
class DepthScale:
    """In how many layers a deviation from what the network settles at falls by 1/e.

    Args:
        variance: of a deviation of the variance.
        correlation: of a deviation of the correlation of two inputs: how deep a
            difference between inputs, and a gradient, can be seen.
    """

    variance: float
    correlation: float


def chi_1(
    activation: str | Callable[[Any], Any],
    weight_variance: float,
    bias_variance: float = 0.0,
    variance: float | None = None,
) -> float:
    """What a layer multiplies the squared norm of gradients and small differences by.

    weight_variance E f'(x)^2 for x ~ N(0, variance). Below 1 gradients vanish and all
    inputs become alike, above 1 gradients explode and inputs near each other part.

    Args:
        activation: see `variance_map`.
        weight_variance: see `variance_map`.
        bias_variance: see `variance_map`.
        variance: of the pre-activations; unless given, what layers settle at from 1.

    Raises:
        TypeError: where an argument is of the wrong kind.
        ValueError: as for `correlation_map`, and for an activation that jumps.

    Example:
        >>> round(chi_1("tanh", 2.5, 0.05), 4)
        1.1335

    Reference: Poole et al., 2016, arXiv:1606.05340, equation 7.
    """
    one = variance_map(activation, weight_variance, bias_variance)
    if variance is None:
        variance = settled(one).value
    variance = check_variance("variance", variance, zero=True)
    return one.weight_variance * mean_square_slope(one.curve, variance)


def depth_scale(
    activation: str | Callable[[Any], Any],
    weight_variance: float,
    bias_variance: float = 0.0,
) -> DepthScale:
    """Over how many layers variances and correlations settle: -1 / ln(slope).

    Plain networks train down to some six times that of the correlation. On the edge of
    chaos it is infinite.

    Args:
        activation: see `variance_map`.
        weight_variance: see `variance_map`.
        bias_variance: see `variance_map`.

    Raises:
        TypeError: where an argument is of the wrong kind.
        ValueError: as for `correlation_map`, and for an activation that jumps.

    Example:
        >>> round(depth_scale("tanh", 1.3, 0.05).correlation, 3)
        7.834

    Reference: Schoenholz et al., 2017, arXiv:1611.01232, equations 7 and 9.
    """
    point = settled(variance_map(activation, weight_variance, bias_variance))
    correlations = correlation_map(
        activation, weight_variance, bias_variance, point.value or NEARLY_ZERO
    )
    return DepthScale(_scale(point.slope), _scale(settled(correlations).slope))


def _scale(slope: float) -> float:
    if abs(slope) >= 1 - 1e-12:
        return math.inf
    return -1 / math.log(abs(slope)) if slope else 0.0
