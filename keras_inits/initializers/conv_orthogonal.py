"""Orthogonal convolutions: kernels that keep the length of a signal; see a shape alone.

`DeltaOrthogonal` uses one tap of the window, `ConvOrthogonal` all of them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from keras_inits.initializers import laws
from keras_inits.initializers.base import RandomInitializer, made_whole, register
from keras_inits.initializers.gains import check_gain, saved_gain
from keras_inits.initializers.identity import at_centre
from keras_inits.initializers.orthogonal import draw_haar, uniform_scale
from keras_inits.initializers.stream import Index, Stream, empty, precision_of

__all__ = ["ConvOrthogonal", "DeltaOrthogonal"]

# The lane of a projection's rank, beside those of the panels of its matrix.
_RANK_LANE = 1 << 31


class _OrthogonalConvolution(RandomInitializer):
    """What both have in common: a gain, and kernels with a window."""

    def __init__(self, gain: Any = 1.0, seed: Any = None) -> None:
        super().__init__(seed)
        self.gain = gain
        self._factor = check_gain(gain)

    def _saved(self, name: str) -> Any:
        if name == "gain":
            return saved_gain(self.gain, self._factor)
        return super()._saved(name)

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        if len(shape) < 3:
            raise ValueError(
                f"{type(self).__name__} fills convolution kernels, shapes of rank 3 or "
                f"more. Received: shape={shape} of rank {len(shape)}. Orthogonal() "
                "fills matrices."
            )
        return super()._check(shape, dtype)


@register
class DeltaOrthogonal(_OrthogonalConvolution):
    """A convolution kernel that is a random orthogonal matrix at its centre, else zero.

    W[c] = gain * Q at the centre tap c, (k - 1) // 2 of each axis, where Q is in x out,
    from the Haar measure, with QQ' = I. With "same" padding and stride 1 the layer is
    an isometry times the gain, and so is a linear network of any depth: the window
    carries nothing at first, and learns to.

    For very deep convolutional networks without normalization or skip connections: with
    tanh on the critical line (10,000 layers in the paper) or, with `gain="relu"`, ReLU.
    `ConvOrthogonal` is the isometry that uses the window. With in > out the kernel
    can't keep every length, and JAX and TensorFlow refuse it: here Q'Q = I then, a
    projection, which takes the mean square length times out / in.

    Args:
        gain: factor on the matrix: a number >= 0, the name of a Keras activation, or a
            function of one array, as in `VarianceScaling`.
        seed: see `RandomInitializer`.
        scaled: as in `Orthogonal`: times max(sqrt(out / in), 1), for DKS and TAT.

    Raises:
        TypeError: where an argument is of the wrong kind.
        ValueError: where `gain` is negative, NaN, infinite or an unknown activation;
            when called, where the shape has a rank below 3.

    Example:
        >>> kernel = DeltaOrthogonal(gain="tanh", seed=1)((3, 3, 64, 64))

    Reference: Xiao et al., 2018, arXiv:1806.05393, algorithm 2.
    """

    def __init__(
        self, gain: Any = 1.0, seed: Any = None, *, scaled: bool = False
    ) -> None:
        super().__init__(gain, seed)
        self.scaled = bool(scaled)

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        stream = self._stream(shape)
        precision = precision_of(dtype)
        *_, inputs, outputs = shape
        factor = self._factor * (uniform_scale(inputs, outputs) if self.scaled else 1)

        whole = made_whole(
            lambda: draw_haar(stream, 0, inputs, outputs, factor, precision)
        )

        def matrix(rows: range, columns: range) -> Any:
            return whole((_slice(rows), _slice(columns)))

        return at_centre(shape, dtype, matrix)


@register
class ConvOrthogonal(_OrthogonalConvolution):
    """A random convolution kernel that keeps lengths, with values at every tap.

    The kernel's symbol, the matrix K(z) = sum over taps t of W[t] z^t that it applies
    to a wave, is a product of unitary factors,
    K(z) = gain * Q * prod (P + (I - P) z_a), k_a - 1 of them for each axis a of the
    window, with Q orthogonal (in x out) and P random symmetric projections of
    rank ~ Binomial(out, 1/2). So all singular values of all K(z) are `gain`: with
    circular padding and stride 1 the convolution is an isometry times the gain; zeros
    at the border lose what reaches over it. The window may have any size on each axis.

    For convolutional networks whose layers should mix neighbours from the start. Where
    a deep network pads with zeros, `DeltaOrthogonal` loses nothing. With in > out it
    projects, as that does. The kernel `(*window, out, in)` of a transposed convolution
    is orthogonal just so.

    Values agree between machines to the rounding of their matrix products, not to the
    last bit.

    Args:
        gain: factor on the kernel: a number >= 0, the name of a Keras activation, or a
            function of one array, as in `VarianceScaling`.
        seed: see `RandomInitializer`.

    Raises:
        TypeError: where an argument is of the wrong kind.
        ValueError: where `gain` is negative, NaN, infinite or an unknown activation;
            when called, where the shape has a rank below 3.

    Example:
        >>> kernel = ConvOrthogonal(seed=1)((3, 5, 32, 64))

    Reference: Xiao et al., 2018, arXiv:1806.05393, algorithm 1; the factors, Kautsky &
    Turcajova, 1994, "A matrix approach to discrete wavelets".
    """

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        stream = self._stream(shape)
        # Every tap is a sum over products of the same projections: no part is simpler.
        return made_whole(lambda: self._kernel(stream, shape, dtype))

    def _kernel(self, stream: Stream, shape: tuple[int, ...], dtype: Any) -> Any:
        precision = precision_of(dtype)
        *window, inputs, outputs = shape
        if 0 in shape:
            return empty(shape, dtype)
        taps = draw_haar(stream, 0, inputs, outputs, self._factor, precision)
        taps = taps.reshape(*(1 for _ in window), inputs, outputs)
        for place, axis in enumerate(_axes_of_factors(window), 1):
            taps = _multiply(taps, axis, _basis(stream, place, outputs, precision))
        if dtype == precision:
            return taps
        kernel = empty(shape, dtype)
        kernel[...] = taps
        return kernel


def _slice(part: range) -> slice:
    return slice(part.start, part.stop)


def _axes_of_factors(window: list[int]) -> list[int]:
    """The axis of each factor, in the paper's order: one for each axis in turn."""
    return [
        axis
        for step in range(max(window) - 1)
        for axis, size in enumerate(window)
        if step < size - 1
    ]


def _basis(stream: Stream, place: int, size: int, precision: Any) -> Any:
    """An orthonormal basis of a random subspace, of rank ~ Binomial(size, 1/2).

    Which columns of a Haar matrix span it makes no difference: the first do.
    """
    odds = laws.Uniform(0.0, 1.0)
    draws = stream.draw(odds, (size,), np.float32, lane=place << 32 | _RANK_LANE)
    rank = int(np.count_nonzero(draws < 0.5))
    return draw_haar(stream, place, size, rank, 1.0, precision)


def _multiply(taps: Any, axis: int, basis: Any) -> Any:
    """Multiplies a symbol by P + (I - P) z on an axis, P = BB': one tap more there."""
    flat = taps.reshape(-1, len(basis))
    stay = ((flat @ basis) @ basis.T).reshape(taps.shape)
    shape = list(taps.shape)
    shape[axis] += 1
    longer = empty(tuple(shape), taps.dtype)
    by_axis = np.moveaxis(longer, axis, 0)
    by_axis[:-1] = np.moveaxis(stay, axis, 0)
    by_axis[-1] = 0
    by_axis[1:] += np.moveaxis(np.subtract(taps, stay, out=stay), axis, 0)
    return longer
