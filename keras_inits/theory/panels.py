"""Integrals over panels of a line, halved until smooth; NumPy only.

All panels of one round are evaluated in one call, so that a kink at an unknown place
costs some thirty calls of the function, and a smooth function one to three.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["DIFFERENTIATE", "NODES", "integrate", "tail"]

_ORDER = 20
# Relative to the whole: the tail of a panel's Legendre series is far above the error
# of its quadrature, which is exact to twice the degree.
_TOLERANCE = 1e-11
_MOST_PANELS = 50_000
# A step needs 37; with 53 a panel has no width, and a pole would count for nothing.
_MOST_HALVINGS = 45

Integrand = Callable[[Any, Any, Any], Any]


def _legendre() -> tuple[Any, Any, Any, Any]:
    """Nodes and weights on [-1, 1], the last coefficients, and the derivative."""
    legendre = np.polynomial.legendre
    nodes, weights = legendre.leggauss(_ORDER)
    values = legendre.legvander(nodes, _ORDER - 1)
    degrees = np.arange(_ORDER)
    to_coefficients = (values * weights[:, None] * (degrees + 0.5)).T
    slopes = legendre.legval(nodes, legendre.legder(np.eye(_ORDER))).T
    derivative = slopes @ to_coefficients
    derivative -= np.diag(derivative.sum(axis=1))  # a constant has none
    # Four, because those of an even or an odd function vanish in turn.
    return nodes, weights, to_coefficients[-4:], derivative


#: Where a panel from -1 to 1 is evaluated; matrix from values there to derivatives.
NODES, _WEIGHTS, _LAST, DIFFERENTIATE = _legendre()


def tail(values: Any) -> Any:
    """The size of the last terms of each panel's Legendre series: 0 where smooth."""
    return np.abs(values @ _LAST.T).max(axis=-1)


def integrate(
    integrand: Integrand,
    lows: Any,
    highs: Any,
    owners: Any = None,
    *,
    noise: float = 0.0,
    weights: Any = None,
    size: float = 0.0,
) -> Any:
    """Integrals of several functions at once, for several owners of panels.

    Args:
        integrand: called as `integrand(points, halves, owners)` with points of shape
            `(panels, nodes)`; returns `(functions, panels, nodes)`.
        lows: where the panels begin.
        highs: where they end.
        owners: for each panel the index of the integral that it is part of; all are
            part of one, unless given.
        noise: relative error of the integrand's values, below which nothing is gained
            by halving.
        weights: what an owner's error counts.
        size: of what the errors are seen relative to, where the integrals are smaller.

    Returns:
        An array of shape `(functions, number of owners)`.

    Raises:
        ArithmeticError: where a value is not finite, or an integral does not settle.
    """
    lows, highs = np.asarray(lows, float), np.asarray(highs, float)
    owners = np.zeros(lows.shape, np.intp) if owners is None else owners
    weights = np.ones(owners.max() + 1) if weights is None else weights
    tolerance = max(_TOLERANCE, 1000 * noise)
    totals: Any = 0.0
    sizes: Any = 0.0
    for _ in range(_MOST_HALVINGS):
        middles, halves = (lows + highs) / 2, (highs - lows) / 2
        points = middles[:, None] + halves[:, None] * NODES
        values = integrand(points, halves, owners)
        if not np.isfinite(values).all():
            raise ArithmeticError("a value is not finite")
        errors = tail(values) * halves * weights[owners]
        parts = (values @ _WEIGHTS) * halves
        areas = (np.abs(values) @ _WEIGHTS) * halves
        rough_sizes = sizes + _by_owner(areas, owners, weights.size)
        limits = tolerance * (rough_sizes * weights).max(axis=-1, keepdims=True)
        # One that is 0 but for rounding has no size of its own.
        limits = np.maximum(limits, 1e-3 * max(limits.max(), tolerance * size))
        rough = (errors > limits).any(axis=0)
        smooth = ~rough
        totals = totals + _by_owner(parts[:, smooth], owners[smooth], weights.size)
        if smooth.all():
            return totals
        sizes = sizes + _by_owner(areas[:, smooth], owners[smooth], weights.size)
        lows, middles, highs = lows[rough], middles[rough], highs[rough]
        lows, highs = np.append(lows, middles), np.append(middles, highs)
        owners = np.tile(owners[rough], 2)
        if lows.size > _MOST_PANELS:
            break
    raise ArithmeticError("it does not settle")


def _by_owner(parts: Any, owners: Any, count: int) -> Any:
    if count == 1:
        return parts.sum(axis=1, keepdims=True)
    return np.stack([np.bincount(owners, row, count) for row in parts])
