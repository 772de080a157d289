"""An activation as theory sees it: values, slopes, and where it is not smooth."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_inits.theory.activations import activation as activation_by_name
from keras_inits.theory.panels import DIFFERENTIATE, NODES, integrate, tail

__all__ = ["REACH", "Curve", "curve_of", "expectations"]

#: Where integrals end, in standard deviations. The normal density there is 2e-32: what
#: lies beyond is below rounding, also for functions that grow like exp(2z).
REACH = 12.0
_ROOT = np.sqrt(2 * np.pi)
_GRID = np.linspace(-REACH, REACH, 17)
# Shells in which kinks are looked for: up to 12, 48, 192, ...
_GROWTH = 4.0
_MOST_SHELLS = 12
# Moved by an odd amount, so that no kink at a round number is an edge of a panel.
_OFFSET = 0.013579
_FINEST = 1e-13
# No panel of a smooth function is as small as that, in units of the first ones.
_SMOOTH = 1 / 200
# Of a Legendre coefficient of a function in float64.
_ROUNDING = 3e-15
_MOST_KINKS = 200

_Integrand = Callable[..., Any]


class Curve:
    """An activation, with its kinks and jumps found once.

    Functions of this room that take an activation take a `Curve` as well. Build one
    where the same Python function is used many times; names are remembered anyway.

    Args:
        function: of a float64 array, one value each. What it returns may be a tensor of
            a backend, also in float32, which costs accuracy.

    Example:
        >>> import numpy as np
        >>> curve = Curve(lambda x: np.clip(x, -1.0, 1.0))
        >>> curve.kinks(12.0)
        array([-1.,  1.])
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self._kinks: list[Any] = []
        # JAX compiles each operation for each size: a hundred sizes take a minute.
        self._few_sizes = not isinstance(function, np.ufunc)
        self.noise = self._noise()

    def __call__(self, x: Any) -> Any:
        """The values at float64 points of any shape."""
        given = np.asarray(x, np.float64).reshape(-1)
        count = given.size
        if self._few_sizes and count:
            size = max(256, 1 << (count - 1).bit_length())
            given = np.append(given, np.full(size - count, given[-1]))
        with np.errstate(all="ignore"):  # who integrates looks for what is not finite
            values = np.asarray(self.function(given), dtype=np.float64)
        if values.shape != given.shape:
            raise ValueError(
                "An activation must return one value for each of its inputs. Received: "
                f"function={self.function!r}, with {given.shape} in and {values.shape} "
                "out. Functions of several units at once have no mean-field theory."
            )
        return values[:count].reshape(np.shape(x))

    def __repr__(self) -> str:
        return f"Curve({self.function!r})"

    def kinks(self, reach: float) -> Any:
        """Where the function, its slope or its curvature jumps, within +-reach."""
        shells = 1
        while REACH * _GROWTH ** (shells - 1) < reach and shells < _MOST_SHELLS:
            shells += 1
        while len(self._kinks) < shells:
            self._kinks.append(self._kinks_of_shell(len(self._kinks)))
        kinks = np.sort(np.concatenate(self._kinks[:shells]))
        return kinks[np.abs(kinks) <= reach]

    def jumps(self, reach: float) -> Any:
        """The kinks at which the function itself jumps: it has no slope there."""
        kinks = self.kinks(reach)
        beside = 1e-7 * np.maximum(1.0, np.abs(kinks))
        left, right = self(kinks - beside), self(kinks + beside)
        with np.errstate(all="ignore"):
            further = np.abs(self(kinks + 2 * beside) - right)
            further += np.abs(left - self(kinks - 2 * beside))
            limits = 4 * further + 100 * self.noise * (np.abs(left) + np.abs(right))
            return kinks[np.abs(right - left) > limits]

    def edges(self, stddev: float) -> Any:
        """Panels in units of `stddev`, which may be negative, none across a kink."""
        size = abs(stddev)
        marks = [self.kinks(REACH * size)]
        if size > 1:  # what happens near 0 must not fall between two nodes
            powers = 4.0 ** np.arange(0, np.ceil(np.log(REACH * size) / np.log(4)))
            marks += [powers, -powers]
        inner = np.concatenate(marks) / stddev
        return np.unique(np.concatenate([_GRID, inner[np.abs(inner) < REACH]]))

    def slopes(self, values: Any, halves: Any) -> Any:
        """The slopes of the panels' polynomials, from the values at their nodes."""
        with np.errstate(all="ignore"):
            slopes = (values @ DIFFERENTIATE.T) / halves[:, None]
        sizes = np.abs(values).max(axis=1) / np.abs(halves)
        # Where the function is constant, its rounding errors are no slope.
        return np.where(np.abs(slopes) > 100 * self.noise * sizes[:, None], slopes, 0.0)

    def expectation(self, integrand: _Integrand, stddev: float, what: str = "") -> Any:
        """E g(z, f, f') for z ~ N(0, 1): `expectations` with one curve."""
        return expectations(integrand, [(self, stddev)], what)

    def _noise(self) -> float:
        """The relative rounding error of the function's values: 2e-16 or 1e-7."""
        middles = np.linspace(-3.1, 2.9, 40)
        values = self(middles[:, None] + 2e-3 * NODES)
        size = np.abs(values).max()
        if not (np.isfinite(size) and size > 0):
            return _ROUNDING
        # Some of the forty lie on a kink, and where the function is 0 it is exact.
        rough = np.sort(tail(values) / size)[-8]
        return float(max(rough, _ROUNDING))

    def _kinks_of_shell(self, shell: int) -> Any:
        outer = REACH * _GROWTH**shell
        if shell == 0:
            return self._search(np.linspace(-outer, outer, 25) + _OFFSET)
        edges = np.linspace(outer / _GROWTH, outer, 37) + _OFFSET
        return np.append(self._search(-edges[::-1]), self._search(edges))

    def _search(self, edges: Any) -> Any:
        """The kinks between the edges, as numbers."""
        size = np.abs(self((edges[:-1] + edges[1:]) / 2))
        size = size[np.isfinite(size)].max(initial=0.0)
        lows, highs = self._narrow(edges, _SMOOTH, size)
        gaps = lows[1:] - np.maximum.accumulate(highs)[:-1]
        parts = np.flatnonzero(gaps > 1e-6) + 1
        kinks = []
        for low, high in zip(
            np.split(lows, parts), np.split(highs, parts), strict=True
        ):
            if low.size:
                bracket = _narrowest(low, high)
                # Once more with other edges: a kink that is too near one goes unseen.
                width = bracket[1] - bracket[0]
                again = np.array([bracket[0] - 0.71 * width, bracket[1] + 0.83 * width])
                low, high = self._narrow(again, 2.0, size)
                kinks.append(
                    _roundest(*min(bracket, _narrowest(low, high), key=_width))
                )
        return np.array(kinks)

    def _narrow(self, edges: Any, small: float, size: float) -> tuple[Any, Any]:
        """Halves the panels that no polynomial fits; returns the small ones, sorted."""
        lows, highs = edges[:-1], edges[1:]
        found = [np.empty((2, 0))]
        while 0 < lows.size < 4 * _MOST_KINKS:
            middles, halves = (lows + highs) / 2, (highs - lows) / 2
            values = self(middles[:, None] + halves[:, None] * NODES)
            local = np.abs(values).max(axis=1)
            with np.errstate(all="ignore"):
                rough = tail(values) > 1e-11 * local + 10 * self.noise * size
            rough &= np.isfinite(local)
            rough &= halves > _FINEST * np.maximum(1.0, np.abs(middles))
            # What was halved this often has, or had, a kink at one end.
            if halves[0] < small * (edges[1] - edges[0]):
                found.append(np.stack([lows, highs])[:, ~rough])
            lows, middles, highs = lows[rough], middles[rough], highs[rough]
            lows, highs = np.append(lows, middles), np.append(middles, highs)
        all_found = np.concatenate(found, axis=1)
        lows, highs = all_found[:, np.argsort(all_found[0])]
        return lows, highs


def _narrowest(lows: Any, highs: Any) -> tuple[float, float]:
    """The smallest panels, which lie side by side, as one."""
    widths = highs - lows
    chosen = widths < 1.5 * widths.min()
    return float(lows[chosen].min()), float(highs[chosen].max())


def _width(bracket: tuple[float, float]) -> float:
    return bracket[1] - bracket[0]


def _roundest(low: float, high: float) -> float:
    middle = (low + high) / 2
    for digits in range(12):
        candidate = round(middle, digits) + 0.0  # without the sign of -0.0
        if low <= candidate <= high:
            return candidate
    return middle


def expectations(
    integrand: _Integrand,
    curves: list[tuple[Curve, float]],
    what: str = "",
    noise: float = 0.0,
) -> Any:
    """E g(z, f1, f1', f2, f2', ...) for z ~ N(0, 1), all at multiples of one z.

    Args:
        integrand: called as `integrand(z, f1, slope1, ...)` on arrays of one shape;
            returns a list of such arrays. A slope is that of the panel's polynomial,
            exact to rounding where the function is smooth.
        curves: each with the factor on z, not 0, that it is evaluated at.
        what: of what it is the expectation, for the error.
        noise: relative error of the integrand, where it is more than the curves'.

    Returns:
        One number for each array.

    Raises:
        ValueError: where an expectation is infinite or does not settle.
    """
    noise = max(noise, *(curve.noise for curve, _ in curves))

    def weighted(z: Any, halves: Any, owners: Any) -> Any:
        given = []
        for curve, factor in curves:
            values = curve(factor * z)
            given += [values, curve.slopes(values, factor * halves)]
        with np.errstate(all="ignore"):
            found = np.stack(np.broadcast_arrays(*integrand(z, *given)))
            return found * (np.exp(-z * z / 2) / _ROOT)

    edges = np.unique(np.concatenate([curve.edges(by) for curve, by in curves]))
    try:
        result = integrate(weighted, edges[:-1], edges[1:], noise=noise)[:, 0]
        small = np.full(2, 1e-3)
        ends = weighted(np.array([[-REACH], [REACH]]) + 1e-3 * NODES, small, None)
        if (np.abs(ends).max(axis=(1, 2)) > 1e-9 * np.abs(result) + 1e-12).any():
            raise ArithmeticError("it is still large where the density ends")
    except ArithmeticError as error:
        names = ", ".join(repr(curve.function) for curve, _ in curves)
        raise ValueError(
            f"The expectation {what or 'of an activation'} over a normal of standard "
            f"deviation {abs(curves[0][1]):g} is not finite: {error}. Received: "
            f"activation={names}. An activation must be finite at every real number "
            "and grow slower than exp(x^2 / 4)."
        ) from None
    return result


def curve_of(activation: str | Callable[[Any], Any]) -> Curve:
    """The curve of a Keras name or a function; a `Curve` is returned as it is.

    Raises:
        TypeError: for what is neither a name nor callable.
        ValueError: for an unknown name.
    """
    if isinstance(activation, Curve):
        return activation
    if isinstance(activation, str):
        return _curve_by_name(activation)
    if not callable(activation):
        raise TypeError(
            "`activation` must be the name of a Keras activation or a function. "
            f"Received: activation={activation!r} (of type "
            f"{type(activation).__name__})."
        )
    return Curve(activation)


@functools.cache
def _curve_by_name(name: str) -> Curve:
    curve = Curve(activation_by_name(name))
    curve._few_sizes = False
    return curve
