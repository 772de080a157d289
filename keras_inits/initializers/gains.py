"""The `gain` argument: a number, the name of an activation, or its function."""

from collections.abc import Callable
from typing import Any

import keras

from keras_inits.initializers import checks
from keras_inits.theory import activation_names
from keras_inits.theory import gain as gain_of

__all__ = ["check_gain", "saved_gain"]


def check_gain(gain: Any) -> float:
    """Returns the factor on the standard deviation that `gain` stands for.

    Raises:
        TypeError: where it is neither a number, a string nor callable.
        ValueError: where it is negative, NaN, infinite, an unknown activation, or one
            that has no gain.
    """
    if isinstance(gain, str):
        return gain_of(gain)
    if not callable(gain):
        return checks.check_number("gain", gain, least=0)
    name = getattr(gain, "__name__", "")
    if getattr(keras.activations, name, None) is gain:
        return gain_of(name)  # and an error for softmax, which sees several units
    return gain_of(_on_host(gain))


def saved_gain(gain: Any, factor: float) -> str | float:
    """What a configuration holds: a number or a name, which load anywhere.

    A callable is saved by the name that Keras gives it, or else as the number that it
    stood for.
    """
    if isinstance(gain, str):
        return gain
    return (callable(gain) and _keras_name(gain)) or factor


def _keras_name(function: Callable[[Any], Any]) -> str | None:
    name = getattr(function, "__name__", "")
    known = name in activation_names() and keras.activations.get(name) is function
    return name if known else None


def _on_host(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda z: keras.ops.convert_to_numpy(function(z))
