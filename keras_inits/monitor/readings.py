"""From the raw numbers of a tapped step to a sample of the monitor's layout."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_inits.monitor.layout import WatchedWeights
from keras_inits.monitor.rims import rim
from keras_inits.monitor.tap import Meta, Reading
from keras_inits.records import Sample

__all__ = ["Reader"]

_Array = NDArray[np.float64]


#: What is known of a step besides: its readings, epoch, and loss where there is one.
Step = tuple[list[Reading], int, Any]


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
        self._to_numpy = rim().to_numpy

    def samples(self, steps: Iterable[Step]) -> Iterator[Sample]:
        """The samples of steps, each of several optimizers where it trained with them.

        Steps of the same optimizers are read together: a step's share of the work is
        a fraction of what it costs alone.
        """
        for _, alike in itertools.groupby(steps, _optimizers):
            yield from self._alike([*alike])

    def _alike(self, steps: list[Step]) -> Iterator[Sample]:
        count = len(steps)
        values: dict[str, _Array] = {}
        numbers, scales = np.zeros(count, int), np.ones(count)
        overflow, applied = np.zeros(count, bool), np.zeros(count, bool)
        for column in zip(*(readings for readings, _, _ in steps), strict=True):
            meta, places = self._columns(column[0][0])
            readings = [tensors for _, tensors in column]
            rows = self._read(readings, "rows")
            for quantity, row in zip(meta.quantities, rows.swapaxes(0, 1), strict=True):
                if quantity not in values:
                    values[quantity] = np.full((count, self._roots.size), np.nan)
                values[quantity][:, places] = row
            done = self._read(readings, "iteration").astype(int)
            numbers = np.maximum(numbers, done + 1)
            if "scale" in readings[0]:
                scales = self._read(readings, "scale")
            if meta.dynamic:
                finite = np.isfinite(values["gradient_norm"][:, places])
                overflow |= ~finite.all(axis=1)
            applied |= (done + 1) % meta.accumulation == 0
        self._derive(values)
        for i, (_, epoch, loss) in enumerate(steps):
            yield Sample(
                step=int(numbers[i]),
                epoch=epoch,
                time=time.time(),
                values={quantity: rows[i] for quantity, rows in values.items()},
                overflow=bool(overflow[i]),
                loss_scale=float(scales[i]),
                applied=bool(applied[i] and not overflow[i]),
                loss=self._number(loss),
            )

    def _read(self, readings: list[dict[str, Any]], name: str) -> _Array:
        return np.array([self._to_numpy(each[name]) for each in readings], np.float64)

    def _columns(self, place: int) -> tuple[Meta, NDArray[np.intp]]:
        meta = self._metas[place]
        known = self._places.get(place)
        if known is None or known[0] is not meta:
            known = meta, self._watched.places(meta.variables)
            self._places[place] = known
        return known

    def _derive(self, values: dict[str, _Array]) -> None:
        """Adds what follows from the measured numbers and the sizes of the weights."""
        gradient, weight = values["gradient_norm"], values["weight_norm"]
        values["gradient_rms"] = gradient / self._roots
        values["weight_rms"] = weight / self._roots
        if "update_norm" in values:
            ratio = np.full(weight.shape, np.nan)
            np.divide(values["update_norm"], weight, out=ratio, where=weight > 0)
            values["update_ratio"] = ratio
        if "nonzero" in values:
            sizes = np.maximum(self._watched.sizes, 1)
            values["zero_share"] = 1 - values.pop("nonzero") / sizes

    def _number(self, loss: Any) -> float | None:
        """A scalar of any backend on the host, or None for anything else."""
        if loss is None:
            return None
        try:
            return float(loss if isinstance(loss, float) else self._to_numpy(loss))
        except (AttributeError, TypeError, ValueError):
            return None


def _optimizers(step: Step) -> tuple[int, ...]:
    return tuple(place for place, _ in step[0])
