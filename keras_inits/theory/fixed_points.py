"""Where the maps of a layer stay, and whether small deviations from there shrink."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from keras_inits.theory.checks import check_variance
from keras_inits.theory.maps import CorrelationMap, VarianceMap

__all__ = ["STABILITIES", "FixedPoint", "fixed_points", "settled"]

#: What becomes of a small deviation: it shrinks; grows; shrinks on one side and grows
#: on the other; stays, because every number is a fixed point.
STABILITIES = ("stable", "unstable", "half-stable", "neutral")

_LOG_10 = math.log(10)
_LOG_REACH = 8 * _LOG_10
# Some activations bend their map within a fifth: GELU and SiLU where they are critical.
_STEP = _LOG_10 / 24
_GRID = np.concatenate(
    [
        np.arange(-_LOG_REACH, -2 * _LOG_10 - 0.1, 4 * _STEP),
        np.arange(-2 * _LOG_10, 3 * _LOG_10 - 0.05, _STEP),
        np.arange(3 * _LOG_10, _LOG_REACH + 0.1, 4 * _STEP),
    ]
)
# Slopes this near 1, and relative changes this small, are told from 1 and 0 neither by
# the quadrature nor by constants as papers print them.
_MARGIN = 1e-7
_TOUCH = 1e-8


@dataclass(frozen=True)
class FixedPoint:
    """A number that a map leaves as it is.

    Args:
        value: the variance or the correlation.
        slope: the map's derivative there: what a small deviation is multiplied by.
        stability: one of `STABILITIES`.
    """

    value: float
    slope: float
    stability: str


def fixed_points(mapping: VarianceMap | CorrelationMap) -> list[FixedPoint]:
    """All fixed points of a map of `variance_map` or `correlation_map`, in order.

    Variances are looked for at 0 and from 1e-8 to 1e8, correlations from -1 to 1. Where
    every variance is one, as for ReLU with weight variance 2, the list has one entry
    with the value 1 and the stability "neutral".

    Raises:
        TypeError: for any other function.
        ValueError: where an expectation is infinite.

    Example:
        >>> from keras_inits.theory import variance_map
        >>> for point in fixed_points(variance_map("tanh", 2.0)):
        ...     print(f"{point.value:.4f} {point.slope:.4f} {point.stability}")
        0.0000 2.0000 unstable
        0.6180 0.5525 stable

    Reference: Poole et al., 2016, arXiv:1606.05340, section 3.
    """
    if isinstance(mapping, VarianceMap):
        return _of_variance(mapping)
    if isinstance(mapping, CorrelationMap):
        return _of_correlation(mapping)
    raise TypeError(
        "`mapping` must be what variance_map or correlation_map returns. Received: "
        f"mapping={mapping!r} (of type {type(mapping).__name__})."
    )


def settled(
    mapping: VarianceMap | CorrelationMap, start: float | None = None
) -> FixedPoint:
    """The fixed point that a deep network settles at.

    Args:
        mapping: what `variance_map` or `correlation_map` returns.
        start: of a variance, where it comes from, 1 unless given. Correlations start
            anywhere between 0 and 1: all of these settle at one point.

    Raises:
        TypeError: for any other function.
        ValueError: where the variance grows without end.

    Example:
        >>> from keras_inits.theory import variance_map
        >>> round(settled(variance_map("tanh", 1.76, 0.05)).value, 4)
        0.5695
    """
    if isinstance(mapping, VarianceMap):
        start = check_variance("start", 1.0 if start is None else start)
        return _settled_variance(mapping, start)
    if isinstance(mapping, CorrelationMap):
        return _settled_correlation(mapping)
    raise TypeError(
        "`mapping` must be what variance_map or correlation_map returns. Received: "
        f"mapping={mapping!r} (of type {type(mapping).__name__})."
    )


@dataclass(frozen=True)
class _Growth:
    """ln(map(q) / q) and its derivative, where ln q is `place`."""

    place: float
    value: float
    slope: float


def _growth(mapping: VarianceMap, place: float) -> _Growth:
    variance = math.exp(place)
    try:
        following, slope = mapping.with_slope(variance)
    except ValueError:  # an expectation that is infinite: above all numbers
        return _Growth(place, math.inf, math.nan)
    if not following > 0:
        return _Growth(place, -math.inf, math.nan)
    value = math.log(following / variance)
    return _Growth(place, value, slope * variance / following - 1)


def _of_variance(mapping: VarianceMap) -> list[FixedPoint]:
    found = [_growth(mapping, place) for place in _GRID]
    points = [_variance_point(mapping, 0.0)] if mapping(0.0) == 0 else []
    if all(abs(growth.value) < _TOUCH for growth in found):
        return [*points, FixedPoint(1.0, 1.0, "neutral")]
    for low, high in itertools.pairwise(found):
        for root in _roots(mapping, low, high):
            points.append(_variance_point(mapping, math.exp(root)))
    return points


def _roots(mapping: VarianceMap, low: _Growth, high: _Growth) -> list[float]:
    """Where the growth is 0 between two places, or touches 0."""
    from scipy import optimize

    def zero(of: str, left: float, right: float) -> float:
        def function(place: float) -> float:
            return float(getattr(_growth(mapping, place), of))

        return float(optimize.brentq(function, left, right, xtol=1e-14, rtol=1e-14))

    if not (math.isfinite(low.value) and math.isfinite(high.value)):
        return []
    if low.value == 0:
        return [low.place]
    if low.value * high.value < 0:
        return [zero("value", low.place, high.place)]
    sign = math.copysign(1.0, low.value)
    if high.value == 0 or not sign * low.slope < 0 < sign * high.slope:
        return []
    nearest = zero("slope", low.place, high.place)
    least = _growth(mapping, nearest).value
    if abs(least) < _TOUCH:
        return [nearest]
    if sign * least > 0:
        return []
    return [zero("value", low.place, nearest), zero("value", nearest, high.place)]


def _settled_variance(mapping: VarianceMap, start: float) -> FixedPoint:
    """The next fixed point in the direction that the variance takes.

    It cannot jump over that and oscillate: the slope of a variance map at a fixed point
    is -1/2 at least, because E f^2 (z^2 - 1) >= -E f^2.
    """
    here = _growth(mapping, math.log(start))
    if abs(here.value) < 1e-12:
        return _variance_point(mapping, start)
    upwards = here.value > 0
    step = _STEP if upwards else -_STEP
    while abs(here.place) <= _LOG_REACH and math.isfinite(here.value):
        there = _growth(mapping, here.place + step)
        pair = (here, there) if upwards else (there, here)
        roots = _roots(mapping, *pair)
        if there.value == 0:
            roots = [there.place]
        if roots:
            root = min(roots) if upwards else max(roots)
            return _variance_point(mapping, math.exp(root))
        here = there
    if not upwards:
        return _variance_point(mapping, 0.0)
    raise ValueError(
        "The variance grows from layer to layer without end. Received: activation="
        f"{mapping.curve.function!r}, weight_variance={mapping.weight_variance:g}, "
        f"bias_variance={mapping.bias_variance:g}, from a variance of {start:g}. Take "
        "smaller variances, or give `variance` where the depth is finite."
    )


def _variance_point(mapping: VarianceMap, value: float) -> FixedPoint:
    slope = mapping.slope(value)

    near = math.log(value or 1e-6)
    below = _growth(mapping, near - 1e-2).value if value else 0.0
    above = _growth(mapping, near + 1e-2).value
    return FixedPoint(value, slope, _stability(slope, below, above))


def _stability(slope: float, below: float, above: float) -> str:
    """From the slope; where that is 1, from the change just below and just above."""
    if abs(abs(slope) - 1) > _MARGIN:
        return "stable" if abs(slope) < 1 else "unstable"
    tiny = 1e-12
    if abs(below) < tiny and abs(above) < tiny:
        return "neutral"
    if below > -tiny and above < tiny:
        return "stable"
    return "unstable" if below < tiny and above > -tiny else "half-stable"


def _settled_correlation(mapping: CorrelationMap) -> FixedPoint:
    """Correlation 1 where it is stable, and else the one fixed point in [0, 1).

    There is one, because all coefficients of the map's power series are >= 0.
    """
    from scipy import optimize

    chi = mapping.slope(1.0)
    at_0 = mapping(0.0)
    if chi <= 1 + 1e-12:
        neutral = abs(mapping(0.5) - 0.5) < 1e-12
        return FixedPoint(1.0, chi, "neutral" if neutral else "stable")
    if at_0 < 1e-13:
        return FixedPoint(0.0, mapping.slope(0.0), "stable")

    def distance(correlation: float) -> float:
        if correlation > 1 - 1e-9:
            return 1 - chi
        return (mapping(correlation) - correlation) / (1 - correlation)

    root = float(optimize.brentq(distance, 0.0, 1.0, xtol=1e-14, rtol=1e-14))
    return FixedPoint(root, mapping.slope(root), "stable")


def _of_correlation(mapping: CorrelationMap) -> list[FixedPoint]:
    """Those of a map whose variance need not be one: 1 is a fixed point of all."""
    from scipy import optimize

    def change(correlation: float) -> float:
        return mapping(correlation) - correlation

    grid = np.linspace(-1, 1, 21)
    values = [change(c) for c in grid]
    if all(abs(value) < 1e-12 for value in values):
        return [FixedPoint(1.0, 1.0, "neutral")]
    chosen = {
        float(c) for c, value in zip(grid, values, strict=True) if abs(value) < 1e-13
    }
    for place, (low, high) in enumerate(itertools.pairwise(grid)):
        if values[place] * values[place + 1] < 0 and not {low, high} & chosen:
            chosen.add(float(optimize.brentq(change, low, high, xtol=1e-14)))
    settled_at = _settled_correlation(mapping).value
    if min(abs(settled_at - c) for c in chosen) > 1e-9:
        chosen.add(settled_at)
    points = []
    for c in sorted(chosen):
        slope = mapping.slope(c)
        below = change(max(c - 1e-3, -1.0)) / 1e-3
        above = change(min(c + 1e-3, 1.0)) / 1e-3
        points.append(FixedPoint(c, slope, _stability(slope, below, above)))
    return points
