"""Heatmaps of a run that goes on: what to keep for them, and when to draw."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keras_inits.monitor.aggregate import combine, grouping
from keras_inits.monitor.sinks.thinning import EvenlyThinned
from keras_inits.records import Layout, Sample, Verdict
from keras_inits.report import monitoring_figures as figures
from keras_inits.report.extras import require

__all__ = ["Heatmaps"]

#: What is drawn, and what it takes for it.
SHOWN = ("gradient_norm", "update_ratio")
NEEDED = (*SHOWN, "update_norm", "weight_norm")
COLUMNS = 300  # measured steps in a heatmap
# TensorBoard shows pictures as small cards: few inches keep the letters readable there,
# many dots sharp where one is opened.
WIDTH = 5.2  # inches
DPI = 160
PATIENCE = 0.01  # of the time, that may go into drawing
FREE_SECONDS = 2.0  # that may go into it however short the run


class Heatmaps:
    """Keeps an even choice of a run's samples, and draws them by layer and step.

    Args:
        layout: What the samples are about.
        wanted: Whether to draw at all; nothing is drawn without matplotlib either.
    """

    def __init__(self, layout: Layout, wanted: bool = True) -> None:
        self._weights = len(layout.weights)
        self._layers = grouping(layout, "layer")
        self._kept: EvenlyThinned[tuple[int, dict[str, NDArray[np.float64]]]]
        self._kept = EvenlyThinned(COLUMNS)
        # matplotlib is imported now, and not in the middle of training.
        self._draws = wanted and _can_draw()
        self._begun = time.monotonic()
        self._spent = 0.0
        self.last_step = self._drawn_step = 0

    def keep(self, sample: Sample) -> None:
        """Take the numbers of one step."""
        if not self._draws:
            return
        values = {
            name: np.array(sample.values[name], np.float64)
            for name in NEEDED
            if name in sample.values
        }
        self._kept.append((sample.step, values))
        self.last_step = sample.step

    def may_draw(self) -> bool:
        """Whether drawing has taken little of the time so far."""
        allowed = PATIENCE * (time.monotonic() - self._begun)
        return self._spent < max(FREE_SECONDS, allowed)

    def pngs(self, verdicts: Sequence[Verdict]) -> dict[str, bytes]:
        """PNG files' contents by quantity; none where nothing is new."""
        if not self._draws or self._drawn_step == self.last_step:
            return {}
        self._drawn_step = self.last_step
        start = time.monotonic()
        arrays = self._arrays()
        pngs = {}
        for name in SHOWN:
            if name in arrays:
                figure = figures.heatmap_figure(arrays, verdicts, [name], width=WIDTH)
                pngs[name] = figures.png_of(figure, DPI)
        self._spent += time.monotonic() - start
        return pngs

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        """What is kept, a column a layer."""
        kept = [*self._kept]
        names = dict.fromkeys(name for _, values in kept for name in values)
        absent = np.full(self._weights, np.nan)
        values = {
            name: np.array([values.get(name, absent) for _, values in kept])
            for name in names
        }
        return {
            "step": np.array([step for step, _ in kept], np.int64),
            "path": np.array(self._layers.names, str),
            **combine(values, self._layers),
        }


def _can_draw() -> bool:
    try:
        require("matplotlib.figure")
    except ImportError:
        return False
    return True
