"""Units of a layer that compute the same: found in the weights, on the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_inits.data_driven.weights import Kernel

__all__ = ["Structure", "duplicated_units"]


def duplicated_units(rows: Any) -> tuple[int, int]:
    """How many units have a twin, and how many there are.

    They are compared by their products with four random vectors, so that a large kernel
    is read once; rounding in the optimizer may set twins a millionth apart.

    Args:
        rows: A row of weights for each unit.
    """
    values = np.asarray(rows, np.float64)
    random = np.random.Generator(np.random.Philox(1))
    marks = values @ random.standard_normal((values.shape[1], 4))
    marks = marks[np.argsort(marks[:, 0])]
    tolerance = 1e-6 * np.linalg.norm(values, axis=1).max(initial=0.0)
    alike = (np.abs(np.diff(marks, axis=0)) <= tolerance).all(axis=1)
    # Each run of k agreeing neighbours is k + 1 units.
    twins = np.concatenate([alike, [False]]) | np.concatenate([[False], alike])
    return int(twins.sum()), len(values)


class Structure:
    """Follows the kernels whose units start out alike.

    Args:
        kernels: By the path of their layer.
    """

    def __init__(self, kernels: Mapping[str, Kernel]) -> None:
        self._kernels = kernels
        self.start: dict[str, tuple[int, int]] = {}
        self._before: dict[str, Any] = {}
        for layer, kernel in kernels.items():
            rows = kernel.units()
            twins, units = duplicated_units(rows)
            if twins > 1:
                self.start[layer] = twins, units
                self._before[layer] = np.array(rows)

    def now(self) -> dict[str, tuple[int, int]]:
        """The counts in those kernels that have moved since the start."""
        found = {}
        for layer, before in self._before.items():
            rows = self._kernels[layer].units()
            if not np.array_equal(rows, before):
                found[layer] = duplicated_units(rows)
        return found
