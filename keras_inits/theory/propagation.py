"""Signals and gradients through a chain of layers, branches and normalizations."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from keras_inits.theory.checks import check_correlation, check_number, check_variance
from keras_inits.theory.curves import Curve, curve_of
from keras_inits.theory.joint import joint_moment
from keras_inits.theory.maps import mean_square_slope

__all__ = [
    "Activation",
    "Dropout",
    "Layer",
    "Link",
    "Normalization",
    "Propagation",
    "Residual",
    "Signal",
    "propagate",
]

_NORMALIZATIONS = ("layer", "rms", "batch")


@dataclass(frozen=True)
class Signal:
    """What is known of the units of a layer, for two inputs of the same size.

    Args:
        square: E x^2 over units and draws of the weights.
        overlap: E x x' for the other input x'.
        mean: E x.
        normal: whether the units are normal, as they are after a layer's weights; an
            activation needs that.
    """

    square: float
    overlap: float
    mean: float = 0.0
    normal: bool = True


class Link(Protocol):
    """A link of a chain: takes a signal, returns the next and the gradient's factor."""

    def __call__(self, signal: Signal) -> tuple[Signal, float]:
        """The signal after, and E (dL/d before)^2 / E (dL/d after)^2."""


@dataclass(frozen=True)
class Activation:
    """An activation alone.

    Args:
        activation: the name of a Keras activation, a function, or a `Curve`.
    """

    activation: str | Callable[[Any], Any]

    def __post_init__(self) -> None:
        _ = self._curve  # an unknown name is an error here

    @functools.cached_property
    def _curve(self) -> Curve:
        return curve_of(self.activation)

    def __call__(self, signal: Signal) -> tuple[Signal, float]:
        """See `Link`."""
        return _activate(self._curve, signal)


@dataclass(frozen=True)
class Layer:
    """Weights, biases and then an activation, as in Keras's Dense and convolutions.

    Args:
        activation: the name of a Keras activation, a function, or a `Curve`.
        weight_variance: fan_in times the variance of a weight; for He's scheme 2.
        bias_variance: the variance of a bias.
        fan_ratio: fan_out / fan_in, which only the gradient sees.
    """

    activation: str | Callable[[Any], Any] = "linear"
    weight_variance: float = 1.0
    bias_variance: float = 0.0
    fan_ratio: float = 1.0

    def __post_init__(self) -> None:
        check_variance("weight_variance", self.weight_variance, zero=True)
        check_variance("bias_variance", self.bias_variance, zero=True)
        _check_positive("fan_ratio", self.fan_ratio)
        _ = self._curve  # an unknown name is an error here

    @functools.cached_property
    def _curve(self) -> Curve:
        return curve_of(self.activation)

    def __call__(self, signal: Signal) -> tuple[Signal, float]:
        """See `Link`."""
        mixed = Signal(
            self.weight_variance * signal.square + self.bias_variance,
            self.weight_variance * signal.overlap + self.bias_variance,
        )
        factor = self.weight_variance * self.fan_ratio
        if self.activation == "linear":
            return mixed, factor
        after, slope = _activate(self._curve, mixed)
        return after, factor * slope


@dataclass(frozen=True)
class Residual:
    """A branch added to what it sees: skip_scale x + branch_scale branch(x).

    Args:
        branch: links, among them a `Layer`: its weights make branch and skip
            independent.
        skip_scale: factor on x.
        branch_scale: factor on the branch; 0 at the start for ReZero and SkipInit.
    """

    branch: Sequence[Link]
    skip_scale: float = 1.0
    branch_scale: float = 1.0

    def __post_init__(self) -> None:
        check_number("skip_scale", self.skip_scale)
        check_number("branch_scale", self.branch_scale)
        if not _has_weights(self.branch):
            raise ValueError(
                "A branch needs a Layer: without weights it is not independent of what "
                f"it is added to. Received: branch={self.branch!r}."
            )

    def __call__(self, signal: Signal) -> tuple[Signal, float]:
        """See `Link`."""
        inner, factor = signal, 1.0
        for link in self.branch:
            inner, chi = link(inner)
            factor *= chi
        a, b = self.skip_scale, self.branch_scale
        both = 2 * a * b * signal.mean * inner.mean
        after = Signal(
            a * a * signal.square + b * b * inner.square + both,
            a * a * signal.overlap + b * b * inner.overlap + both,
            a * signal.mean + b * inner.mean,
            signal.normal and (inner.normal or b == 0),
        )
        return after, a * a + b * b * factor


@dataclass(frozen=True)
class Normalization:
    """Layer, RMS or batch normalization, as it starts: scale 1 and centre 0.

    Args:
        kind: `"layer"`, over the units of one input; `"rms"`, the same without
            centring; `"batch"`, over many inputs that all have the correlation of the
            two, which leaves them with none.
        epsilon: added to the variance.
    """

    kind: str = "layer"
    epsilon: float = 0.0

    def __post_init__(self) -> None:
        check_variance("epsilon", self.epsilon, zero=True)
        if self.kind not in _NORMALIZATIONS:
            raise ValueError(
                f"`kind` must be one of {', '.join(map(repr, _NORMALIZATIONS))}. "
                f"Received: kind={self.kind!r}."
            )

    def __call__(self, signal: Signal) -> tuple[Signal, float]:
        """See `Link`."""
        centre = {"layer": signal.mean**2, "rms": 0.0, "batch": signal.overlap}
        removed = centre[self.kind]
        size = signal.square - removed + self.epsilon
        if size <= 1e-12 * signal.square:
            raise ValueError(
                "There is nothing to normalize: all values are one. Received: "
                f"kind={self.kind!r}, for a signal with E x^2 = {signal.square:g}. "
                "Inputs of a batch must differ: give a correlation below 1."
            )
        after = Signal(
            (signal.square - removed) / size,
            (signal.overlap - removed) / size,
            signal.mean / math.sqrt(size) if self.kind == "rms" else 0.0,
            signal.normal,
        )
        return after, 1 / size


@dataclass(frozen=True)
class Dropout:
    """Dropout in training: a share of the units is 0, and the others are larger.

    Args:
        rate: that share, from 0 to below 1.
    """

    rate: float

    def __post_init__(self) -> None:
        rate = check_number("rate", self.rate)
        if not 0 <= rate < 1:
            raise ValueError(
                f"`rate` must lie from 0 to below 1. Received: rate={self.rate!r}."
            )

    def __call__(self, signal: Signal) -> tuple[Signal, float]:
        """See `Link`."""
        factor = 1 / (1 - self.rate)
        after = replace(signal, square=signal.square * factor)
        return (replace(after, normal=False) if self.rate else after), factor


@dataclass(frozen=True)
class Propagation:
    """What `propagate` returns: one number for the input and one after each link.

    Args:
        variance: E x^2, the mean square over units.
        correlation: of two inputs, E x x' / E x^2.
        gradient: root mean square of the loss's derivative by a unit, relative to that
            at the end.
    """

    variance: np.ndarray[Any, np.dtype[np.float64]]
    correlation: np.ndarray[Any, np.dtype[np.float64]]
    gradient: np.ndarray[Any, np.dtype[np.float64]]


def propagate(
    chain: Sequence[Link], variance: float = 1.0, correlation: float = 0.0
) -> Propagation:
    """Variance, correlation and gradient by depth, in the limit of wide layers.

    Each link sees two inputs of one size. Weights are independent with mean 0, and the
    backward weights are taken as independent of the forward ones, as is right for wide
    layers whose last has independent weights.

    Args:
        chain: `Layer`, `Activation`, `Residual`, `Normalization` and `Dropout` objects,
            or functions that do as they do; for many equal blocks, `[...] * depth`.
        variance: the mean square of the input's values, > 0.
        correlation: of the two inputs, from -1 to 1.

    Returns:
        Arrays with an entry for the input and one for each link of the chain.

    Raises:
        TypeError: where an argument is of the wrong kind.
        ValueError: for numbers out of range, for an activation that does not follow
            weights, and where an expectation is infinite.

    Example:
        >>> through = propagate([Layer("relu", 2.0)] * 3, correlation=0.5)
        >>> through.variance.round(6).tolist()
        [1.0, 1.0, 1.0, 1.0]
        >>> through.correlation.round(4).tolist()
        [0.5, 0.609, 0.6839, 0.7381]

    Reference: Schoenholz et al., 2017, arXiv:1611.01232; residual branches: Yang &
    Schoenholz, 2017, arXiv:1712.08969; batch normalization: Yang et al., 2019,
    arXiv:1902.08129.
    """
    variance = check_variance("variance", variance)
    correlation = check_correlation("correlation", correlation)
    signals = [Signal(variance, correlation * variance)]
    factors = []
    for link in chain:
        if not callable(link):
            raise TypeError(
                "`chain` must hold Layer, Activation, Residual, Normalization and "
                f"Dropout objects. Received: {link!r} (of type {type(link).__name__})."
            )
        signal, factor = link(signals[-1])
        signals.append(signal)
        factors.append(factor)
    with np.errstate(over="ignore"):
        behind = np.cumprod([1.0, *factors[::-1]])[::-1]
    squares = np.array([signal.square for signal in signals])
    overlaps = np.array([signal.overlap for signal in signals])
    correlations = np.divide(
        overlaps, squares, out=np.zeros_like(overlaps), where=squares > 0
    )
    return Propagation(squares, correlations, np.sqrt(behind))


def _activate(curve: Curve, signal: Signal) -> tuple[Signal, float]:
    if not signal.normal:
        raise ValueError(
            "An activation must follow weights, which make its input normal. Received: "
            f"activation={curve.function!r} after another activation or dropout. Put a "
            "Layer between them, or give both as one function."
        )
    if signal.square == 0:
        value = float(curve(np.zeros(1))[0])
        after = Signal(value**2, value**2, value, normal=False)
        return after, mean_square_slope(curve, 0.0)
    stddev = math.sqrt(signal.square)
    mean, square = curve.expectation(lambda z, f, slope: [f, f * f], stddev)
    correlation = min(max(signal.overlap / signal.square, -1.0), 1.0)
    overlap = joint_moment(curve, curve, correlation, stddev, stddev)
    after = Signal(float(square), overlap, float(mean), normal=False)
    return after, mean_square_slope(curve, signal.square)


def _has_weights(links: Sequence[Link]) -> bool:
    return any(
        isinstance(link, Layer)
        or (isinstance(link, Residual) and _has_weights(link.branch))
        for link in links
    )


def _check_positive(name: str, value: Any) -> None:
    if check_number(name, value) <= 0:
        raise ValueError(f"`{name}` must be > 0. Received: {name}={value!r}.")
