"""What is refused before anything is measured, with the reason."""

from __future__ import annotations

import re
from typing import Any

import keras
import numpy as np

__all__ = [
    "check_batch",
    "check_model",
    "check_shapes",
    "is_host_float",
    "shapes_of",
    "short",
]


def check_model(model: Any) -> None:
    """Refuse what is no model, or none that is built.

    Raises:
        TypeError: for an object that is no Keras model.
        ValueError: for a model that is not built.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"`model` must be a Keras model. Received: model={model!r} (of type "
            f"{type(model).__name__})."
        )
    if not model.built:
        raise ValueError(
            "The model must be built. Received: an unbuilt model "
            f"{model.name!r}. Call it on a batch, or `model.build(shape)`, first."
        )


def check_batch(x: Any, name: str = "x") -> int:
    """Refuse what is no batch of numbers, and count its samples.

    Raises:
        TypeError: for what is no array, or holds no numbers.
        ValueError: for a batch without samples, or with parts of several lengths.
    """
    arrays = keras.tree.flatten(x)
    for array in arrays:
        _check_array(array, name)
    sizes = {int(array.shape[0]) for array in arrays}
    if not sizes or 0 in sizes:
        raise ValueError(
            f"`{name}` must hold at least one sample. Received: {name} of shape "
            f"{shapes_of(x)}."
        )
    if len(sizes) > 1:
        raise ValueError(
            f"The arrays of `{name}` must have one length. Received: {name} of shapes "
            f"{shapes_of(x)}."
        )
    return sizes.pop()


def check_shapes(model: Any, x: Any) -> None:
    """Refuse a batch of another shape than the model says it takes.

    Raises:
        ValueError: for a batch with other axes, or other sizes along them.
    """
    expected = getattr(model, "input_shape", None)  # None for subclassed models
    if not isinstance(expected, tuple) or keras.tree.is_nested(x):
        return
    if not all(size is None or isinstance(size, int) for size in expected):
        return
    given = tuple(x.shape)
    # Keras adds or removes a last axis of 1.
    fits = any(
        len(shape) == len(expected)
        and all(b in (None, a) for a, b in zip(shape, expected, strict=True))
        for shape in (given, (*given, 1), given[:-1] if given[-1:] == (1,) else given)
    )
    if not fits:
        raise ValueError(
            "The batch has another shape than the model takes. Received: x of shape "
            f"{given}, and the model takes {expected}."
        )


def short(error: Exception) -> str:
    """What an error says, without colours and without the values of tensors."""
    text = re.sub(r"\x1b\[\d*m", "", str(error)).split("Arguments received by")[0]
    text = " ".join(text.split())
    return text if len(text) <= 300 else f"{text[:300]} ..."


def _check_array(array: Any, name: str) -> None:
    if not hasattr(array, "shape") or not hasattr(array, "dtype"):
        raise TypeError(
            f"`{name}` must be an array, or a list or dict of arrays: one batch. "
            f"Received: {name} with {type(array).__name__}. Take a batch out of a data "
            "set, as `x, y = next(iter(dataset))`, and make an array of a list."
        )
    kind = np.dtype(array.dtype).kind if isinstance(array, np.ndarray) else "f"
    if kind not in "fiub":
        raise TypeError(
            f"`{name}` must hold numbers. Received: {name} of dtype {array.dtype}. "
            "Turn text into numbers before the model, or cast."
        )
    if len(array.shape) == 0:
        raise ValueError(
            f"`{name}` must have an axis of samples. Received: {name} of shape (). Add "
            f"one: `{name}[None]`."
        )


def shapes_of(batch: Any) -> str:
    """The shapes of a batch's arrays, as text."""
    shapes = [str(tuple(array.shape)) for array in keras.tree.flatten(batch)]
    return shapes[0] if len(shapes) == 1 else ", ".join(shapes)


def is_host_float(values: Any) -> bool:
    """Whether an array of NumPy's holds numbers with a fraction, bfloat16 included."""
    return "float" in str(values.dtype)
