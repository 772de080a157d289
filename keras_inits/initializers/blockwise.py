"""Kernels that hold several maps: each is drawn by itself."""

from collections.abc import Callable
from typing import Any

import numpy as np

from keras_inits.initializers import checks
from keras_inits.initializers.base import register
from keras_inits.initializers.nesting import Wrapper
from keras_inits.initializers.stream import Index, empty

__all__ = ["Blockwise"]


@register
class Blockwise(Wrapper):
    """A kernel whose blocks are each drawn by itself.

    W = [V_1 | V_2 | ... | V_blocks] along `axis`, of independent draws with the block's
    own shape, and so with its own fans: also where the seed is an integer. For kernels
    that hold several maps:

    - gates: `Blockwise(Orthogonal(), 4)` as the `recurrent_initializer` of an LSTM
      makes each gate's block orthogonal; 3 for a GRU. `Blockwise(GlorotUniform(), 4)`
      counts the outputs of one gate.
    - groups of a convolution: `Blockwise(HeNormal(), groups)`.
    - packed attention, `(features, 3 * width)`: `Blockwise(GlorotUniform(), 3)`;
      `(features, 3, heads, head_size)`: the same with `axis=1`, in an `EinsumDense`.
    - experts, kernels side by side in an `EinsumDense` such as "abc,bcd->abd":
      `Blockwise(Orthogonal(), axis=0)`.
    - heads: `Blockwise(Orthogonal(), axis="heads")` as the `kernel_initializer` of a
      `MultiHeadAttention` or `GroupQueryAttention` makes each head's map orthogonal,
      of all four projections.

    Not for the biases of gates: see `UnitForgetBias` and `ChronoBias`.

    Args:
        initializer: of each V; see `Scaled`. Its `fans`, if any, are those of a block.
        blocks: how many; one for each place along the axis unless given.
        axis: that is cut, an integer, or `"heads"`: the first of the two axes that an
            attention layer tells are the outputs of its queries, keys and values, or
            the inputs of its output projection.
        input_axes: see `MapInitializer`.
        output_axes: see `MapInitializer`.

    Raises:
        TypeError: where `initializer` is none, or `blocks` or `axis` no integer.
        ValueError: where `blocks` is below 1; when called, where the shape lacks the
            axis or the blocks do not divide it, or the axis of the heads is not known.

    Example:
        >>> kernel = Blockwise("orthogonal", 4)((64, 256))
        >>> query = Blockwise("orthogonal", axis=1)((512, 8, 64))
    """

    def __init__(
        self,
        initializer: Any,
        blocks: int | None = None,
        axis: int | str = -1,
        input_axes: Any = None,
        output_axes: Any = None,
    ) -> None:
        super().__init__(initializer, input_axes, output_axes)
        self.blocks = None if blocks is None else checks.check_count("blocks", blocks)
        self.axis = axis if axis == "heads" else checks.check_integer("axis", axis)

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        size = shape[self._cut_axis(shape)]
        if self.blocks is not None and size % self.blocks:
            raise ValueError(
                f"The blocks do not divide the axis. Received: shape={shape}, "
                f"axis={self.axis}, blocks={self.blocks}, and {size} is no multiple of "
                f"{self.blocks}."
            )
        return super()._check(shape, dtype)

    def _cut_axis(self, shape: tuple[int, ...]) -> int:
        if not isinstance(self.axis, str):
            return checks.check_axis("axis", self.axis, shape)
        both: list[Any] = [self.input_axes or (), self.output_axes or ()]
        pairs = [axes for axes in both if len(axes) == 2]
        if len(pairs) != 1:
            raise ValueError(
                "Which axis is that of the heads, only an attention layer tells, by "
                f"either two inputs or two outputs. Received: shape={shape}, "
                f"input_axes={self.input_axes}, output_axes={self.output_axes}. Give "
                "the axis as an integer."
            )
        return checks.check_axis("axis", pairs[0][0], shape)

    def _count(self, shape: tuple[int, ...]) -> int:
        return shape[self._cut_axis(shape)] if self.blocks is None else self.blocks

    def _inner_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        axis = self._cut_axis(shape)
        size = shape[axis] // max(1, self._count(shape))
        return (*shape[:axis], size, *shape[axis + 1 :])

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        axis = self._cut_axis(shape)
        step = self._inner_shape(shape)[axis]
        count = self._count(shape)
        blocks = [self._drawn(shape, dtype, block) for block in range(count)]

        def values(index: Index | None) -> Any:
            index = index or tuple(slice(0, n) for n in shape)
            ranges = [range(n)[part] for n, part in zip(shape, index, strict=True)]
            out = empty(tuple(map(len, ranges)), dtype)
            along = np.moveaxis(out, axis, 0)
            start, stop = ranges[axis].start, ranges[axis].stop
            for block, drawn in enumerate(blocks):
                low, high = max(start, block * step), min(stop, (block + 1) * step)
                if low < high:
                    inside = slice(low - block * step, high - block * step)
                    part = drawn((*index[:axis], inside, *index[axis + 1 :]))
                    along[low - start : high - start] = np.moveaxis(part, axis, 0)
            return out

        return values
