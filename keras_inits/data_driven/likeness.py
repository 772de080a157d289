"""Kernels that were filled from one sequence of numbers, as with one seed for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_inits.data_driven.survey import PREFIX
from keras_inits.data_driven.weights import Kernel

__all__ = ["alike"]

_TOO_SHORT = 16

Array = NDArray[Any]


def alike(kernels: Sequence[Kernel]) -> list[list[Kernel]]:
    """Groups of trainable kernels that were filled from one sequence of numbers.

    They are equal, or begin alike but for a factor, as draws with one seed for several
    shapes do. A kernel that is mostly zeros, or holds few different numbers, was not
    drawn at random and joins no group.
    """
    beginnings = []
    members = []
    for kernel in kernels:
        flat = kernel.beginning
        if not kernel.trainable or len(np.unique(flat)) < min(len(flat), _TOO_SHORT):
            continue
        if len(flat) < _TOO_SHORT or np.count_nonzero(flat) < len(flat) / 2:
            continue
        if not np.isfinite(flat).all():
            continue
        beginnings.append(np.resize(flat, PREFIX) * (np.arange(PREFIX) < len(flat)))
        members.append(kernel)
    groups: list[list[Kernel]] = []
    in_step = _in_step(np.reshape(beginnings, (-1, PREFIX)))
    free = list(range(len(members)))
    while free:
        first, *others = free
        same = [other for other in others if in_step[first, other]]
        if same:
            groups.append([members[at] for at in (first, *same)])
        free = [at for at in others if at not in same]
    return groups


def _in_step(rows: Array) -> Array:
    """Which pairs of rows agree but for a factor, where neither is 0."""
    known = (rows != 0.0).astype(np.float64)
    squares = np.square(rows) @ known.T  # of one row, where the other is known
    near = rows @ rows.T > 0.99999 * np.sqrt(squares * squares.T)
    enough = known @ known.T >= _TOO_SHORT
    found: Array = near & enough
    return found
