"""The numbers of one kernel, read once: spread, rank, and which units are equal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PREFIX", "RANK_COUNTED", "Survey"]

#: Ranks are counted up to this: enough to tell a matrix of rank 1 from a random one.
RANK_COUNTED = 64
#: A sequence this long tells two draws apart beyond doubt.
PREFIX = 256
_FIRST_INPUTS = 8
_PART = 96

Array = NDArray[Any]


@dataclass(frozen=True)
class Survey:
    """What is kept of a kernel's numbers, which are read once.

    Args:
        beginning: the first `PREFIX` entries.
        std: standard deviation of the finite entries.
        is_zero: whether every entry is 0.
        nonfinite: entries that are NaN or infinite.
        rank: the rank as a map to its units, counted up to `RANK_COUNTED`.
        twins: for each unit the number of its group of equals, -1 where it has none.
    """

    beginning: Array
    std: float
    is_zero: bool
    nonfinite: int
    rank: int
    twins: Array

    @classmethod
    def of(cls, values: Array, rows: Array, bias: Array | None) -> Survey:
        """Surveys a kernel.

        Args:
            values: its numbers, in single precision.
            rows: the same, a row a unit.
            bias: a number a unit, which tells units apart too.
        """
        flat = values.reshape(-1)
        with np.errstate(over="ignore", invalid="ignore"):
            square = float(np.vdot(flat, flat)) / flat.size
            mean = float(flat.mean())
        nonfinite = 0
        if not math.isfinite(square):
            nonfinite = int(np.count_nonzero(~np.isfinite(flat)))
        # In single precision tiny squares are lost, large ones infinite, and of a
        # small difference of two large ones noise is left.
        if not 1e-30 < square < math.inf or mean**2 > 0.99 * square:
            exact = flat[np.isfinite(flat)].astype(np.float64)
            std = float(exact.std()) if exact.size else 0.0
        else:
            std = math.sqrt(square - mean**2)
        return cls(
            beginning=flat[:PREFIX].astype(np.float64),
            std=std,
            is_zero=square == 0.0 and not flat.any(),
            nonfinite=nonfinite,
            rank=0 if nonfinite else _rank(rows),
            twins=_twins(rows, bias),
        )


def _twins(rows: Array, bias: Array | None) -> Array:
    """For each row the number of its group of equals, -1 where it has none."""
    extra = None if bias is None else bias.reshape(-1, 1)
    found = np.full(len(rows), -1)
    count = 0
    # Few units agree in their first inputs, so that few have to be read to the end.
    for alike in _groups(_joined(rows[:, :_FIRST_INPUTS], extra)):
        rest = None if extra is None else extra[alike]
        for members in _groups(_joined(rows[alike], rest)):
            found[np.asarray(alike)[members]] = count
            count += 1
    return found


def _rank(rows: Array) -> int:
    """The rank, counted up to `RANK_COUNTED`.

    Of a part, which has no larger rank than the whole: most kernels are done there.
    Else of the product with random matrices on both sides, which has the same rank.
    """
    count = int(min(*rows.shape, RANK_COUNTED))
    if _eliminated(rows[:_PART, :_PART].astype(np.float64), count) == count:
        return count
    largest = np.abs(rows).max()
    if largest == 0.0:
        return 0
    random = np.random.default_rng(0)
    mixed = (rows / largest) @ random.standard_normal((rows.shape[1], _PART))
    return _eliminated(random.standard_normal((_PART, len(rows))) @ mixed, count)


def _eliminated(matrix: Array, most: int) -> int:
    """How many pivots Gaussian elimination finds, up to so many.

    Written out, since LAPACK's threads cost more than matrices of this size.
    """
    limit = 1e-5 * np.abs(matrix).max(initial=0.0)
    for rank in range(most):
        row, column = np.unravel_index(np.abs(matrix).argmax(), matrix.shape)
        pivot = matrix[row, column]
        if abs(pivot) <= limit:
            return rank
        matrix = matrix - np.outer(matrix[:, column], matrix[row] / pivot)
    return most


def _joined(rows: Array, bias: Array | None) -> Array:
    return rows if bias is None else np.concatenate([rows, bias], axis=1)


def _groups(rows: Array) -> list[list[int]]:
    """The places of rows that are equal, for each set of at least two."""
    rows = np.ascontiguousarray(rows + np.float32(0.0))  # -0 is 0
    groups: dict[bytes, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault(row.tobytes(), []).append(index)
    return [members for members in groups.values() if len(members) > 1]
