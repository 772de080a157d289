"""What a kernel makes of moments: dense, convolution, depthwise, transposed, einsum.

Pure NumPy. Axes are labelled by letters, as in an einsum. A label may be the input's
and the kernel's (summed over), the kernel's and the output's (new), the input's and
the output's (carried), or all three's: then it is either an axis with weights of its
own at each index, or the positions of a convolution, whose kernel has the taps.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_inits.architecture.propagation.moments import Moments, moments_of, pair_sums

__all__ = ["Kernel", "Mixing", "taps"]

Floats = NDArray[np.float64]
Table = NDArray[np.int64]


class Kernel:
    """A kernel's second moments: sums of products of two of its entries.

    Args:
        sums: by the axes on which the two differ; see `pair_sums`.
        total: the sum of its entries.
        shape: its shape.
    """

    def __init__(self, sums: Floats, total: float, shape: tuple[int, ...]) -> None:
        self.sums, self.total, self.shape = sums, total, shape

    @classmethod
    def of(cls, values: NDArray[Any]) -> Kernel:
        """A kernel as it is."""
        return cls(pair_sums(values), float(values.sum(dtype=np.float64)), values.shape)


@dataclass(frozen=True)
class Mixing:
    """A kernel's place between an input's axes and an output's, the batch's aside.

    Args:
        kernel: its moments.
        source: labels of the input's axes.
        weights: labels of the kernel's axes.
        target: labels of the output's axes.
        windows: for each label of positions, the tap that joins an input's position
            (column) to an output's (row), -1 for none; see `taps`.
    """

    kernel: Kernel
    source: str
    weights: str
    target: str
    windows: Mapping[str, Table] = field(default_factory=dict)

    def turned(self) -> Mixing:
        """The way back, from the output's gradient to the input's."""
        windows = {label: matrix.T for label, matrix in self.windows.items()}
        return Mixing(self.kernel, self.target, self.weights, self.source, windows)

    def __call__(self, x: Moments, bias: tuple[float, float] = (0.0, 0.0)) -> Moments:
        """The moments of the output.

        Args:
            x: the input's.
            bias: the bias's mean and mean square.
        """
        sizes = self._sizes(x.shape)
        shape = tuple(sizes[label] for label in self.target)
        square = self._carried(x.square)
        expected = x.level * math.prod(self._met(t, 0, 0) for t in self.windows)
        stretch = square.mean() / max(expected, 1e-300)
        raw = np.zeros((len(x.pairs), *(2,) * len(shape)))
        for kind in np.ndindex(raw.shape):
            raw[kind] = self._pair(x, kind) * stretch
        mean = self._carried(x.mean) * self._per_output(self.kernel.total)
        level = raw.flat[0]
        profile = square / max(square.mean(), 1e-300)
        if any(bias):
            first, second = bias
            own = [1 + self.target.index(label) for label in self._own()]
            # A unit's bias is the same for all examples and positions.
            added = np.full_like(raw, first**2)
            for kind in np.ndindex(raw.shape):
                if not any(kind[axis] for axis in own):
                    added[kind] = second
            raw = raw + added + 2 * first * mean.mean()
            outcome = level * profile + second + 2 * first * mean
            return moments_of(shape, mean + first, outcome, raw)
        return moments_of(shape, mean, level * profile, raw)

    def weight_gradient(self, x: Moments, gradient: Moments, steps: int = 1) -> float:
        """The mean square of the gradient by an entry of the kernel, from one example.

        It is the sum over positions of input times output gradient, taken as
        independent of each other.

        Args:
            x: the input's moments.
            gradient: the output's gradient's.
            steps: how often an example calls the kernel; see `fold`.
        """
        positions = [
            label
            for label in self.source
            if label in self.target
            and (label in self.windows or label not in self.weights)
        ]
        total = 0.0
        for kind in itertools.product((0, 1), repeat=len(positions)):
            differ = dict(zip(positions, kind, strict=True))
            count = 1.0
            for label, bit in differ.items():
                size = gradient.shape[self.target.index(label)]
                count *= size * (size - 1) if bit else size
                if label in self.windows:
                    count *= self._met(label, bit, 0)
            for example in range(len(x.pairs)):
                # The same example or another one; then at another step, see `fold`.
                times = steps * (steps - 1) if example > 1 else steps
                left = x.raw[(example, *(differ.get(s, 0) for s in self.source))]
                right = gradient.raw[
                    (example, *(differ.get(t, 0) for t in self.target))
                ]
                total += times * count * left * right
        return float(total)

    def _sizes(self, shape: tuple[int, ...]) -> dict[str, int]:
        sizes = dict(zip(self.weights, self.kernel.shape, strict=True))
        sizes.update(zip(self.source, shape, strict=True))
        sizes.update((label, len(matrix)) for label, matrix in self.windows.items())
        return sizes

    def _taps(self, label: str) -> int:
        return self.kernel.shape[self.weights.index(label)]

    def _met(self, label: str, places: int, pair: int) -> float:
        """The share of taps, or of pairs of taps, that fall on an input.

        Args:
            label: of the positions.
            places: whether the two outputs are at different ones.
            pair: whether the two taps are different.
        """
        return self._shares[label][places][pair]

    @functools.cached_property
    def _shares(self) -> dict[str, tuple[tuple[float, float], tuple[float, float]]]:
        return {
            label: _shares_met(table, self._taps(label))
            for label, table in self.windows.items()
        }

    def _outputs(self) -> float:
        """The number of the kernel's output units, or of those with weights apart."""
        sizes = dict(zip(self.weights, self.kernel.shape, strict=True))
        return float(math.prod(sizes[t] for t in self._own()))

    def _own(self) -> list[str]:
        """Labels that tell outputs of different weights apart."""
        return [t for t in self.target if t in self.weights and t not in self.windows]

    def _per_output(self, total: float) -> float:
        return total / self._outputs()

    def _pair(self, x: Moments, kind: tuple[int, ...]) -> float:
        """E y y' for outputs that differ on the axes in `kind`, the batch's first."""
        apart = dict(zip(self.target, kind[1:], strict=True))
        sizes = dict(zip(self.weights, self.kernel.shape, strict=True))
        count = self._outputs()
        for label in self._own():
            if apart[label]:
                if sizes[label] == 1:
                    return 0.0
                count *= sizes[label] - 1
        summed = [label for label in self.weights if label not in self._own()]
        total = 0.0
        for bits in itertools.product((0, 1), repeat=len(summed)):
            differ = dict(zip(summed, bits, strict=True))
            entry = {**{label: apart[label] for label in self._own()}, **differ}
            products = self.kernel.sums[tuple(entry[label] for label in self.weights)]
            for label in self.windows:
                products *= self._met(label, apart[label], differ[label])
            met = {
                label: max(apart.get(label, 0), differ.get(label, 0))
                for label in self.source
            }
            total += products * x.raw[(kind[0], *(met[s] for s in self.source))]
        return float(total / count)

    def _carried(self, profile: Floats) -> Floats:
        """A profile over the input's axes as one over the output's, averaged."""
        kept = profile
        labels = self.source
        for label, matrix in self.windows.items():
            axis = labels.index(label)
            if kept.shape[axis] != matrix.shape[1]:
                kept = np.repeat(kept, matrix.shape[1], axis)
            share = (matrix >= 0) / self._taps(label)
            kept = np.moveaxis(np.tensordot(share, kept, (1, axis)), 0, axis)
        for label in reversed(labels):
            if label not in self.target:
                kept = kept.mean(axis=labels.index(label))
                labels = labels.replace(label, "")
        order = [labels.index(t) for t in self.target if t in labels]
        kept = kept.transpose(order)
        for axis, label in enumerate(self.target):
            if label not in labels:
                kept = np.expand_dims(kept, axis)
        return kept


def _shares_met(
    table: Table, count: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """The shares of `_met`, by `places` and `pair`."""
    met = np.stack([(table == tap).any(axis=1) for tap in range(count)], axis=1)
    each = met.sum(axis=1, dtype=np.float64)
    pairs = max(count * (count - 1), 1)
    one = float(each.mean() / count), float((each * (each - 1)).mean() / pairs)
    others = max(len(each) * (len(each) - 1), 1)
    per_tap = met.sum(axis=0, dtype=np.float64)
    same = float(per_tap @ per_tap - each.sum())
    both = float(each.sum() ** 2 - each @ each)
    return one, (same / others / count, (both - same) / others / pairs)


def taps(
    size: int, window: int, stride: int = 1, dilation: int = 1, padding: str = "valid"
) -> Table:
    """Which tap of a convolution joins each input's position to each output's.

    Returns:
        A table, a row an output's position, a column an input's; -1 where no tap does.
        The transposed convolution that goes back has the transposed table.
    """
    reach = (window - 1) * dilation + 1
    if padding == "same":
        count = -(-size // stride)
        before = max((count - 1) * stride + reach - size, 0) // 2
    else:
        before = reach - 1 if padding == "causal" else 0
        count = (size + before - reach) // stride + 1
    table = np.full((max(count, 0), size), -1)
    for tap in range(window):
        at = np.arange(len(table)) * stride + tap * dilation - before
        inside = (at >= 0) & (at < size)
        table[np.nonzero(inside)[0], at[inside]] = tap
    return table
