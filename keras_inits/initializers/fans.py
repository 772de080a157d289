"""How many values a unit of a layer adds up: fans, as the layer's kind has them."""

import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import keras

from keras_inits.initializers import checks

__all__ = ["Fans", "check_fans", "compute_fans"]


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


@keras.saving.register_keras_serializable("keras_inits")
class Fans:
    """What the fans of a kernel are, for layers that its shape says nothing about.

    fan_in = prod(shape[input_axes]) * window / input_strides,
    fan_out = prod(shape[output_axes]) * window / output_strides / output_blocks.
    The presets below fill the fields for each kind of layer, and
    `keras_inits.fans_of(layer)` picks the preset. Pass one as `fans=` to any scheme
    that follows the layer's size.

    Args:
        input_axes: axes of the kernel that an output unit sums over; negative ones
            count from the end.
        output_axes: axes of the kernel that an input unit spreads over.
        window: whether the axes before the last two are a convolution's window, whose
            size counts in both fans.
        input_strides: the places of the window of which one meets an output unit; for
            every axis of the window, or one for each.
        output_strides: the places of the window of which one meets an input unit.
        output_blocks: blocks of equal size that the outputs come in, of which one
            counts: groups of a convolution, gates of a recurrent layer.

    Raises:
        TypeError: where an axis or a count is no integer.
        ValueError: where an axis is named twice in one list, or a count is below 1.

    Example:
        >>> Fans.depthwise()((3, 3, 256, 1))
        (9.0, 9.0)
        >>> Fans.gates(4)((128, 1024))
        (128.0, 256.0)
    """

    def __init__(
        self,
        input_axes: Iterable[int],
        output_axes: Iterable[int],
        window: bool = False,
        input_strides: int | Sequence[int] = 1,
        output_strides: int | Sequence[int] = 1,
        output_blocks: int = 1,
    ) -> None:
        self.input_axes = _axes("input_axes", input_axes)
        self.output_axes = _axes("output_axes", output_axes)
        self.window = bool(window)
        self.input_strides = checks.check_counts("input_strides", input_strides)
        self.output_strides = checks.check_counts("output_strides", output_strides)
        self.output_blocks = checks.check_count("output_blocks", output_blocks)

    def __call__(self, shape: Sequence[int]) -> tuple[float, float]:
        """Returns (fan_in, fan_out) of a kernel of this shape.

        Raises:
            ValueError: where the shape lacks an axis.
        """
        named = (*self.input_axes, *self.output_axes)
        if any(not -len(shape) <= axis < len(shape) for axis in named):
            raise ValueError(
                f"The kernel lacks an axis that its fans name. Received: "
                f"shape={tuple(shape)}, fans={self!r}."
            )
        window = shape[:-2] if self.window else ()
        fan_in = math.prod(window) * math.prod(shape[axis] for axis in self.input_axes)
        fan_out = math.prod(window) * math.prod(shape[a] for a in self.output_axes)
        return (
            fan_in / _steps(self.input_strides, len(window)),
            fan_out / _steps(self.output_strides, len(window)) / self.output_blocks,
        )

    @classmethod
    def dense(cls) -> "Fans":
        """A dense layer's kernel, (in, out)."""
        return cls([-2], [-1])

    @classmethod
    def convolution(cls, groups: int = 1, strides: int | Sequence[int] = 1) -> "Fans":
        """A convolution's kernel, (*window, in / groups, out).

        An input unit reaches its own group's channels alone, and of the window's places
        one in `strides`, for each axis.
        """
        return cls(
            [-2], [-1], window=True, output_strides=strides, output_blocks=groups
        )

    @classmethod
    def depthwise(cls, strides: int | Sequence[int] = 1) -> "Fans":
        """A depthwise convolution's kernel, (*window, channels, multiplier)."""
        return cls([], [-1], window=True, output_strides=strides)

    @classmethod
    def transposed_convolution(cls, strides: int | Sequence[int] = 1) -> "Fans":
        """A transposed convolution's kernel, (*window, out, in).

        With strides the inputs lie apart, and an output unit meets one place in
        `strides` of the window, for each axis: on average, since the places alternate.
        """
        return cls([-1], [-2], window=True, input_strides=strides)

    @classmethod
    def embedding(cls) -> "Fans":
        """A table of vectors, (vocabulary, width): the width, whatever the vocabulary.

        A LeCun scheme then gives each vector the length 1.
        """
        return cls([-1], [-1])

    @classmethod
    def gates(cls, count: int, window: bool = False) -> "Fans":
        """A kernel with a block of columns for each gate, (*window, in, gates * units).

        A unit of a gate is one output: `count` is 4 for LSTM, 3 for GRU, and with a
        window 4 for ConvLSTM.
        """
        return cls([-2], [-1], window=window, output_blocks=count)

    @classmethod
    def einsum(cls, equation: str) -> "Fans":
        """The kernel of an `EinsumDense` layer, by its equation.

        Letters of the kernel that the input has and the output lacks are summed over;
        those that the output has and the input lacks are units; those that both have
        hold kernels side by side: a batch, a head, an expert.

        Args:
            equation: such as `"abc,cd->abd"`; an ellipsis may stand for further axes of
                input and output.

        Raises:
            ValueError: where the equation is not of that form.
        """
        inputs, kernel, outputs = _parts(equation)
        return cls(
            [i for i, letter in enumerate(kernel) if letter not in outputs],
            [i for i, letter in enumerate(kernel) if letter not in inputs],
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the fields, as JSON can hold them."""
        return {
            "input_axes": list(self.input_axes),
            "output_axes": list(self.output_axes),
            "window": self.window,
            "input_strides": self.input_strides,
            "output_strides": self.output_strides,
            "output_blocks": self.output_blocks,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Fans":
        """Makes one from what `get_config` returned."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fans) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        fields = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"Fans({fields})"


def check_fans(fans: Any) -> Fans | None:
    """Returns `fans` if it is None or a `Fans`; raises a TypeError otherwise."""
    if fans is None or isinstance(fans, Fans):
        return fans
    raise TypeError(
        f"`fans` must be a keras_inits.Fans. Received: fans={fans!r} (of type "
        f"{type(fans).__name__}). Use a preset, such as Fans.depthwise()."
    )


def _axes(name: str, axes: Any) -> tuple[int, ...]:
    try:
        found = tuple(operator.index(axis) for axis in axes)
    except TypeError as error:
        raise TypeError(
            f"`{name}` must be a list of integers. Received: {name}={axes!r}."
        ) from error
    if len(set(found)) < len(found):
        raise ValueError(f"`{name}` names an axis twice. Received: {name}={axes!r}.")
    return found


def _steps(strides: int | list[int], axes: int) -> int:
    """How many places of the window there are to one that counts."""
    if isinstance(strides, int):
        return int(strides**axes)
    if len(strides) != axes:
        raise ValueError(
            "The kernel's window has other axes than its strides. Received: "
            f"strides={strides} for a window of {axes} axes. Give one for each."
        )
    return math.prod(strides)


def _parts(equation: str) -> tuple[str, str, str]:
    try:
        inputs_and_kernel, outputs = equation.replace(" ", "").split("->")
        inputs, kernel = inputs_and_kernel.split(",")
    except (AttributeError, ValueError):
        inputs, kernel, outputs = "", ".", ""
    if not kernel.isalpha() or any(k not in inputs + outputs for k in kernel):
        raise ValueError(
            "An einsum equation must have the form 'input,kernel->output', each letter "
            f"of the kernel in the input or the output. Received: {equation!r}. An "
            "example is 'abc,cd->abd'."
        )
    return inputs, kernel, outputs
