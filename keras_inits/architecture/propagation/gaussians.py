"""What functions make of Gaussian numbers: mean squares, pair moments, slopes, maxima.

Sums over a fine grid, exact to about 1e-5: plenty for a forecast, and fast enough for
every layer of a model. `keras_inits.theory` is there for more digits.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Response", "largest_of", "respond", "softmax_moments"]

Floats = NDArray[np.float64]
Function = Callable[[Any], Any]

_REACH, _POINTS, _DEGREE = 9.0, 3601, 40


class Response:
    """What f makes of z ~ N(mean, variance), alone and in correlated pairs.

    E f(z) f(z') = sum_k a_k^2 r^k for Gaussians of correlation r, with a_k the
    coefficients of f in normalized Hermite polynomials; likewise for the slope f'.

    Args:
        function: takes and returns a float64 vector.
        mean: of z.
        variance: of z.

    Example:
        >>> import numpy as np
        >>> relu = Response(lambda z: np.maximum(z, 0), 0.0, 1.0)
        >>> round(relu.square, 4), round(float(relu.pair(0.0)) * 2 * np.pi, 4)
        (0.5, 1.0)

    Reference: Daniely et al., 2016, arXiv:1602.05897 (the dual of an activation).
    """

    def __init__(self, function: Function, mean: float, variance: float) -> None:
        z, weights, basis, _, between, middle_basis = _grid()
        spread = variance > 1e-20 * mean * mean and variance > 0
        # A constant still has a slope, where a gradient asks for it.
        stddev = math.sqrt(variance) if spread else 1e-6 * abs(mean) or 1e-6
        values = np.asarray(function(mean + stddev * z), dtype=np.float64)
        slopes = np.diff(values) / (np.diff(z) * stddev)
        if not spread:
            values = np.full_like(z, np.asarray(function(np.full(1, mean))).item())
        self.mean = float(weights @ values)
        self.square = float(weights @ values**2)
        self.slope_square = float(between @ slopes**2)
        self._values = (basis @ values) ** 2
        self._slopes = (middle_basis @ slopes) ** 2
        falling = float(between @ np.minimum(slopes, 0.0) ** 2)
        #: Whether f rises, but for a dip such as GELU's.
        self.increasing = falling <= 0.05 * self.slope_square

    def pair(self, correlation: Any) -> Floats:
        """E f(z) f(z') by the correlation of z and z'."""
        return _series(self._values, self.square, correlation)

    def slope_pair(self, correlation: Any) -> Floats:
        """E f'(z) f'(z') by the correlation of z and z'."""
        return _series(self._slopes, self.slope_square, correlation)


def respond(
    function: Function, mean: Floats, square: Floats
) -> tuple[Floats, Floats, Floats]:
    """Mean, mean square and mean square of the slope of f, entry by entry.

    Where the entries have many different moments, they are looked up between a few
    dozen levels; means are then taken to be in step with the root mean squares.
    """
    mean, square = np.broadcast_arrays(mean, square)
    most = square.max() or 1.0
    levels, where = np.unique((square / most).round(9), return_inverse=True)
    levels, exact = levels * most, True
    if len(levels) > 24:
        low = max(levels[levels > 0][0], most * 1e-4)
        levels = np.append(levels[0], np.geomspace(low, most, 23))
        exact = False
    share = float(np.sum(mean) / max(np.sum(np.sqrt(square)), 1e-300))
    table = []
    for level in levels:
        at = share * math.sqrt(level)
        found = Response(function, at, level - at * at)
        table.append((found.mean, found.square, found.slope_square))
    columns = np.array(table).T
    shape = square.shape
    if exact:
        found_at = [column[where].reshape(shape) for column in columns]
    else:
        found_at = [np.interp(square, levels, column) for column in columns]
    return found_at[0], found_at[1], found_at[2]


def largest_of(
    count: int, correlation: float, function: Function, mean: float, variance: float
) -> tuple[float, float, float]:
    """Mean, mean square and slope's mean square of f(largest of `count` Gaussians).

    The Gaussians have one mean, one variance and one correlation >= 0 with each other.
    """
    from scipy import special

    z = _grid()[0]
    shared = math.sqrt(min(max(correlation, 0.0), 1.0))
    alone = math.sqrt(1 - shared * shared)
    stddev = math.sqrt(max(variance, 0.0)) or 1e-6 * abs(mean) or 1e-6
    # The largest of independent ones has the distribution function Phi^count.
    below = special.ndtr(z) ** count
    steps = np.diff(below)
    middles = (z[1:] + z[:-1]) / 2
    kept = steps > 1e-9
    nodes, node_weights = np.polynomial.hermite_e.hermegauss(24)
    node_weights = node_weights / node_weights.sum()
    points = mean + stddev * (shared * nodes[:, None] + alone * middles[kept][None, :])
    share = node_weights[:, None] * steps[kept][None, :]
    values = np.asarray(function(points.ravel()), dtype=np.float64).reshape(
        points.shape
    )
    nudge = 1e-3 * stddev
    raised = np.asarray(function(points.ravel() + nudge)).reshape(points.shape)
    slopes = (raised - values) / nudge
    return (
        float((share * values).sum()),
        float((share * values**2).sum()),
        float((share * slopes**2).sum()),
    )


@functools.lru_cache(maxsize=256)
def softmax_moments(count: int, variance: float) -> tuple[float, float, float, float]:
    """Of a softmax over `count` independent logits of one variance.

    Returns:
        The mean square of a probability; the mean square of what the softmax passes
        on of a gradient whose entries are independent with mean square 1; the mean
        of -ln p, the cross-entropy of a label drawn blindly, and that of 1 / p^2. From
        a fixed set of draws, exact to about 1 %.
    """
    rows = max(64, min(4096, 2**20 // count))
    draws = np.random.default_rng(0).standard_normal((rows, count))
    logits = draws * math.sqrt(max(variance, 0.0))
    logits -= logits.max(axis=1, keepdims=True)
    log_total = np.log(np.exp(logits).sum(axis=1, keepdims=True))
    p = np.exp(logits - log_total)
    squares = p**2
    total = squares.sum(axis=1, keepdims=True)
    # p_i (g_i - sum_j p_j g_j) with independent g.
    passed = squares * (1 - 2 * p + total)
    surprise = log_total - logits
    return (
        float(squares.mean()),
        float(passed.mean()),
        float(surprise.mean()),
        float(np.exp(2 * surprise).mean()),
    )


@functools.cache
def _grid() -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
    """Points, weights and Hermite rows; and the same in the middle between points."""
    z = np.linspace(-_REACH, _REACH, _POINTS)
    middle = (z[1:] + z[:-1]) / 2
    rows = []
    for points in (z, middle):
        weights = np.exp(-points * points / 2)
        weights /= weights.sum()
        rows += [weights, _hermite(points) * weights]
    return z, rows[0], rows[1], middle, rows[2], rows[3]


def _hermite(z: Floats) -> Floats:
    """Normalized probabilists' Hermite polynomials, a row a degree."""
    rows = [np.ones_like(z), z]
    for k in range(1, _DEGREE):
        rows.append((z * rows[k] - math.sqrt(k) * rows[k - 1]) / math.sqrt(k + 1))
    return np.array(rows)


def _series(squares: Floats, total: float, correlation: Any) -> Floats:
    r = np.clip(np.asarray(correlation, dtype=np.float64), -1.0, 1.0)
    powers = r[..., None] ** np.arange(len(squares))
    # What the series leaves out belongs to higher degrees: it counts near 1 alone.
    rest = max(total - float(squares.sum()), 0.0)
    found: Floats = powers @ squares + rest * np.maximum(r, 0.0) ** len(squares)
    return found
