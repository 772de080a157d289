"""The orthogonal scheme."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_inits.initializers import laws
from keras_inits.initializers.base import MapInitializer, made_whole, register
from keras_inits.initializers.gains import check_gain, saved_gain
from keras_inits.initializers.haar import haar
from keras_inits.initializers.stream import Index, Stream, empty, precision_of

__all__ = ["Orthogonal", "draw_haar", "uniform_scale"]


def draw_haar(
    stream: Stream, place: int, rows: int, columns: int, gain: float, precision: Any
) -> Any:
    """Draws the orthogonal matrix of a number from a stream: see `haar`."""
    law = laws.Normal(0.0, 1.0)

    def normals(panel: int, size: tuple[int, int]) -> Any:
        # Lanes of 64 bits: the upper half counts matrices, the lower panels.
        return stream.draw(law, size, precision, lane=place << 32 | panel)

    return haar(rows, columns, normals, gain, precision)


def uniform_scale(inputs: int, outputs: int) -> float:
    """The factor of scaled uniform orthogonal matrices, max(sqrt(out / in), 1).

    An orthogonal map of few inputs to many outputs keeps the length of a vector; times
    this, its mean square. One of many to few is left alone: it loses what it projects
    away. Reference: Martens et al., 2021, arXiv:2110.01765, "Parameter distributions".
    """
    return math.sqrt(max(outputs / max(inputs, 1), 1.0))


@register
class Orthogonal(MapInitializer):
    """A random orthogonal matrix, drawn from the Haar (uniform) measure.

    W'W = gain^2 I, or WW' = gain^2 I where the matrix has fewer rows than columns: a
    linear layer keeps the length of every vector, not on average but exactly, and so
    does a deep linear network. The kernel is taken for a matrix of
    `prod(shape[:-1]) x shape[-1]`, or as its axes say; see `MapInitializer`.

    For recurrent kernels, deep networks with tanh on the critical line, and, with
    `gain="relu"`, ReLU networks. A convolution with it is no isometry.

    Values agree between machines to the rounding of their matrix products, not to the
    last bit.

    Args:
        gain: factor on the matrix: a number >= 0, the name of a Keras activation, or a
            function of one array, as in `VarianceScaling`.
        seed: see `RandomInitializer`.
        input_axes: see `MapInitializer`.
        output_axes: see `MapInitializer`.
        scaled: whether to multiply the gain by max(sqrt(out / in), 1), the scaled
            uniform orthogonal matrices of DKS and TAT (Martens et al., 2021,
            arXiv:2110.01765), with which wider layers keep the mean square of the
            signal instead of its length.

    Raises:
        TypeError: where an argument is of the wrong kind.
        ValueError: where `gain` is negative, NaN, infinite or an unknown activation;
            when called, where the shape has a rank below 2.

    Example:
        >>> kernel = Orthogonal(gain="relu", seed=1)((512, 64))

    Reference: Saxe et al., 2014, arXiv:1312.6120; Haar measure: Mezzadri, 2007,
    arXiv:math-ph/0609050.
    """

    def __init__(
        self,
        gain: Any = 1.0,
        seed: Any = None,
        input_axes: Any = None,
        output_axes: Any = None,
        *,
        scaled: bool = False,
    ) -> None:
        super().__init__(seed, input_axes, output_axes)
        self.gain = gain
        self._factor = check_gain(gain)
        self.scaled = bool(scaled)

    def _saved(self, name: str) -> Any:
        if name == "gain":
            return saved_gain(self.gain, self._factor)
        return super()._saved(name)

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        if len(shape) < 2:
            raise ValueError(
                "Orthogonal fills matrices and kernels, shapes of rank 2 or more. "
                f"Received: shape={shape} of rank {len(shape)}. Zeros() suits a bias."
            )
        return super()._check(shape, dtype)

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        stream = self._stream(shape)
        # Every part of an orthogonal matrix depends on every other: it is made whole,
        # at the first part that is asked for.
        return made_whole(lambda: self._maps(stream, shape, dtype))

    def _maps(self, stream: Stream, shape: tuple[int, ...], dtype: Any) -> Any:
        """Draws the kernel, one matrix for each place along the other axes."""
        inputs, outputs, others = self._map_axes(len(shape))
        precision = precision_of(dtype)
        rows = math.prod(shape[axis] for axis in inputs)
        columns = math.prod(shape[axis] for axis in outputs)
        factor = self._factor * (uniform_scale(rows, columns) if self.scaled else 1)

        def matrix(place: int) -> Any:
            return draw_haar(stream, place, rows, columns, factor, precision)

        order = (*others, *inputs, *outputs)
        places = tuple(shape[axis] for axis in others)
        if order == tuple(range(len(shape))) and not places and dtype == precision:
            return matrix(0).reshape(shape)
        kernel = empty(shape, dtype)
        if kernel.size:
            maps = kernel.transpose(order)
            for place, where in enumerate(np.ndindex(places)):
                maps[where] = matrix(place).reshape(maps[where].shape)
        return kernel
