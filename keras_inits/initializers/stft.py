"""The short-time Fourier transform as a convolution kernel."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_inits.initializers.base import register
from keras_inits.initializers.nesting import Whole

__all__ = ["STFT"]


@register
class STFT(Whole):
    """The short-time Fourier transform as the kernel of a convolution.

    K[t, 0, f] = w(t) cos(2 pi t f / F), or with -sin for the imaginary side, for a
    shape of `(T, 1, F / 2 + 1)`: T the length of a frame, F that of the transform. With
    several input channels each gets the same kernel, for the transform of their sum.

    For spectrograms that a network may go on to train, as in Keras's `STFTSpectrogram`.
    The values are Keras's, at full precision where Keras's float32 loses digits to the
    large arguments; a window given as an array comes back from a saved file.

    Args:
        side: `"real"` or `"imag"`.
        window: the name of a window in `scipy.signal`, or a tuple of a name and its
            parameters; or its T values, as an array, a tensor or a list; None for none.
        scaling: `"density"` divides the window by its L2 norm, `"spectrum"` by its L1
            norm, None not at all.
        periodic: whether a window by name has the period T; else it is symmetric.

    Raises:
        ValueError: where an argument is none of these; when called, where the shape is
            not of rank 3, or the window not of length T.

    Example:
        >>> kernel = STFT("imag", "hann")((128, 1, 513))

    Reference: Griffin & Lim, 1984, doi:10.1109/TASSP.1984.1164317.
    """

    def __init__(
        self,
        side: str = "real",
        window: Any = "hann",
        scaling: str | None = "density",
        periodic: bool = False,
    ) -> None:
        if side not in ("real", "imag"):
            raise ValueError(f"`side` must be 'real' or 'imag'. Received: side={side}")
        if scaling is not None and scaling not in ("density", "spectrum"):
            raise ValueError(
                "`scaling` must be 'density', 'spectrum' or None. Received: "
                f"scaling={scaling}"
            )
        self.side = side
        self.window = _check_window(window)
        self.scaling = scaling
        self.periodic = periodic

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        if len(shape) != 3:
            raise ValueError(
                "STFT fills kernels of one-dimensional convolutions, shapes of rank 3. "
                f"Received: shape={shape} of rank {len(shape)}."
            )
        if not self._is_named() and len(self.window) != shape[0]:
            raise ValueError(
                "The shape of `window` must be equal to [frame_length]. Received: a "
                f"window of {len(self.window)} values, shape={shape}."
            )
        return super()._check(shape, dtype)

    def _is_named(self) -> bool:
        return self.window is None or isinstance(self.window, (str, tuple))

    def _maker(self, shape: tuple[int, ...], precision: Any) -> Callable[[], Any]:
        return lambda: self._kernel(*shape)

    def _kernel(self, frame: int, channels: int, bins: int) -> Any:
        length = max(1, 2 * (bins - 1))
        # Whole turns are taken off while the phase is an integer.
        turns = np.outer(np.arange(frame), np.arange(bins)) % length / length
        wave = np.cos if self.side == "real" else np.sin
        kernel = wave(-2 * math.pi * turns) * self._scaled_window(frame)
        return np.broadcast_to(kernel[:, np.newaxis], (frame, channels, bins))

    def _scaled_window(self, frame: int) -> Any:
        if self.window is None:
            return 1.0
        window = self.window
        if self._is_named():
            from scipy import signal

            window = signal.get_window(window, frame, self.periodic)
        window = np.asarray(window, np.float64)
        norm = 1.0
        if self.scaling == "density":
            norm = math.sqrt(np.sum(window**2))
        elif self.scaling == "spectrum":
            norm = float(np.sum(np.abs(window)))
        return window[:, np.newaxis] / norm


def _check_window(window: Any) -> Any:
    """Returns a window as a configuration can hold it."""
    if window is None:
        return None
    if isinstance(window, (list, tuple)) and window and isinstance(window[0], str):
        window = tuple(window)  # JSON makes a list of it
    if isinstance(window, (str, tuple)) and window and isinstance(window[0], str):
        from scipy import signal

        try:
            signal.get_window(window, 1)
        except ValueError as error:
            raise ValueError(
                "`window` must be one that scipy.signal.get_window knows. Received: "
                f"window={window!r}. {error}"
            ) from error
        return window
    try:
        values = np.asarray(keras.ops.convert_to_numpy(window), np.float64)
    except Exception:
        values = np.asarray(None)
    if values.ndim != 1 or values.dtype.kind != "f":
        raise ValueError(
            "`window` must be the name of a window in scipy.signal, a vector of values "
            f"or None. Received: window={window!r}."
        )
    return window if isinstance(window, list) else values.tolist()
