"""Signals and gradients along the depth of a model: do they fade or grow?

Each layer shows two sizes, of what it takes and of what it gives. Where one of them is
healthy, the layer is: a kernel of any scale under a normalization, a branch that starts
closed in a stream that does not.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from keras_inits.data_driven.signals import Signal
from keras_inits.data_driven.statistics import Moments

__all__ = ["Trend", "gradient_trends", "signal_trends"]

# What counts as the beginning, or the end, of a chain: a fifth, but a layer at least.
_PART = 5
# A layer that alone makes up so much of a change is named; else it is spread over all.
_ALONE = 0.6


@dataclass(frozen=True)
class Trend:
    """How much smaller or larger something is at one end than at the other.

    Args:
        decades: powers of ten, positive; infinite where it ends at 0.
        start: the size it is compared with.
        end: the size it has.
        layers: how many layers lie between.
        factor: what the layer in the middle, of all in order of it, multiplies by.
        culprit: the signal of the layer to name.
        alone: whether that layer makes up most of it.
    """

    decades: float
    start: float
    end: float
    layers: int
    factor: float
    culprit: Signal
    alone: bool


@dataclass(frozen=True)
class _Sizes:
    signal: Signal
    arrives: float | None
    leaves: float | None

    def both(self) -> list[float]:
        return [size for size in (self.arrives, self.leaves) if size is not None]


def signal_trends(
    signals: Sequence[Signal], first: int
) -> tuple[Trend | None, Trend | None]:
    """How far the signal vanishes, and how far it explodes.

    Args:
        signals: in the order the data takes.
        first: which of them holds the first kernel.
    """
    sizes = [
        _Sizes(s, _rms(s.input), None if s.is_head else _rms(s.output))
        for s in signals[first:]
    ]
    if len(sizes) < 3:
        return None, None
    start, end = sizes[0], sizes[-max(1, len(sizes) // _PART) :]
    lows = [size for size in start.both() if size > 0.0]
    highs = [max(size.both()) for size in end if size.both()]
    if not lows or not highs:
        return None, None
    vanishing = _trend(sizes, min(lows), max(highs), -1)
    bottom = [
        min(kept)
        for size in end
        if (kept := [value for value in size.both() if value > 0.0])
    ]
    exploding = _trend(sizes, max(lows), min(bottom), 1) if bottom else None
    return vanishing, exploding


def gradient_trends(signals: Sequence[Signal]) -> tuple[Trend | None, Trend | None]:
    """How far the gradient vanishes, and how far it explodes, on its way back."""
    sizes = [
        _Sizes(
            s,
            None if s.is_head else (_norm(s.gradient_out) or None),
            _norm(s.gradient_in) or None,  # exact zeros are told elsewhere
        )
        for s in signals
    ]
    sizes = [size for size in sizes if size.both()][::-1]  # from the loss to the data
    if len(sizes) < 3:
        return None, None
    part = max(1, len(sizes) // _PART)
    start, end = sizes[:part], sizes[-part:]
    reference = max(min(size.both()) for size in start)
    vanishing = _trend(sizes, reference, max(max(s.both()) for s in end), -1)
    reference = max(max(size.both()) for size in start)
    exploding = _trend(sizes, reference, min(min(s.both()) for s in end), 1)
    return vanishing, exploding


def _trend(
    sizes: Sequence[_Sizes], start: float, end: float, sign: int
) -> Trend | None:
    layers = len(sizes) - 1
    change = math.log10(end / start) if end > 0.0 else -math.inf
    if sign * change <= 0.0:
        return None
    steps = [_step(size) for size in sizes]
    culprit, alone = _culprit(sizes, [sign * step for step in steps], abs(change))
    known = [step for step in steps if step]
    factor = 10.0 ** statistics.median(known) if known else 1.0
    return Trend(abs(change), start, end, layers, factor, culprit, alone)


def _step(size: _Sizes) -> float:
    """The decades that a layer adds, 0 where that is not known."""
    if not size.arrives or not size.leaves:
        return 0.0
    return math.log10(size.leaves / size.arrives)


def _culprit(
    sizes: Sequence[_Sizes], steps: Sequence[float], change: float
) -> tuple[Signal, bool]:
    """The layer at which most of it happens, or the first at which it does."""
    largest = max(range(len(steps)), key=steps.__getitem__)
    if len(sizes) > 3 and steps[largest] > _ALONE * change:
        return sizes[largest].signal, True
    typical = statistics.median(steps)
    for size, step in zip(sizes, steps, strict=True):
        if step > max(typical, 0.0) / 2:
            return size.signal, False
    return sizes[0].signal, False


def _rms(moments: Moments | None) -> float | None:
    return None if moments is None else moments.rms


def _norm(moments: Moments | None) -> float | None:
    if moments is None:
        return None
    return moments.rms * math.sqrt(moments.count)
