"""The door: what users pass in is checked here once, and trusted inside; sees no layer.

Every error says what is wrong, what was received and what to do.
"""

import math
import operator
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

__all__ = [
    "check_axes",
    "check_axis",
    "check_count",
    "check_counts",
    "check_dtype",
    "check_integer",
    "check_number",
    "check_option",
    "check_positive",
    "check_shape",
]


def check_number(
    name: str, value: Any, least: float = -math.inf, most: float = math.inf
) -> float:
    """Returns a finite Python number within [least, most].

    Integers stay integers; arrays and tensors with a single element become floats, so
    that they come back from a saved file.

    Raises:
        TypeError: where it is no number.
        ValueError: where it is NaN, infinite or out of range.
    """
    number = _as_number(name, value)
    if not math.isfinite(number) or not least <= number <= most:
        bounds = f" >= {least:g}" if math.isfinite(least) else ""
        bounds += f" <= {most:g}" if math.isfinite(most) else ""
        raise ValueError(
            f"`{name}` must be a finite number{bounds}. Received: {name}={value!r}."
        )
    return number


def check_positive(name: str, value: Any) -> float:
    """Returns a finite Python number above 0; raises as `check_number` does."""
    number = _as_number(name, value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(
            f"Argument `{name}` must be positive float. Received: {name}={value!r}."
        )
    return number


def _as_number(name: str, value: Any) -> float:
    if type(value) is int or type(value) is float:
        return value
    try:
        array = np.asarray(keras.ops.convert_to_numpy(value))
    except Exception:
        array = np.asarray(None)
    if array.size != 1 or array.dtype.kind not in "iufV":
        raise TypeError(
            f"`{name}` must be a number. Received: {name}={value!r} (of type "
            f"{type(value).__name__})."
        )
    return float(array.reshape(()))


def check_integer(name: str, value: Any) -> int:
    """Returns a Python integer; raises a TypeError for what is none."""
    try:
        return operator.index(value)
    except TypeError as error:
        raise TypeError(
            f"`{name}` must be an integer. Received: {name}={value!r} (of type "
            f"{type(value).__name__})."
        ) from error


def check_count(name: str, value: Any) -> int:
    """Returns an integer of at least 1.

    Raises:
        TypeError: where it is no integer.
        ValueError: where it is below 1.
    """
    count = check_integer(name, value)
    if count < 1:
        raise ValueError(f"`{name}` must be an integer >= 1. Received: {name}={value}.")
    return count


def check_counts(name: str, value: Any) -> int | list[int]:
    """Returns an integer of at least 1, or a list of them; as `check_count` raises."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [check_count(name, count) for count in value]
    return check_count(name, value)


def check_option(name: str, value: Any, options: tuple[str, ...]) -> str:
    """Returns a name in lower case, if it is one of the options."""
    if isinstance(value, str) and value.lower() in options:
        return value.lower()
    raise ValueError(
        f"Invalid `{name}` argument: {value!r}. Received: {name}={value!r}. "
        f"Use one of {', '.join(map(repr, options))}."
    )


def check_axes(input_axes: Any, output_axes: Any) -> None:
    """Checks the axes of a kernel that are its inputs and outputs.

    Raises:
        TypeError: where they are not integers.
        ValueError: where one is given without the other, or an axis twice.
    """
    if input_axes is None and output_axes is None:
        return
    if input_axes is None or output_axes is None:
        raise ValueError(
            "`input_axes` and `output_axes` go together. Received: "
            f"input_axes={input_axes}, output_axes={output_axes}. Give both or neither."
        )
    try:
        axes = [operator.index(axis) for axis in (*input_axes, *output_axes)]
    except TypeError as error:
        raise TypeError(
            "`input_axes` and `output_axes` must be lists of integers. Received: "
            f"input_axes={input_axes!r}, output_axes={output_axes!r}."
        ) from error
    if len(set(axes)) < len(axes):
        raise ValueError(
            "An axis can be named once in `input_axes` and `output_axes`. Received: "
            f"input_axes={input_axes}, output_axes={output_axes}."
        )


def check_axis(name: str, axis: int, shape: tuple[int, ...]) -> int:
    """Returns an axis counted from the front; a ValueError if the shape lacks it."""
    if not -len(shape) <= axis < len(shape):
        raise ValueError(
            f"The shape lacks the `{name}`. Received: shape={shape} of rank "
            f"{len(shape)}, {name}={axis}."
        )
    return axis % len(shape)


def check_shape(shape: Any) -> tuple[int, ...]:
    """Returns the shape of a tensor as a tuple of Python integers.

    Raises:
        TypeError: where it is no sequence of integers.
        ValueError: where a size is None or negative.
    """
    try:
        sizes = tuple(shape)
        if None not in sizes:
            sizes = tuple(operator.index(size) for size in sizes)
    except TypeError as error:
        raise TypeError(
            f"`shape` must be a sequence of integers. Received: shape={shape!r}. "
            "Write (3,) for a vector of three."
        ) from error
    if None in sizes:
        raise ValueError(
            f"Every size of `shape` must be known. Received: shape={sizes}. Build the "
            "layer with its input's full shape first."
        )
    if any(size < 0 for size in sizes):
        raise ValueError(
            f"No size of `shape` can be negative. Received: shape={sizes}."
        )
    return sizes


def check_dtype(scheme: str, dtype: Any) -> str:
    """Returns the name of a floating-point dtype; Keras's default for None.

    Raises:
        ValueError: where it is no dtype, or not of floating point.
    """
    name: str = keras.backend.standardize_dtype(dtype)
    if not keras.backend.is_float_dtype(name):
        raise ValueError(
            f"{scheme} draws real numbers and needs a floating-point dtype. Received: "
            f"dtype={name!r}. Use 'float32', 'float64', 'float16' or 'bfloat16'."
        )
    return name
