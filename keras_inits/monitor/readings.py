"""From the raw numbers of a tapped step to a sample of the monitor's layout."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_inits.monitor.layout import WatchedWeights
from keras_inits.monitor.rims import rim
from keras_inits.monitor.tap import Meta, Reading
from keras_inits.records import Sample

__all__ = ["Reader"]

_Array = NDArray[np.float64]


class Reader:
    """Turns readings into samples.

    Args:
        watched: The watched weights.
        metas: What the readings of each optimizer are about.
    """

    def __init__(self, watched: WatchedWeights, metas: Mapping[int, Meta]) -> None:
        self._watched = watched
        self._metas = metas
        self._places: dict[int, tuple[Meta, NDArray[np.intp]]] = {}
        self._roots = np.sqrt(np.maximum(watched.sizes, 1))

    def sample(self, readings: list[Reading], epoch: int, loss: Any) -> Sample:
        """The sample of one step: of several optimizers where it trained with them."""
        values: dict[str, _Array] = {}
        step, scale, overflow, applied = 0, 1.0, False, False
        for place, tensors in readings:
            meta, places = self._columns(place)
            rows = np.asarray(rim().to_numpy(tensors["rows"]), np.float64)
            for quantity, row in zip(meta.quantities, rows, strict=True):
                column = values.setdefault(quantity, np.full(self._roots.size, np.nan))
                column[places] = row
            done = int(rim().to_numpy(tensors["iteration"]))
            step = max(step, done + 1)
            if "scale" in tensors:
                scale = float(rim().to_numpy(tensors["scale"]))
            finite = bool(np.isfinite(values["gradient_norm"][places]).all())
            overflow |= meta.dynamic and not finite
            applied |= (done + 1) % meta.accumulation == 0
        return Sample(
            step=step,
            epoch=epoch,
            time=time.time(),
            values=self._derived(values),
            overflow=overflow,
            loss_scale=scale,
            applied=applied and not overflow,
            loss=_number(loss),
        )

    def _columns(self, place: int) -> tuple[Meta, NDArray[np.intp]]:
        meta = self._metas[place]
        known = self._places.get(place)
        if known is None or known[0] is not meta:
            known = meta, self._watched.places(meta.variables)
            self._places[place] = known
        return known

    def _derived(self, values: dict[str, _Array]) -> dict[str, _Array]:
        """Adds what follows from the measured numbers and the sizes of the weights."""
        sizes = self._watched.sizes
        gradient, weight = values["gradient_norm"], values["weight_norm"]
        values["gradient_rms"] = gradient / self._roots
        values["weight_rms"] = weight / self._roots
        if "update_norm" in values:
            known = weight > 0
            ratio = np.full(weight.size, np.nan)
            np.divide(values["update_norm"], weight, out=ratio, where=known)
            values["update_ratio"] = ratio
        if "nonzero" in values:
            values["zero_share"] = 1 - values.pop("nonzero") / np.maximum(sizes, 1)
        return values


def _number(loss: Any) -> float | None:
    """A scalar of any backend on the host, or None for anything else."""
    if loss is None:
        return None
    try:
        return float(loss if isinstance(loss, float) else rim().to_numpy(loss))
    except (AttributeError, TypeError, ValueError):
        return None
