"""What differs between the backends where a training step is tapped.

Each module with a backend's name has the same functions, over lists of that backend's
own tensors; a new backend is a new module here, and nothing else in the monitor knows
which one it is.
"""

import importlib
from typing import Any

import keras

__all__ = ["rim"]


def rim() -> Any:
    """The module for the backend that Keras runs on.

    Raises:
        RuntimeError: for a backend that does not train, or is not known here.
    """
    backend = keras.backend.backend()
    if backend not in ("tensorflow", "jax", "torch"):
        raise RuntimeError(
            "NormMonitor taps training on TensorFlow, JAX and torch. Received: backend="
            f"{backend!r}. Set KERAS_BACKEND to one of them."
        )
    return importlib.import_module(f"keras_inits.monitor.rims.{backend}")
