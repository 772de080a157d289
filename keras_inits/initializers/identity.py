"""Schemes that begin as the identity: `Dirac` and `ZerO`.

They see a shape alone. The identity of a matrix that is not square, padded by zeros, is
`Identity`; that of a convolution is `Dirac`.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_inits.initializers import checks
from keras_inits.initializers.base import Initializer, register
from keras_inits.initializers.stream import Index, empty, precision_of

__all__ = ["Dirac", "ZerO", "at_centre"]


def at_centre(
    shape: tuple[int, ...],
    dtype: Any,
    matrix: Callable[[range, range], Any],
    factor: float = 1.0,
) -> Callable[[Index | None], Any]:
    """Gives the parts of a kernel that is a matrix at its window's centre, else zero.

    The centre is the tap (k - 1) // 2 of each axis: of an even window, the one that
    convolution with "same" padding lays on the output's own place.

    Args:
        shape: of the kernel, `(*window, rows, columns)`.
        dtype: of the kernel, a NumPy dtype.
        matrix: gives the part of the matrix at some rows and columns.
        factor: on the matrix, in the working precision.
    """
    precision = precision_of(dtype)

    def values(index: Index | None) -> Any:
        parts = index or (slice(None),) * len(shape)
        ranges = [range(n)[part] for n, part in zip(shape, parts, strict=True)]
        out = empty(tuple(map(len, ranges)), dtype)
        out[...] = 0
        *window, rows, columns = ranges
        taps = [(size - 1) // 2 for size in shape[:-2]]
        if all(tap in part for tap, part in zip(taps, window, strict=True)):
            place = tuple(t - p.start for t, p in zip(taps, window, strict=True))
            out[place] = np.multiply(matrix(rows, columns), factor, dtype=precision)
        return out

    return values


def _numbers(part: range) -> Any:
    return np.arange(part.start, part.stop)


@register
class Dirac(Initializer):
    """A convolution kernel that copies its input: the identity of convolutions.

    W = gain * I at the centre tap, (k - 1) // 2 of each axis, and 0 elsewhere; where
    the channels differ in number, the first min(in, out) are carried and the other
    outputs are 0. With stride 1 and "same" padding the layer is gain times the
    identity, exactly, for odd and even windows. ("causal" padding delays the signal by
    k // 2 steps; `torch.nn.init.dirac_` takes k // 2, which for even windows shifts it
    by one.)

    For deep stacks without skip connections that should start as the identity, such as
    DiracNets. Where the width grows, the added units are 0, and wide layers behind them
    learn in no more directions than there are inputs: see `ZerO`. For a dense kernel
    use `Identity`, which is the same there.

    Args:
        groups: of a grouped convolution, kernel `(*window, in / groups, out)`: each
            carries its own channels.
        transposed: whether the kernel is that of a transposed convolution,
            `(*window, out, in)`.
        gain: factor on the identity, a number >= 0.
        depthwise: whether the kernel is that of a depthwise convolution,
            `(*window, channels, multiplier)`: of the multiplier's outputs for a
            channel, the first copies it.

    Raises:
        TypeError: where an argument is of the wrong kind.
        ValueError: where `groups` is below 1, `gain` negative, NaN or infinite, or more
            than one kind of convolution is chosen; when called, where the shape has a
            rank below 3, or an output size that the groups don't divide.

    Example:
        >>> kernel = Dirac()((3, 3, 16, 16))
        >>> grouped = Dirac(groups=4)((3, 3, 4, 16))

    Reference: Zagoruyko & Komodakis, 2017, arXiv:1706.00388; groups as in PyTorch.
    """

    def __init__(
        self,
        groups: int = 1,
        transposed: bool = False,
        gain: float = 1.0,
        *,
        depthwise: bool = False,
    ) -> None:
        self.groups = checks.check_count("groups", groups)
        self.transposed = bool(transposed)
        self.gain = checks.check_number("gain", gain, least=0)
        self.depthwise = bool(depthwise)
        if (self.groups > 1) + self.transposed + self.depthwise > 1:
            raise ValueError(
                "A convolution is either grouped, transposed or depthwise. Received: "
                f"groups={groups}, transposed={transposed}, depthwise={depthwise}. "
                "Choose one."
            )

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        if len(shape) < 3:
            raise ValueError(
                "Dirac fills convolution kernels, shapes of rank 3 or more. Received: "
                f"shape={shape} of rank {len(shape)}. Identity() fills matrices."
            )
        if shape[-1] % self.groups:
            raise ValueError(
                "Dirac's groups must divide the output channels, the last axis. "
                f"Received: shape={shape}, groups={self.groups}."
            )
        return super()._check(shape, dtype)

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        width = max(shape[-1] // self.groups, 1)  # outputs of a group

        def matrix(rows: range, columns: range) -> Any:
            if self.depthwise:
                first = _numbers(columns) == 0
                return np.broadcast_to(first, (len(rows), len(columns)))
            return np.equal.outer(_numbers(rows), _numbers(columns) % width)

        return at_centre(shape, dtype, matrix, self.gain)


@register
class ZerO(Initializer):
    """Zeros and ones alone: the identity, or Hadamard's matrix where the width grows.

    W = I for out = in; the partial identity, the first rows of I, for out < in; and for
    out > in W = c I* H I*, the corner of the Hadamard matrix H of size 2^m,
    m = ceil(log2(out)), with c = 2^(-(m - 1) / 2). Of a convolution kernel
    `(*window, in, out)` this is the centre tap, (k - 1) // 2 of each axis, and the
    others are 0.

    Deterministic: no seed. For residual networks and stacks of ReLU layers that should
    start simple and reproducible. Where a width grows, the partial identity of
    `Identity` and `Dirac` would leave the added units at zero, and the wide layers
    behind learn no more directions than there are inputs; H mixes the inputs into all
    units, and ReLU then makes them differ.

    Args:
        orthonormal: whether c = 2^(-m / 2) instead, as in the code that the authors
            published: for out = 2^m the layer then keeps the length of its input, which
            the paper's c multiplies by sqrt(2).

    Raises:
        ValueError: when called, where the shape has a rank below 2.

    Example:
        >>> kernel = ZerO()((3, 3, 16, 64))

    Reference: Zhao, Schaefer & Anandkumar, 2022, arXiv:2110.12661, algorithms 1 and 2.
    """

    def __init__(self, orthonormal: bool = False) -> None:
        self.orthonormal = bool(orthonormal)

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        if len(shape) < 2:
            raise ValueError(
                "ZerO fills matrices and kernels, shapes of rank 2 or more. Received: "
                f"shape={shape} of rank {len(shape)}. Zeros() suits a bias."
            )
        return super()._check(shape, dtype)

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        *_, inputs, outputs = shape
        if outputs <= inputs:
            return at_centre(
                shape, dtype, lambda i, j: np.equal.outer(_numbers(i), _numbers(j))
            )
        bits = (outputs - 1).bit_length()  # ceil(log2(outputs))
        factor = 2 ** (-(bits if self.orthonormal else bits - 1) / 2)
        return at_centre(shape, dtype, functools.partial(_hadamard, bits), factor)


def _hadamard(bits: int, rows: range, columns: range) -> Any:
    """A part of Sylvester's Hadamard matrix: (-1)^(ones that i and j share)."""

    def digits(numbers: range) -> Any:
        return (_numbers(numbers)[:, np.newaxis] >> np.arange(bits)) & 1

    shared = digits(rows).astype(np.float32) @ digits(columns).astype(np.float32).T
    return 1 - 2 * (shared % 2)
