"""A weight's numbers on the host, without a copy where they are there already."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

__all__ = ["on_host"]


def on_host(tensor: Any) -> NDArray[Any]:
    """A tensor as an array, to be read and not written to.

    Args:
        tensor: a backend's tensor, or a Keras variable.
    """
    tensor = getattr(tensor, "value", tensor)
    if keras.backend.backend() == "tensorflow":
        try:
            return np.asarray(memoryview(keras.ops.convert_to_tensor(tensor)))
        except (BufferError, TypeError, ValueError):  # of a device, of bfloat16
            pass
    if keras.backend.backend() == "jax":
        return np.asarray(tensor)
    found: NDArray[Any] = keras.ops.convert_to_numpy(tensor)
    return found
