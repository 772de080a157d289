"""Sparse initialization: units with few inputs; sees a shape alone."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_inits.initializers import checks, laws
from keras_inits.initializers.base import MapInitializer, made_whole, register
from keras_inits.initializers.stream import Index, Stream, empty

__all__ = ["Sparse"]

_VALUES, _PATTERN = 0, 1  # lanes of the stream


@register
class Sparse(MapInitializer):
    """A few normal values among the inputs of each unit, and zeros.

    Each output unit has exactly min(nonzeros, fan_in) inputs that are not 0, a subset
    drawn uniformly and for each unit anew, with values from N(0, stddev^2). So the
    variance of a unit's sum, nonzeros * stddev^2, does not depend on the layer's size,
    and units differ from one another more than dense ones.

    For deep sigmoid networks and autoencoders, whose units should not saturate; for
    tanh take a quarter of it, `stddev=0.25`, with biases of 0.5. Zeros are only a
    start: they get gradients and train. The inputs of a unit are all axes but the last,
    unless `input_axes` names them: for a depthwise kernel `[0, 1]`, the window.

    Args:
        nonzeros: how many inputs of a unit are not 0, an integer. (Lasagne's `sparsity`
            is their share, PyTorch's the share of zeros.)
        stddev: standard deviation of the values that are not 0, a number >= 0; 1 in
            Martens's experiments, 0.01 by default in PyTorch.
        seed: see `RandomInitializer`.
        input_axes: see `MapInitializer`.
        output_axes: see `MapInitializer`.

    Raises:
        TypeError: where an argument is of the wrong kind.
        ValueError: where `nonzeros` is below 1, or `stddev` negative, NaN or infinite;
            when called, where the shape has a rank below 2.

    Example:
        >>> kernel = Sparse(nonzeros=15, seed=1)((784, 256))

    Reference: Martens, 2010, "Deep learning via Hessian-free optimization", section 5;
    Sutskever et al., 2013, "On the importance of initialization and momentum in deep
    learning", section 3.1.
    """

    def __init__(
        self,
        nonzeros: int = 15,
        stddev: float = 1.0,
        seed: Any = None,
        input_axes: Any = None,
        output_axes: Any = None,
    ) -> None:
        super().__init__(seed, input_axes, output_axes)
        self.nonzeros = checks.check_count("nonzeros", nonzeros)
        self.stddev = checks.check_number("stddev", stddev, least=0)

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        if len(shape) < 2:
            raise ValueError(
                "Sparse fills matrices and kernels, shapes of rank 2 or more. "
                f"Received: shape={shape} of rank {len(shape)}. Zeros() suits a bias."
            )
        return super()._check(shape, dtype)

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        stream = self._stream(shape)
        return made_whole(lambda: self._kernel(stream, shape, dtype))

    def _kernel(self, stream: Stream, shape: tuple[int, ...], dtype: Any) -> Any:
        rank = len(shape)
        inputs = list(range(rank - 1))
        if self.input_axes is not None:
            inputs = [axis % rank for axis in self.input_axes]
        units = [axis for axis in range(rank) if axis not in inputs]
        rows = math.prod(shape[axis] for axis in inputs)
        columns = math.prod(shape[axis] for axis in units)
        count = min(self.nonzeros, rows)
        kernel = empty(shape, dtype)
        kernel[...] = 0
        if kernel.size:
            law = laws.Normal(0.0, self.stddev)
            values = stream.draw(law, (count, columns), dtype, lane=_VALUES)
            fractions = stream.draw(
                laws.Uniform(0.0, 1.0), (count, columns), np.float64, lane=_PATTERN
            )
            sizes = [shape[axis] for axis in inputs], [shape[axis] for axis in units]
            where = (
                *np.unravel_index(_subsets(rows, fractions), sizes[0]),
                *np.unravel_index(np.arange(columns), sizes[1]),
            )
            kernel.transpose(*inputs, *units)[where] = values
        return kernel


def _subsets(size: int, fractions: Any) -> Any:
    """Draws a subset of range(size) for each column, uniform over all of one size.

    Floyd's algorithm (Bentley & Floyd, 1987, doi:10.1145/30401.315746), for all columns
    at once: for j = size - count, ..., size - 1 take a number up to j, or j itself
    where that number is taken.

    Args:
        size: of the set.
        fractions: uniform on [0, 1), float64; a row for each element of the subsets.

    Returns:
        The elements, an integer array like `fractions`.
    """
    count, columns = fractions.shape
    column = np.arange(columns)
    taken = np.zeros((size, columns), bool)
    elements = np.empty((count, columns), np.int64)
    for row in range(count):
        last = size - count + row
        drawn = (fractions[row] * (last + 1)).astype(np.int64)
        elements[row] = np.where(taken[drawn, column], last, drawn)
        taken[elements[row], column] = True
    return elements
