"""Activations and operations of Keras as functions of NumPy vectors."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_inits import theory

__all__ = ["activation_of", "entry_by_entry"]

Function = Callable[[Any], Any]


def activation_of(function: Any) -> Function | None:
    """An activation as a NumPy function; None where it looks at several entries.

    Keras's own come from `keras_inits.theory`, in float64. Others are called as they
    are, in the backend's precision.
    """
    name = getattr(function, "__name__", "")
    if (
        name in theory.activation_names()
        and getattr(keras.activations, name, None) is function
    ):
        return theory.activation(name)
    return entry_by_entry(function)


def entry_by_entry(function: Any) -> Function | None:
    """Any callable on a tensor as a NumPy function, if it acts on single entries.

    That is tried out: the first half of the entries must not notice the second.
    """

    def called(z: Any) -> Any:
        z = np.asarray(z, dtype=np.float64)
        # As examples of one feature, which is what a layer may expect.
        tensor = keras.ops.convert_to_tensor(z.reshape(-1, 1).astype("float32"))
        found = keras.ops.convert_to_numpy(function(tensor))
        return np.asarray(found, dtype=np.float64).reshape(z.shape)

    points = np.linspace(-3, 3, 16)
    try:
        wide = keras.ops.convert_to_tensor(points.reshape(2, 8).astype("float32"))
        other = keras.ops.convert_to_tensor(
            (points * 1.5).reshape(2, 8).astype("float32")
        )
        both = keras.ops.concatenate([wide, other], axis=-1)
        apart = keras.ops.convert_to_numpy(function(wide))
        joined = keras.ops.convert_to_numpy(function(both))
        alone = called(points)
    except Exception:  # whatever a person's own function may raise: not one of these
        return None
    same = apart.shape == wide.shape and joined.shape == both.shape
    if not same or not np.allclose(apart, joined[:, :8], atol=1e-6):
        return None
    return called if np.allclose(apart.ravel(), alone, atol=1e-6) else None
