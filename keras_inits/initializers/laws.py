"""The laws that weights are drawn from; each fills a vector from random words."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from keras_inits.initializers.bits import Bits
from keras_inits.initializers.ziggurat import fill_normal

__all__ = ["Law", "Normal", "TruncatedNormal", "Uniform", "truncated_stddev"]


class Law(Protocol):
    """A distribution of independent values, each made of one random word."""

    def fill(self, bits: Bits, out: Any) -> None:
        """Fills a float32 or float64 vector with independent draws.

        The source is read by `Bits.signed` once: then any part of a tensor has the
        values that it has in the whole.
        """


@dataclass(frozen=True)
class Normal:
    """N(mean, stddev^2)."""

    mean: float
    stddev: float

    def fill(self, bits: Bits, out: Any) -> None:
        """See `Law`."""
        fill_normal(bits, out, self.mean, self.stddev)


@dataclass(frozen=True)
class Uniform:
    """Uniform between low and high, on a grid of 2^25 steps (2^54 in float64) or finer.

    `high` itself is never drawn, `low` where they are not opposite.
    """

    low: float
    high: float

    def fill(self, bits: Bits, out: Any) -> None:
        """See `Law`."""
        low, high = out.dtype.type(self.low), out.dtype.type(self.high)
        below = np.nextafter(high, low)
        middle = self.low / 2 + self.high / 2
        half = self.high / 2 - self.low / 2 if middle else below
        step = out.dtype.type(half * 2.0 ** (1 - 8 * out.itemsize))
        for _, part, words in bits.signed(out):
            np.multiply(words, step, out=part, dtype=part.dtype, casting="unsafe")
            if middle:
                part += out.dtype.type(middle)
                np.clip(part, low, below, out=part)


@dataclass(frozen=True)
class TruncatedNormal:
    """mean + stddev * z, with z from N(0, 1) given that low <= z <= high."""

    mean: float
    stddev: float
    low: float = -2.0
    high: float = 2.0

    def fill(self, bits: Bits, out: Any) -> None:
        """See `Law`."""
        if self.low == -self.high:
            fill_normal(bits, out, self.mean, self.stddev, self.high)
        else:
            self._invert(bits, out)

    def _invert(self, bits: Bits, out: Any) -> None:
        """Inverts the distribution in its lower tail, in logarithms: exact far out."""
        from scipy import special

        mirrored = self.low + self.high > 0
        low, high = (-self.high, -self.low) if mirrored else (self.low, self.high)
        log_low, log_high = special.log_ndtr([low, high])
        for _, part, words in bits.signed(out):
            fraction = np.maximum(0.5 - words * 2.0 ** (-8 * words.itemsize), 2.0**-64)
            share = fraction + (1 - fraction) * np.exp(log_low - log_high)
            z = special.ndtri_exp(log_high + np.log(share))
            z = np.clip(-z if mirrored else z, self.low, self.high)
            part[:] = self.mean + self.stddev * z


def truncated_stddev(low: float, high: float) -> float:
    """The standard deviation of N(0, 1) given that low <= z <= high."""
    from scipy import stats

    return float(stats.truncnorm.std(low, high))
