"""Expectations over two correlated normals; NumPy only.

With z2 = c z1 + s y and s^2 = 1 - c^2, the inner integral over y smooths the function
over a width of s. Both integrals are split where a kink is, so that both are smooth.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_inits.theory.checks import check_correlation, check_variance
from keras_inits.theory.curves import REACH, Curve, curve_of, expectations
from keras_inits.theory.panels import integrate

__all__ = ["joint_expectation", "joint_moment"]

_INNER_GRID = np.linspace(-10.5, 10.5, 8)
_ROOT = math.sqrt(2 * math.pi)
# Nearer to +-1 than this, the slope by Stein's identity loses its digits.
_ALIKE = 1e-13


def joint_expectation(
    activation: str | Callable[[Any], Any],
    correlation: float,
    other: str | Callable[[Any], Any] | None = None,
    *,
    variance: float = 1.0,
    other_variance: float | None = None,
) -> float:
    """E f(x1) g(x2) for normal x1 and x2 of mean 0, given variances and correlation.

    The relative error is below 1e-8 for smooth functions, and below 1e-6 for those with
    kinks or jumps, in units of sqrt(E f^2 E g^2).

    Args:
        activation: f, the name of a Keras activation or a function.
        correlation: of x1 and x2, from -1 to 1.
        other: g, where it is not f.
        variance: of x1, > 0.
        other_variance: of x2, where it is not that of x1.

    Raises:
        TypeError: for what is no function.
        ValueError: for a correlation outside of [-1, 1], a variance that is not
            positive, an unknown name, or an expectation that does not settle.

    Example:
        >>> round(joint_expectation("relu", 0.0), 9)  # 1 / (2 pi)
        0.159154943

    Reference: for ReLU it is the arc-cosine kernel of Cho & Saul, 2009.
    """
    first = curve_of(activation)
    second = first if other is None else curve_of(other)
    stddev = math.sqrt(check_variance("variance", variance))
    other_stddev = stddev
    if other_variance is not None:
        other_stddev = math.sqrt(check_variance("other_variance", other_variance))
    correlation = check_correlation("correlation", correlation)
    for curve, size in ((first, stddev), (second, other_stddev)):
        curve.expectation(lambda z, f, slope: [f * f], size)  # raises where infinite
    return joint_moment(first, second, correlation, stddev, other_stddev)


def joint_moment(
    first: Curve,
    second: Curve,
    correlation: float,
    stddev: float,
    other_stddev: float,
    *,
    slopes: bool = False,
) -> float:
    """E f(x1) g(x2), or E f'(x1) g'(x2); the arguments have been checked.

    That of the slopes is the derivative of the other with respect to the covariance,
    also where a function has kinks (Price's theorem); functions that jump have none.
    """
    spread = math.sqrt((1 - correlation) * (1 + correlation))
    if spread == 0 or 1 - abs(correlation) < _ALIKE:
        sides = math.copysign(1.0, correlation)
        return _alike(first, second, stddev, sides * other_stddev, slopes)
    size = _size(first, stddev) * _size(second, other_stddev)

    def outer(points: Any, halves: Any, owners: Any) -> Any:
        values = first(stddev * points)
        if slopes:
            values = stddev * first.slopes(values, stddev * halves)
        values *= np.exp(-points * points / 2) / _ROOT
        smooth = _smoothed(
            second,
            correlation * points.ravel(),
            spread,
            other_stddev,
            slopes=slopes,
            weights=np.abs(values).ravel() + 1e-300,
            size=size,
        )
        return (values * smooth.reshape(points.shape))[None]

    edges = _outer_edges(first, second, correlation, spread, stddev, other_stddev)
    noise = max(first.noise, second.noise)
    try:
        found = integrate(outer, edges[:-1], edges[1:], noise=noise, size=size)
    except ArithmeticError as error:
        raise ValueError(
            "The expectation over two normals is not finite. Received: "
            f"activation={first.function!r}, other={second.function!r}: {error}."
        ) from None
    return float(found[0, 0]) / (stddev * other_stddev if slopes else 1.0)


def _alike(
    first: Curve, second: Curve, stddev: float, other_stddev: float, slopes: bool
) -> float:
    """The moment where the second normal is a multiple of the first."""

    def product(z: Any, f: Any, f_slope: Any, g: Any, g_slope: Any) -> Any:
        return [f_slope * g_slope if slopes else f * g]

    curves = [(first, stddev), (second, other_stddev)]
    return float(expectations(product, curves, "of a product")[0])


def _outer_edges(
    first: Curve,
    second: Curve,
    correlation: float,
    spread: float,
    stddev: float,
    other_stddev: float,
) -> Any:
    """Panels that end at the first's kinks, and close in on the second's."""
    edges = [first.edges(stddev)]
    kinks = second.kinks(REACH * other_stddev) / other_stddev
    if correlation and kinks.size:
        steps = np.array([-8.0, -4.0, -2.0, 0.0, 2.0, 4.0, 8.0]) * spread
        around = (kinks[:, None] + steps).ravel() / correlation
        edges.append(around[np.abs(around) < REACH])
    return np.unique(np.concatenate(edges))


def _size(curve: Curve, stddev: float) -> float:
    """Roughly the root mean square of what comes out."""
    z = np.linspace(-6, 6, 97)
    return float(np.sqrt(np.exp(-z * z / 2) @ np.square(curve(stddev * z)) / 20))


def _smoothed(
    curve: Curve,
    centres: Any,
    spread: float,
    stddev: float,
    *,
    slopes: bool,
    weights: Any,
    size: float,
) -> Any:
    """E g(stddev (centre + spread y)), or stddev E g' there, for each centre."""
    edges = np.broadcast_to(_INNER_GRID, (centres.size, _INNER_GRID.size))
    marks = curve.kinks(1.5 * REACH * stddev)
    if stddev * spread > 2:  # what happens near 0 must not fall between two nodes
        marks = np.append(marks, [-4.0, -1.0, 0.0, 1.0, 4.0])
    if marks.size:
        inner = (marks / stddev - centres[:, None]) / spread
        edges = np.sort(np.hstack([edges, inner.clip(edges[0, 0], edges[0, -1])]))
    lows, highs = edges[:, :-1].ravel(), edges[:, 1:].ravel()
    owners = np.repeat(np.arange(centres.size), edges.shape[1] - 1)
    wide = highs > lows

    def integrand(points: Any, halves: Any, owners: Any) -> Any:
        values = curve(stddev * (centres[owners, None] + spread * points))
        values *= np.exp(-points * points / 2) / _ROOT
        # Stein's identity: stddev E g' = E y g / spread.
        return (values * points / spread if slopes else values)[None]

    return integrate(
        integrand,
        lows[wide],
        highs[wide],
        owners[wide],
        noise=curve.noise,
        weights=weights,
        size=size,
    )[0]
