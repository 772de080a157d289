"""Singular values of the Jacobian from the input to the output of a deep network."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_inits.theory.checks import check_depth, check_variance
from keras_inits.theory.curves import Curve, expectations
from keras_inits.theory.fixed_points import settled
from keras_inits.theory.maps import NEARLY_ZERO, mean_square_slope, variance_map

__all__ = ["JacobianSpectrum", "jacobian_spectrum"]

_WEIGHTS = ("gaussian", "orthogonal")
# How far above the largest squared slope the transform is looked at, relatively.
# Nearer, the rounding errors of slopes would show.
_LOG_DISTANCES = np.linspace(math.log(1e-5), math.log(1e4), 37)
_NOISE = 1e-8


@dataclass(frozen=True)
class JacobianSpectrum:
    """Of s^2, the squared singular values, in the limit of wide layers.

    Args:
        mean: E s^2 = chi_1^depth: what a random gradient's squared norm is multiplied
            by.
        variance: Var s^2.
        largest: the end of the spectrum, to 4 digits.
        isometric: whether the network is near dynamical isometry: the mean within a
            factor of 2 of 1, and the standard deviation below the mean, so that most
            directions keep their length within a factor of about 1.4.
    """

    mean: float
    variance: float
    largest: float
    isometric: bool


def jacobian_spectrum(
    activation: str | Callable[[Any], Any],
    weight_variance: float,
    bias_variance: float = 0.0,
    *,
    depth: int,
    weights: str = "gaussian",
    variance: float | None = None,
) -> JacobianSpectrum:
    """The spectrum of J J^T for J = D_L W_L ... D_1 W_1, D = diag f'(x).

    With m_k = E f'(x)^(2k): the mean is (w m_1)^L, and the variance is mean^2 L
    (m_2 / m_1^2 - 1 - s), where s is 0 for orthogonal and -1 for Gaussian weights. The
    largest is where the inverse of the moment generating function turns. All layers are
    as wide as the first, and much wider than deep.

    Args:
        activation: see `variance_map`.
        weight_variance: w, fan_in times the variance of a weight; an orthogonal matrix
            times sqrt(w).
        bias_variance: see `variance_map`.
        depth: L, layers.
        weights: `"gaussian"` for independent values of any law, or `"orthogonal"`.
        variance: of the pre-activations; unless given, what layers settle at from 1.

    Raises:
        TypeError: where an argument is of the wrong kind.
        ValueError: for unknown weights, a depth below 1, and as for `chi_1`.

    Example:
        >>> spectrum = jacobian_spectrum("relu", 2.0, depth=8, weights="orthogonal")
        >>> round(spectrum.variance, 6), round(spectrum.largest, 2)
        (8.0, 20.37)

    Reference: Pennington, Schoenholz & Ganguli, 2017, arXiv:1711.04735, equations 16
    and 22; 2018, arXiv:1802.09979.
    """
    one = variance_map(activation, weight_variance, bias_variance)
    depth = check_depth("depth", depth)
    if depth < 1:
        raise ValueError(f"`depth` must be >= 1. Received: depth={depth}.")
    if weights not in _WEIGHTS:
        raise ValueError(
            f"`weights` must be one of {', '.join(map(repr, _WEIGHTS))}. Received: "
            f"weights={weights!r}."
        )
    if variance is None:
        variance = settled(one).value
    variance = check_variance("variance", variance, zero=True) or NEARLY_ZERO
    spread_of_weights = 1.0 if weights == "gaussian" else 0.0
    first = mean_square_slope(one.curve, variance)  # raises where the activation jumps
    if not first > 0:
        raise ValueError(
            "An activation that is constant passes no gradient. Received: activation="
            f"{one.curve.function!r}."
        )
    second = _fourth_moment(one.curve, variance)
    mean = (one.weight_variance * first) ** depth
    relative = depth * max(second / first**2 - 1 + spread_of_weights, 0.0)
    largest = _largest(one.curve, variance, one.weight_variance, depth, weights)
    isometric = 0.5 <= mean <= 2 and relative < 1
    return JacobianSpectrum(mean, mean**2 * relative, largest, isometric)


def _fourth_moment(curve: Curve, variance: float) -> float:
    stddev = math.sqrt(variance)
    return float(curve.expectation(lambda z, f, s: [s**4], stddev, "of a slope")[0])


def _largest(
    curve: Curve, variance: float, weight_variance: float, depth: int, weights: str
) -> float:
    """The least value of the inverse moment generating function.

    With d = f'^2 and M = E d / (zeta - d), D's S-transform is (1 + M) / (M zeta), that
    of W W^T 1 / w or 1 / (w (1 + M)), and z = (1 + M) / (M S(M)) for their product.
    """
    from scipy import optimize

    stddev = math.sqrt(variance)
    top = _steepest(curve, stddev) ** 2

    def log_end(log_distance: float) -> float:
        zeta = top * (1 + math.exp(log_distance))

        def kernel(z: Any, values: Any, slopes: Any) -> Any:
            squares = np.minimum(slopes * slopes, top)
            return [squares / (zeta - squares)]

        moment = float(expectations(kernel, [(curve, stddev)], noise=_NOISE)[0])
        a_layer = math.log(weight_variance * moment * zeta / (1 + moment))
        if weights == "gaussian":
            a_layer += math.log1p(moment)
        return math.log1p(moment) - math.log(moment) + depth * a_layer

    values = [log_end(distance) for distance in _LOG_DISTANCES]
    place = int(np.argmin(values))
    low = _LOG_DISTANCES[max(place - 1, 0)]
    high = _LOG_DISTANCES[min(place + 1, len(values) - 1)]
    best = optimize.minimize_scalar(
        log_end, bounds=(low, high), method="bounded", options={"xatol": 1e-6}
    )
    least = min(float(best.fun), values[place])
    return math.exp(least) if least < 700 else math.inf


def _steepest(curve: Curve, stddev: float) -> float:
    """The largest slope, from each panel's polynomial at its nodes and between."""
    from keras_inits.theory.panels import NODES

    edges = np.unique(np.concatenate([curve.edges(stddev), np.linspace(-8, 8, 65)]))
    halves = np.diff(edges) / 2
    points = (edges[:-1] + halves)[:, None] + halves[:, None] * NODES
    slopes = curve.slopes(curve(stddev * points), stddev * halves)
    legendre = np.polynomial.legendre
    series = legendre.legfit(NODES, slopes.T, len(NODES) - 1)
    dense = legendre.legval(np.cos(np.linspace(0, np.pi, 101)), series)
    return float(np.abs(dense).max())
