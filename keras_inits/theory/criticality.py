"""The edge of chaos: variances at which deep networks neither freeze nor explode."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_inits.theory.checks import check_variance
from keras_inits.theory.curves import Curve, curve_of
from keras_inits.theory.gains import gain
from keras_inits.theory.maps import VarianceMap, mean_square, mean_square_slope

__all__ = [
    "CriticalPoint",
    "critical_line",
    "edge_of_chaos",
    "half_stable_point",
    "is_homogeneous",
]

# A bias variance this far below 0, in units of the variance, is a rounding error.
_ROUNDING = 1e-9
_LOG_GRID = np.linspace(math.log(1e-3), math.log(1e4), 43)


@dataclass(frozen=True)
class CriticalPoint:
    """Variances with chi_1 = 1.

    Args:
        weight_variance: fan_in times the variance of a weight.
        bias_variance: the variance of a bias.
        variance: of the pre-activations, which these keep.
        slope: of the variance map there: a small deviation is multiplied by that.
        stability: of the variance: "stable", "unstable", "half-stable" (slope 1) or
            "neutral" (every variance is kept).
    """

    weight_variance: float
    bias_variance: float
    variance: float
    slope: float
    stability: str


def edge_of_chaos(
    activation: str | Callable[[Any], Any],
    variance: float | None = None,
    *,
    bias_variance: float | None = None,
) -> CriticalPoint:
    """The variances of weights and biases with chi_1 = 1, at a variance that they keep.

    weight_variance = 1 / E f'(x)^2 and bias_variance = q - weight_variance E f(x)^2,
    for x ~ N(0, q). For f(c x) = c f(x), c > 0 - ReLU, leaky ReLU, linear - these are
    1 / E f(z)^2 and 0, and every q is kept.

    Args:
        activation: the name of a Keras activation, a function, or a `Curve`.
        variance: q. Unless given, the least q from 1 on at which the bias variance is
            not negative and the variance does not run away. That is 1 for most; for
            GELU, SiLU and Mish, whose variance is unstable below, it is their
            half-stable point (Roberts, Yaida & Hanin).
        bias_variance: to be given instead of q, which is then solved for; where there
            are several, the least that does not run away.

    Raises:
        TypeError: where an argument is of the wrong kind.
        ValueError: where both are given; where the activation has no such point, is
            constant or jumps; for an unknown name and a variance that is not positive.

    Example:
        >>> point = edge_of_chaos("tanh", bias_variance=0.05)
        >>> f"{point.weight_variance:.6f} {point.variance:.6f} {point.stability}"
        '1.760955 0.570048 stable'

    Reference: Schoenholz et al., 2017, arXiv:1611.01232, section 3; half-stable points:
    Roberts, Yaida & Hanin, 2021, arXiv:2106.10165, section 5.3.
    """
    curve = curve_of(activation)
    if variance is not None and bias_variance is not None:
        raise ValueError(
            "Either of `variance` and `bias_variance` fixes the other. Received: "
            f"variance={variance!r}, bias_variance={bias_variance!r}. Give one."
        )
    if bias_variance is not None:
        bias_variance = check_variance("bias_variance", bias_variance, zero=True)
    if variance is not None:
        variance = check_variance("variance", variance)
    if is_homogeneous(curve):
        return _of_homogeneous(activation, curve, variance, bias_variance)
    if bias_variance is not None:
        return _with_bias(curve, bias_variance)
    if variance is None:
        return _default(curve)
    point = _point(curve, variance)
    if point.bias_variance < 0:
        raise ValueError(
            "No variances are critical there: the biases' would be "
            f"{point.bias_variance:g}. Received: activation={curve.function!r}, "
            f"variance={variance:g}. {_where(curve)}"
        )
    return point


def critical_line(
    activation: str | Callable[[Any], Any],
    variances: Iterable[float] | None = None,
) -> list[CriticalPoint]:
    """The edge of chaos as a line: a point for each variance that has one.

    Args:
        activation: see `edge_of_chaos`.
        variances: those of the pre-activations; unless given, 25 from 0.01 to 100.

    Returns:
        Points in the order of `variances`, without those where the bias variance would
        be negative. For f(c x) = c f(x), c > 0, the line is one point, with every
        variance.

    Raises:
        TypeError: where an argument is of the wrong kind.
        ValueError: as for `edge_of_chaos`.

    Example:
        >>> for point in critical_line("tanh", [0.1, 1.0]):
        ...     print(f"{point.weight_variance:.4f} {point.bias_variance:.4f}")
        1.1776 0.0008
        2.1533 0.1510
    """
    curve = curve_of(activation)
    chosen = np.logspace(-2, 2, 25) if variances is None else variances
    checked = [check_variance("variances", variance) for variance in chosen]
    if is_homogeneous(curve):
        return [edge_of_chaos(activation, variance) for variance in checked]
    points = [_point(curve, variance) for variance in checked]
    return [point for point in points if point.bias_variance >= 0]


def half_stable_point(activation: str | Callable[[Any], Any]) -> CriticalPoint:
    """The critical point at which the variance map has a slope of 1 too.

    There chi_1 = 1 and deviations of the variance neither grow nor shrink at first
    order: they shrink from one side only. GELU, SiLU (SWISH) and Mish have one, and it
    is the best that they have; tanh and ReLU have none at a variance > 0.

    Args:
        activation: see `edge_of_chaos`.

    Raises:
        TypeError: for what is no function.
        ValueError: where there is none, and as for `edge_of_chaos`.

    Example:
        >>> point = half_stable_point("gelu")
        >>> f"{point.weight_variance:.6f} {point.bias_variance:.6f}"
        '1.983058 0.172922'

    Reference: Roberts, Yaida & Hanin, 2021, arXiv:2106.10165, section 5.3.4.
    """
    curve = curve_of(activation)
    if not is_homogeneous(curve):
        for variance in _crossings(lambda q: _point(curve, q).slope - 1):
            point = _point(curve, variance)
            if point.bias_variance >= 0:
                return point
    raise ValueError(
        "The activation has no half-stable critical point, with a variance from 0.001 "
        f"to 10000. Received: activation={curve.function!r}. edge_of_chaos(activation) "
        "gives its critical point."
    )


def is_homogeneous(activation: str | Callable[[Any], Any]) -> bool:
    """Whether f(c x) = c f(x) for all c > 0: two straight lines that meet at 0."""
    curve = curve_of(activation)
    x = np.concatenate([-np.logspace(-3, 1, 9), np.logspace(-3, 1, 9)])
    rtol = max(1e-9, 200 * curve.noise)
    return all(
        np.allclose(curve(factor * x), factor * curve(x), rtol=rtol, atol=0)
        for factor in (0.01, 0.5, 3.0, 100.0)
    )


def _of_homogeneous(
    activation: str | Callable[[Any], Any],
    curve: Curve,
    variance: float | None,
    bias_variance: float | None,
) -> CriticalPoint:
    if bias_variance:
        raise ValueError(
            "With f(c x) = c f(x) for c > 0, only a bias variance of 0 is critical. "
            f"Received: activation={curve.function!r}, bias_variance={bias_variance:g}."
            " Leave it out."
        )
    # The gain is a name's or a function's, rounded: He's scheme to the last bit.
    weight_variance = gain(activation) ** 2
    return CriticalPoint(weight_variance, 0.0, variance or 1.0, 1.0, "neutral")


def _point(curve: Curve, variance: float) -> CriticalPoint:
    """The point at this variance; its bias variance may be negative."""
    square, slope = mean_square(curve, variance), mean_square_slope(curve, variance)
    if not slope > 0:
        raise ValueError(
            "An activation that is constant has no critical variances. Received: "
            f"activation={curve.function!r}."
        )
    weights = 1 / slope
    biases = variance - weights * square
    if abs(biases) < _ROUNDING * variance:
        biases = 0.0
    growth = VarianceMap(curve, weights).slope(variance)
    stability = "stable" if growth < 1 else "unstable"
    if abs(growth - 1) < max(1e-9, 1000 * curve.noise):
        stability = "half-stable"
    return CriticalPoint(weights, biases, variance, growth, stability)


def _usable(point: CriticalPoint) -> bool:
    return point.bias_variance >= 0 and point.stability != "unstable"


def _default(curve: Curve) -> CriticalPoint:
    """The first point from a variance of 1 on that does not run away."""
    point = _point(curve, 1.0)
    if _usable(point):
        return point
    above_1 = [x for x in _LOG_GRID if x > 0]
    ends = sorted(
        _crossings(lambda q: _point(curve, q).slope - 1, above_1)
        + _crossings(lambda q: _point(curve, q).bias_variance, above_1)
    )
    # A root ends at either side of 0 by a rounding error.
    for variance in (q * nudge for q in ends for nudge in (1.0, 1 + 1e-9)):
        point = _point(curve, variance)
        if _usable(point):
            return point
    raise ValueError(
        "The activation has no critical point, with a variance from 1 to 10000, at "
        f"which the variance does not run away. Received: activation={curve.function!r}"
        f". {_where(curve)}"
    )


def _with_bias(curve: Curve, bias_variance: float) -> CriticalPoint:
    found = [
        _point(curve, variance)
        for variance in _crossings(
            lambda q: _point(curve, q).bias_variance - bias_variance
        )
    ]
    stable = [point for point in found if point.stability != "unstable"]
    if not found:
        raise ValueError(
            "No critical point with a variance from 0.001 to 10000 has that bias "
            f"variance. Received: activation={curve.function!r}, bias_variance="
            f"{bias_variance:g}. {_where(curve)}"
        )
    return (stable or found)[0]


def _crossings(
    function: Callable[[float], float], logs: Any = _LOG_GRID
) -> list[float]:
    """The variances at which a function changes its sign."""
    from scipy import optimize

    def of_log(log_variance: float) -> float:
        try:
            return function(math.exp(log_variance))
        except ValueError:  # an expectation that is infinite
            return math.nan

    values = [of_log(x) for x in logs]
    return [
        math.exp(optimize.brentq(of_log, logs[i], logs[i + 1], xtol=1e-14, rtol=1e-14))
        for i in range(len(logs) - 1)
        if values[i] * values[i + 1] < 0
    ]


def _where(curve: Curve) -> str:
    """What to do instead: the range of variances that have a critical point."""
    valid = []
    for x in _LOG_GRID:
        try:
            if _point(curve, math.exp(x)).bias_variance >= 0:
                valid.append(math.exp(x))
        except ValueError:
            continue
    if not valid:
        return "It has none with any variance: use a gain, or normalization."
    return (
        f"Give `variance`: points exist from about {valid[0]:.3g} to {valid[-1]:.3g}, "
        "see critical_line."
    )
