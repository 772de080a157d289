"""What one wide layer does to variances and correlations, as functions of one number.

A layer is x -> W f(x) + b with independent weights of variance weight_variance / fan_in
and biases of variance bias_variance: x are pre-activations, normal where layers are
wide.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_inits.theory.checks import (
    check_correlation,
    check_depth,
    check_number,
    check_variance,
)
from keras_inits.theory.curves import REACH, Curve, curve_of
from keras_inits.theory.joint import joint_moment

__all__ = [
    "NEARLY_ZERO",
    "CorrelationMap",
    "VarianceMap",
    "correlation_map",
    "iterates",
    "mean_square",
    "mean_square_slope",
    "variance_map",
]

#: Stands for 0 where a limit is asked for: functions are linear within a millionth.
NEARLY_ZERO = 1e-12


def mean_square(curve: Curve, variance: float) -> float:
    """E f(x)^2 for x of this variance."""
    if variance == 0:
        return float(curve(np.zeros(1))[0] ** 2)
    found = curve.expectation(lambda z, f, slope: [f * f], math.sqrt(variance))
    return float(found[0])


def mean_square_slope(curve: Curve, variance: float) -> float:
    """E f'(x)^2 for x of this variance; at 0 the limit.

    Raises:
        ValueError: for a function that jumps: its mean square slope is infinite.
    """
    stddev = math.sqrt(variance or NEARLY_ZERO)
    jumps = curve.jumps(REACH * stddev)
    if jumps.size:
        raise ValueError(
            f"An activation that jumps has no slope there. Received: activation="
            f"{curve.function!r}, which jumps at {', '.join(f'{x:g}' for x in jumps)}. "
            "Gradients through it, and so chi_1, are not defined."
        )
    found = curve.expectation(lambda z, f, slope: [slope * slope], stddev, "of a slope")
    return float(found[0])


@dataclass(frozen=True)
class VarianceMap:
    """The function that `variance_map` returns.

    Args:
        curve: the activation.
        weight_variance: fan_in times the variance of a weight.
        bias_variance: the variance of a bias.
    """

    curve: Curve
    weight_variance: float
    bias_variance: float = 0.0

    def __call__(self, variance: float) -> float:
        """The pre-activations' variance a layer further on."""
        variance = check_variance("variance", variance, zero=True)
        square = mean_square(self.curve, variance)
        return self.weight_variance * square + self.bias_variance

    def slope(self, variance: float) -> float:
        """The derivative of the map: w E f^2 (z^2 - 1) / (2 q)."""
        return self.with_slope(variance)[1]

    def with_slope(self, variance: float) -> tuple[float, float]:
        """The variance a layer further on, and its derivative."""
        variance = check_variance("variance", variance, zero=True) or NEARLY_ZERO
        square, curvature = self.curve.expectation(
            lambda z, f, slope: [f * f, f * f * (z * z - 1)], math.sqrt(variance)
        )
        slope = self.weight_variance * float(curvature) / (2 * variance)
        return self.weight_variance * float(square) + self.bias_variance, slope


@dataclass(frozen=True)
class CorrelationMap:
    """The function that `correlation_map` returns.

    Args:
        curve: the activation.
        weight_variance: fan_in times the variance of a weight.
        bias_variance: the variance of a bias.
        variance: of the pre-activations of both inputs.
    """

    curve: Curve
    weight_variance: float
    bias_variance: float
    variance: float

    def __call__(self, correlation: float) -> float:
        """The correlation of two inputs' pre-activations a layer further on."""
        correlation = check_correlation("correlation", correlation)
        product = self._moment(correlation, slopes=False)
        covariance = self.weight_variance * product + self.bias_variance
        return float(np.clip(covariance / self._next_variance(), -1.0, 1.0))

    def slope(self, correlation: float) -> float:
        """The derivative of the map; at a correlation of 1 and a fixed point chi_1."""
        correlation = check_correlation("correlation", correlation)
        mean_square_slope(self.curve, self.variance)  # raises where f jumps
        product = self._moment(correlation, slopes=True)
        return self.weight_variance * self.variance * product / self._next_variance()

    def _moment(self, correlation: float, slopes: bool) -> float:
        stddev = math.sqrt(self.variance)
        return joint_moment(
            self.curve, self.curve, correlation, stddev, stddev, slopes=slopes
        )

    def _next_variance(self) -> float:
        square = mean_square(self.curve, self.variance)
        return self.weight_variance * square + self.bias_variance


def variance_map(
    activation: str | Callable[[Any], Any],
    weight_variance: float,
    bias_variance: float = 0.0,
) -> VarianceMap:
    """How the variance of pre-activations changes in a layer: q -> w E f(x)^2 + b.

    For x ~ N(0, q), in the limit of wide layers; the weights' variance is w / fan_in.
    It is exact for fully connected layers and for convolutions with circular borders,
    without normalization, dropout or branches; for those see `propagate`.

    Args:
        activation: the name of a Keras activation, a function, or a `Curve`.
        weight_variance: w, fan_in times the variance of a weight, > 0.
        bias_variance: b, >= 0.

    Returns:
        A function of the variance, with its derivative as `.slope`.

    Raises:
        TypeError: where an argument is of the wrong kind.
        ValueError: for an unknown name or a negative variance; where it is called, for
            an expectation that is infinite.

    Example:
        >>> halved = variance_map("relu", 1.0)
        >>> round(halved(3.0), 9), round(halved.slope(3.0), 9)
        (1.5, 0.5)

    Reference: Poole et al., 2016, arXiv:1606.05340, equation 3.
    """
    return VarianceMap(
        curve_of(activation),
        check_variance("weight_variance", weight_variance),
        check_variance("bias_variance", bias_variance, zero=True),
    )


def correlation_map(
    activation: str | Callable[[Any], Any],
    weight_variance: float,
    bias_variance: float = 0.0,
    variance: float | None = None,
) -> CorrelationMap:
    """How the correlation of two inputs changes in a layer.

    c -> (w E f(x1) f(x2) + b) / (w E f(x1)^2 + b) for normal x1, x2 of one variance q
    and correlation c.

    Args:
        activation: see `variance_map`.
        weight_variance: see `variance_map`.
        bias_variance: see `variance_map`.
        variance: q; unless given, the variance that layers settle at from 1.

    Returns:
        A function of the correlation, with its derivative as `.slope`.

    Raises:
        TypeError: where an argument is of the wrong kind.
        ValueError: as for `variance_map`; where the variance settles nowhere; and where
            it is called, for a correlation outside of [-1, 1].

    Example:
        >>> relu = correlation_map("relu", 2.0)
        >>> round(relu(0.0), 9)  # 1 / pi
        0.318309886

    Reference: Poole et al., 2016, arXiv:1606.05340, equation 5.
    """
    one = variance_map(activation, weight_variance, bias_variance)
    if variance is None:
        from keras_inits.theory.fixed_points import settled

        variance = settled(one).value or NEARLY_ZERO
    checked = check_variance("variance", variance)
    return CorrelationMap(one.curve, one.weight_variance, one.bias_variance, checked)


def iterates(
    mapping: Callable[[float], float], start: float, depth: int
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The numbers start, map(start), map(map(start)), ...: one more than `depth`.

    Args:
        mapping: such as `variance_map` and `correlation_map` return.
        start: what it is applied to first.
        depth: how often it is applied.

    Raises:
        TypeError: where an argument is of the wrong kind.
        ValueError: where `depth` is negative, or a number is not in the map's domain.

    Example:
        >>> iterates(variance_map("relu", 1.0), 8.0, 3).round(6).tolist()
        [8.0, 4.0, 2.0, 1.0]
    """
    numbers = [check_number("start", start)]
    for _ in range(check_depth("depth", depth)):
        numbers.append(float(mapping(numbers[-1])))
    return np.array(numbers)
