"""How many values a unit of a layer adds up, from the shape of its kernel."""

import math
from collections.abc import Sequence

__all__ = ["compute_fans"]


def compute_fans(
    shape: tuple[int, ...],
    input_axes: Sequence[int] | None = None,
    output_axes: Sequence[int] | None = None,
) -> tuple[int, int]:
    """Counts the inputs of an output unit, and the outputs of an input unit.

    Args:
        shape: of a kernel. Without axes, by the convention of Keras: `(in, out)` for
            dense layers, `(*window, in, out)` for convolutions, where both fans count
            the window; a vector of n has fans of n, a scalar of 1.
        input_axes: axes that are summed over, where the convention does not hold.
        output_axes: axes that index the outputs.

    Returns:
        `(fan_in, fan_out)`.

    Example:
        >>> compute_fans((3, 3, 64, 128))
        (576, 1152)
        >>> compute_fans((512, 8, 64), input_axes=[0], output_axes=[1, 2])
        (512, 512)
    """
    if input_axes is not None and output_axes is not None:
        fan_in = math.prod(shape[axis] for axis in input_axes)
        return fan_in, math.prod(shape[axis] for axis in output_axes)
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    window = math.prod(shape[:-2])
    return shape[-2] * window, shape[-1] * window
