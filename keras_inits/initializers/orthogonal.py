"""The orthogonal scheme."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_inits.initializers import laws
from keras_inits.initializers.base import MapInitializer, register
from keras_inits.initializers.gains import check_gain, saved_gain
from keras_inits.initializers.haar import haar
from keras_inits.initializers.stream import Index, Stream, empty

__all__ = ["Orthogonal"]


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
    ) -> None:
        super().__init__(seed, input_axes, output_axes)
        self.gain = gain
        self._factor = check_gain(gain)

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
        whole = functools.cache(lambda: self._maps(stream, shape, dtype))
        return lambda index: whole() if index is None else whole()[index]

    def _maps(self, stream: Stream, shape: tuple[int, ...], dtype: Any) -> Any:
        """Draws the kernel, one matrix for each place along the other axes."""
        inputs, outputs, others = self._axes(len(shape))
        precision = np.float64 if dtype == np.float64 else np.float32
        law = laws.Normal(0.0, 1.0)

        def matrix(place: int) -> Any:
            def normals(panel: int, size: tuple[int, int]) -> Any:
                # Lanes of 64 bits: the upper half counts matrices, the lower panels.
                return stream.draw(law, size, precision, lane=place << 32 | panel)

            rows = math.prod(shape[axis] for axis in inputs)
            columns = math.prod(shape[axis] for axis in outputs)
            return haar(rows, columns, normals, self._factor, precision)

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

    def _axes(self, rank: int) -> tuple[list[int], list[int], list[int]]:
        if self.input_axes is None:
            return list(range(rank - 1)), [rank - 1], []
        inputs = [axis % rank for axis in self.input_axes]
        outputs = [axis % rank for axis in self.output_axes]
        return inputs, outputs, [a for a in range(rank) if a not in inputs + outputs]
