"""The door of this room: numbers are checked here once, and trusted inside."""

import math
from typing import Any

__all__ = ["check_correlation", "check_depth", "check_number", "check_variance"]


def check_number(name: str, value: Any) -> float:
    """Returns a finite float.

    Raises:
        TypeError: for what is no number.
        ValueError: for NaN and infinities.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(
            f"`{name}` must be a number. Received: {name}={value!r} (of type "
            f"{type(value).__name__})."
        ) from None
    if not math.isfinite(number):
        raise ValueError(f"`{name}` must be finite. Received: {name}={value!r}.")
    return number


def check_variance(name: str, value: Any, *, zero: bool = False) -> float:
    """Returns a finite float > 0, or >= 0 where `zero`; raises as `check_number`."""
    number = check_number(name, value)
    if number < 0 or (number == 0 and not zero):
        raise ValueError(
            f"`{name}` is a variance and must be {'>= 0' if zero else '> 0'}. "
            f"Received: {name}={value!r}. Give the square of a standard deviation."
        )
    return number


def check_correlation(name: str, value: Any) -> float:
    """Returns a float within [-1, 1]; raises as `check_number`."""
    number = check_number(name, value)
    if not -1 <= number <= 1:
        raise ValueError(
            f"`{name}` must lie within [-1, 1]. Received: {name}={value!r}. Divide a "
            "covariance by the two standard deviations."
        )
    return number


def check_depth(name: str, value: Any) -> int:
    """Returns an int >= 0; raises a TypeError or a ValueError."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(
            f"`{name}` must be an integer. Received: {name}={value!r} (of type "
            f"{type(value).__name__})."
        )
    number = int(value.__index__())
    if number < 0:
        raise ValueError(f"`{name}` must be >= 0. Received: {name}={value!r}.")
    return number
