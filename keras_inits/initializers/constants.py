"""Schemes without chance: zeros, ones, a constant, the identity."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_inits.initializers import checks
from keras_inits.initializers.base import Initializer, register
from keras_inits.initializers.stream import Index, empty

__all__ = ["Constant", "Identity", "Ones", "Zeros"]


class _AnyDtype(Initializer):
    """A scheme that also fills integer and boolean tensors."""

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        name: str = keras.backend.standardize_dtype(dtype)
        return name


@register
class Constant(_AnyDtype):
    """Every value is given: one number for all, or an array.

    W = value. Equal weights keep the units of a layer equal for ever, since they get
    equal gradients: for kernels use it with an array of different numbers.

    Args:
        value: a number, or an array (a tensor, nested lists) that broadcasts to the
            shape of the weights.

    Raises:
        TypeError: when made, where `value` holds something else than numbers.
        ValueError: when called, where the array does not broadcast to the shape.

    Example:
        >>> bias = Constant(0.1)((3,))
        >>> kernel = Constant([[1.0, 0.0], [0.0, 2.0]])((2, 2))
    """

    def __init__(self, value: Any = 0.0) -> None:
        if not isinstance(value, (bool, int, float, complex)):
            value = self._as_array(value)
        self.value = value

    @staticmethod
    def _as_array(value: Any) -> Any:
        try:
            array = np.asarray(keras.ops.convert_to_numpy(value))
        except Exception:
            array = np.asarray(None)
        if array.dtype.kind not in "biufcV":
            raise TypeError(
                "`value` must be a number or an array of numbers. Received: "
                f"value={value!r} (of type {type(value).__name__})."
            )
        # A tensor's dtype that NumPy lacks (bfloat16) would not come back from a file.
        return array.astype(np.float32) if array.dtype.kind == "V" else array

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        value_shape = np.shape(self.value)
        fits = len(value_shape) <= len(shape) and all(
            size in (1, wanted)
            for size, wanted in zip(value_shape[::-1], shape[::-1], strict=False)
        )
        if not fits:
            raise ValueError(
                "The array of Constant does not broadcast to the shape of the weights. "
                f"Received: an array of shape {value_shape}, shape={shape}."
            )
        return super()._check(shape, dtype)

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        whole = np.broadcast_to(np.asarray(self.value), shape)

        def values(index: Index | None) -> Any:
            part = whole if index is None else whole[index]
            out = empty(part.shape, dtype)
            out[...] = part
            return out

        return values


class _Filled(_AnyDtype):
    """One number everywhere, made on the device."""

    _number: int

    def __call__(self, shape: Any, dtype: Any = None, layout: Any = None) -> Any:
        """Returns a new tensor; as `Initializer.__call__`, in any dtype."""
        if layout is not None:
            return super().__call__(shape, dtype, layout)
        shape = checks.check_shape(shape)
        fill = keras.ops.ones if self._number else keras.ops.zeros
        return fill(shape, dtype=self._check(shape, dtype))

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        return Constant(self._number)._values(shape, dtype)


@register
class Zeros(_Filled):
    """Every value is 0.

    W = 0. Right for biases and for the last layer of a residual branch. A network with
    several layers of it never learns: their gradients are 0, or equal for all units.

    Example:
        >>> bias = Zeros()((3,))
    """

    _number = 0


@register
class Ones(_Filled):
    """Every value is 1.

    W = 1. Right for the scale of a normalization; a kernel of it makes all units equal.

    Example:
        >>> scale = Ones()((3,))
    """

    _number = 1


@register
class Identity(_AnyDtype):
    """A matrix with `gain` on its diagonal and 0 elsewhere.

    W = gain * I; where the matrix is not square, the rest of its rows or columns is 0.
    For layers that start as the identity: linear networks, recurrent kernels with ReLU
    (IRNN, Le et al., 2015, arXiv:1504.00941).

    Args:
        gain: factor on the identity, a number >= 0.

    Raises:
        TypeError: where `gain` is no number.
        ValueError: where `gain` is negative, NaN or infinite; when called, where the
            shape is not of rank 2.

    Example:
        >>> kernel = Identity(gain=0.5)((4, 4))
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = checks.check_number("gain", gain, least=0)

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        if len(shape) != 2:
            raise ValueError(
                "Identity fills matrices, shapes of rank 2. Received: "
                f"shape={shape} of rank {len(shape)}."
            )
        return super()._check(shape, dtype)

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        def values(index: Index | None) -> Any:
            rows, columns = (
                range(size)[part]
                for size, part in zip(shape, index or (slice(None),) * 2, strict=True)
            )
            out = empty((len(rows), len(columns)), dtype)
            out[...] = 0
            diagonal = np.arange(
                max(rows.start, columns.start), min(rows.stop, columns.stop)
            )
            out[diagonal - rows.start, diagonal - columns.start] = self.gain
            return out

        return values
