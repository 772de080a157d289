"""The laws that weights are drawn from; each fills a vector from random words."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from keras_inits.initializers.bits import Bits
from keras_inits.initializers.ziggurat import standard_normal

__all__ = ["Law", "Normal", "TruncatedNormal", "Uniform", "truncated_stddev"]

# Below this share of accepted draws, inverting the distribution is faster than
# rejecting from it.
_LEAST_ACCEPTANCE = 0.4


class Law(Protocol):
    """A distribution of independent values."""

    def fill(self, bits: Bits, out: Any) -> None:
        """Fills a float32 or float64 vector with independent draws."""


@dataclass(frozen=True)
class Normal:
    """N(mean, stddev^2)."""

    mean: float
    stddev: float

    def fill(self, bits: Bits, out: Any) -> None:
        """See `Law`."""
        standard_normal(bits, out)
        _affine(out, self.mean, self.stddev)


@dataclass(frozen=True)
class Uniform:
    """Uniform on [low, high), on a grid of 2^24 steps (2^53 in float64)."""

    low: float
    high: float

    def fill(self, bits: Bits, out: Any) -> None:
        """See `Law`."""
        if out.dtype == np.float64:
            out[:] = bits.fractions(out.size)
        else:
            words = bits.words(out.size, 32)
            np.right_shift(words, 8, out=words)
            np.multiply(words, 2.0**-24, out=out, dtype=out.dtype, casting="unsafe")
        _affine(out, self.low, self.high - self.low)
        # Rounding can carry the last steps up to `high` itself.
        below = np.nextafter(out.dtype.type(self.high), out.dtype.type(self.low))
        np.minimum(out, below, out=out)


@dataclass(frozen=True)
class TruncatedNormal:
    """mean + stddev * z, with z from N(0, 1) given that low <= z <= high."""

    mean: float
    stddev: float
    low: float = -2.0
    high: float = 2.0

    def fill(self, bits: Bits, out: Any) -> None:
        """See `Law`."""
        if _probability(self.low, self.high) < _LEAST_ACCEPTANCE:
            self._invert(bits, out)
        else:
            self._reject(bits, out)
        _affine(out, self.mean, self.stddev)

    def _reject(self, bits: Bits, out: Any) -> None:
        standard_normal(bits, out)
        acceptance = _probability(self.low, self.high)
        pending = np.flatnonzero(self._outside(out))
        while pending.size:
            # As many as are needed on average, and some to spare.
            fresh = np.empty(int(pending.size / acceptance * 1.1) + 32, out.dtype)
            standard_normal(bits, fresh)
            fresh = fresh[~self._outside(fresh)][: pending.size]
            out[pending[: fresh.size]] = fresh
            pending = pending[fresh.size :]

    def _outside(self, z: Any) -> Any:
        if self.low == -self.high:
            return np.abs(z) > self.high
        return (z < self.low) | (z > self.high)

    def _invert(self, bits: Bits, out: Any) -> None:
        """Inverts the distribution in its lower tail, in logarithms: exact far out."""
        from scipy import special

        mirrored = self.low + self.high > 0
        low, high = (-self.high, -self.low) if mirrored else (self.low, self.high)
        log_low, log_high = special.log_ndtr([low, high])
        fraction = bits.fractions(out.size)
        share = fraction + (1 - fraction) * np.exp(log_low - log_high)
        z = special.ndtri_exp(log_high + np.log(share))
        out[:] = np.clip(-z if mirrored else z, self.low, self.high)


def truncated_stddev(low: float, high: float) -> float:
    """The standard deviation of N(0, 1) given that low <= z <= high."""
    from scipy import stats

    return float(stats.truncnorm.std(low, high))


def _probability(low: float, high: float) -> float:
    from scipy import special

    return float(special.ndtr(high) - special.ndtr(low))


def _affine(out: Any, shift: float, factor: float) -> None:
    """Multiplies by a factor and adds a shift, in place."""
    out *= out.dtype.type(factor)
    if shift:
        out += out.dtype.type(shift)
