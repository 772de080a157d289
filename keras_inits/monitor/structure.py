"""Units of a layer that compute the same: found in the weights, on the host."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

__all__ = ["Structure", "duplicated_units"]


def duplicated_units(kernel: Any) -> tuple[int, int]:
    """How many units have a twin, and how many there are.

    Units lie along the last axis. They are compared by their products with four random
    vectors, so that a large kernel is read once; rounding in the optimizer may set
    twins a millionth apart.

    Args:
        kernel: An array of at least two axes.
    """
    values = np.asarray(kernel, np.float64).reshape(-1, np.shape(kernel)[-1])
    probes = np.random.Generator(np.random.Philox(1)).standard_normal((4, len(values)))
    marks = probes @ values
    marks = marks[:, np.argsort(marks[0])]
    tolerance = 1e-6 * np.linalg.norm(values, axis=0).max(initial=0.0)
    alike = (np.abs(np.diff(marks, axis=1)) <= tolerance).all(axis=0)
    # Each run of k agreeing neighbours is k + 1 units.
    twins = np.concatenate([alike, [False]]) | np.concatenate([[False], alike])
    return int(twins.sum()), values.shape[1]


class Structure:
    """Follows the kernels whose units start out alike.

    Args:
        kernels: Variables by the path of their layer.
    """

    def __init__(self, kernels: dict[str, Any]) -> None:
        self._kernels = kernels
        self.start: dict[str, tuple[int, int]] = {}
        self._before: dict[str, Any] = {}
        for layer, variable in kernels.items():
            values = keras.ops.convert_to_numpy(variable.value)
            twins, units = duplicated_units(values)
            if twins > 1:
                self.start[layer] = twins, units
                self._before[layer] = np.array(values)

    def now(self) -> dict[str, tuple[int, int]]:
        """The counts in those kernels that have moved since the start."""
        found = {}
        for layer, before in self._before.items():
            values = keras.ops.convert_to_numpy(self._kernels[layer].value)
            if not np.array_equal(values, before):
                found[layer] = duplicated_units(values)
        return found
