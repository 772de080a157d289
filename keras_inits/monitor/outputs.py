"""The outputs of the layers on one held batch, by the engine of the check."""

from __future__ import annotations

from typing import Any

from keras_inits.data_driven.signals import measure_outputs

__all__ = ["Outputs"]


class Outputs:
    """Measures a model's outputs, layer by layer, always on the same inputs.

    Args:
        model: The model.
        batch: Its inputs.
    """

    def __init__(self, model: Any, batch: Any) -> None:
        self._model, self._batch = model, batch

    def measured(self) -> dict[str, dict[str, float]]:
        """Mean, std, rms, dead and saturated share, by the path of the layer."""
        return measure_outputs(self._model, self._batch)
