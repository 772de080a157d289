"""Kernels that enlarge a signal: for sub-pixel convolution, linear interpolation."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_inits.initializers import checks
from keras_inits.initializers.base import Initializer, register
from keras_inits.initializers.nesting import check_initializer, inner_values
from keras_inits.initializers.stream import Index, empty, precision_of

__all__ = ["ICNR", "Bilinear"]


@register
class ICNR(Initializer):
    """Sub-pixel convolution that starts as nearest-neighbour upsampling.

    A kernel K of shape `(*window, in, out)` with out = C r^d, for d axes of the window
    and a scale of r, holds each of the C filters of another scheme r^d times:
    K[..., b C + c] = W[..., c] for `depth_to_space`. So `depth_to_space` of the
    convolution is the convolution with W, each pixel repeated r times along each axis,
    and the checkerboards that independent filters start with are absent.

    For convolutions of stride 1 in front of `depth_to_space`. A bias must start equal
    within each group of copies too: zeros are.

    Args:
        initializer: gives the C filters: an initializer of this package or of Keras,
            its name or its configuration. The seed is its.
        scale: r, an integer >= 1, or a list of one for each axis of the window.
        order: how the channels are spread over the pixels: `"depth_to_space"`, block
            by block, as TensorFlow does and `keras.ops` with channels last; or
            `"pixel_shuffle"`, channel by channel, as torch's `PixelShuffle` does. With
            channels first, `keras.ops.depth_to_space` is in TensorFlow's order on
            TensorFlow and in torch's on JAX and torch.

    Raises:
        TypeError: where `initializer` is none, or `scale` no integers.
        ValueError: where `scale` or `order` is not as above; when called, where the
            kernel has no window, or its channels do not come in groups of r^d.

    Example:
        >>> kernel = ICNR("he_normal", scale=2)((3, 3, 16, 32))

    Reference: Aitken et al., 2017, arXiv:1707.02937.
    """

    def __init__(
        self,
        initializer: Any,
        scale: int | Sequence[int] = 2,
        order: str = "depth_to_space",
    ) -> None:
        self.initializer = check_initializer(initializer)
        self.scale = checks.check_counts("scale", scale)
        self.order = checks.check_option(
            "order", order, ("depth_to_space", "pixel_shuffle")
        )

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        if len(shape) < 3:
            raise ValueError(
                "ICNR fills kernels of convolutions, shapes of rank 3 or more. "
                f"Received: shape={shape} of rank {len(shape)}."
            )
        copies = self._copies(shape)
        if shape[-1] % copies:
            raise ValueError(
                f"ICNR repeats each filter {copies} times, and the kernel's output "
                f"channels are no multiple of that. Received: shape={shape}, "
                f"scale={self.scale}. Give the layer {copies} * C filters."
            )
        name = super()._check(shape, dtype)
        if isinstance(self.initializer, Initializer):
            self.initializer._check((*shape[:-1], shape[-1] // copies), name)
        return name

    def _copies(self, shape: tuple[int, ...]) -> int:
        return math.prod(_per_axis("scale", self.scale, shape))

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        copies = self._copies(shape)
        filters = shape[-1] // copies
        inner = inner_values(
            self.initializer, (*shape[:-1], filters), precision_of(dtype)
        )

        def values(index: Index | None) -> Any:
            *others, channels = index or (slice(None),) * len(shape)
            number = np.arange(shape[-1])[channels]
            tiled = self.order == "depth_to_space"
            source = number % max(1, filters) if tiled else number // copies
            part = inner((*others, slice(None)))
            out = empty((*part.shape[:-1], len(number)), dtype)
            out[...] = part[..., source]
            return out

        return values


@register
class Bilinear(Initializer):
    """Linear interpolation as the kernel of a transposed convolution.

    K[p, o, i] = prod over the axes of max(0, 1 - |p - c| / s), for o = i, and 0
    otherwise: a tent of half-width s, the stride, around the centre c = (k - 1) / 2 of
    a window of k. Away from the border, the layer enlarges each channel s times by
    linear interpolation along one axis, bilinear along two, trilinear along three.

    For `Conv1DTranspose`, `Conv2DTranspose` and `Conv3DTranspose` that enlarge maps of
    as many channels as they give, such as the scores of a segmentation. With
    "same" padding, a window of 2s for even strides and of 2s - 1 for odd ones aligns
    the pixels' centres as `keras.ops.image.resize` does.

    Args:
        strides: of the layer, an integer, or a list of one for each axis of the window;
            (k + 1) // 2 unless given, which suits windows of 2s and 2s - 1.

    Raises:
        TypeError: where `strides` is no integer.
        ValueError: where it is below 1; when called, where the kernel has no window, or
            one too small to interpolate.

    Example:
        >>> kernel = Bilinear()((4, 4, 21, 21))

    Reference: Long et al., 2015, arXiv:1411.4038, section 3.3.
    """

    def __init__(self, strides: int | Sequence[int] | None = None) -> None:
        if strides is not None:
            strides = checks.check_counts("strides", strides)
        self.strides = strides

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        if len(shape) < 3:
            raise ValueError(
                "Bilinear fills kernels of transposed convolutions, shapes of rank 3 "
                f"or more. Received: shape={shape} of rank {len(shape)}."
            )
        steps = self._steps(shape)
        if any(size < 2 * s - 1 for size, s in zip(shape[:-2], steps, strict=True)):
            raise ValueError(
                "The window is too small to interpolate over its stride. Received: "
                f"shape={shape}, strides={self.strides}. Use a window of twice the "
                "stride."
            )
        return super()._check(shape, dtype)

    def _steps(self, shape: tuple[int, ...]) -> list[int]:
        if self.strides is None:
            return [(size + 1) // 2 for size in shape[:-2]]
        return _per_axis("strides", self.strides, shape)

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        steps = self._steps(shape)
        window = [_tent(size, s) for size, s in zip(shape[:-2], steps, strict=True)]

        def values(index: Index | None) -> Any:
            *places, outputs, inputs = index or (slice(None),) * len(shape)
            row = np.arange(shape[-2])[outputs]
            column = np.arange(shape[-1])[inputs]
            part: Any = np.equal.outer(row, column).astype(np.float64)
            for tent, place in zip(reversed(window), reversed(places), strict=True):
                part = np.multiply.outer(tent[place], part)
            out = empty(part.shape, dtype)
            out[...] = part if dtype == np.float64 else part.astype(np.float32)
            return out

        return values


def _tent(size: int, stride: int) -> Any:
    """The weights of linear interpolation over a window, in float64."""
    distance = np.abs(np.arange(size) - (size - 1) / 2)
    return np.maximum(0.0, 1 - distance / max(1, stride))


def _per_axis(name: str, given: Any, shape: tuple[int, ...]) -> list[int]:
    """One number for each axis of a kernel's window."""
    axes = len(shape) - 2
    if isinstance(given, int):
        return [given] * axes
    if len(given) != axes:
        raise ValueError(
            f"`{name}` has other axes than the kernel's window. Received: "
            f"{name}={given}, shape={shape}. Give one number, or {axes}."
        )
    return list(given)
